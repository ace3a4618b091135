//! The tool: its readers, and the program as it is run.

mod loads;
mod run;

#[path = "../../src/generate.rs"]
mod generate;
#[allow(dead_code)] // the tool uses more of it
#[path = "../../src/trace.rs"]
mod trace;

//! The tool: its readers, and the program as it is run.

mod damage;
mod loads;
mod readers_of_engines;
mod run;

#[path = "../../src/generate.rs"]
mod generate;
#[path = "../../src/readers/mod.rs"]
mod readers;
#[allow(dead_code)] // the tool uses more of it
#[path = "../../src/trace.rs"]
mod trace;

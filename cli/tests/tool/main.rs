//! The tool: its readers, and the program as it is run.

mod damage;
mod fitting;
mod loads;
mod readers_of_engines;
mod run;

#[path = "../../src/fit.rs"]
mod fit;
#[path = "../../src/generate.rs"]
mod generate;
#[path = "../../src/measured.rs"]
mod measured;
#[path = "../../src/readers/mod.rs"]
mod readers;
#[allow(dead_code)] // the tool uses more of it
#[path = "../../src/trace.rs"]
mod trace;

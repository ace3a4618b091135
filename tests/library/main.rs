//! The tests of the library, as Rust sees it, in one crate: what is compiled once need not be compiled twice.
//! `cargo test --test library gate` runs those of one file.

mod balanced;
mod batch;
mod bound;
mod budget;
mod change;
mod dispatch;
mod dispatch_balance;
mod dispatch_seconds;
mod drift;
mod explain;
mod filled;
mod freedom;
mod gate;
mod gate_seconds;
mod load;
mod migrate;
mod nearest;
mod net;
mod one_load;
mod plan_seconds;
mod planner;
mod previous;
mod promises;
mod properties;
mod quality;
mod robust;
mod seconds;
mod starts;
mod target;
mod transfers;
mod vectors;

#[path = "../common/batches.rs"]
mod batches;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)] // the demo uses more of it
#[path = "../../cli/src/generate.rs"]
mod generate;
#[allow(dead_code)] // benches/quality.rs uses more of it
#[path = "../common/moves.rs"]
mod moves;
#[path = "../common/problems.rs"]
mod problems;
#[path = "../reference/mod.rs"]
mod reference;
#[path = "../common/replicate.rs"]
mod replicate;
#[path = "../../benches/batch/rivals.rs"]
mod rivals;
#[path = "../common/step_times.rs"]
mod step_times;
#[path = "../common/steps.rs"]
mod steps;
#[allow(dead_code)]
#[path = "../../cli/src/trace.rs"]
mod trace;
#[path = "../common/unfilled.rs"]
mod unfilled;
#[path = "../common/unseen.rs"]
mod unseen;

use problems::loads;

//! What plans are worth on loads that they have not seen, and what moving from one to another buys, as CSV:
//! `cargo bench --bench quality`. No times: all of it repeats exactly.
//!
//! Loads: the trace at EPLB_TRACE when set, else the generated one of the demo.

#[path = "../tests/common/mod.rs"]
mod common;
#[allow(dead_code)] // the demo uses more of it
#[path = "../cli/src/generate.rs"]
mod generate;
#[allow(dead_code)]
#[path = "../tests/common/moves.rs"]
mod moves;
#[allow(dead_code)]
#[path = "../cli/src/trace.rs"]
mod trace;
#[path = "../tests/common/unseen.rs"]
mod unseen;

use eplb::{Options, Policy, Scope};
use moves::Pairs;
use trace::Trace;
use unseen::{Seen, balance, normalise};

fn main() {
    let trace = match std::env::var_os("EPLB_TRACE") {
        Some(path) => Trace::read(path.as_ref()).unwrap_or_else(|error| panic!("{error}")),
        None => generate::deepseek_v3(1),
    };
    println!("what,case,how,balance,second");
    unseen(trace.clone());
    moves(&trace);
}

/// Planned on all windows but one, used on that one: balance of the even split, of the exact one.
fn unseen(mut trace: Trace) {
    trace.load.chunks_mut(trace.experts).for_each(normalise);
    for (slots, gpus) in [(288, 32), (288, 72), (320, 64)] {
        for (policy, seen, how) in [
            (Policy::Deepseek, Seen::Mean, "deepseek-mean"),
            (Policy::Balanced, Seen::Mean, "balanced-mean"),
            (Policy::Balanced, Seen::Windows, "balanced-windows"),
        ] {
            let options = Options { policy, scope: Scope::Global, ..Options::default() };
            let [even, exact, _] = balance(&trace, (slots, gpus), &options, seen).expect("a plan");
            println!("unseen,{}-{slots}-{gpus},{how},{even:.7},{exact:.7}", trace.experts);
        }
    }
}

/// From the plan for a window to one for another: balance, slots moved.
fn moves(trace: &Trace) {
    for shape in [(288, 32), (320, 64)] {
        let case = format!("{}-{}-{}", trace.experts, shape.0, shape.1);
        let pairs = Pairs::new(trace, shape, Policy::Balanced);
        for budget in [16, 32, 48, 64, 128] {
            let (balance, slots) = pairs.changed(budget);
            println!("moves,{case},{budget},{balance:.7},{slots:.2}");
        }
        println!("moves,{case},fresh,,{:.2}", pairs.apart());
        let deepseek = Pairs::new(trace, shape, Policy::Deepseek);
        println!("moves,{case},deepseek-fresh,,{:.2}", deepseek.apart());
        println!("moves,{case},deepseek-renamed,,{:.2}", deepseek.changed(0).1);
    }
}

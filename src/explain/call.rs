//! A call as its problem, options and placement have it, without workspace and outputs: why it is refused.

use crate::explain::admission::Admission;
use crate::explain::load::Grid;
use crate::explain::placement::Slots;
use crate::explain::text::{Text, say};
use crate::explain::{content, shape};
use crate::options::Options;
use crate::options::operation::Operation;
use crate::placement::{Placement, map_lengths};
use crate::plan;
use crate::problem::{Problem, Shape, Spec};
use crate::status::Status;
use core::fmt;

/// A call that is refused.
#[derive(Clone)]
pub struct Refusal {
    status: Status,
    text: Text,
}

impl Refusal {
    /// What the call answers.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Which argument is wrong, where in it, and what to do.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Refusal {}

/// Says why a call with this problem, these options and this placement is refused, in a sentence that names the
/// argument, the place in it and the remedy: `problem.load[window 0][layer 3][expert 17] is NaN: ..`; `None` when
/// nothing is wrong. Names are those of the C face. Without a placement what [`workspace`](crate::workspace()) looks at
/// is looked at, and the loads are not. Of a plan the maps need only their lengths.
///
/// O(W L E + L P (P + E / 64)), without memory. What takes a workspace to find out is left: whether a placement in
/// force can be repaired within limits between GPUs.
pub fn explain(
    operation: Operation,
    spec: &Spec,
    options: &Options,
    placement: Option<&Placement>,
) -> Option<Refusal> {
    let mut text = Text::default();
    let status = check(&mut text, operation, spec, options, placement).err()?;
    text.finish(status);
    Some(Refusal { status, text })
}

fn check(
    text: &mut Text,
    operation: Operation,
    spec: &Spec,
    options: &Options,
    placement: Option<&Placement>,
) -> Result<(), Status> {
    use Operation::{
        Check, Digest, Dispatch, Evaluate, Number, Plan, Rebalance, Replicate, Transfers,
    };
    let shape = &Shape::new(spec).inspect_err(|&status| shape::say(text, spec, status))?;
    let need = plan::workspace(operation, shape, options).and_then(|need| need.bytes());
    need.inspect_err(|&status| Admission { operation, shape, options }.say(text, status))?;
    let Some(placement) = placement else { return Ok(()) };
    let mut loads = || {
        let (load, weight) = (spec.load, spec.window_weight);
        Problem::with_shape(*shape, load, weight)
            .inspect_err(|&status| Grid::of(shape, load, weight).say(text, status))
    };
    let problem = match operation {
        Plan | Rebalance | Evaluate => Some(loads()?),
        _ => None,
    };
    check_lengths(text, shape, placement)?;
    let held = placement.physical_to_logical;
    let slots = &Slots { name: "placement.physical_to_logical", shape, held };
    let (table, width) = (placement.logical_to_physical.is_some(), placement.max_replicas);
    match (operation, &problem) {
        (Plan | Rebalance, Some(problem)) => {
            content::check_plan(text, problem, options, table, width)
        }
        (Plan | Rebalance | Digest, _) => Ok(()),
        (Evaluate, _) => content::check_evaluation(text, slots, None),
        (Check, _) => content::check_promises(text, shape, options, placement),
        (Transfers, _) => content::check_target(text, slots),
        (Dispatch | Replicate, _) => content::check_all_entries(text, slots),
        (Number, _) => content::check_number(text, slots, table.then_some(width)),
    }
}

/// Lengths of slices, which C does not have.
fn check_lengths(text: &mut Text, shape: &Shape, placement: &Placement) -> Result<(), Status> {
    placement.check_lengths(shape).inspect_err(|_| {
        let Ok([slots, counts, table]) = map_lengths(shape, placement.max_replicas) else { return };
        let mut maps = [
            ("physical_to_logical", Some(placement.physical_to_logical), slots),
            ("replica_rank", placement.replica_rank, slots),
            ("logical_count", placement.logical_count, counts),
            ("logical_to_physical", placement.logical_to_physical, table),
        ]
        .into_iter();
        let wrong = |map: &(_, Option<&[i32]>, usize)| map.1.is_some_and(|m| m.len() != map.2);
        if let Some((name, Some(map), len)) = maps.find(wrong) {
            say!(text; "placement.% has % elements, the problem asks for %", name, map.len(), len);
        }
    })
}

//! SGLang's expert distribution recorder.
//!
//! Modes `stat` and `stat_approx` write `{logical_count [S, L, E], ..}`, summed over ranks. Modes `per_pass` and
//! `per_token` write a file a rank: `{records [{forward_pass_id, global_physical_count [L, P], ..}],
//! last_physical_to_logical_map [L, P]}`. A .json of `--init-expert-location` may hold logical_count as well.

use std::collections::BTreeMap;

use super::array::Array;
use super::fault::Fault;
use super::tree::Tree;

const COUNT: &str = "logical_count";
const SLOTS: &str = "global_physical_count";
const MAP: &str = "last_physical_to_logical_map";

/// What a file holds.
#[derive(Debug)]
pub enum Recorded {
    /// `[S, L, E]` or `[L, E]`, of all ranks.
    Steps(Array),
    /// `[L, E]` of each forward pass, of one rank.
    Passes(BTreeMap<u64, Array>),
}

/// Reads a file of so many bytes.
pub fn read<T: Tree>(tree: &T, length: u64) -> Result<Recorded, Fault> {
    let root = tree.root();
    if tree.field(root, COUNT).is_ok() {
        let steps = tree.field_array(root, COUNT)?;
        return Ok(Recorded::Steps(steps.loads().map_err(|fault| fault.within(COUNT))?));
    }
    let records = tree.field(root, "records")?;
    let held = tree.field_array(root, MAP)?;
    let experts = held.experts(None).map_err(|fault| fault.within(MAP))?;
    let mut passes = BTreeMap::new();
    let mut left = length;
    let records = tree.list(records).map_err(|fault| fault.within("records"))?;
    for (index, record) in records.into_iter().enumerate() {
        let place = format!("records[{index}]");
        let within = |fault: Fault| fault.in_key().within(&place);
        let number = tree.field(record, "forward_pass_id").map_err(within)?;
        let number = tree.whole(number);
        let number = number.map_err(|fault| within(fault.within("forward_pass_id")))?;
        let slots = tree.field_array(record, SLOTS).map_err(within)?;
        let in_slots = |fault: Fault| within(fault.within(SLOTS));
        let slots = slots.loads().map_err(in_slots)?;
        // records of a pickle can be the same ones, any number of times
        left = left
            .checked_sub(slots.values.len() as u64)
            .ok_or_else(|| in_slots(Fault::new("the file has fewer bytes than counts")))?;
        if slots.shape.len() != 2 {
            let why = format!("has shape {:?}, not [L, P]", slots.shape);
            return Err(in_slots(Fault::new(why)));
        }
        let step = slots.of_experts(&held, experts).map_err(|fault| fault.within(MAP))?;
        add(&mut passes, number, step).map_err(in_slots)?;
    }
    if passes.is_empty() {
        return Err(Fault::new("has no records").within("records"));
    }
    Ok(Recorded::Passes(passes))
}

/// Adds what a rank counted in a forward pass.
pub fn add(passes: &mut BTreeMap<u64, Array>, number: u64, step: Array) -> Result<(), Fault> {
    if let Some(first) = passes.values().next().filter(|first| first.shape != step.shape) {
        let (is, others) = (&step.shape, &first.shape);
        return Err(Fault::new(format!("has {is:?} layers and experts, others {others:?}")));
    }
    match passes.get_mut(&number) {
        Some(sum) => sum.values.iter_mut().zip(step.values).for_each(|(sum, load)| *sum += load),
        None => drop(passes.insert(number, step)),
    }
    Ok(())
}

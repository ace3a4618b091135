//! What the arrays of a call hold, looked at without a workspace: the first thing that is wrong, once sizes, options
//! and loads are good.

use crate::afresh::{self, Way};
use crate::compat::policy;
use crate::explain::load::Grid;
use crate::explain::placement::Slots;
use crate::explain::previous::Previous;
use crate::explain::promise;
use crate::explain::text::{Text, say};
use crate::options::Options;
use crate::placement::{Placement, check_slowly, each_slot};
use crate::problem::loads::{check_loads, load_fault};
use crate::problem::{Problem, Shape};
use crate::rebalance::{mode, refusals};
use crate::status::Status;

/// A plan into maps of this width, with a table of slots or without.
#[inline(never)]
pub fn check_plan(
    text: &mut Text,
    problem: &Problem,
    options: &Options,
    table: bool,
    width: usize,
) -> Result<(), Status> {
    let shape = problem.shape();
    let way = afresh::admit(shape, &mode::from_nothing(options))?;
    afresh::check_width(shape, way, table, width).inspect_err(|_| {
        say!(text; "placement.max_replicas is %, the width of logical_to_physical: it is % at least here",
            width, afresh::least_width(shape, way));
    })?;
    if let Way::Recipe(_) = way {
        let loads = Grid::of(shape, problem.loads().load, None);
        policy::admit_loads(problem).inspect_err(|&status| loads.say(text, status))?;
    }
    let Some(how) = &mode::admit(shape, options, options.previous.is_some())? else {
        return Ok(());
    };
    refusals::check_maps(problem, how, options, table, width).inspect_err(|_| {
        say!(text; "placement.max_replicas is %, and options.flags wants every expert on two places: give 2 at least, or \
            0 and no logical_to_physical for no limit", width);
    })?;
    let Some(held) = options.previous else { return Ok(()) };
    let slots = Slots { name: "options.previous", shape, held };
    Previous { slots, options, how, max_replicas: width }.check(text)
}

/// A placement that is measured, by the loads of the experts or by what its slots had to do.
#[inline(never)]
pub fn check_evaluation(
    text: &mut Text,
    slots: &Slots,
    measured: Option<&[f32]>,
) -> Result<(), Status> {
    let (shape, topology) = (slots.shape, slots.shape.topology());
    let measured = measured.unwrap_or_default();
    check_loads(measured).inspect_err(|_| {
        let mut loads = measured.iter().enumerate();
        if let Some((at, &load)) = loads.find(|&(_, &load)| load_fault(load).is_some()) {
            let layer = at.checked_div(shape.num_physical_experts()).unwrap_or(0);
            say!(text; "placement.physical_load[layer %][slot %] is %: loads are finite and at least 0",
                layer, at - layer * shape.num_physical_experts(), load);
        }
    })?;
    for layer in 0..shape.num_layers() {
        check_entries(text, slots, layer)?;
        check_present(text, slots, layer, &|gpu| topology.serves(gpu))?;
    }
    Ok(())
}

/// A placement that is to keep promises.
pub fn check_promises(
    text: &mut Text,
    shape: &Shape,
    options: &Options,
    placement: &Placement,
) -> Result<(), Status> {
    let Some(found) = check_slowly(shape, &options.promises(), placement) else { return Ok(()) };
    promise::say(text, shape, placement, &found);
    Err(Status::PlacementInvalid)
}

/// What of transfers does not depend on the placement in force.
#[inline(never)]
pub fn check_target(text: &mut Text, slots: &Slots) -> Result<(), Status> {
    let topology = slots.shape.topology();
    for layer in 0..slots.shape.num_layers() {
        check_entries(text, slots, layer)?;
        each_slot(topology, slots.layer(layer), |slot, gpu, expert| {
            if expert < 0 || topology.serves(gpu) {
                return Ok(());
            }
            say!(text; "placement.physical_to_logical[layer %][slot %] is %, GPU % is EPLB_GPU_DEAD: plan with this \
                gpu_state", layer, slot, expert, gpu);
            Err(Status::PlacementState)
        })?;
        check_present(text, slots, layer, &|_| true)?;
    }
    Ok(())
}

/// A placement of which only the numbers in its slots matter.
pub fn check_all_entries(text: &mut Text, slots: &Slots) -> Result<(), Status> {
    (0..slots.shape.num_layers()).try_for_each(|layer| check_entries(text, slots, layer))
}

/// A placement that is numbered, into a table of this width or without one.
#[inline(never)]
pub fn check_number(text: &mut Text, slots: &Slots, width: Option<usize>) -> Result<(), Status> {
    check_all_entries(text, slots)?;
    let Some(width) = width else { return Ok(()) };
    let topology = slots.shape.topology();
    let too_many = |copies| copies as usize > width;
    let find = |layer| slots.find(layer, &|gpu| topology.serves(gpu), &too_many);
    match (0..slots.shape.num_layers()).find_map(find) {
        None => Ok(()),
        Some(found) => {
            slots.say_copies(text, found, width);
            Err(Status::MaxReplicas)
        }
    }
}

fn check_entries(text: &mut Text, slots: &Slots, layer: usize) -> Result<(), Status> {
    if slots.names_experts(layer) {
        return Ok(());
    }
    slots.say_entry(text);
    Err(Status::PlacementExpert)
}

fn check_present(
    text: &mut Text,
    slots: &Slots,
    layer: usize,
    on: &dyn Fn(usize) -> bool,
) -> Result<(), Status> {
    let Some(found) = slots.find(layer, on, &|copies| copies == 0) else { return Ok(()) };
    slots.say_missing(text, found);
    Err(Status::PlacementMissing)
}

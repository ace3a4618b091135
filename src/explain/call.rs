//! A call as its problem, options and placement have it, without workspace and outputs: its checks, stage by stage,
//! and what the stage that fails has to say.

use crate::afresh::{self, Way};
use crate::compat::policy;
use crate::explain::admission::Admission;
use crate::explain::load::Grid;
use crate::explain::placement::Slots;
use crate::explain::previous::Previous;
use crate::explain::text::Text;
use crate::explain::{finish, promise, shape};
use crate::options::Options;
use crate::options::operation::Operation;
use crate::placement::{Placement, check_slowly, each_slot, map_lengths};
use crate::plan;
use crate::problem::loads::{check_loads, load_fault};
use crate::problem::{Problem, Shape, Spec};
use crate::rebalance::{mode, refusals};
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
/// argument, the place in it and the remedy; `None` when nothing is wrong: `problem.load[window 0][layer 3][expert 17] is NaN: ..`. Names are those
/// of the C face. Without a placement what [`workspace`](crate::workspace()) looks at is looked at, and the loads are
/// not. Of a plan the maps need only their lengths.
///
/// O(W L E + L P (P + E / 64)), without memory. What takes a workspace to find out is left: whether a placement in
/// force can be repaired within limits between GPUs.
pub fn explain(
    operation: Operation,
    spec: &Spec,
    options: &Options,
    placement: Option<&Placement>,
) -> Option<Refusal> {
    let mut text = Text::new();
    let status = check(&mut text, operation, spec, options, placement).err()?;
    finish(&mut text, status);
    Some(Refusal { status, text })
}

fn check(
    text: &mut Text,
    operation: Operation,
    spec: &Spec,
    options: &Options,
    placement: Option<&Placement>,
) -> Result<(), Status> {
    let shape = &Shape::new(spec).inspect_err(|&status| shape::say(text, spec, status))?;
    let mut stage = Stage { operation, shape, options, problem: None, measured: None };
    stage.check_admission(text)?;
    let Some(placement) = placement else { return Ok(()) };
    let problem;
    if stage.reads_loads() {
        problem = stage.check_loads(text, spec.load, spec.window_weight)?;
        stage.problem = Some(&problem);
    }
    check_lengths(text, shape, placement)?;
    check_content(text, &stage, placement)
}

/// Lengths of slices, which C does not have.
fn check_lengths(text: &mut Text, shape: &Shape, placement: &Placement) -> Result<(), Status> {
    placement.check_lengths(shape).inspect_err(|&status| {
        let Ok([slots, counts, table]) = map_lengths(shape, placement.max_replicas) else { return };
        let maps = [
            ("physical_to_logical", Some(placement.physical_to_logical), slots),
            ("replica_rank", placement.replica_rank, slots),
            ("logical_count", placement.logical_count, counts),
            ("logical_to_physical", placement.logical_to_physical, table),
        ];
        for (name, map, len) in maps {
            if let Some(given) = map.map(<[i32]>::len).filter(|&given| given != len)
                && status == Status::ArrayLength
                && text.is_empty()
            {
                let values = [name.into(), given.into(), len.into()];
                text.say("placement.% has % elements, the problem asks for %", &values);
            }
        }
    })
}

/// What of a call is known to be good so far.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    pub operation: Operation,
    pub shape: &'a Shape<'a>,
    pub options: &'a Options<'a>,
    /// Where loads are read.
    pub problem: Option<&'a Problem<'a>>,
    /// `[L][P]` what each slot had to do, where that is measured.
    pub measured: Option<&'a [f32]>,
}

impl<'a> Stage<'a> {
    /// Whether the call looks at `load` and `window_weight`.
    pub fn reads_loads(&self) -> bool {
        use Operation::{Evaluate, Plan, Rebalance};
        matches!(self.operation, Plan | Rebalance | Evaluate) && self.measured.is_none()
    }

    /// What `workspace` refuses.
    pub fn check_admission(&self, text: &mut Text) -> Result<(), Status> {
        let Stage { operation, shape, options, .. } = *self;
        let need = plan::workspace(operation, shape, options);
        need.and_then(|need| need.bytes()).map(|_| ()).inspect_err(|&status| {
            Admission { operation, shape, options }.say(text, status);
        })
    }

    /// The loads.
    pub fn check_loads(
        &self,
        text: &mut Text,
        load: &'a [f32],
        weight: Option<&'a [f32]>,
    ) -> Result<Problem<'a>, Status> {
        Problem::with_shape(*self.shape, load, weight).inspect_err(|&status| {
            Grid::of(self.shape, load, weight).say(text, status);
        })
    }

    fn slots<'s>(&'s self, placement: &'s Placement) -> Slots<'s> {
        let held = placement.physical_to_logical;
        Slots { name: "placement.physical_to_logical", shape: self.shape, held }
    }
}

/// What the arrays hold, once sizes, options and loads are good.
pub fn check_content(text: &mut Text, stage: &Stage, placement: &Placement) -> Result<(), Status> {
    match stage.operation {
        Operation::Plan | Operation::Rebalance => check_plan(text, stage, placement),
        Operation::Evaluate => check_evaluation(text, stage, placement),
        Operation::Check => {
            let promises = stage.options.promises();
            match check_slowly(stage.shape, &promises, placement) {
                None => Ok(()),
                Some(found) => {
                    promise::say(text, stage.shape, placement, &found);
                    Err(Status::PlacementInvalid)
                }
            }
        }
        Operation::Transfers => check_target(text, stage, placement),
        Operation::Dispatch | Operation::Number => {
            check_entries(text, &stage.slots(placement))?;
            match stage.operation {
                Operation::Number => check_number(text, stage, placement),
                _ => Ok(()),
            }
        }
        Operation::Digest => Ok(()),
    }
}

#[inline(never)]
fn check_plan(text: &mut Text, stage: &Stage, placement: &Placement) -> Result<(), Status> {
    let Stage { shape, options, problem: Some(problem), .. } = *stage else { return Ok(()) };
    let (table, width) = (placement.logical_to_physical.is_some(), placement.max_replicas);
    let way = afresh::admit(shape, &mode::from_nothing(options))?;
    afresh::check_width(shape, way, table, width).inspect_err(|_| {
        text.say(
            "placement.max_replicas is %, the width of logical_to_physical: it is % at least here",
            &[width.into(), afresh::least_width(shape, way).into()],
        );
    })?;
    if let Way::Recipe(_) = way {
        let loads = || Grid::of(shape, problem.loads().load, None);
        policy::admit_loads(problem).inspect_err(|&s| loads().say(text, s))?;
    }
    if let Some(how) = mode::admit(shape, options, options.previous.is_some())? {
        refusals::check_maps(problem, &how, options, table, width).inspect_err(|_| {
            text.say(
                "placement.max_replicas is %, and options.flags wants every expert on two places: \
                 give 2 at least, or 0 and no logical_to_physical for no limit",
                &[width.into()],
            );
        })?;
    }
    match Previous::of(shape, options, width) {
        Some(previous) => previous.check(text),
        None => Ok(()),
    }
}

fn check_entries(text: &mut Text, slots: &Slots) -> Result<(), Status> {
    let good = (0..slots.shape.num_layers()).all(|layer| slots.names_experts(layer));
    if good {
        return Ok(());
    }
    slots.say_entry(text);
    Err(Status::PlacementExpert)
}

#[inline(never)]
fn check_evaluation(text: &mut Text, stage: &Stage, placement: &Placement) -> Result<(), Status> {
    if let Some(measured) = stage.measured {
        check_loads(measured).inspect_err(|_| say_measured(text, stage.shape, measured))?;
    }
    let (slots, topology) = (stage.slots(placement), stage.shape.topology());
    for layer in 0..stage.shape.num_layers() {
        if !slots.names_experts(layer) {
            slots.say_entry(text);
            return Err(Status::PlacementExpert);
        }
        if let Some(found) = slots.find(layer, &|gpu| topology.serves(gpu), &|count| count == 0) {
            slots.say_missing(text, found);
            return Err(Status::PlacementMissing);
        }
    }
    Ok(())
}

fn say_measured(text: &mut Text, shape: &Shape, measured: &[f32]) {
    let mut loads = measured.iter().enumerate();
    if let Some((at, &load)) = loads.find(|&(_, &load)| load_fault(load).is_some()) {
        let layer = at.checked_div(shape.num_physical_experts()).unwrap_or(0);
        let slot = at - layer * shape.num_physical_experts();
        text.say(
            "placement.physical_load[layer %][slot %] is %: loads are finite and at least 0",
            &[layer.into(), slot.into(), load.into()],
        );
    }
}

/// What of transfers does not depend on the placement in force.
#[inline(never)]
fn check_target(text: &mut Text, stage: &Stage, placement: &Placement) -> Result<(), Status> {
    let (slots, topology) = (stage.slots(placement), stage.shape.topology());
    for layer in 0..stage.shape.num_layers() {
        if !slots.names_experts(layer) {
            slots.say_entry(text);
            return Err(Status::PlacementExpert);
        }
        each_slot(topology, slots.layer(layer), |slot, gpu, expert| {
            if expert < 0 || topology.serves(gpu) {
                return Ok(());
            }
            text.say(
                "placement.physical_to_logical[layer %][slot %] is %, GPU % is EPLB_GPU_DEAD: plan \
                 with this gpu_state",
                &[layer.into(), slot.into(), expert.into(), gpu.into()],
            );
            Err(Status::PlacementState)
        })?;
        if let Some(found) = slots.find(layer, &|_| true, &|count| count == 0) {
            slots.say_missing(text, found);
            return Err(Status::PlacementMissing);
        }
    }
    Ok(())
}

#[inline(never)]
fn check_number(text: &mut Text, stage: &Stage, placement: &Placement) -> Result<(), Status> {
    let (slots, topology) = (stage.slots(placement), stage.shape.topology());
    let width = placement.max_replicas;
    if placement.logical_to_physical.is_none() {
        return Ok(());
    }
    let serves = |gpu| topology.serves(gpu);
    match slots.find_in_any(&serves, &|count| count as usize > width) {
        None => Ok(()),
        Some(found) => {
            slots.say_copies(text, found, "placement.max_replicas", width);
            Err(Status::MaxReplicas)
        }
    }
}

//! What most functions begin with: problem and options.

use crate::base::arena::Need;
use crate::compat::policy::Policy;
use crate::explain::admission::{Admission, say_target};
use crate::explain::load::Grid;
use crate::explain::shape;
use crate::explain::text::{Text, say};
use crate::ffi::function::by_ref;
use crate::ffi::memory::{Listen, Memory};
use crate::ffi::types::{eplb_options, eplb_problem};
use crate::options::flags::Flags;
use crate::options::operation::Operation;
use crate::options::{Options, check_target};
use crate::placement::map_lengths;
use crate::plan;
use crate::problem::loads::Loads;
use crate::problem::{Cost, Problem, Scope, Shape, Spec, StaticSplit};
use crate::status::Status;

/// Copies of the structs that most functions are given. All structs of a call are read before what is in any is
/// checked.
pub struct Given {
    pub problem: eplb_problem,
    pub options: eplb_options,
}

/// Problem and options, each good in itself.
pub struct Start<'a> {
    pub shape: Shape<'a>,
    /// Of a previous placement it is known whether there is one.
    pub options: Options<'a>,
    load: *const f32,
    window_weight: *const f32,
    previous: *const i32,
}

impl Given {
    /// Reads them.
    ///
    /// # Safety
    /// Pointers are NULL or point to what the struct fields say.
    pub unsafe fn read<H: Listen>(
        problem: *const eplb_problem,
        options: *const eplb_options,
        memory: &mut Memory<H>,
    ) -> Result<Self, Status> {
        // SAFETY: passed on.
        unsafe {
            let problem = memory.read("problem", problem)?;
            Ok(Given { problem, options: memory.read_or_default("options", options)? })
        }
    }

    /// Checks sizes, topology, and what the options stand for.
    ///
    /// # Safety
    /// As [`Given::read`], for `'a`.
    #[inline(never)] // its scratch is off the stack in what follows
    pub unsafe fn start<'a, H: Listen>(&self, memory: &mut Memory<H>) -> Result<Start<'a>, Status> {
        let Given { problem, options: given } = self;
        // SAFETY: passed on.
        unsafe {
            let shape = &read_shape(problem, memory);
            let shape = *by_ref(shape)?;
            memory.zero("options.reserved", given.reserved)?;
            let options = read_numbers(given).inspect_err(|&status| {
                memory.listener.hear(|text| say_numbers(text, given, status));
            })?;
            let (load, window_weight) = (problem.load, problem.window_weight);
            Ok(Start { shape, options, load, window_weight, previous: given.previous })
        }
    }
}

impl<'a> Start<'a> {
    /// The workspace that an operation needs, which may rule out what is good in itself.
    pub fn need<H: Listen>(
        &self,
        operation: Operation,
        memory: &mut Memory<H>,
    ) -> Result<Need, Status> {
        let (shape, options) = (&self.shape, &self.options);
        let need = plan::workspace(operation, shape, options).inspect_err(|&status| {
            let admission = Admission { operation, shape, options };
            memory.listener.hear(|text| admission.say(text, status));
        })?;
        memory.fits("workspace", need.bytes().ok())?;
        Ok(need)
    }

    /// `load` and `window_weight`.
    ///
    /// # Safety
    /// They are NULL or hold what the shape says for `'a`.
    #[inline(never)] // its scratch is off the stack in what follows
    pub unsafe fn loads<H: Listen>(&self, memory: &mut Memory<H>) -> Result<Problem<'a>, Status> {
        let shape = &self.shape;
        let weights = shape.num_layers() * shape.num_windows();
        // SAFETY: passed on.
        let (load, weight) = unsafe {
            (
                memory.input("problem.load", self.load, shape.load_len())?,
                memory.optional_input("problem.window_weight", self.window_weight, weights)?,
            )
        };
        let loads = Loads::new(shape.loads(), load, weight).inspect_err(|&status| {
            memory.listener.hear(|text| Grid::of(shape, load, weight).say(text, status));
        })?;
        Ok(Problem::of(shape, &loads))
    }

    /// The placement in force, to start from.
    ///
    /// # Safety
    /// As [`Start::loads`].
    pub unsafe fn previous<H: Listen>(
        &self,
        memory: &mut Memory<H>,
    ) -> Result<Option<&'a [i32]>, Status> {
        let [slots, ..] = map_lengths(&self.shape, 0)?;
        // SAFETY: passed on.
        unsafe { memory.optional_input("options.previous", self.previous, slots) }
    }
}

/// Sizes and topology, checked.
///
/// # Safety
/// The arrays of the topology are NULL or hold G elements for `'a`.
#[inline(never)] // the spec is off the stack in what follows
pub unsafe fn read_shape<'a, H: Listen>(
    problem: &eplb_problem,
    memory: &mut Memory<H>,
) -> Result<Shape<'a>, Status> {
    // SAFETY: passed on.
    let spec = &unsafe { read_spec(problem, memory) };
    let spec = by_ref(spec)?;
    Shape::new(spec).inspect_err(|&status| {
        memory.listener.hear(|text| shape::say(text, spec, status));
    })
}

/// What the structs say, unchecked.
///
/// # Safety
/// As [`read_shape`].
#[inline(never)] // what reading takes is off the stack while it is checked
unsafe fn read_spec<'a, H: Listen>(
    problem: &eplb_problem,
    memory: &mut Memory<H>,
) -> Result<Spec<'a>, Status> {
    let (gpus, windows) = (problem.num_gpus as usize, problem.num_windows.max(1) as usize);
    // SAFETY: passed on.
    unsafe {
        Ok(Spec {
            num_windows: problem.num_windows,
            num_layers: problem.num_layers,
            num_logical_experts: problem.num_logical_experts,
            num_physical_experts: problem.num_physical_experts,
            num_groups: problem.num_groups,
            num_nodes: problem.num_nodes,
            num_gpus: problem.num_gpus,
            load_window_stride: problem.load_window_stride,
            load: &[],
            window_weight: None,
            gpu_speed: memory.optional_input("problem.gpu_speed", problem.gpu_speed, gpus)?,
            gpu_slots: memory.optional_input("problem.gpu_slots", problem.gpu_slots, gpus)?,
            gpu_node: memory.optional_input("problem.gpu_node", problem.gpu_node, gpus)?,
            gpu_state: memory.optional_input("problem.gpu_state", problem.gpu_state, gpus)?,
            cost: read_cost(problem, memory)?,
            step_tokens: memory.optional_input(
                "problem.step_tokens",
                problem.step_tokens,
                windows,
            )?,
        })
    }
}

/// What a step takes, unchecked but for the struct.
///
/// # Safety
/// The pointer is NULL or points to what the struct says.
#[inline(never)]
unsafe fn read_cost<H: Listen>(
    problem: &eplb_problem,
    memory: &mut Memory<H>,
) -> Result<Option<Cost>, Status> {
    if problem.cost.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    let cost = unsafe { memory.read("problem.cost", problem.cost)? };
    memory.zero("problem.cost.reserved", cost.reserved)?;
    Ok(Some(cost))
}

/// Numbers to enums. The map of a previous placement is not looked at here, only whether there is one.
#[inline(never)]
fn read_numbers<'a>(given: &eplb_options) -> Result<Options<'a>, Status> {
    let flags = Flags::try_from(given.flags)?;
    check_target(given.target)?;
    Ok(Options {
        policy: Policy::try_from(given.policy)?,
        recipe: None,
        scope: Scope::try_from(given.scope)?,
        effort: given.effort,
        max_moves: given.max_moves,
        max_moves_per_gpu_pair: given.max_moves_per_gpu_pair,
        target: given.target,
        split: StaticSplit::try_from(given.split)?,
        flags,
        previous: (!given.previous.is_null()).then_some(&[]),
    })
}

fn say_numbers(text: &mut Text, given: &eplb_options, status: Status) {
    match status {
        Status::UnknownPolicy => {
            let last = Policy::ALL.len() - 1;
            say!(text; "options.policy is %: use one of EPLB_POLICY_*, 0 to %", given.policy, last);
        }
        Status::UnknownScope => {
            say!(text; "options.scope is %: use one of EPLB_SCOPE_*, 0 to 2", given.scope);
        }
        Status::UnknownSplit => {
            say!(text; "options.split is %: use one of EPLB_SPLIT_*, 0 or 1", given.split);
        }
        Status::Target => say_target(text, given.target),
        _ => {
            let known = Flags::ALL.into_iter().fold(0, |known, (flag, _)| known | flag.bits());
            say!(text; "options.flags is %, in which % are no EPLB_FLAG_*: clear them", given.flags, given.flags & !known);
        }
    }
}

//! What a policy, a scope, a flag or the build rules out, whatever the loads: what `workspace` refuses.

use crate::afresh::FROM_NOTHING;
use crate::balanced::improve::limits::Survive;
use crate::balanced::{groups_that_fit, slots_in_use};
use crate::compat::policy::Policy;
use crate::explain::text::{Text, say};
use crate::options::flags::Flags;
use crate::options::operation::Operation;
use crate::options::{Options, TARGET_ONE};
use crate::parts;
use crate::problem::topology::{EPLB_GPU_DEAD, EPLB_GPU_LEAVING, Topology};
use crate::problem::{Shape, StaticSplit};
use crate::rebalance::mode::{places_for_two, survive_of};
use crate::status::Status;

/// A call whose sizes, topology and options are each good.
#[derive(Clone, Copy)]
pub struct Admission<'a> {
    pub operation: Operation,
    pub shape: &'a Shape<'a>,
    pub options: &'a Options<'a>,
}

impl Admission<'_> {
    /// Says what is ruled out.
    pub fn say(&self, text: &mut Text, status: Status) {
        if let Some(part) = self.part_left_out(status) {
            return say!(text; "this library was built without the part \"%\", which the call needs: build it with", part);
        }
        match status {
            Status::UnsupportedWindows
            | Status::UnsupportedSpeed
            | Status::UnsupportedSlots
            | Status::UnsupportedState
            | Status::UnsupportedNodes => self.say_topology(text, status),
            Status::GroupsNotDivisible | Status::ExpertsNotDivisible | Status::GpusNotDivisible => {
                self.say_indivisible(text, status)
            }
            Status::TooFewSlots => self.say_too_few(text),
            Status::MovesWithoutPrevious | Status::UnsupportedPrevious => {
                self.say_limit(text, status);
            }
            Status::Target => say_target(text, self.options.target),
            Status::UnsupportedFlag => self.say_flag(text),
            Status::UnsupportedSplit => {
                say!(text; "options.split is EPLB_SPLIT_NEAREST, % plans for an even split alone: set it to \
                    EPLB_SPLIT_EVEN, or plan with EPLB_POLICY_BALANCED", self.policy());
            }
            Status::UnsupportedCost => self.say_cost(text),
            Status::ShapeTooLarge if self.operation == Operation::Transfers => {
                say!(text; "problem.num_physical_experts is %: eplb_transfers takes fewer than 2^30 slots",
                    self.shape.num_physical_experts());
            }
            Status::ShapeTooLarge => {
                say!(text; "problem.num_gpus is %: EPLB_POLICY_BALANCED, eplb_dispatch, eplb_replicate and EPLB_FLAG_DISPATCH take 65535",
                    self.topology().num_gpus());
            }
            Status::Infeasible => self.say_infeasible(text),
            _ => {}
        }
    }

    /// The part that the status is about, when the build does without it.
    fn part_left_out(&self, status: Status) -> Option<&'static str> {
        let (previous, dispatch) = ((parts::PREVIOUS, "previous"), (parts::DISPATCH, "dispatch"));
        let flags = self.options.flags;
        let (is_there, name) = match (status, self.operation) {
            (Status::UnsupportedPolicy, _) => (parts::COMPAT, "compat"),
            (Status::UnsupportedPrevious, _) => previous,
            (Status::UnsupportedSplit, _) if self.options.is_balanced() => previous,
            (Status::UnsupportedCost, _) if self.options.is_balanced() => previous,
            (Status::UnsupportedFlag, _) if !FROM_NOTHING.contains(flags) => previous,
            (Status::UnsupportedFlag, _) if flags.contains(Flags::DISPATCH) => dispatch,
            (Status::UnknownOperation, Operation::Dispatch | Operation::Replicate) => dispatch,
            (Status::UnknownOperation, _) => previous,
            _ => return None,
        };
        (!is_there).then_some(name)
    }

    fn topology(&self) -> &Topology<'_> {
        self.shape.topology()
    }

    /// The C name of the policy.
    fn policy(&self) -> &'static str {
        match self.options.policy {
            _ if self.options.recipe.is_some() => "the recipe",
            Policy::Balanced => "EPLB_POLICY_BALANCED",
            Policy::Deepseek => "EPLB_POLICY_DEEPSEEK",
            Policy::MultiSwap => "EPLB_POLICY_MULTI_SWAP",
            Policy::K2Hybrid => "EPLB_POLICY_K2_HYBRID",
            Policy::HybridArgmax => "EPLB_POLICY_HYBRID_ARGMAX",
            Policy::PeakAware => "EPLB_POLICY_PEAK_AWARE",
            Policy::Waterfill => "EPLB_POLICY_WATERFILL",
            Policy::WaterfillFixup => "EPLB_POLICY_WATERFILL_FIXUP",
        }
    }

    /// What the compatibility policies do not honour.
    fn say_topology(&self, text: &mut Text, status: Status) {
        let (topology, policy) = (self.topology(), self.policy());
        let contiguous = Topology::contiguous(topology);
        let first =
            |wrong: &dyn Fn(usize) -> bool| (0..topology.num_gpus()).find(|&gpu| wrong(gpu));
        let (speed, slots) = (|gpu| topology.speed(gpu), |gpu| topology.slots(gpu));
        let found = match status {
            Status::UnsupportedSpeed => first(&|gpu| speed(gpu) != speed(0)),
            Status::UnsupportedSlots => first(&|gpu| slots(gpu) != slots(0)),
            Status::UnsupportedState => first(&|gpu| !topology.receives(gpu)),
            Status::UnsupportedNodes => first(&|gpu| topology.node(gpu) != contiguous.node(gpu)),
            _ => {
                return say!(text; "problem.num_windows is %, % plans a single one: set it to 1, or plan with \
                    EPLB_POLICY_BALANCED", self.shape.num_windows(), policy);
            }
        };
        let Some(gpu) = found else { return };
        match status {
            Status::UnsupportedSpeed => {
                say!(text; "problem.gpu_speed[gpu %] is %, that of GPU 0 %, % takes all as equally fast: make gpu_speed \
                    NULL, or plan with EPLB_POLICY_BALANCED", gpu, speed(gpu), speed(0), policy);
            }
            Status::UnsupportedSlots => {
                say!(text; "problem.gpu_slots[gpu %] is %, that of GPU 0 %, % needs the same on every GPU: make \
                    gpu_slots NULL, or plan with EPLB_POLICY_BALANCED", gpu, slots(gpu), slots(0), policy);
            }
            Status::UnsupportedState => {
                let (name, state) = match topology.serves(gpu) {
                    false => ("EPLB_GPU_DEAD", EPLB_GPU_DEAD),
                    true => ("EPLB_GPU_LEAVING", EPLB_GPU_LEAVING),
                };
                say!(text; "problem.gpu_state[gpu %] is % (%), % needs every GPU alive: leave it out, or plan with \
                    EPLB_POLICY_BALANCED", gpu, name, state, policy);
            }
            _ => {
                say!(text; "problem.gpu_node[gpu %] is %, in blocks of num_gpus / num_nodes it is %: in hierarchical \
                    scope % needs those; or plan with EPLB_POLICY_BALANCED",
                    gpu, topology.node(gpu), contiguous.node(gpu), policy);
            }
        }
    }

    fn say_indivisible(&self, text: &mut Text, status: Status) {
        let groups = ("num_groups", self.shape.num_groups());
        let nodes = ("num_nodes", self.topology().num_nodes());
        let experts = ("num_logical_experts", self.shape.num_logical_experts());
        let ((name, value), (by, divisor)) = match status {
            Status::GroupsNotDivisible => (groups, nodes),
            Status::ExpertsNotDivisible => (experts, groups),
            _ => (("num_gpus", self.topology().num_gpus()), nodes),
        };
        say!(text; "problem.% is %, no multiple of %, %, as hierarchical scope needs: change one, or set options.scope \
            to EPLB_SCOPE_GLOBAL", name, value, by, divisor);
    }

    fn say_too_few(&self, text: &mut Text) {
        let (shape, experts) = (self.shape, self.shape.num_logical_experts());
        if self.options.is_balanced() {
            say!(text; "GPUs that are alive have room for % experts, each once on a GPU, problem.num_logical_experts is \
                %: give more slots, or living GPUs", slots_in_use(shape), experts);
        } else {
            say!(text; "problem.num_physical_experts is %, problem.num_logical_experts is %: give every expert a slot \
                at least", shape.num_physical_experts(), experts);
        }
    }

    fn say_limit(&self, text: &mut Text, status: Status) {
        let options = self.options;
        let (name, value, with) = if options.max_moves != 0 {
            ("max_moves", options.max_moves, "")
        } else if options.max_moves_per_gpu_pair != 0 {
            ("max_moves_per_gpu_pair", options.max_moves_per_gpu_pair, "")
        } else if options.target != 0 {
            ("target", options.target, "")
        } else {
            ("flags", options.flags.bits(), ", with EPLB_FLAG_FILL_ONLY")
        };
        say!(text; "options.% is %%, ", name, value, with);
        if status == Status::MovesWithoutPrevious {
            say!(text; "but options.previous is NULL: set it, or leave this at 0");
        } else {
            say!(text; "which % cannot keep: set it to 0, or plan with EPLB_POLICY_BALANCED", self.policy());
        }
    }

    fn say_flag(&self, text: &mut Text) {
        let own = match self.operation {
            Operation::Transfers => Flags::EXTERNAL_SOURCE,
            _ => Flags::EXTERNAL_SOURCE | Flags::DISPATCH | Flags::EMPTY_SLOTS,
        };
        let flags = self.options.flags;
        let foreign = |&(flag, _): &(Flags, &str)| flags.contains(flag) && !own.contains(flag);
        let Some((flag, name)) = Flags::ALL.into_iter().find(foreign) else { return };
        say!(text; "options.flags has % (%), ", name, flag.bits());
        if self.operation == Operation::Transfers {
            say!(text; "eplb_transfers knows EPLB_FLAG_EXTERNAL_SOURCE alone: clear it");
        } else if self.options.is_balanced() {
            say!(text; "which in hierarchical scope needs a limit on moves: set options.max_moves, or options.scope to \
                EPLB_SCOPE_GLOBAL");
        } else {
            say!(text; "which % does not know: clear it, or plan with EPLB_POLICY_BALANCED", self.policy());
        }
    }

    fn say_cost(&self, text: &mut Text) {
        let options = self.options;
        let by = if self.operation == Operation::Replicate {
            "eplb_replicate"
        } else if !options.is_balanced() {
            self.policy()
        } else if options.split != StaticSplit::Even {
            "EPLB_SPLIT_NEAREST"
        } else if options.target > 0 {
            "options.target"
        } else {
            "EPLB_FLAG_EMPTY_SLOTS with a limit on moves"
        };
        say!(text; "problem.cost is set, and % counts in tokens alone: make it NULL", by);
    }

    fn say_infeasible(&self, text: &mut Text) {
        let (shape, survive) = (self.shape, survive_of(self.options));
        let flag = match survive {
            Survive::Node => "EPLB_FLAG_SURVIVE_NODE",
            _ => "EPLB_FLAG_SURVIVE_GPU",
        };
        let fitting = groups_that_fit(shape, self.options.scope);
        let (experts, groups) = (shape.num_logical_experts(), shape.num_groups());
        if fitting < groups {
            say!(text; "problem.num_groups is %, the living GPUs of the nodes have room for % groups of % experts: give \
                more slots, or set options.scope to EPLB_SCOPE_GLOBAL",
                groups, fitting, experts.checked_div(groups).unwrap_or(0));
        } else if survive == Survive::Node && shape.is_hierarchical(self.options.scope) {
            say!(text; "options.flags has %, and hierarchical scope keeps each expert on one node: set options.scope to \
                EPLB_SCOPE_GLOBAL, or clear it", flag);
        } else if survive != Survive::Nothing {
            say!(text; "options.flags has %, which takes 2 places for each of % experts, and living GPUs have % (an \
                expert counts once a place): give more slots, or clear it",
                flag, experts, places_for_two(shape, survive));
        }
    }
}

/// Says that a target is too large.
pub fn say_target(text: &mut Text, target: u32) {
    say!(text; "options.target is %: it is a balance in 1/65536, % at most", target, TARGET_ONE);
}

//! What a policy, a scope or a flag rules out, whatever the loads: what `workspace` refuses.

use crate::balanced::{groups_that_fit, slots_in_use};
use crate::compat::policy::Policy;
use crate::explain::left_out;
use crate::explain::text::Text;
use crate::options::Options;
use crate::options::flags::Flags;
use crate::options::operation::Operation;
use crate::problem::Shape;
use crate::problem::topology::{EPLB_GPU_DEAD, Topology};
use crate::rebalance::limits::Survive;
use crate::rebalance::mode::{places_for_two, survive_of};
use crate::status::Status;

/// A call whose sizes, topology and options are each good.
#[derive(Clone, Copy)]
pub struct Admission<'a> {
    pub operation: Operation,
    pub shape: &'a Shape<'a>,
    pub options: &'a Options<'a>,
}

/// The C name of a policy.
fn name_of(options: &Options) -> &'static str {
    if options.recipe.is_some() {
        return "the recipe";
    }
    match options.policy {
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

impl Admission<'_> {
    fn topology(&self) -> &Topology<'_> {
        self.shape.topology()
    }

    fn is_balanced(&self) -> bool {
        self.options.recipe.is_none() && self.options.policy == Policy::Balanced
    }

    /// Says what is ruled out.
    pub fn say(&self, text: &mut Text, status: Status) {
        left_out::say(text, self.operation, self.options, status);
        if !text.is_empty() {
            return;
        }
        match status {
            Status::UnsupportedWindows
            | Status::UnsupportedSpeed
            | Status::UnsupportedSlots
            | Status::UnsupportedState
            | Status::UnsupportedNodes => self.say_topology(text, status),
            Status::TooFewSlots
            | Status::GroupsNotDivisible
            | Status::ExpertsNotDivisible
            | Status::GpusNotDivisible => self.say_sizes(text, status),
            Status::MovesWithoutPrevious | Status::UnsupportedPrevious => {
                self.say_limit(text, status);
            }
            Status::UnsupportedFlag => self.say_flag(text),
            Status::ShapeTooLarge => self.say_too_large(text),
            Status::Infeasible => self.say_infeasible(text),
            _ => {}
        }
    }

    /// What the compatibility policies do not honour.
    fn say_topology(&self, text: &mut Text, status: Status) {
        let (topology, policy) = (self.topology(), name_of(self.options).into());
        let mut others = 0..topology.num_gpus();
        match status {
            Status::UnsupportedWindows => text.say(
                "problem.num_windows is %, % plans a single one: set it to 1, or plan with \
                 EPLB_POLICY_BALANCED",
                &[self.shape.num_windows().into(), policy],
            ),
            Status::UnsupportedSpeed => {
                let first = topology.speed(0);
                if let Some(gpu) = others.find(|&gpu| topology.speed(gpu) != first) {
                    text.say(
                        "problem.gpu_speed[gpu %] is %, that of GPU 0 %, % takes all as equally \
                         fast: make gpu_speed NULL, or plan with EPLB_POLICY_BALANCED",
                        &[gpu.into(), topology.speed(gpu).into(), first.into(), policy],
                    );
                }
            }
            Status::UnsupportedSlots => {
                let first = topology.slots(0);
                if let Some(gpu) = others.find(|&gpu| topology.slots(gpu) != first) {
                    text.say(
                        "problem.gpu_slots[gpu %] is %, that of GPU 0 %, % needs the same on every \
                         GPU: make gpu_slots NULL, or plan with EPLB_POLICY_BALANCED",
                        &[gpu.into(), topology.slots(gpu).into(), first.into(), policy],
                    );
                }
            }
            Status::UnsupportedState => {
                if let Some(gpu) = others.find(|&gpu| !topology.receives(gpu)) {
                    let dead = !topology.serves(gpu);
                    let state = if dead { "EPLB_GPU_DEAD" } else { "EPLB_GPU_LEAVING" };
                    text.say(
                        "problem.gpu_state[gpu %] is % (%), % needs every GPU alive: leave it out, \
                         or plan with EPLB_POLICY_BALANCED",
                        &[
                            gpu.into(),
                            state.into(),
                            if dead {
                                EPLB_GPU_DEAD
                            } else {
                                crate::problem::topology::EPLB_GPU_LEAVING
                            }
                            .into(),
                            policy,
                        ],
                    );
                }
            }
            _ => {
                let contiguous = Topology::contiguous(topology);
                if let Some(gpu) = others.find(|&gpu| topology.node(gpu) != contiguous.node(gpu)) {
                    text.say(
                        "problem.gpu_node[gpu %] is %, in blocks of num_gpus / num_nodes it is %: \
                         in hierarchical scope % needs those; or plan with EPLB_POLICY_BALANCED",
                        &[
                            gpu.into(),
                            topology.node(gpu).into(),
                            contiguous.node(gpu).into(),
                            policy,
                        ],
                    );
                }
            }
        }
    }

    fn say_sizes(&self, text: &mut Text, status: Status) {
        let (shape, topology) = (self.shape, self.topology());
        let (experts, groups) = (shape.num_logical_experts(), shape.num_groups());
        let (nodes, gpus) = (topology.num_nodes(), topology.num_gpus());
        let mut indivisible =
            |what: &'static str, value: usize, by: &'static str, divisor: usize| {
                text.say(
                "problem.% is %, no multiple of %, %, as hierarchical scope needs: change one, or \
                 set options.scope to EPLB_SCOPE_GLOBAL",
                &[what.into(), value.into(), by.into(), divisor.into()],
            );
            };
        match status {
            Status::GroupsNotDivisible => indivisible("num_groups", groups, "num_nodes", nodes),
            Status::ExpertsNotDivisible => {
                indivisible("num_logical_experts", experts, "num_groups", groups);
            }
            Status::GpusNotDivisible => indivisible("num_gpus", gpus, "num_nodes", nodes),
            _ if self.is_balanced() => text.say(
                "GPUs that are alive have room for % experts, each once on a GPU, \
                 problem.num_logical_experts is %: give more slots, or living GPUs",
                &[slots_in_use(shape).into(), experts.into()],
            ),
            _ => text.say(
                "problem.num_physical_experts is %, problem.num_logical_experts is %: give every \
                 expert a slot at least",
                &[topology.num_slots().into(), experts.into()],
            ),
        }
    }

    fn say_limit(&self, text: &mut Text, status: Status) {
        let options = self.options;
        let (name, value) = if options.max_moves != 0 {
            ("max_moves", options.max_moves)
        } else if options.max_moves_per_gpu_pair != 0 {
            ("max_moves_per_gpu_pair", options.max_moves_per_gpu_pair)
        } else {
            ("flags", options.flags.bits())
        };
        text.say("options.% is %", &[name.into(), value.into()]);
        if name == "flags" {
            text.say(", with EPLB_FLAG_FILL_ONLY", &[]);
        }
        if status == Status::MovesWithoutPrevious {
            text.say(", but options.previous is NULL: set it, or leave the limit at 0", &[]);
            return;
        }
        text.say(
            ", a limit that % cannot keep: set it to 0, or plan with EPLB_POLICY_BALANCED",
            &[name_of(options).into()],
        );
    }

    fn say_flag(&self, text: &mut Text) {
        let own = match self.operation {
            Operation::Transfers => Flags::EXTERNAL_SOURCE,
            _ => Flags::ALL.into_iter().fold(Flags::NONE, |flags, (flag, _)| {
                let two_places = Flags::SURVIVE_GPU | Flags::SURVIVE_NODE | Flags::FILL_ONLY;
                if two_places.contains(flag) { flags } else { flags | flag }
            }),
        };
        let set = |&(flag, _): &(Flags, &str)| self.options.flags.contains(flag);
        let mut others = Flags::ALL.into_iter().filter(set).filter(|&(f, _)| !own.contains(f));
        let Some((flag, name)) = others.next() else { return };
        text.say("options.flags has % (%), ", &[name.into(), flag.bits().into()]);
        match self.operation {
            Operation::Transfers => {
                text.say("eplb_transfers knows EPLB_FLAG_EXTERNAL_SOURCE alone: clear it", &[])
            }
            _ if self.is_balanced() => text.say(
                "which in hierarchical scope needs a limit on moves: set options.max_moves, or \
                 options.scope to EPLB_SCOPE_GLOBAL",
                &[],
            ),
            _ => text.say(
                "which % does not know: clear it, or plan with EPLB_POLICY_BALANCED",
                &[name_of(self.options).into()],
            ),
        }
    }

    fn say_too_large(&self, text: &mut Text) {
        let (gpus, slots) = (self.topology().num_gpus(), self.topology().num_slots());
        match self.operation {
            Operation::Transfers => text.say(
                "problem.num_physical_experts is %: eplb_transfers takes fewer than 2^30 slots",
                &[slots.into()],
            ),
            _ => text.say(
                "problem.num_gpus is %: EPLB_POLICY_BALANCED, eplb_dispatch and EPLB_FLAG_DISPATCH \
                 take 65535",
                &[gpus.into()],
            ),
        }
    }

    fn say_infeasible(&self, text: &mut Text) {
        let shape = self.shape;
        let survive = survive_of(self.options);
        let flag = match survive {
            Survive::Node => "EPLB_FLAG_SURVIVE_NODE",
            _ => "EPLB_FLAG_SURVIVE_GPU",
        };
        let groups = groups_that_fit(shape, self.options.scope);
        if groups < shape.num_groups() {
            let size = shape.num_logical_experts().checked_div(shape.num_groups()).unwrap_or(0);
            text.say(
                "problem.num_groups is %, the living GPUs of the nodes have room for % groups of \
                 % experts: give more slots, or set options.scope to EPLB_SCOPE_GLOBAL",
                &[shape.num_groups().into(), groups.into(), size.into()],
            );
        } else if survive == Survive::Node && shape.is_hierarchical(self.options.scope) {
            text.say(
                "options.flags has %, and hierarchical scope keeps each expert on one node: set \
                 options.scope to EPLB_SCOPE_GLOBAL, or clear it",
                &[flag.into()],
            );
        } else if survive != Survive::Nothing {
            text.say(
                "options.flags has %, which takes 2 places for each of % experts, and living GPUs \
                 have % (an expert counts once a place): give more slots, or clear it",
                &[
                    flag.into(),
                    shape.num_logical_experts().into(),
                    places_for_two(shape, survive).into(),
                ],
            );
        }
    }
}

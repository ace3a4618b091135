//! Sizes and topology: what [`Shape::new`](crate::problem::Shape::new) refuses; sizes of windows and of a tracker.

use crate::base::arena::addressable;
use crate::explain::text::{Text, say};
use crate::problem::Spec;
use crate::problem::cost::{is_seconds, is_step};
use crate::problem::topology::{EPLB_GPU_LEAVING, is_speed};
use crate::status::Status;

/// Says where the sizes or the topology of a problem are wrong.
pub fn say(text: &mut Text, spec: &Spec, status: Status) {
    match status {
        Status::ShapeZero | Status::ShapeTooLarge => {
            let named = [
                ("num_windows", spec.num_windows.max(1)), // where 0 is 1
                ("num_layers", spec.num_layers),
                ("num_logical_experts", spec.num_logical_experts),
                ("num_physical_experts", spec.num_physical_experts),
                ("num_groups", spec.num_groups.max(1)),
                ("num_nodes", spec.num_nodes.max(1)),
                ("num_gpus", spec.num_gpus),
            ];
            say_sizes(text, "problem", &named, status);
            if text.is_empty() {
                say!(text; "problem.% elements do not fit the address space: give a call fewer layers or windows",
                    product(spec));
            }
        }
        Status::TooManyNodes => {
            say!(text; "problem.num_nodes is %, problem.num_gpus is %: give every node a GPU at least",
                spec.num_nodes, spec.num_gpus);
        }
        Status::UnsupportedWindows => {
            say!(text; "problem.num_windows is %, and this library was built without the part \"windows\": build it \
                with, or set it to 1", spec.num_windows);
        }
        Status::WindowStride => {
            let least = u64::from(spec.num_layers) * u64::from(spec.num_logical_experts);
            say_stride(text, "problem", spec.load_window_stride, least);
        }
        Status::Cost => say_cost(text, spec),
        Status::UnsupportedCost => {
            say!(text; "problem.cost is set, and this library was built without the part \"dispatch\": build it with, or \
                make it NULL");
        }
        Status::StepTokens => {
            if let Some((window, tokens)) = first(spec.step_tokens, |tokens| !is_step(tokens)) {
                say!(text; "problem.step_tokens[window %] is %: tokens of a step are finite and at least 2^-126; for a \
                    window that does not count set window_weight", window, tokens);
            }
        }
        _ => say_topology(text, spec, status),
    }
}

/// The first figure that is wrong.
fn say_cost(text: &mut Text, spec: &Spec) {
    let Some(cost) = spec.cost else { return };
    let mut figures = [
        ("token_seconds", cost.token_seconds),
        ("expert_seconds", cost.expert_seconds),
        ("layer_seconds", cost.layer_seconds),
    ]
    .into_iter();
    match figures.find(|&(_, seconds)| !is_seconds(seconds)) {
        Some((name, seconds)) => {
            say!(text; "problem.cost.% is %: it is 0, or from 2^-100 to 2^100", name, seconds);
        }
        None => {
            say!(text; "problem.cost.token_seconds and expert_seconds are 0: set one, or make problem.cost NULL");
        }
    }
}

/// The first size that is 0, or too large.
pub fn say_sizes(text: &mut Text, of: &str, sizes: &[(&str, u32)], status: Status) {
    let zero = status == Status::ShapeZero;
    let wrong = |size| if zero { size == 0 } else { size > i32::MAX as u32 };
    match sizes.iter().find(|&&(_, size)| wrong(size)) {
        Some(&(name, _)) if zero => say!(text; "%.% is 0: set it, it is at least 1", of, name),
        Some(&(name, size)) => say!(text; "%.% is %: it is at most 2147483647", of, name, size),
        None => {}
    }
}

/// Windows that overlap.
pub fn say_stride(text: &mut Text, of: &str, stride: u64, least: u64) {
    say!(text; "%.load_window_stride is %: 0, or at least num_layers x num_logical_experts, %", of, stride, least);
}

/// The first product of sizes that is too large.
fn product(spec: &Spec) -> &'static str {
    let fits = |size: u32| {
        let product = (spec.num_layers as usize).checked_mul(size as usize);
        addressable(product).is_ok()
    };
    if !fits(spec.num_logical_experts) {
        "num_layers x num_logical_experts"
    } else if !fits(spec.num_physical_experts) {
        "num_layers x num_physical_experts"
    } else if !fits(spec.num_windows) {
        "num_layers x num_windows"
    } else {
        "load_window_stride x num_windows"
    }
}

fn say_topology(text: &mut Text, spec: &Spec, status: Status) {
    let (slots, gpus, nodes) = (spec.num_physical_experts, spec.num_gpus, spec.num_nodes.max(1));
    match status {
        Status::SlotsNotDivisible => {
            say!(text; "problem.num_physical_experts is %, no multiple of problem.num_gpus, %: change one, or say in \
                gpu_slots which GPUs have more, which EPLB_POLICY_BALANCED alone plans", slots, gpus);
        }
        Status::GpuSlots => {
            let given = spec.gpu_slots.unwrap_or_default().iter();
            say!(text; "problem.gpu_slots sums to %, problem.num_physical_experts is %: make them equal",
                given.fold(0_u64, |sum, &slots| sum + u64::from(slots)), slots);
        }
        Status::GpuSpeed => {
            if let Some((gpu, speed)) = first(spec.gpu_speed, |speed| !is_speed(speed)) {
                say!(text; "problem.gpu_speed[gpu %] is %: speeds are finite and at least 2^-126; for a GPU that takes \
                    nothing set gpu_state", gpu, speed);
            }
        }
        Status::GpuNode => {
            if let Some((gpu, node)) = first(spec.gpu_node, |node| node >= nodes) {
                say!(text; "problem.gpu_node[gpu %] is %: nodes are numbered below problem.num_nodes, %",
                    gpu, node, nodes);
            }
        }
        Status::GpuState => {
            if let Some((gpu, state)) = first(spec.gpu_state, |state| state > EPLB_GPU_LEAVING) {
                say!(text; "problem.gpu_state[gpu %] is %: use one of EPLB_GPU_*, which end at %",
                    gpu, state, EPLB_GPU_LEAVING);
            }
        }
        Status::NoAliveGpu => {
            say!(text; "problem.gpu_state is EPLB_GPU_ALIVE for none of % GPUs: one at least must be", gpus);
        }
        Status::ArrayLength => say_lengths(text, spec),
        _ => {}
    }
}

fn first<T: Copy>(values: Option<&[T]>, wrong: impl Fn(T) -> bool) -> Option<(usize, T)> {
    let mut values = values.unwrap_or_default().iter().copied().enumerate();
    values.find(|&(_, value)| wrong(value))
}

/// Slices, from Rust alone.
fn say_lengths(text: &mut Text, spec: &Spec) {
    let mut lengths = [
        ("gpu_slots", spec.gpu_slots.map(<[u32]>::len)),
        ("gpu_node", spec.gpu_node.map(<[u32]>::len)),
        ("gpu_speed", spec.gpu_speed.map(<[f32]>::len)),
        ("gpu_state", spec.gpu_state.map(<[u8]>::len)),
    ]
    .into_iter();
    let gpus = spec.num_gpus as usize;
    if let Some((name, Some(len))) = lengths.find(|(_, len)| len.is_some_and(|len| len != gpus)) {
        say!(text; "problem.% has % elements, problem.num_gpus is %", name, len, gpus);
    } else if let Some(tokens) = spec.step_tokens {
        say!(text; "problem.step_tokens has % elements, problem.num_windows is %", tokens.len(), spec.num_windows);
    }
}

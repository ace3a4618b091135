//! Sizes and topology: what [`Shape::new`](crate::problem::Shape::new) refuses.

use crate::base::arena::addressable;
use crate::explain::left_out;
use crate::explain::text::Text;
use crate::problem::Spec;
use crate::problem::topology::{EPLB_GPU_LEAVING, is_speed};
use crate::status::Status;

/// The sizes, as they are read: where 0 is 1 they are at least that.
fn sizes(spec: &Spec) -> [(&'static str, u32); 7] {
    [
        ("num_windows", spec.num_windows.max(1)),
        ("num_layers", spec.num_layers),
        ("num_logical_experts", spec.num_logical_experts),
        ("num_physical_experts", spec.num_physical_experts),
        ("num_groups", spec.num_groups.max(1)),
        ("num_nodes", spec.num_nodes.max(1)),
        ("num_gpus", spec.num_gpus),
    ]
}

/// Says where the sizes or the topology are wrong.
pub fn say(text: &mut Text, spec: &Spec, status: Status) {
    let (layers, experts) = (u64::from(spec.num_layers), u64::from(spec.num_logical_experts));
    match status {
        Status::ShapeZero => {
            if let Some((name, _)) = sizes(spec).into_iter().find(|&(_, size)| size == 0) {
                text.say("problem.% is 0: set it, it is at least 1", &[name.into()]);
            }
        }
        Status::ShapeTooLarge => too_large(text, spec),
        Status::TooManyNodes => text.say(
            "problem.num_nodes is %, problem.num_gpus is %: give every node a GPU at least",
            &[spec.num_nodes.into(), spec.num_gpus.into()],
        ),
        Status::UnsupportedWindows => left_out::say_windows(text, spec.num_windows),
        Status::WindowStride => text.say(
            "problem.load_window_stride is %: 0, or at least num_layers x num_logical_experts, %",
            &[spec.load_window_stride.into(), (layers * experts).into()],
        ),
        _ => topology(text, spec, status),
    }
}

fn too_large(text: &mut Text, spec: &Spec) {
    if let Some((name, size)) = sizes(spec).into_iter().find(|&(_, size)| size > i32::MAX as u32) {
        text.say("problem.% is %: it is at most 2147483647", &[name.into(), size.into()]);
        return;
    }
    let [windows, layers, experts, slots, ..] = sizes(spec).map(|(_, size)| size as usize);
    let products = [
        ("num_layers x num_logical_experts", layers.checked_mul(experts)),
        ("num_layers x num_physical_experts", layers.checked_mul(slots)),
        ("num_layers x num_windows", layers.checked_mul(windows)),
    ];
    let product = products.into_iter().find(|&(_, product)| addressable(product).is_err());
    let (name, _) = product.unwrap_or(("load_window_stride x num_windows", None));
    text.say(
        "problem.% elements do not fit the address space: give a call fewer layers or windows",
        &[name.into()],
    );
}

fn topology(text: &mut Text, spec: &Spec, status: Status) {
    let (slots, gpus) = (spec.num_physical_experts, spec.num_gpus);
    match status {
        Status::SlotsNotDivisible => text.say(
            "problem.num_physical_experts is %, no multiple of problem.num_gpus, %: change one, or \
             say in gpu_slots which GPUs have more, which EPLB_POLICY_BALANCED alone plans",
            &[slots.into(), gpus.into()],
        ),
        Status::GpuSlots => {
            let given = spec.gpu_slots.unwrap_or_default();
            let sum = given.iter().fold(0_u64, |sum, &slots| sum + u64::from(slots));
            text.say(
                "problem.gpu_slots sums to %, problem.num_physical_experts is %: make them equal",
                &[sum.into(), slots.into()],
            );
        }
        Status::GpuSpeed => {
            if let Some((gpu, speed)) = first(spec.gpu_speed, |&speed| !is_speed(speed)) {
                text.say(
                    "problem.gpu_speed[gpu %] is %: speeds are finite and at least 2^-126; for a \
                     GPU that takes nothing set gpu_state",
                    &[gpu.into(), speed.into()],
                );
            }
        }
        Status::GpuNode => {
            let nodes = spec.num_nodes.max(1);
            if let Some((gpu, node)) = first(spec.gpu_node, |&node| node >= nodes) {
                text.say(
                    "problem.gpu_node[gpu %] is %: nodes are numbered below problem.num_nodes, %",
                    &[gpu.into(), node.into(), nodes.into()],
                );
            }
        }
        Status::GpuState => {
            if let Some((gpu, state)) = first(spec.gpu_state, |&state| state > EPLB_GPU_LEAVING) {
                text.say(
                    "problem.gpu_state[gpu %] is %: use one of EPLB_GPU_*, which end at %",
                    &[gpu.into(), state.into(), EPLB_GPU_LEAVING.into()],
                );
            }
        }
        Status::NoAliveGpu => text.say(
            "problem.gpu_state is EPLB_GPU_ALIVE for none of % GPUs: one at least must be",
            &[gpus.into()],
        ),
        Status::ArrayLength => lengths(text, spec),
        _ => {}
    }
}

fn first<T: Copy>(values: Option<&[T]>, wrong: impl Fn(&T) -> bool) -> Option<(usize, T)> {
    let mut values = values.unwrap_or_default().iter().copied().enumerate();
    values.find(|(_, value)| wrong(value))
}

/// Slices, from Rust alone.
fn lengths(text: &mut Text, spec: &Spec) {
    let lengths = [
        ("gpu_slots", spec.gpu_slots.map(<[u32]>::len)),
        ("gpu_node", spec.gpu_node.map(<[u32]>::len)),
        ("gpu_speed", spec.gpu_speed.map(<[f32]>::len)),
        ("gpu_state", spec.gpu_state.map(<[u8]>::len)),
    ];
    for (name, len) in lengths {
        if let Some(len) = len.filter(|&len| len != spec.num_gpus as usize) {
            let values = [name.into(), len.into(), spec.num_gpus.into()];
            return text.say("problem.% has % elements, problem.num_gpus is %", &values);
        }
    }
}

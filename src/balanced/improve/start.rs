//! The state to start from.

use crate::balanced::improve::instance::Instance;
use crate::balanced::improve::limits::Limits;
use crate::balanced::improve::packing::{Packing, bit};
use crate::balanced::improve::scaling;
use crate::base::cells::{NONE, part, part_mut, put};

/// Sets the state: experts by slot, `u32::MAX` for none.
#[inline(never)]
pub fn set<'a, const N: usize>(
    packing: &mut Packing<'a, N>,
    instance: &Instance<'a, N>,
    limits: &'a Limits<'a>,
    expert_at: &[u32],
) {
    packing.limits = limits;
    packing.priced = limits.counts_moves();
    packing.in_force = limits.in_force;
    draw_out(packing, instance);
    if let Some(zeros) = packing.load.get_mut(instance.loads.len()..) {
        zeros.fill([0.0; N]);
    }
    for all in [
        &mut *packing.count,
        &mut *packing.fresh,
        &mut *packing.gone,
        &mut *packing.noted,
        &mut *packing.changed,
        &mut *packing.primary,
        &mut *packing.parts.on,
    ] {
        all.fill(0);
    }
    for all in [&mut *packing.share, &mut *packing.relief, &mut *packing.rise] {
        all.fill(0.0);
    }
    packing.parts.part.fill(0.0); // that of an empty slot is multiplied by no load
    for all in [&mut *packing.relief_at, &mut *packing.rise_at, &mut *packing.drop_relief_at] {
        all.fill(0.0);
    }
    let empty = packing.empty();
    for (to, &expert) in packing.expert_at.iter_mut().zip(expert_at) {
        *to = if expert == NONE { empty } else { expert };
    }
    set_gpus(packing, instance);
    scaling::weight_as_given(packing, instance);
    packing.rebuild();
}

fn set_gpus<const N: usize>(packing: &mut Packing<N>, instance: &Instance<N>) {
    let mut first = 0;
    put(packing.first, 0, 0);
    for ((gpu, &slots), &speed) in instance.slots.iter().enumerate().zip(instance.speed) {
        let end = first + slots as usize;
        let before = part(packing.in_force, first, end);
        let had = if packing.priced { before } else { &[] };
        put(packing.had, gpu, had.iter().fold(0, |bits, &expert| bits | bit(expert)));
        part_mut(packing.gpu_of, first, end).fill(gpu as u32);
        put(packing.first, gpu + 1, end as u32);
        put(packing.slowness, gpu, scaling::bounded(instance.mean_speed / f64::from(speed)));
        first = end;
    }
}

/// The loads, windows drawn away from their mean.
fn draw_out<'a, const N: usize>(packing: &mut Packing<'a, N>, instance: &Instance<'a, N>) {
    let stride = (packing.blocks * N).max(1);
    let windows = instance.weight.len();
    let all = instance.weight.iter().fold(0.0, |sum, &weight| sum + weight);
    let beyond = instance.beyond;
    let drawn = beyond > 0.0 && windows > 1;
    packing.as_is = if drawn { instance.loads } else { &[] };
    let loads = instance.loads.as_flattened().chunks_exact(stride);
    for (to, from) in packing.load.as_flattened_mut().chunks_exact_mut(stride).zip(loads) {
        let parts = from.iter().zip(instance.weight);
        let mean = parts.fold(0.0, |sum, (&load, &weight)| sum + load * weight) / all;
        for (lane, (to, &load)) in to.iter_mut().zip(from).enumerate() {
            let out = load + beyond * (load - mean);
            let out = if drawn && lane < windows { out } else { load };
            *to = if out > TINY { out } else { 0.0 };
        }
    }
}

/// A load below this is none: nothing may be subnormal.
const TINY: f32 = 1.0 / (1_u64 << 40) as f32;

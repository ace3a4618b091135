//! From an instance to its answer, by the library.

use super::instance::{Answer, Fetch, Instance, Report};
use crate::common::Memory;
use crate::replicate::Replicator;
use eplb::{
    Batch, EPLB_GPU_ALIVE, Lengths, Operation, Options, Placement, QuotasMut, ReplicateLimit,
    Request, Shape, Spec, Split, Status,
};

/// Answers; the workspace begins full of `byte`.
pub fn call_with(instance: &Instance, effort: u32, byte: u8) -> Result<Answer, Status> {
    with_spec(instance, |spec| answer(instance, spec, effort, byte))
}

/// Calls with the shape of the instance.
fn with_spec<T>(instance: &Instance, run: impl FnOnce(&Spec) -> T) -> T {
    let gpus = instance.gpus();
    let gpu_slots: Vec<u32> = instance.home.iter().map(|slots| slots.len() as u32).collect();
    let speeds: Vec<f32> = (0..gpus).map(|gpu| instance.speed_of(gpu) as f32).collect();
    let uneven = instance.speed.iter().any(|&speed| speed != 8);
    let hurt = instance.state.iter().any(|&state| state != EPLB_GPU_ALIVE);
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: instance.experts as u32,
        num_physical_experts: gpu_slots.iter().sum(),
        num_nodes: instance.node.iter().max().map_or(1, |&node| node + 1),
        num_gpus: gpus as u32,
        gpu_speed: uneven.then_some(&speeds),
        gpu_slots: Some(&gpu_slots),
        gpu_node: Some(&instance.node),
        gpu_state: hurt.then_some(&instance.state),
        ..Spec::default()
    };
    run(&spec)
}

fn answer(instance: &Instance, spec: &Spec, effort: u32, byte: u8) -> Result<Answer, Status> {
    let held = instance.held.as_ref().map(|held| held.concat());
    let request = Request {
        tokens: &instance.tokens.concat(),
        by_source: instance.tokens.len() > 1,
        tolerance: instance.tolerance,
        fetch_tokens: instance.fetch_tokens,
        least_tokens: instance.least_tokens,
        max_fetches_in: instance.max_fetches_in,
        max_fetches_out: instance.max_fetches_out,
        held: held.as_deref(),
        effort,
    };
    let home = instance.home.concat();
    let out = Replicator::new(spec, byte)?.run(&home, &request, instance.gpus())?;
    let fetch = |fetch: &eplb::Fetch| Fetch {
        round: fetch.round,
        expert: fetch.expert as usize,
        from: fetch.source_gpu as usize,
        slot: fetch.destination_slot as usize,
    };
    let report = &out.reports[0];
    Ok(Answer {
        quota: out.quota.chunks(home.len()).map(<[u32]>::to_vec).collect(),
        slots: out.slots,
        route_end: out.route_end,
        route_slot: out.route_slot,
        max_replicas: out.max_replicas,
        fetches: out.fetches.iter().map(fetch).collect(),
        report: Report {
            largest_time: report.largest_time,
            bound: report.bound,
            balance: report.balance,
            tokens: report.tokens,
            leaving_home: report.leaving_home,
            leaving_node: report.leaving_node,
            leaving_gpu: report.leaving_gpu,
            fetches: report.fetches,
            fetches_bound: report.fetches_bound,
            busiest_gpu: report.busiest_gpu,
            within: report.limit == ReplicateLimit::None,
        },
    })
}

/// The tokens of the instance split over these slots by eplb_dispatch.
pub fn dispatched(instance: &Instance, slots: &[i32]) -> Split {
    with_spec(instance, |spec| {
        let shape = Shape::new(spec).unwrap();
        let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default()).unwrap();
        let by_source = instance.tokens.len() > 1;
        let mut quota = vec![0; Lengths::new(&shape, by_source, 0).unwrap().quota];
        let out =
            QuotasMut { quota: &mut quota, route_end: None, route_slot: None, max_replicas: 0 };
        let batch = Batch { tokens: &instance.tokens.concat(), by_source, effort: 0 };
        let mut split = Split::default();
        let report = &mut |_: usize, found: &Split| split = *found;
        let (mut memory, placement) = (Memory::new(&need), Placement::of(slots));
        eplb::dispatch(&shape, memory.arena(), &placement, &batch, out, Some(report)).unwrap();
        split
    })
}

pub fn call(instance: &Instance) -> Answer {
    call_with(instance, 0, 0xa5).unwrap_or_else(|status| panic!("{status:?}: {instance:?}"))
}

//! Small layers whose answers are known.

extern crate std;
use super::{Fetch, ReplicasMut, ReplicateLimit, Replicated, Request, need, replicate};
use crate::base::arena::Arena;
use crate::dispatch::QuotasMut;
use crate::placement::Placement;
use crate::problem::topology::{EPLB_GPU_DEAD, EPLB_GPU_LEAVING};
use crate::problem::{Shape, Spec};
use std::vec;
use std::vec::Vec;

/// What a call gives.
struct Answer {
    slots: Vec<i32>,
    quota: Vec<u32>,
    fetches: Vec<Fetch>,
    layer: Replicated,
}

fn answer(spec: &Spec, home: &[i32], request: &Request) -> Answer {
    let shape = Shape::new(spec).unwrap();
    let size = need(&shape).unwrap();
    let (mut u64s, mut u32s) = (vec![7; size.u64s], vec![7; size.u32s]);
    let (mut slots, mut quota) = (vec![-7; home.len()], vec![7; home.len()]);
    let mut fetches = vec![Fetch::default(); home.len()];
    let mut layer = Replicated::default();
    let quotas =
        QuotasMut { quota: &mut quota, route_end: None, route_slot: None, max_replicas: 0 };
    let out = ReplicasMut { physical_to_logical: &mut slots, quotas, fetches: Some(&mut fetches) };
    let arena = Arena::new(&mut u64s, &mut [], &mut u32s, &mut []);
    let mut report = |_: usize, found: &Replicated| layer = *found;
    let home = Placement::of(home);
    let count = replicate(&shape, arena, &home, request, out, Some(&mut report)).unwrap();
    fetches.truncate(count);
    Answer { slots, quota, fetches, layer }
}

fn spec(experts: u32, slots: u32, gpus: u32) -> Spec<'static> {
    Spec {
        num_layers: 1,
        num_logical_experts: experts,
        num_physical_experts: slots,
        num_gpus: gpus,
        ..Spec::default()
    }
}

/// The published example of MoonEP, which moves 9 tokens.
#[test]
fn the_published_example_takes_three_fetches_and_eight_tokens() {
    let home = [0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7, -1, -1];
    let request = Request { tokens: &[9, 5, 7, 3, 3, 2, 2, 1], ..Request::default() };
    let Answer { layer, fetches, .. } = answer(&spec(8, 16, 4), &home, &request);
    assert_eq!((layer.largest_time, layer.bound, layer.balance), (8.0, 8.0, 1.0));
    assert_eq!((layer.fetches, layer.fetches_bound, layer.leaving_home), (3, 3, 8));
    assert_eq!((layer.limit, fetches.len()), (ReplicateLimit::None, 3));
}

#[test]
fn one_fetch_fits_exactly() {
    let request = Request { tokens: &[10, 2], ..Request::default() };
    let found = answer(&spec(2, 4, 2), &[0, -1, 1, -1], &request);
    assert_eq!((found.slots, found.quota), (vec![0, -1, 1, 0], vec![6, 0, 2, 4]));
    assert_eq!(found.fetches.len(), 1);
    assert_eq!((found.fetches[0].source_slot, found.fetches[0].destination_slot), (0, 3));
}

#[test]
fn within_the_tolerance_nothing_is_fetched() {
    let request = Request { tokens: &[10, 2], tolerance: 700, ..Request::default() };
    let found = answer(&spec(2, 4, 2), &[0, -1, 1, -1], &request);
    assert_eq!((found.layer.fetches, found.layer.largest_time), (0, 10.0));
}

#[test]
fn what_is_held_needs_no_fetch() {
    let held = [-1, -1, -1, 0];
    let request = Request { tokens: &[10, 2], held: Some(&held), ..Request::default() };
    let found = answer(&spec(2, 4, 2), &[0, -1, 1, -1], &request);
    assert_eq!((found.layer.fetches, found.layer.largest_time), (0, 6.0));
    assert_eq!(found.slots, [0, -1, 1, 0]);
    // not used, it stays
    let request = Request { tokens: &[5, 5], held: Some(&held), ..Request::default() };
    let found = answer(&spec(2, 4, 2), &[0, -1, 1, -1], &request);
    assert_eq!((found.slots, found.layer.leaving_home), (vec![0, -1, 1, 0], 0));
}

#[test]
fn dead_and_leaving_gpus_receive_nothing() {
    let state = [0, EPLB_GPU_DEAD, EPLB_GPU_LEAVING];
    let spec = Spec { gpu_state: Some(&state), ..spec(2, 6, 3) };
    let request = Request { tokens: &[2, 10], ..Request::default() };
    let found = answer(&spec, &[0, -1, 1, -1, 1, -1], &request);
    assert_eq!(found.slots, [0, 1, 1, -1, 1, -1]);
    assert_eq!(found.quota, [2, 4, 0, 0, 6, 0]);
}

#[test]
fn a_fetched_copy_sends_on_where_a_home_may_not() {
    let request = Request { tokens: &[9, 0, 0], max_fetches_out: 1, ..Request::default() };
    let found = answer(&spec(3, 6, 3), &[0, -1, 1, -1, 2, -1], &request);
    assert_eq!(found.layer.largest_time, 3.0);
    let rounds: Vec<u32> = found.fetches.iter().map(|fetch| fetch.round).collect();
    assert_eq!(rounds, [0, 1]);
    assert_eq!(found.fetches[1].source_slot, found.fetches[0].destination_slot);
}

#[test]
fn the_limit_is_named() {
    let home = [0, 1, -1, 2, -1, 3, -1];
    let slots = [3, 2, 2];
    let spec = Spec { gpu_slots: Some(&slots), ..spec(4, 7, 3) };
    let tokens = [20, 20, 2, 2];
    let limit = |request| answer(&spec, &home, &request).layer.limit;
    let plain = Request { tokens: &tokens, ..Request::default() };
    assert_eq!(limit(plain), ReplicateLimit::None);
    assert_eq!(limit(Request { least_tokens: 15, ..plain }), ReplicateLimit::LeastTokens);
    assert_eq!(limit(Request { fetch_tokens: 9, ..plain }), ReplicateLimit::LeastTokens);
}

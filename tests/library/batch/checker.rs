//! Whether an answer is one, by plain counting: shares nothing with the library but its table look-up.

use super::instance::{Answer, Fetch, Instance};
use crate::reference::dispatch::larger;

/// What an answer does, counted from its slots and quotas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Tokens of each GPU, what its fetches cost it included.
    pub load: Vec<u64>,
    pub largest_time: f64,
    pub fetches: usize,
    pub leaving_home: u64,
    pub leaving_node: u64,
    pub leaving_gpu: u64,
}

/// Every slot with its GPU.
fn gpu_of(instance: &Instance) -> Vec<usize> {
    let slots = |gpu: usize| std::iter::repeat_n(gpu, instance.home[gpu].len());
    (0..instance.gpus()).flat_map(slots).collect()
}

/// Panics where the answer is none, and where its report says what is not so.
pub fn check(instance: &Instance, answer: &Answer) -> Counted {
    slots_are_kept(instance, answer);
    every_token_has_a_place(instance, answer);
    fetches_are_the_difference(instance, answer);
    fetches_can_be_sent(instance, answer);
    tables_say_what_quotas_say(instance, answer);
    let counted = count(instance, answer);
    report_is_true(instance, answer, &counted);
    counted
}

/// Homes are untouched, copies are in spare slots of GPUs that receive, no expert is twice on a GPU.
fn slots_are_kept(instance: &Instance, answer: &Answer) {
    let homes = instance.home.concat();
    let gpus = gpu_of(instance);
    assert_eq!(answer.slots.len(), homes.len());
    for (slot, (&now, &home)) in answer.slots.iter().zip(&homes).enumerate() {
        if home >= 0 {
            assert_eq!(now, home, "slot {slot} is a home");
            continue;
        }
        assert!((-1..instance.experts as i32).contains(&now), "slot {slot} holds {now}");
        assert!(now < 0 || instance.receives(gpus[slot]), "slot {slot} receives no copy");
        let beside = |other: usize| other != slot && gpus[other] == gpus[slot];
        let twin = (0..homes.len()).find(|&o| beside(o) && now >= 0 && answer.slots[o] == now);
        assert_eq!(twin, None, "slot {slot} holds what another of its GPU holds");
    }
}

/// Of every source each token is at one replica of its expert, on a GPU that serves.
fn every_token_has_a_place(instance: &Instance, answer: &Answer) {
    let gpus = gpu_of(instance);
    assert_eq!(answer.quota.len(), instance.tokens.len());
    for (quota, tokens) in answer.quota.iter().zip(&instance.tokens) {
        let mut placed = vec![0_u64; instance.experts];
        for (slot, &quota) in quota.iter().enumerate().filter(|&(_, &quota)| quota > 0) {
            assert!(instance.serves(gpus[slot]), "slot {slot} of a dead GPU has tokens");
            placed[answer.slots[slot] as usize] += u64::from(quota);
        }
        let tokens: Vec<u64> = tokens.iter().map(|&tokens| u64::from(tokens)).collect();
        assert_eq!(placed, tokens);
    }
    for (slot, &home) in instance.home.concat().iter().enumerate() {
        let tokens: u64 = answer.quota.iter().map(|quota| u64::from(quota[slot])).sum();
        let fetched = answer.fetches.iter().any(|fetch| fetch.slot == slot);
        if home < 0 && fetched {
            let least = u64::from(instance.least_tokens.max(1));
            assert!(tokens >= least, "the copy in slot {slot} has {tokens} tokens");
        }
    }
}

/// What is fetched is what the slots did not hold.
fn fetches_are_the_difference(instance: &Instance, answer: &Answer) {
    let homes = instance.home.concat();
    let held = instance.held.as_ref().map_or_else(|| vec![-1; homes.len()], |held| held.concat());
    let mut fetched: Vec<usize> = answer.fetches.iter().map(|fetch| fetch.slot).collect();
    fetched.sort_unstable();
    let changed = |&slot: &usize| {
        homes[slot] < 0 && answer.slots[slot] >= 0 && answer.slots[slot] != held[slot]
    };
    assert_eq!(fetched, (0..homes.len()).filter(changed).collect::<Vec<_>>());
}

/// Each comes from a GPU that has the expert by then, within the limits.
fn fetches_can_be_sent(instance: &Instance, answer: &Answer) {
    let gpus = gpu_of(instance);
    let held = instance.held.as_ref().map(|held| held.concat());
    for fetch in &answer.fetches {
        let Fetch { round, expert, from, slot } = *fetch;
        assert_eq!(answer.slots[slot], expert as i32);
        assert_ne!(gpus[slot], from, "a GPU fetches from itself");
        assert!(instance.serves(from));
        let kept = |other: usize| {
            let same = held.as_ref().is_some_and(|held| held[other] == expert as i32);
            gpus[other] == from && same && answer.slots[other] == expert as i32
        };
        let received = |other: &Fetch| {
            gpus[other.slot] == from && other.expert == expert && other.round < round
        };
        let has = instance.has_home(expert, from)
            || (0..gpus.len()).any(kept)
            || answer.fetches.iter().any(received);
        assert!(has, "GPU {from} does not have expert {expert} in round {round}");
    }
    for gpu in 0..instance.gpus() {
        let into = answer.fetches.iter().filter(|fetch| gpus[fetch.slot] == gpu).count();
        let out = answer.fetches.iter().filter(|fetch| fetch.from == gpu).count();
        let kept = |most: u32, count: usize| most == 0 || count <= most as usize;
        assert!(kept(instance.max_fetches_in, into), "{into} fetches into GPU {gpu}");
        assert!(kept(instance.max_fetches_out, out), "{out} fetches out of GPU {gpu}");
    }
}

/// Every token of every source is routed to a slot, as many to each as its quota.
fn tables_say_what_quotas_say(instance: &Instance, answer: &Answer) {
    let width = answer.max_replicas;
    for (source, quota) in answer.quota.iter().enumerate() {
        for expert in 0..instance.experts {
            let row = (source * instance.experts + expert) * width;
            let end = &answer.route_end[row..row + width];
            let place = &answer.route_slot[expert * width..][..width];
            let tokens = instance.tokens[source][expert];
            let mut found = vec![0; quota.len()];
            for token in 0..tokens {
                found[eplb::route(end, place, token) as usize] += 1;
            }
            assert_eq!(eplb::route(end, place, tokens), -1);
            for slot in (0..quota.len()).filter(|&slot| answer.slots[slot] == expert as i32) {
                assert_eq!(found[slot], quota[slot], "source {source}, expert {expert}");
            }
        }
    }
}

/// What the answer does, checked or not.
pub fn count(instance: &Instance, answer: &Answer) -> Counted {
    let gpus = gpu_of(instance);
    let homes = instance.home.concat();
    let mut counted = Counted { load: vec![0; instance.gpus()], ..Counted::default() };
    for (source, quota) in answer.quota.iter().enumerate() {
        for (slot, &quota) in quota.iter().enumerate() {
            let (gpu, tokens) = (gpus[slot], u64::from(quota));
            counted.load[gpu] += tokens;
            counted.leaving_home += if homes[slot] < 0 { tokens } else { 0 };
            if answer.quota.len() > 1 {
                let away = instance.node[gpu] != instance.node[source];
                counted.leaving_node += if away { tokens } else { 0 };
                counted.leaving_gpu += if gpu == source { 0 } else { tokens };
            }
        }
    }
    for fetch in &answer.fetches {
        counted.load[gpus[fetch.slot]] += u64::from(instance.fetch_tokens);
    }
    counted.fetches = answer.fetches.len();
    let times = counted.load.iter().enumerate().map(|(gpu, &load)| instance.time(load, gpu));
    counted.largest_time = times.fold(0.0, f64::max);
    counted
}

fn report_is_true(instance: &Instance, answer: &Answer, counted: &Counted) {
    let report = &answer.report;
    assert_eq!(report.largest_time, counted.largest_time);
    let busiest = report.busiest_gpu as usize;
    let key = |gpu: usize| (counted.load[gpu], instance.speed[gpu]);
    let first = (0..instance.gpus()).fold(0, |a, b| if larger(key(b), key(a)) { b } else { a });
    if counted.largest_time > 0.0 {
        assert_eq!(busiest, first);
    }
    let tokens: u64 = (0..instance.experts).map(|expert| instance.total(expert)).sum();
    assert_eq!(report.tokens, tokens);
    assert_eq!(report.leaving_home, counted.leaving_home);
    if instance.tokens.len() > 1 {
        assert_eq!(report.leaving_node, counted.leaving_node);
        assert_eq!(report.leaving_gpu, counted.leaving_gpu);
    }
    assert_eq!(report.fetches as usize, counted.fetches);
    assert!(report.bound <= report.largest_time, "{} {}", report.bound, report.largest_time);
    let alive = (0..instance.gpus()).filter(|&gpu| instance.receives(gpu));
    let speed: f64 = alive.map(|gpu| instance.speed_of(gpu)).sum();
    if counted.largest_time > 0.0 {
        let balance = tokens as f64 / speed / counted.largest_time;
        assert!(
            (report.balance - balance).abs() <= 1e-12 * balance,
            "{} {balance}",
            report.balance
        );
    } else {
        assert_eq!(report.balance, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checker sees what it is there for.
    #[test]
    fn planted_faults_are_found() {
        let homes: [&[i32]; 2] = [&[0, 1], &[2, 3]];
        let mut instance = Instance::plain(&homes, 1, &[9, 5, 1, 1]);
        instance.tokens = vec![vec![6, 3, 1, 1], vec![3, 2, 0, 0]];
        let mut fetch = Fetch { round: 0, expert: 0, from: 0, slot: 5 };
        let report = super::super::instance::Report {
            largest_time: 8.0,
            bound: 8.0,
            balance: 1.0,
            tokens: 16,
            leaving_home: 6,
            leaving_gpu: 7,
            fetches: 1,
            fetches_bound: 1,
            within: true,
            ..Default::default()
        };
        let good = Answer {
            slots: vec![0, 1, -1, 2, 3, 0],
            quota: vec![vec![3, 3, 0, 1, 1, 3], vec![0, 2, 0, 0, 0, 3]],
            route_end: vec![3, 6, 3, 3, 1, 1, 1, 1, 0, 3, 2, 2, 0, 0, 0, 0],
            route_slot: vec![0, 5, 1, -1, 3, -1, 4, -1],
            max_replicas: 2,
            fetches: vec![fetch],
            report,
        };
        assert_eq!(check(&instance, &good).load, [8, 8]);
        fetch.from = 1;
        let faults: [&dyn Fn(&mut Answer); 12] = [
            &|answer| answer.slots[0] = 1,
            &|answer| answer.slots[2] = 1,
            &|answer| answer.slots[2] = 9,
            &|answer| answer.quota[0][5] -= 1,
            &|answer| (answer.quota[0][3], answer.quota[0][4]) = (2, 0),
            &|answer| answer.fetches.clear(),
            &|answer| answer.fetches = vec![fetch],
            &|answer| answer.route_end[0] = 4,
            &|answer| answer.report.largest_time = 7.0,
            &|answer| answer.report.bound = 8.5,
            &|answer| answer.report.leaving_home = 5,
            &|answer| answer.report.leaving_gpu = 6,
        ];
        for (number, fault) in faults.iter().enumerate() {
            let mut answer = good.clone();
            fault(&mut answer);
            let found = std::panic::catch_unwind(|| check(&instance, &answer)).is_err();
            assert!(found, "fault {number} is not found");
        }
        let mut limited = instance.clone();
        limited.least_tokens = 7;
        assert!(std::panic::catch_unwind(|| check(&limited, &good)).is_err());
    }
}

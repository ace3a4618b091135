//! One load beside the shapes that BALANCED was first made for: few slots, nearly equal loads, GPUs that differ.

use crate::common::plan;
use crate::loads::{lognormal, zipf};
use eplb::{Metrics, Options, Spec};

/// GPUs by slots and speed.
type Gpus = Vec<(u32, f32)>;

fn alike(gpus: usize, slots: u32) -> Gpus {
    vec![(slots, 1.0); gpus]
}

/// Every fourth GPU at this speed.
fn quarter(speed: f32, gpus: usize, slots: u32) -> Gpus {
    (0..gpus).map(|gpu| (slots, if gpu % 4 == 0 { speed } else { 1.0 })).collect()
}

fn measure(load: &[f32], gpus: &Gpus) -> Metrics {
    let slots: Vec<u32> = gpus.iter().map(|gpu| gpu.0).collect();
    let speed: Vec<f32> = gpus.iter().map(|gpu| gpu.1).collect();
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: load.len() as u32,
        num_physical_experts: slots.iter().sum(),
        num_gpus: gpus.len() as u32,
        gpu_slots: Some(&slots),
        gpu_speed: Some(&speed),
        load,
        ..Spec::default()
    };
    let plan = plan(&spec, &Options::default()).unwrap();
    assert!(!plan.physical_to_logical.contains(&-1));
    assert_eq!(plan.metrics[0].duplicates, 0);
    plan.metrics[0]
}

/// The mean of the balance over eight seeds.
fn mean(of: impl Fn(u64) -> Vec<f32>, gpus: &Gpus) -> f64 {
    (1..=8).map(|seed| measure(&of(seed), gpus).balance).sum::<f64>() / 8.0
}

fn at_least(name: &str, found: f64, floor: f64) {
    println!("{name}: {found:.4}, floor {floor}");
    assert!(found >= floor, "{name}: {found:.5} is below {floor}");
}

#[test]
fn equal_loads() {
    for (experts, gpus, slots, floor) in [
        (16, 6, 4, 1.0),  // four experts with three replicas: 1 + 1 + 1/3 + 1/3
        (8, 5, 3, 0.96),  // three with one: 1 + 1/3 + 1/3
        (64, 24, 4, 1.0), // as 16 on 6
        (256, 72, 5, 0.969),
        (256, 96, 4, 0.987),
        (128, 72, 3, 0.969),
    ] {
        let found = measure(&vec![1200.0; experts], &alike(gpus, slots)).balance;
        at_least(&format!("{experts} equal loads on {gpus} x {slots}"), found, floor);
    }
    for (experts, gpus, slots, floor) in [(256, 96, 4, 0.998), (160, 72, 4, 0.9965)] {
        let found = mean(|seed| lognormal(experts, 0.05, seed), &alike(gpus, slots));
        at_least(&format!("{experts} nearly equal loads on {gpus} x {slots}"), found, floor);
    }
}

#[test]
fn few_slots() {
    for (experts, gpus, sigma, floor) in [(256, 256, 1.0, 0.975), (64, 64, 2.0, 0.965)] {
        let found = mean(|seed| lognormal(experts, sigma, seed), &alike(gpus, 2));
        at_least(&format!("lognormal {sigma}, {experts} on {gpus} x 2"), found, floor);
    }
}

#[test]
fn gpus_that_differ() {
    let load = [1.0, 8.0, 3.0, 4.0, 3.0, 5.0, 8.0, 7.0, 3.0, 7.0];
    assert!(measure(&load, &vec![(7, 2.0), (7, 1.0)]).max_gpu_load <= 16.5);
    for slots in [16, 24, 32] {
        let gpus = vec![(slots, 2.0), (slots, 2.0), (slots, 1.0), (slots, 1.0)];
        let found = mean(|seed| lognormal(64, 0.8, seed), &gpus);
        at_least(&format!("speeds 2, 2, 1, 1 on {slots} slots"), found, 0.998);
    }
    for (sigma, floor) in [(0.5, 0.9975), (1.0, 0.9975)] {
        let gpus = vec![(20, 1.0), (20, 1.0), (20, 1.0), (8, 1.0)];
        let found = mean(|seed| lognormal(32, sigma, seed), &gpus);
        at_least(&format!("20, 20, 20, 8 slots, lognormal {sigma}"), found, floor);
    }
    for (speed, gpus, slots, floor) in
        [(0.5, 64, 8, 0.999), (0.3, 64, 8, 0.999), (0.5, 96, 4, 0.998), (0.3, 32, 9, 0.999)]
    {
        let found = mean(|seed| lognormal(256, 1.0, seed), &quarter(speed, gpus, slots));
        at_least(&format!("a quarter at {speed}, {gpus} x {slots}"), found, floor);
    }
}

/// A slot more, anywhere, is no worse.
#[test]
fn one_slot_more() {
    for (experts, gpus, slots) in [(256, 96, 4), (128, 32, 5), (256, 96, 3), (160, 64, 3)] {
        for seed in 1..=4 {
            for (name, load) in [
                ("zipf 1.2", zipf(experts, 1.2, seed)),
                ("lognormal 1.7", lognormal(experts, 1.7, seed)),
            ] {
                let even = measure(&load, &alike(gpus, slots)).balance;
                for place in [0, gpus / 2] {
                    let mut more = alike(gpus, slots);
                    more[place].0 += 1;
                    let found = measure(&load, &more).balance;
                    let case = format!("{name} {seed}: {experts} on {gpus} x {slots}, one more");
                    assert!(found >= even - 0.002, "{case}: {even:.4} -> {found:.4}");
                }
            }
        }
    }
}

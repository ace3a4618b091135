//! What each replica gets when a GPU sends to the nearest, slowly, from the sentence alone (docs/SPEC.md, "Metrics").

/// A layer: the GPU of each slot; of each GPU its node, whether it sends (is alive) and whether it serves (is not dead).
pub struct Machine<'a> {
    pub gpu_of: &'a [usize],
    pub node: &'a [usize],
    pub sends: &'a [bool],
    pub serves: &'a [bool],
}

/// The load of each slot: token by token, GPU by GPU.
pub fn slot_loads(machine: &Machine, slots: &[i32], load: &[f32]) -> Vec<f64> {
    let senders: Vec<usize> = (0..machine.node.len()).filter(|&gpu| machine.sends[gpu]).collect();
    let mut loads = vec![0.0; slots.len()];
    for (expert, &load) in load.iter().enumerate() {
        let all: Vec<usize> = (0..slots.len())
            .filter(|&s| slots[s] == expert as i32 && machine.serves[machine.gpu_of[s]])
            .collect();
        for &gpu in &senders {
            let on_gpu = |s: &&usize| machine.gpu_of[**s] == gpu;
            let on_node = |s: &&usize| machine.node[machine.gpu_of[**s]] == machine.node[gpu];
            let mut to: Vec<usize> = all.iter().filter(on_gpu).copied().collect();
            if to.is_empty() {
                to = all.iter().filter(on_node).copied().collect();
            }
            if to.is_empty() {
                to = all.clone();
            }
            for &slot in &to {
                loads[slot] += f64::from(load) / senders.len() as f64 / to.len() as f64;
            }
        }
    }
    loads
}

/// Mean GPU load over largest, in the static dispatch of SGLang 0.5.23: each GPU sends all it has for an expert to one
/// replica, the first on itself, else the first on its node where not all replicas are there, else one of all, so that
/// each is chosen by as many. Which of them the last few choose is random there; here the first. Nodes are contiguous.
pub fn sglang(gpus: usize, nodes: usize, slots: &[i32], load: &[f32]) -> f64 {
    let (each, gpus_each) = (slots.len() / gpus, gpus / nodes);
    let mut time = vec![0.0; gpus];
    for (expert, &load) in load.iter().enumerate() {
        let all: Vec<usize> =
            (0..slots.len()).filter(|&s| slots[s] == expert as i32).map(|s| s / each).collect();
        let mut rest = 0;
        for gpu in 0..gpus {
            let near: Vec<usize> =
                all.iter().filter(|&&g| g / gpus_each == gpu / gpus_each).copied().collect();
            let to = if all.contains(&gpu) {
                gpu
            } else if !near.is_empty() && near.len() < all.len() {
                near[0]
            } else {
                rest += 1;
                all[(rest - 1) % all.len()]
            };
            time[to] += f64::from(load) / gpus as f64;
        }
    }
    let total: f64 = time.iter().sum();
    total / gpus as f64 / time.iter().fold(0.0, |most: f64, &time| most.max(time))
}

//! Which pack (a node or a GPU) each item (a group or a physical expert) goes to, and its rank there.

use super::{ascending, descending, first_largest, first_smallest};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Heaviest first onto the lightest pack; running loads in f32.
    Lpt,
    /// The same, but first of all apart from its own replicas (doc 001); running loads in f64.
    Diverse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refinement {
    None,
    /// At most two best swaps of the heaviest pack with the lightest (before doc 000).
    AllPairs,
    /// The same over the 2 heaviest x 2 lightest items (doc 000).
    KTwo,
    /// One swap that lowers the peak (doc 001).
    MicroSwap,
}

/// Type of the running pack loads (SPEC, "Precision").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    F64,
}

impl Precision {
    fn add(self, total: f64, item: f32) -> f64 {
        match self {
            Precision::F32 => f64::from(total as f32 + item), // total holds an f32
            Precision::F64 => total + f64::from(item),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Packs {
    /// Pack of each item.
    pub pack: Vec<usize>,
    /// Rank of each item in its pack.
    pub rank: Vec<usize>,
    /// Load of each pack as the packer added it up.
    running: Vec<f64>,
}

/// Packs groups onto nodes: always LPT, since groups have no replicas. Diverse recipes do not refine here (SPEC, "Precision").
pub fn onto_nodes(
    packing: Packing,
    refinement: Refinement,
    load: &[f32],
    num_packs: usize,
) -> Packs {
    match packing {
        Packing::Lpt => refine(lpt(load, num_packs, Precision::F32), refinement, load),
        Packing::Diverse => lpt(load, num_packs, Precision::F64),
    }
}

/// Packs the physical experts of a row (their replica loads, their logical experts) onto its GPUs.
pub fn onto_gpus(
    packing: Packing,
    refinement: Refinement,
    load: &[f32],
    expert: &[usize],
    num_packs: usize,
) -> Packs {
    let packs = match packing {
        Packing::Lpt => lpt(load, num_packs, Precision::F32),
        Packing::Diverse => diverse(load, expert, num_packs),
    };
    refine(packs, refinement, load)
}

// Packings

/// One item a pack: pack i = item i, rank 0, no sort (SPEC, "LPT with capacity", "Diverse packing").
fn identity(load: &[f32]) -> Packs {
    Packs {
        pack: (0..load.len()).collect(),
        rank: vec![0; load.len()],
        running: load.iter().map(|&x| f64::from(x)).collect(),
    }
}

/// By descending load, stable, to the pack with room and the least load, lowest index first (SPEC, "LPT with capacity").
pub fn lpt(load: &[f32], num_packs: usize, precision: Precision) -> Packs {
    if load.len() == num_packs {
        return identity(load);
    }
    let capacity = load.len() / num_packs;
    let mut pack = vec![0; load.len()];
    let mut rank = vec![0; load.len()];
    let mut running = vec![0.0; num_packs];
    let mut filled = vec![0; num_packs];
    for item in descending(load) {
        let mut best = None;
        for p in 0..num_packs {
            let better = best.is_none_or(|b: usize| running[p] < running[b]);
            if filled[p] < capacity && better {
                best = Some(p);
            }
        }
        let best = best.unwrap();
        pack[item] = best;
        rank[item] = filled[best];
        running[best] = precision.add(running[best], load[item]);
        filled[best] += 1;
    }
    Packs { pack, rank, running }
}

/// By descending load, stable, to the pack with room and the smallest (replicas of the same expert already there, load, items),
/// lowest index first (SPEC, "Diverse packing").
pub fn diverse(load: &[f32], expert: &[usize], num_packs: usize) -> Packs {
    if load.len() == num_packs {
        return identity(load);
    }
    let capacity = load.len() / num_packs;
    let mut pack = vec![0; load.len()];
    let mut rank = vec![0; load.len()];
    let mut running = vec![0.0; num_packs];
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); num_packs];
    for item in descending(load) {
        let mut best = None;
        for p in 0..num_packs {
            if members[p].len() == capacity {
                continue;
            }
            let same = members[p].iter().filter(|&&i| expert[i] == expert[item]).count();
            let key = (same, running[p], members[p].len());
            if best.is_none_or(|(_, best_key)| key < best_key) {
                best = Some((p, key));
            }
        }
        let (best, _) = best.unwrap();
        pack[item] = best;
        rank[item] = members[best].len();
        running[best] = Precision::F64.add(running[best], load[item]);
        members[best].push(item);
    }
    Packs { pack, rank, running }
}

// Refinements

/// Refines when a pack has more than one item (SPEC, "Refinements").
pub fn refine(packs: Packs, refinement: Refinement, load: &[f32]) -> Packs {
    if load.len() == packs.running.len() {
        return packs;
    }
    match refinement {
        Refinement::None => packs,
        Refinement::AllPairs => two_swaps(packs, load, all_pairs),
        Refinement::KTwo => two_swaps(packs, load, k_two),
        Refinement::MicroSwap => micro_swap(packs, load),
    }
}

/// Of the items of the heaviest and of the lightest pack, the pair to swap and the difference that it leaves.
type Choose = fn(heavy: &[usize], light: &[usize], load: &[f32], delta: f32) -> (usize, usize, f64);

/// At most two swaps between the first heaviest and the first lightest pack (SPEC, "Two swaps").
fn two_swaps(mut packs: Packs, load: &[f32], choose: Choose) -> Packs {
    for _ in 0..2 {
        // Summed anew in f32 in item order, whatever the packer's running loads were (SPEC, "Precision").
        let mut total = vec![0.0_f32; packs.running.len()];
        for (&p, &x) in packs.pack.iter().zip(load) {
            total[p] += x;
        }
        let h = first_largest(&total);
        let l = first_smallest(&total);
        let delta = total[h] - total[l];
        // Loads near f32::MAX may sum to infinity; no residual is then below delta.
        if f64::from(delta) <= 1e-9 || !delta.is_finite() {
            break;
        }
        let heavy = members(&packs, h);
        let light = members(&packs, l);
        let (from_h, from_l, new_delta) = choose(&heavy, &light, load, delta);
        if new_delta >= f64::from(delta) - 1e-9 {
            break;
        }
        packs.pack[from_h] = l;
        packs.pack[from_l] = h;
        rerank(&mut packs, h);
        rerank(&mut packs, l);
    }
    packs
}

/// For each heavy item the two light items around the ideal partner (before doc 000; SPEC, "All pairs").
fn all_pairs(heavy: &[usize], light: &[usize], load: &[f32], delta: f32) -> (usize, usize, f64) {
    let light = lightest(light, load);
    let mut best: Option<(usize, usize, f32)> = None;
    for &a in heavy {
        let target = load[a] - delta / 2.0;
        let left = light.iter().filter(|&&b| load[b] < target).count();
        let at = left.min(light.len() - 1);
        for position in [at, at.saturating_sub(1)] {
            let b = light[position];
            let residual = (delta - 2.0 * (load[a] - load[b])).abs();
            if best.is_none_or(|(_, _, smallest)| residual < smallest) {
                best = Some((a, b, residual));
            }
        }
    }
    let (a, b, _) = best.unwrap();
    // Chosen in f32, judged in f64.
    let gain = 2.0 * (f64::from(load[a]) - f64::from(load[b]));
    (a, b, (f64::from(delta) - gain).abs())
}

/// The 2 heaviest x the 2 lightest (doc 000; SPEC, "K-two").
fn k_two(heavy: &[usize], light: &[usize], load: &[f32], delta: f32) -> (usize, usize, f64) {
    let mut best: Option<(usize, usize, f32)> = None;
    for &a in heaviest(heavy, load).iter().take(2) {
        for &b in lightest(light, load).iter().take(2) {
            let residual = (delta - 2.0 * (load[a] - load[b])).abs();
            if best.is_none_or(|(_, _, smallest)| residual < smallest) {
                best = Some((a, b, residual));
            }
        }
    }
    let (a, b, residual) = best.unwrap();
    (a, b, f64::from(residual)) // chosen and judged in f32
}

/// The one swap of the heaviest pack with one of the two lightest that lowers the peak most, in f64 (SPEC, "Micro-swap").
fn micro_swap(mut packs: Packs, load: &[f32]) -> Packs {
    let running = packs.running.clone(); // as the packer added them up, not summed anew
    let h = first_largest(&running);
    let peak = running[h];
    let heavy = members(&packs, h);
    let mut partners = ascending(&running);
    partners.retain(|&p| p != h);

    let mut best: Option<(usize, usize, f64)> = None;
    for &l in partners.iter().take(2) {
        if running[h] <= running[l] {
            continue;
        }
        let light = members(&packs, l);
        let others = (0..running.len())
            .filter(|&p| p != h && p != l)
            .map(|p| running[p])
            .fold(f64::NEG_INFINITY, f64::max);
        for &a in heaviest(&heavy, load).iter().take(2) {
            for &b in lightest(&light, load).iter().take(2) {
                let (wa, wb) = (f64::from(load[a]), f64::from(load[b]));
                let new_h = running[h] - wa + wb;
                let new_l = running[l] - wb + wa;
                let new_peak = new_h.max(new_l).max(others);
                if new_peak + 1e-9 < peak && best.is_none_or(|(_, _, lowest)| new_peak < lowest) {
                    best = Some((a, b, new_peak));
                }
            }
        }
    }

    if let Some((a, b, _)) = best {
        let l = packs.pack[b];
        let light = members(&packs, l);
        packs.pack.swap(a, b);
        // Rank = position in the list of members, the newcomer in the place of the one that left (SPEC, "Micro-swap").
        for (rank, &item) in heavy.iter().enumerate() {
            packs.rank[if item == a { b } else { item }] = rank;
        }
        for (rank, &item) in light.iter().enumerate() {
            packs.rank[if item == b { a } else { item }] = rank;
        }
    }
    packs
}

/// Items of a pack by ascending id.
fn members(packs: &Packs, p: usize) -> Vec<usize> {
    (0..packs.pack.len()).filter(|&i| packs.pack[i] == p).collect()
}

/// Gives the items of a pack the ranks 0.. by their previous rank, equal ones by id (SPEC, "Two swaps").
fn rerank(packs: &mut Packs, p: usize) {
    let mut items = members(packs, p);
    items.sort_by_key(|&i| packs.rank[i]);
    for (rank, &i) in items.iter().enumerate() {
        packs.rank[i] = rank;
    }
}

/// The items by descending load, stable.
fn heaviest(items: &[usize], load: &[f32]) -> Vec<usize> {
    let loads: Vec<f32> = items.iter().map(|&i| load[i]).collect();
    descending(&loads).iter().map(|&i| items[i]).collect()
}

/// The items by ascending load, stable.
fn lightest(items: &[usize], load: &[f32]) -> Vec<usize> {
    let loads: Vec<f32> = items.iter().map(|&i| load[i]).collect();
    ascending(&loads).iter().map(|&i| items[i]).collect()
}

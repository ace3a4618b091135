//! The optimum of a split, slow and obvious.
#![allow(dead_code)] // each test crate uses its part

/// One layer with few GPUs.
pub struct Instance {
    /// Slots by GPU: expert or -1.
    pub gpus: Vec<Vec<i32>>,
    /// Speed as an integer (times whatever the test says), 0 for dead.
    pub speed: Vec<u64>,
    pub node: Vec<usize>,
    /// Tokens by source, by expert; one row when sources are not known.
    pub tokens: Vec<Vec<u64>>,
}

impl Instance {
    fn total(&self, expert: usize) -> u64 {
        self.tokens.iter().map(|row| row[expert]).sum()
    }

    /// GPUs that serve and hold the expert.
    pub fn holders(&self, expert: usize) -> Vec<usize> {
        let holds = |&gpu: &usize| self.speed[gpu] > 0 && self.gpus[gpu].contains(&(expert as i32));
        (0..self.gpus.len()).filter(holds).collect()
    }

    /// The set formula: over all sets S of GPUs, the least time in which S can do, in whole tokens, what only S
    /// has replicas of. As a fraction tokens / speed.
    pub fn least_time(&self) -> (u64, u64) {
        let experts = self.tokens[0].len();
        let mut worst = (0, 1);
        for set in 1_u32..1 << self.gpus.len() {
            let inside = |gpu: usize| set >> gpu & 1 == 1;
            let closed = (0..experts).filter(|&e| self.holders(e).iter().all(|&gpu| inside(gpu)));
            let load = closed.map(|e| self.total(e)).sum();
            let speeds: Vec<u64> = (0..self.gpus.len())
                .filter(|&gpu| inside(gpu))
                .map(|gpu| self.speed[gpu])
                .collect();
            let time = least_time(&speeds, load);
            if larger(time, worst) {
                worst = time;
            }
        }
        worst
    }

    /// The fewest tokens that leave their node, then their GPU, with no GPU above `limit` (a time): all splits
    /// of every expert over its holders tried. None when there is none.
    pub fn least_traffic(&self, limit: (u64, u64)) -> Option<(u64, u64)> {
        let mut left: Vec<u64> = self
            .speed
            .iter()
            .map(|&s| (u128::from(s) * u128::from(limit.0) / u128::from(limit.1)) as u64)
            .collect();
        self.try_experts(0, &mut left)
    }

    fn try_experts(&self, expert: usize, left: &mut Vec<u64>) -> Option<(u64, u64)> {
        if expert == self.tokens[0].len() {
            return Some((0, 0));
        }
        let holders = self.holders(expert);
        let mut split = vec![0; holders.len()];
        let mut best = None;
        self.try_splits(expert, &holders, 0, self.total(expert), &mut split, left, &mut best);
        best
    }

    #[allow(clippy::too_many_arguments)]
    fn try_splits(
        &self,
        expert: usize,
        holders: &[usize],
        at: usize,
        tokens: u64,
        split: &mut Vec<u64>,
        left: &mut Vec<u64>,
        best: &mut Option<(u64, u64)>,
    ) {
        if at == holders.len() {
            if tokens == 0
                && let Some(rest) = self.try_experts(expert + 1, left)
            {
                let own = self.traffic(expert, holders, split);
                let all = (own.0 + rest.0, own.1 + rest.1);
                if best.is_none_or(|best| all < best) {
                    *best = Some(all);
                }
            }
            return;
        }
        let gpu = holders[at];
        for here in 0..=tokens.min(left[gpu]) {
            split[at] = here;
            left[gpu] -= here;
            self.try_splits(expert, holders, at + 1, tokens - here, split, left, best);
            left[gpu] += here;
        }
        split[at] = 0;
    }

    /// What leaves node and GPU when the replicas of an expert get `split`: own tokens first, then the node's.
    fn traffic(&self, expert: usize, holders: &[usize], split: &[u64]) -> (u64, u64) {
        let total = self.total(expert);
        let own: u64 =
            holders.iter().zip(split).map(|(&gpu, &here)| here.min(self.tokens[gpu][expert])).sum();
        let mut near = 0;
        for node in 0..=*self.node.iter().max().unwrap() {
            let sent: u64 = (0..self.gpus.len())
                .filter(|&gpu| self.node[gpu] == node)
                .map(|gpu| self.tokens[gpu][expert])
                .sum();
            let got: u64 = holders
                .iter()
                .zip(split)
                .filter(|&(&gpu, _)| self.node[gpu] == node)
                .map(|(_, &here)| here)
                .sum();
            near += sent.min(got);
        }
        (total - near, total - own)
    }
}

/// a > b, as fractions.
pub fn larger(a: (u64, u64), b: (u64, u64)) -> bool {
    u128::from(a.0) * u128::from(b.1) > u128::from(b.0) * u128::from(a.1)
}

/// The least time in which GPUs of these speeds do `load` whole tokens together: one token after another to the
/// GPU that is done with it first.
pub fn least_time(speeds: &[u64], load: u64) -> (u64, u64) {
    let sum: u64 = speeds.iter().sum();
    if load == 0 || sum == 0 {
        return (if load == 0 { 0 } else { u64::MAX }, 1);
    }
    // no GPU gets less than its share rounded down
    let share = |speed: u64| (u128::from(load) * u128::from(speed) / u128::from(sum)) as u64;
    let mut tokens: Vec<u64> = speeds.iter().map(|&speed| share(speed)).collect();
    let mut worst = (0, 1);
    for (&tokens, &speed) in tokens.iter().zip(speeds) {
        if speed > 0 && larger((tokens, speed), worst) {
            worst = (tokens, speed);
        }
    }
    for _ in tokens.iter().sum::<u64>()..load {
        let gpus = (0..speeds.len()).filter(|&gpu| speeds[gpu] > 0);
        let soonest = gpus
            .reduce(|a, b| {
                if larger((tokens[a] + 1, speeds[a]), (tokens[b] + 1, speeds[b])) { b } else { a }
            })
            .unwrap();
        tokens[soonest] += 1;
        if larger((tokens[soonest], speeds[soonest]), worst) {
            worst = (tokens[soonest], speeds[soonest]);
        }
    }
    worst
}

//! The rules by which others find replicas for a batch, plainly, on one core: homes one a expert, GPUs alike and alive.
//!
//! Written from what is published of them, not from their code, which runs on GPUs.

/// Tokens of an expert that another GPU does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    pub expert: usize,
    pub to: usize,
    pub tokens: u64,
}

/// A layer: the home of each expert, its tokens.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    pub gpus: usize,
    pub home: &'a [usize],
    pub tokens: &'a [u32],
}

impl Layer<'_> {
    pub fn total(&self) -> u64 {
        self.tokens.iter().map(|&tokens| u64::from(tokens)).sum()
    }

    /// Tokens of each GPU when every expert is done at home.
    pub fn loads(&self) -> Vec<u64> {
        let mut load = vec![0; self.gpus];
        self.home.iter().zip(self.tokens).for_each(|(&gpu, &t)| load[gpu] += u64::from(t));
        load
    }

    /// The experts at home on each GPU.
    fn residents(&self) -> Vec<Vec<usize>> {
        let mut residents = vec![Vec::new(); self.gpus];
        self.home.iter().enumerate().for_each(|(expert, &gpu)| residents[gpu].push(expert));
        residents
    }

    /// Tokens of the busiest GPU after the moves.
    pub fn largest(&self, moves: &[Move]) -> u64 {
        let mut load = self.loads();
        for moved in moves {
            load[self.home[moved.expert]] -= moved.tokens;
            load[moved.to] += moved.tokens;
        }
        load.into_iter().max().unwrap_or(0)
    }
}

/// The largest value that is not 0, first of equals.
fn largest(values: impl Iterator<Item = u64>) -> Option<usize> {
    let best = values.enumerate().filter(|&(_, value)| value > 0);
    best.reduce(|a, b| if b.1 > a.1 { b } else { a }).map(|(place, _)| place)
}

/// MoonEP: every GPU gets the same number of tokens. In rounds the GPU with the largest surplus fills all of the largest
/// deficit, with its expert that has the most tokens left, the next where that is not enough: it may have a deficit itself
/// then. Where tokens do not divide, GPUs from the first on get one more.
pub fn moonep(layer: &Layer) -> Vec<Move> {
    let (total, gpus) = (layer.total(), layer.gpus as u64);
    let target = |gpu: usize| total / gpus + u64::from((gpu as u64) < total % gpus);
    let mut load = layer.loads();
    let residents = layer.residents();
    let mut left: Vec<u64> = layer.tokens.iter().map(|&tokens| u64::from(tokens)).collect();
    let mut moves = Vec::new();
    while let (Some(from), Some(to)) = (
        largest((0..layer.gpus).map(|gpu| load[gpu].saturating_sub(target(gpu)))),
        largest((0..layer.gpus).map(|gpu| target(gpu).saturating_sub(load[gpu]))),
    ) {
        let mut deficit = target(to) - load[to];
        while deficit > 0 {
            let Some(most) = largest(residents[from].iter().map(|&expert| left[expert])) else {
                break; // all of it has gone; the next round asks another
            };
            let expert = residents[from][most];
            let tokens = deficit.min(left[expert]);
            left[expert] -= tokens;
            load[from] -= tokens;
            load[to] += tokens;
            deficit -= tokens;
            moves.push(Move { expert, to, tokens });
        }
    }
    moves
}

/// UltraEP: the least level at which this works is searched by halving. The GPU that is most above the level gives of its
/// expert with the most tokens left to the GPU with the most room that has a free slot and not this expert: as much as
/// is there, above and fits. `spare` slots a GPU.
pub fn ultraep(layer: &Layer, spare: usize) -> Vec<Move> {
    let total = layer.total();
    let mut low = total.div_ceil(layer.gpus as u64);
    let mut high = layer.loads().into_iter().max().unwrap_or(0);
    let mut best = Vec::new();
    if let Some(moves) = within(layer, spare, low) {
        return moves;
    }
    while low + 1 < high {
        let level = low + (high - low) / 2;
        match within(layer, spare, level) {
            Some(moves) => (best, high) = (moves, level),
            None => low = level,
        }
    }
    best
}

fn within(layer: &Layer, spare: usize, level: u64) -> Option<Vec<Move>> {
    let mut load = layer.loads();
    let residents = layer.residents();
    let mut left: Vec<u64> = layer.tokens.iter().map(|&tokens| u64::from(tokens)).collect();
    let mut free = vec![spare; layer.gpus];
    let mut moves: Vec<Move> = Vec::new();
    while let Some(from) = largest(load.iter().map(|&load| load.saturating_sub(level))) {
        let most = largest(residents[from].iter().map(|&expert| left[expert]))?;
        let expert = residents[from][most];
        let room = |gpu: usize| {
            let has = moves.iter().any(|moved| (moved.expert, moved.to) == (expert, gpu));
            if has || free[gpu] == 0 { 0 } else { level.saturating_sub(load[gpu]) }
        };
        let to = largest((0..layer.gpus).map(room))?;
        let tokens = left[expert].min(load[from] - level).min(room(to));
        left[expert] -= tokens;
        load[from] -= tokens;
        load[to] += tokens;
        free[to] -= 1;
        moves.push(Move { expert, to, tokens });
    }
    Some(moves)
}

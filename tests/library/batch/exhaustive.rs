//! The best answer to a small batch, slow and obvious: what no answer can beat and no bound may exceed.
//!
//! A split within a limit exists exactly when every set of GPUs has room for what only it can do (the set formula). Where a
//! set has not, an answer has a copy of one of its experts outside of it: the search tries them all, few copies first.

use super::flow::Network;
use super::instance::Instance;

/// A copy: an expert, a GPU.
pub type Copy = (usize, usize);

/// The fewest fetches within a limit.
#[derive(Clone, Debug)]
pub struct Fewest {
    pub fetches: usize,
    /// The fewest tokens at copies of all answers with so few.
    pub leaving_home: u64,
    /// One such answer: what is fetched.
    pub copies: Vec<Copy>,
}

/// A layer as the search sees it; sets of GPUs are bits.
pub struct Small<'a> {
    instance: &'a Instance,
    tokens: Vec<u64>,
    /// GPUs that serve and are a home of the expert.
    home: Vec<u32>,
}

/// Some copies chosen.
#[derive(Clone)]
struct State {
    /// Homes and copies of each expert.
    holders: Vec<u32>,
    /// Tokens of each GPU within the limit, without what fetches cost it.
    capacity: Vec<u64>,
    free: Vec<usize>,
    kept: Vec<Vec<usize>>,
    fetched: Vec<Copy>,
    /// GPUs that do not fetch the expert here: that has been tried.
    tried: Vec<u32>,
}

/// What to do with an answer that was found: whether to look on.
type Visit<'v> = &'v mut dyn FnMut(&[Copy], u64) -> bool;

impl<'a> Small<'a> {
    pub fn new(instance: &'a Instance) -> Self {
        let homes = |expert| {
            let holds = |gpu: &usize| instance.serves(*gpu) && instance.has_home(expert, *gpu);
            (0..instance.gpus()).filter(holds).fold(0, |set, gpu| set | 1 << gpu)
        };
        Small {
            instance,
            tokens: (0..instance.experts).map(|expert| instance.total(expert)).collect(),
            home: (0..instance.experts).map(homes).collect(),
        }
    }

    /// The least largest time if every GPU that receives had room for every expert.
    pub fn bound(&self) -> f64 {
        let receivers = self.set(|gpu| self.instance.receives(gpu));
        self.least_time(|expert| self.home[expert] | receivers)
    }

    /// The same where GPUs without a spare slot receive nothing.
    pub fn bound_of_spare(&self) -> f64 {
        let receivers = self.set(|gpu| self.instance.spare(gpu) > 0);
        self.least_time(|expert| self.home[expert] | receivers)
    }

    /// The least largest time of any answer, fetches and limits as they are.
    pub fn least(&self) -> f64 {
        let times = self.times();
        let least = self.bound_of_spare();
        let worst = self.least_time(|expert| self.home[expert]);
        let from = times.partition_point(|&time| time < least);
        let upto = times.partition_point(|&time| time < worst);
        let mut low = from;
        let mut high = upto;
        while low < high {
            let middle = usize::midpoint(low, high);
            if low == from && self.possible(times[from]) {
                return times[from]; // mostly
            }
            low = low.max(from + 1);
            if middle >= low && self.possible(times[middle]) {
                high = middle;
            } else {
                low = low.max(middle + 1);
            }
        }
        times[low.min(times.len() - 1)]
    }

    /// Whether some answer is within the limit.
    pub fn possible(&self, limit: f64) -> bool {
        let mut found = false;
        self.search(self.start(limit), usize::MAX, &mut |_, _| {
            found = true;
            false
        });
        found
    }

    /// The fewest fetches within the limit, and the fewest tokens that leave home with so many.
    pub fn fewest(&self, limit: f64) -> Option<Fewest> {
        if !self.possible(limit) {
            return None;
        }
        for most in 0.. {
            let mut best: Option<Fewest> = None;
            let least = self.leaving_at_least(limit);
            self.search(self.start(limit), most, &mut |copies, leaving_home| {
                if best.as_ref().is_none_or(|best| leaving_home < best.leaving_home) {
                    best = Some(Fewest { fetches: most, leaving_home, copies: copies.to_vec() });
                }
                best.as_ref().is_some_and(|best| best.leaving_home > least)
            });
            if best.is_some() {
                return best;
            }
        }
        None
    }

    fn set(&self, has: impl Fn(usize) -> bool) -> u32 {
        (0..self.instance.gpus()).filter(|&gpu| has(gpu)).fold(0, |set, gpu| set | 1 << gpu)
    }

    /// Every time that a GPU can take, ascending.
    fn times(&self) -> Vec<f64> {
        let total: u64 = self.tokens.iter().sum();
        let gpus = (0..self.instance.gpus()).filter(|&gpu| self.instance.serves(gpu));
        let mut times: Vec<f64> = gpus
            .flat_map(|gpu| (0..=total).map(move |tokens| self.instance.time(tokens, gpu)))
            .collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }

    /// By the set formula, for GPUs that may do an expert: the first of all times with room.
    fn least_time(&self, may: impl Fn(usize) -> u32) -> f64 {
        let holders: Vec<u32> = (0..self.tokens.len()).map(may).collect();
        let times = self.times();
        let fits = |&time: &f64| {
            let capacity = self.capacity(time);
            (1..1 << self.instance.gpus()).all(|set| self.missing(&holders, &capacity, set) == 0)
        };
        times[times.partition_point(|time| !fits(time))]
    }

    /// Tokens of each GPU within a limit.
    fn capacity(&self, limit: f64) -> Vec<u64> {
        let fits = |gpu| {
            if !self.instance.serves(gpu) {
                return 0;
            }
            let about = (limit * self.instance.speed_of(gpu)) as u64 + 1;
            (0..=about).rev().find(|&tokens| self.instance.time(tokens, gpu) <= limit).unwrap_or(0)
        };
        (0..self.instance.gpus()).map(fits).collect()
    }

    /// Tokens that only the set can do and has no room for.
    fn missing(&self, holders: &[u32], capacity: &[u64], set: u32) -> u64 {
        let inside = holders.iter().zip(&self.tokens).filter(|&(&held, _)| held & !set == 0);
        let load: u64 = inside.map(|(_, &tokens)| tokens).sum();
        let gpus = capacity.iter().enumerate().filter(|(gpu, _)| set >> gpu & 1 == 1);
        load.saturating_sub(gpus.map(|(_, &room)| room).sum())
    }

    fn most_missing(&self, holders: &[u32], capacity: &[u64]) -> u64 {
        (1..1 << capacity.len()).map(|set| self.missing(holders, capacity, set)).max().unwrap_or(0)
    }

    /// What homes alone have no room for has to leave them.
    fn leaving_at_least(&self, limit: f64) -> u64 {
        self.most_missing(&self.home, &self.capacity(limit))
    }

    fn start(&self, limit: f64) -> State {
        let gpus = 0..self.instance.gpus();
        let kept: Vec<Vec<usize>> = gpus.clone().map(|gpu| self.instance.held(gpu)).collect();
        let mut holders = self.home.clone();
        for (gpu, experts) in kept.iter().enumerate() {
            experts.iter().for_each(|&expert| holders[expert] |= 1 << gpu);
        }
        State {
            holders,
            capacity: self.capacity(limit),
            free: gpus.map(|gpu| self.instance.spare(gpu) - kept[gpu].len()).collect(),
            kept,
            fetched: Vec::new(),
            tried: vec![0; self.instance.experts],
        }
    }

    /// Whether to look on. Visits each answer with at most so many fetches that needs all of them.
    fn search(&self, mut state: State, most: usize, visit: Visit) -> bool {
        let Some(next) = self.next(&state, most) else { return true };
        let copies = match next {
            Next::Choose(copies) => copies,
            Next::Enough => {
                if let Some(leaving) = self.leaving_home(&state) {
                    return visit(&state.fetched, leaving);
                }
                // some copies have too few tokens: another one may free some for them
                let all = self.candidates(&state, u32::MAX, |_, _| true);
                if state.fetched.len() < most { all } else { Vec::new() }
            }
        };
        for (expert, gpu) in copies {
            state.tried[expert] |= 1 << gpu;
            let mut chosen = state.clone();
            chosen.holders[expert] |= 1 << gpu;
            chosen.capacity[gpu] -= u64::from(self.instance.fetch_tokens);
            chosen.fetched.push((expert, gpu));
            if state.free[gpu] > 0 {
                chosen.free[gpu] -= 1;
                if !self.search(chosen, most, visit) {
                    return false;
                }
                continue;
            }
            for place in 0..state.kept[gpu].len() {
                let mut evicted = chosen.clone();
                let old = evicted.kept[gpu].remove(place);
                evicted.holders[old] &= !(1 << gpu);
                evicted.tried[old] |= 1 << gpu;
                if !self.search(evicted, most, visit) {
                    return false;
                }
            }
        }
        true
    }

    /// The copies of which every answer with these has one: those out of the set that needs most. None where there is no
    /// such answer.
    fn next(&self, state: &State, most: usize) -> Option<Next> {
        let mut chosen: Option<(usize, Vec<Copy>)> = None;
        for set in 1..1 << self.instance.gpus() {
            let missing = self.missing(&state.holders, &state.capacity, set);
            if missing == 0 {
                continue;
            }
            let outside = |expert: usize, gpu: usize| {
                state.holders[expert] & !set == 0 && set >> gpu & 1 == 0
            };
            let copies = self.candidates(state, !set, outside);
            let mut relief: Vec<u64> = copies
                .iter()
                .map(|&(e, g)| {
                    let room = state.capacity[g] - u64::from(self.instance.fetch_tokens);
                    self.tokens[e].min(room)
                })
                .collect();
            relief.sort_unstable_by(|a, b| b.cmp(a));
            let mut needed = 0;
            let mut left = missing;
            for relief in relief {
                if left == 0 {
                    break;
                }
                left = left.saturating_sub(relief);
                needed += 1;
            }
            if left > 0 || state.fetched.len().saturating_add(needed) > most {
                return None;
            }
            let best = |(most, copies_then): &(usize, Vec<Copy>)| {
                needed > *most || needed == *most && copies.len() < copies_then.len()
            };
            if chosen.as_ref().is_none_or(best) {
                chosen = Some((needed, copies));
            }
        }
        Some(chosen.map_or(Next::Enough, |(_, copies)| Next::Choose(copies)))
    }

    /// Copies that may still be fetched, largest relief first.
    fn candidates(
        &self,
        state: &State,
        gpus: u32,
        wanted: impl Fn(usize, usize) -> bool,
    ) -> Vec<Copy> {
        let mut found = Vec::new();
        for gpu in (0..self.instance.gpus()).filter(|&gpu| gpus >> gpu & 1 == 1) {
            let fetched = state.fetched.iter().filter(|&&(_, to)| to == gpu).count();
            let most = match self.instance.max_fetches_in {
                0 => usize::MAX,
                most => most as usize,
            };
            let cost = u64::from(self.instance.fetch_tokens);
            let full = state.free[gpu] == 0 && state.kept[gpu].is_empty();
            if full || fetched >= most || state.capacity[gpu] <= cost {
                continue;
            }
            let room = state.capacity[gpu] - cost;
            let open = |&expert: &usize| {
                let used = state.holders[expert] | state.tried[expert];
                let at_home = self.instance.has_home(expert, gpu);
                let can = used >> gpu & 1 == 0 && !at_home && self.home[expert] != 0;
                let least = u64::from(self.instance.least_tokens.max(1));
                can && self.tokens[expert].min(room) >= least && wanted(expert, gpu)
            };
            found.extend((0..self.tokens.len()).filter(open).map(|expert| (expert, gpu)));
        }
        found.sort_by_key(|&(expert, gpu)| {
            let relief = self.tokens[expert].min(state.capacity[gpu]);
            (std::cmp::Reverse(relief), expert, gpu)
        });
        found
    }

    /// The fewest tokens at copies, if those fetched can be sent and can have as many as each must.
    fn leaving_home(&self, state: &State) -> Option<u64> {
        let mut senders = vec![0; self.instance.gpus()];
        let out = self.instance.max_fetches_out;
        if out > 0 && !self.sent(state, &mut Vec::new(), &mut senders) {
            return None;
        }
        let least = u64::from(self.instance.least_tokens);
        self.split(state, &state.fetched, least)
    }

    /// Whether every fetch from the next on finds a GPU that sends it, one that had the expert or one that got it.
    fn sent(&self, state: &State, from: &mut Vec<usize>, senders: &mut [u32]) -> bool {
        let fetched = &state.fetched;
        let Some(&(expert, to)) = fetched.get(from.len()) else {
            return (0..fetched.len()).all(|fetch| self.begins(state, from, fetch));
        };
        for gpu in (0..senders.len()).filter(|&gpu| state.holders[expert] >> gpu & 1 == 1) {
            if gpu == to || senders[gpu] == self.instance.max_fetches_out {
                continue;
            }
            senders[gpu] += 1;
            from.push(gpu);
            let found = self.sent(state, from, senders);
            from.pop();
            senders[gpu] -= 1;
            if found {
                return true;
            }
        }
        false
    }

    /// Whether a fetch goes back to a GPU that had the expert, not round in a circle.
    fn begins(&self, state: &State, from: &[usize], mut fetch: usize) -> bool {
        for _ in 0..from.len() {
            let (expert, sender) = (state.fetched[fetch].0, from[fetch]);
            match state.fetched.iter().position(|&copy| copy == (expert, sender)) {
                Some(before) => fetch = before,
                None => return true,
            }
        }
        false
    }

    /// The fewest tokens at copies when each that is fetched has at least so many.
    fn split(&self, state: &State, fetched: &[Copy], least: u64) -> Option<u64> {
        let (mut tokens, mut capacity) = (self.tokens.clone(), state.capacity.clone());
        for &(expert, gpu) in fetched {
            tokens[expert] = tokens[expert].checked_sub(least)?;
            capacity[gpu] = capacity[gpu].checked_sub(least)?;
        }
        let (experts, gpus) = (tokens.len(), capacity.len());
        let (from, to) = (experts + gpus, experts + gpus + 1);
        let mut network = Network::new(experts + gpus + 2);
        for (expert, &tokens) in tokens.iter().enumerate() {
            network.edge(from, expert, tokens, 0);
            for gpu in (0..gpus).filter(|gpu| state.holders[expert] >> gpu & 1 == 1) {
                let at_home = self.home[expert] >> gpu & 1 == 1;
                network.edge(expert, experts + gpu, u64::MAX >> 1, i64::from(!at_home));
            }
        }
        for (gpu, &room) in capacity.iter().enumerate() {
            network.edge(experts + gpu, to, room, 0);
        }
        let (flow, cost) = network.flow(from, to);
        (flow == tokens.iter().sum::<u64>()).then_some(cost + least * fetched.len() as u64)
    }
}

enum Next {
    /// No set lacks room.
    Enough,
    /// One of these.
    Choose(Vec<Copy>),
}

#[cfg(test)]
mod tests {
    use super::super::instance::{Kind, random};
    use super::*;
    use crate::loads::{Rng, times};

    /// The set formula and the flow agree on what homes and copies of chance can do.
    #[test]
    fn sets_and_flow_agree() {
        let mut rng = Rng(11);
        let kind =
            Kind { most_gpus: 5, most_experts: 8, uneven: true, held: true, ..Kind::default() };
        for _ in 0..times(300, 3000) {
            let instance = random(&mut rng, &kind);
            let small = Small::new(&instance);
            let limit = small.bound() * (0.8 + rng.unit());
            let state = small.start(limit);
            let missing = small.most_missing(&state.holders, &state.capacity);
            assert_eq!(missing == 0, small.leaving_home(&state).is_some(), "{instance:?}");
        }
    }

    /// On tiny instances every set of copies, tried one by one, says the same.
    #[test]
    fn all_sets_of_copies_say_the_same() {
        let mut rng = Rng(12);
        for round in 0..times(400, 4000) {
            let held = round % 3 == 0;
            let limits = round % 2 == 0;
            let kind =
                Kind { most_gpus: 3, most_experts: 4, uneven: true, held, limits, sources: false };
            let mut instance = random(&mut rng, &kind);
            instance.tokens[0].iter_mut().for_each(|tokens| *tokens %= 25);
            let small = Small::new(&instance);
            let limit = small.bound_of_spare() * (1.0 + 0.3 * rng.unit());
            let plain = plain(&small, limit);
            let found = small.fewest(limit).map(|found| (found.fetches, found.leaving_home));
            assert_eq!(found, plain, "{instance:?} {limit}");
            let least = small.least();
            assert!(small.possible(least), "{instance:?} {least}");
            let below = small.times().into_iter().rev().find(|&time| time < least);
            assert!(below.is_none_or(|below| !small.possible(below)), "{instance:?} {least}");
        }
    }

    /// Fewest fetches, fewest tokens at copies: every set of copies.
    fn plain(small: &Small, limit: f64) -> Option<(usize, u64)> {
        let instance = small.instance;
        let all: Vec<Copy> = (0..instance.gpus())
            .flat_map(|gpu| (0..instance.experts).map(move |expert| (expert, gpu)))
            .filter(|&(expert, gpu)| !instance.has_home(expert, gpu))
            .collect();
        let least = u64::from(instance.least_tokens.max(1));
        let mut before = small.start(limit);
        before.holders = small.home.clone();
        let one = |set: u32| {
            let copies: Vec<Copy> = (0..all.len())
                .filter(|place| set >> place & 1 == 1)
                .map(|place| all[place])
                .collect();
            let mut state = before.clone();
            copies.iter().for_each(|&(expert, gpu)| state.holders[expert] |= 1 << gpu);
            for gpu in 0..instance.gpus() {
                let here = copies.iter().filter(|copy| copy.1 == gpu);
                let held = instance.held(gpu);
                let before = state.fetched.len();
                state.fetched.extend(here.clone().filter(|copy| !held.contains(&copy.0)));
                let new = state.fetched.len() - before;
                let most_in = instance.max_fetches_in as usize;
                if here.count() > instance.spare(gpu) || most_in > 0 && new > most_in {
                    return None;
                }
                let cost = new as u64 * u64::from(instance.fetch_tokens);
                state.capacity[gpu] = state.capacity[gpu].checked_sub(cost)?;
            }
            let mut senders = vec![0; instance.gpus()];
            if instance.max_fetches_out > 0 && !small.sent(&state, &mut Vec::new(), &mut senders) {
                return None;
            }
            let leaving = small.split(&state, &state.fetched, least)?;
            Some((state.fetched.len(), leaving))
        };
        (0..1 << all.len()).filter_map(one).min()
    }
}

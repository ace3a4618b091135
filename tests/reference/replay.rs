//! Replays the transfers of a layer slot by slot, and fails on whatever the contract forbids
//! (docs/SPEC.md, "Transfers"). Knows nothing of how the list was made.

use eplb::Transfer;
use std::collections::{BTreeMap, BTreeSet};

/// The machine on which a list is replayed.
pub struct Machine<'a> {
    /// GPU of each slot.
    pub gpu: &'a [usize],
    /// Whether a GPU can be read, whether it may receive.
    pub serves: &'a [bool],
    pub receives: &'a [bool],
    pub spare: usize,
    pub external: bool,
}

/// What a good list did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Replayed {
    pub moved: usize,
    pub local: usize,
    /// The most that one GPU sends, that one GPU receives.
    pub sends: usize,
    pub receives: usize,
    pub rounds: usize,
    /// No list has fewer.
    pub least: usize,
    /// The most buffers that one GPU had in use.
    pub buffers: usize,
}

/// No list has fewer rounds: a GPU receives one expert a round; the copies of an expert double at most; and what one
/// GPU alone holds leaves it one after another, first what takes longest after that.
pub fn least_rounds(machine: &Machine, old: &[i32], new: &[i32]) -> usize {
    let place = |(slot, &expert): (usize, &i32)| (expert, machine.gpu[slot]);
    let named = |&(expert, gpu): &(i32, usize)| expert >= 0 && machine.serves[gpu];
    let held: BTreeSet<(i32, usize)> = old.iter().enumerate().map(place).filter(named).collect();
    let wanted: BTreeSet<(i32, usize)> = new.iter().enumerate().map(place).filter(named).collect();
    let mut receives: BTreeMap<usize, usize> = BTreeMap::new();
    let mut receivers: BTreeMap<i32, usize> = BTreeMap::new();
    for (expert, gpu) in wanted.difference(&held) {
        *receives.entry(*gpu).or_default() += 1;
        *receivers.entry(*expert).or_default() += 1;
    }
    let mut least = receives.values().copied().max().unwrap_or(0);
    let mut alone: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (expert, more) in receivers {
        let holders: Vec<usize> =
            held.iter().filter(|held| held.0 == expert).map(|held| held.1).collect();
        let enough = |rounds: &usize| holders.len() << rounds >= holders.len() + more;
        let Some(rounds) = (0..usize::BITS as usize).find(enough) else { continue }; // from outside
        least = least.max(rounds);
        if let [gpu] = holders[..] {
            alone.entry(gpu).or_default().push(rounds);
        }
    }
    for rounds in alone.values_mut() {
        rounds.sort_unstable_by(|a, b| b.cmp(a));
        let last = rounds.iter().enumerate().map(|(before, rounds)| before + rounds);
        least = least.max(last.max().unwrap_or(0));
    }
    least
}

/// Replays `list`, in `rounds` rounds, from `old` to `new`.
pub fn replay(
    machine: &Machine,
    old: &[i32],
    new: &[i32],
    list: &[Transfer],
    rounds: usize,
) -> Result<Replayed, String> {
    let slots = old.len();
    let least = least_rounds(machine, old, new);
    let mut done = Replayed { rounds, least, ..Replayed::default() };
    if rounds < least {
        return Err(format!("{rounds} rounds where none has fewer than {least}"));
    }
    let mut held: Vec<Option<i32>> = (0..slots)
        .map(|slot| (old[slot] >= 0 && machine.serves[machine.gpu[slot]]).then_some(old[slot]))
        .collect();
    // (slot, expert, the round before which it is copied) of each GPU
    let mut buffers: Vec<Vec<(usize, i32, usize)>> = vec![Vec::new(); machine.serves.len()];
    let mut present: Vec<i32> = held.iter().flatten().copied().collect();
    let (mut sends, mut receives) = (BTreeMap::new(), BTreeMap::new());

    let mut order = 0;
    for entry in list {
        let (from, to) = (entry.source_slot, entry.destination_slot as usize);
        if entry.destination_gpu != machine.gpu[to] as i32 {
            return Err(format!("{entry:?}: not the GPU of the destination"));
        }
        if from >= 0 && entry.source_gpu != machine.gpu[from as usize] as i32 {
            return Err(format!("{entry:?}: not the GPU of the source"));
        }
        if from < 0 && (from != -1 || entry.source_gpu != -1 || !machine.external) {
            return Err(format!("{entry:?}: from outside"));
        }
        let local = entry.source_gpu == entry.destination_gpu;
        // settles and rounds alternate: the copies before round r come before those of round r
        let place = 2 * entry.round as usize + usize::from(!local);
        if place < order || place > 2 * rounds {
            return Err(format!("{entry:?}: out of order"));
        }
        order = place;
        if local {
            done.local += 1;
        } else {
            done.moved += 1;
            if from >= 0 {
                *sends.entry(entry.source_gpu).or_insert(0) += 1;
            }
            *receives.entry(entry.destination_gpu).or_insert(0) += 1;
        }
    }
    done.sends = sends.values().copied().max().unwrap_or(0);
    done.receives = receives.values().copied().max().unwrap_or(0);

    for round in 0..=rounds {
        // between rounds: buffers into slots, then copies within GPUs, all read before any is written
        let mut written = Vec::new();
        for buffer in &mut buffers {
            for &(slot, expert, _) in buffer.iter().filter(|&&(_, _, commit)| commit == round) {
                held[slot] = Some(expert);
                written.push(slot);
            }
            buffer.retain(|&(_, _, commit)| commit != round);
        }
        let here: Vec<&Transfer> =
            list.iter().filter(|entry| entry.round as usize == round).collect();
        let is_local = |entry: &&&Transfer| entry.source_gpu == entry.destination_gpu;
        let before = held.clone();
        for entry in here.iter().filter(is_local) {
            if before[entry.source_slot as usize] != Some(entry.expert) {
                return Err(format!("{entry:?}: the source does not hold the expert"));
            }
            held[entry.destination_slot as usize] = Some(entry.expert);
            written.push(entry.destination_slot as usize);
        }
        let count = written.len();
        written.sort_unstable();
        written.dedup();
        if written.len() != count {
            return Err(format!("a slot is written twice before round {round}"));
        }

        // the round itself
        let moving: Vec<&&Transfer> = here.iter().filter(|entry| !is_local(entry)).collect();
        let direct = |entry: &&&&Transfer| entry.commit == 0;
        let overwritten: Vec<usize> =
            moving.iter().filter(direct).map(|entry| entry.destination_slot as usize).collect();
        let readable: Vec<Option<i32>> =
            (0..slots).map(|slot| held[slot].filter(|_| !overwritten.contains(&slot))).collect();
        for &expert in &present {
            if !readable.contains(&Some(expert)) {
                return Err(format!("expert {expert} cannot be read in round {round}"));
            }
        }
        let (mut sending, mut receiving) = (Vec::new(), Vec::new());
        for entry in moving {
            let (from, to) = (entry.source_gpu, entry.destination_gpu);
            if from >= 0 && sending.contains(&from) || receiving.contains(&to) {
                return Err(format!("{entry:?}: a link is used twice"));
            }
            if from >= 0 && !machine.serves[from as usize] || !machine.receives[to as usize] {
                return Err(format!("{entry:?}: a GPU that does not take part"));
            }
            if from >= 0 && readable[entry.source_slot as usize] != Some(entry.expert) {
                return Err(format!("{entry:?}: the source cannot be read"));
            }
            sending.push(from);
            receiving.push(to);
            if entry.commit != 0 {
                if (entry.commit as usize) <= round || entry.commit as usize > rounds {
                    return Err(format!("{entry:?}: when?"));
                }
                let buffer = &mut buffers[to as usize];
                buffer.push((entry.destination_slot as usize, entry.expert, entry.commit as usize));
                done.buffers = done.buffers.max(buffer.len());
                if buffer.len() > machine.spare {
                    return Err(format!("{entry:?}: no buffer is left"));
                }
            }
        }
        if round < rounds && receiving.is_empty() {
            return Err(format!("round {round} is empty"));
        }
        for entry in here.iter().filter(|entry| !is_local(entry) && entry.commit == 0) {
            held[entry.destination_slot as usize] = Some(entry.expert);
            present.push(entry.expert);
        }
        present.extend(held.iter().flatten());
        present.sort_unstable();
        present.dedup();
    }
    for slot in 0..slots {
        if new[slot] >= 0 && held[slot] != Some(new[slot]) {
            return Err(format!("slot {slot} holds {:?}, not {}", held[slot], new[slot]));
        }
    }
    Ok(done)
}

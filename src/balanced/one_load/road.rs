//! The road: the order of the steps for one row.

use crate::balanced::one_load::c1::c1;
use crate::balanced::one_load::capped::capped;
use crate::balanced::one_load::chains::{STEP, chain};
use crate::balanced::one_load::lpt::lpt;
use crate::balanced::one_load::moves::{self, Move};
use crate::balanced::one_load::refine::refine;
use crate::balanced::one_load::rematch::rematch;
use crate::balanced::one_load::row::Row;
use crate::balanced::one_load::{exact, pairs, reach};
use crate::base::cells::{add, at, part, part_mut, put};
use core::num::NonZero;

/// Partners looked at, when the caller does not say.
pub(crate) const EFFORT: u64 = 200_000;
/// Other counts are tried, and counts moved, when the largest time is above the bound by more than one part
/// in this many: sooner where the row is small, and trying is cheap.
const STUCK: u64 = 200;
const STUCK_SMALL: u64 = 1000;
/// Slots below which a row is small.
const SMALL: usize = 128;
/// Caps tried: 1, 1 - 40/1024, 1 - 80/1024, ... of the bound, each with two limits for the slots left over.
const CAPS: u64 = 16;
const CAP_STEP: u64 = 40;
/// Packings tried among the capped counts.
const TRIES: usize = 3;
/// Count moves tried that make things worse at first.
const LEAPS: usize = 4;

struct Aim {
    bound: u64,
    /// How far above the bound is not worth other counts.
    patience: u64,
    even: bool,
    slots: usize,
    left: u64,
    /// What LPT alone reached in the last packing.
    greedy: u64,
}

impl Aim {
    /// A time that is near enough to the bound.
    fn target(&self) -> u64 {
        self.bound + (self.bound >> 11)
    }

    /// What rounding may make of the items of two GPUs: a gain must be more.
    fn grain(&self) -> u64 {
        2 * self.slots as u64 + 1
    }

    fn stuck(&self, time: u64) -> bool {
        time > self.bound.saturating_add(self.patience)
    }
}

/// Plans the row. Answers where the placement is then: in `hold`, with empty slots, or on the board. Leaves what is
/// left of `effort`.
#[inline(always)] // one frame with `run`
pub fn road<const S: bool>(row: &mut Row<S>, even: bool, effort: &mut u64) -> bool {
    row.sort_experts();
    if even {
        row.dhondt()
    } else {
        reach::dhondt(row)
    }
    row.items();
    let gpus = row.b.gpus;
    let slots = row.b.w.len() / gpus.max(1);
    let mut total = 0u64;
    for &x in row.b.w.iter() {
        total = total.wrapping_add(x);
    }
    let mean = total.div_ceil(gpus.max(1) as u64);
    // The largest replica, which D'Hondt makes as small as can be, on the fastest GPU.
    let mut largest = u64::MAX;
    for g in 0..gpus {
        let t = row.b.time(g, at(row.b.w, 0));
        largest = if t < largest { t } else { largest };
        if !S {
            break;
        }
    }
    let bound = if largest > mean { largest } else { mean };
    let patience = if row.b.w.len() < SMALL { bound / STUCK_SMALL } else { bound / STUCK };
    let mut aim = Aim { bound, patience, even, slots, left: *effort, greedy: u64::MAX };
    let mut floor = if even && !S { c1(row.b.w, gpus, slots, bound) } else { bound };
    let first = floor;
    let mut best = u64::MAX;
    // Counts that cannot be packed within the target wait until others have been tried.
    let packed = first <= aim.target() || slots == 1;
    if packed {
        best = pack(row, &mut aim);
        floor = aim.greedy;
    }
    let small = exact::small(row);
    let stuck = slots > 1 && aim.stuck(best);
    let safe = slots > 3 || best.saturating_add(aim.grain()) < floor;
    if (best <= bound && safe) || (!stuck && !small && safe) {
        *effort = aim.left;
        return false;
    }
    row.remember();
    if stuck {
        best = other_counts(row, &mut aim, first, best);
        if slots > 2 || !even || S {
            row.adopt();
            let now = move_counts(row, &mut aim);
            if now < best {
                best = now;
                row.remember();
            }
            best = leap(row, &mut aim, best);
        }
    }
    if best.saturating_add(aim.grain()).saturating_add(if packed { 0 } else { floor >> 20 })
        >= floor
    {
        // As good as D'Hondt with LPT at most: then that plan itself, so that not even rounding makes this
        // one worse.
        best = plain(row, &aim, best);
    }
    let held = small && exact::exact(row, bound, best, aim.grain(), &mut aim.left);
    if !held {
        row.adopt();
    }
    *effort = aim.left;
    held
}

/// LPT, then all that lowers the largest time for these counts.
#[inline(never)]
fn pack<const S: bool>(row: &mut Row<S>, aim: &mut Aim) -> u64 {
    if !lpt(&mut row.b, row.keys, row.tree, row.fill) {
        if !aim.even && !reach::feasible(row) {
            return u64::MAX;
        }
        reach::construct(row);
    }
    aim.greedy = row.b.extremes().1;
    if aim.slots == 2 && aim.even && !S {
        // Opposite pairs are optimal for these counts.
        return aim.greedy;
    }
    if aim.slots <= 3 && aim.even && !S {
        sweep(row, aim);
    }
    settle(row, aim)
}

/// Up to eight rematches, over other columns each time.
#[inline(never)]
fn sweep<const S: bool>(row: &mut Row<S>, aim: &Aim) {
    for i in 0..8 {
        let (_, most, _) = row.b.extremes();
        if most <= aim.target() {
            break;
        }
        // not 0 by its type: division by a plain number keeps a panic where it is not inlined
        let slots = NonZero::new(aim.slots).unwrap_or(NonZero::<usize>::MIN);
        let pick = |g: usize| (i + g * (i / slots)) % slots;
        let offer = part_mut(row.tree, 0, row.rest.len());
        rematch(&mut row.b, pick, most, row.rest, offer, row.tmp);
    }
}

#[inline(always)] // no frame of its own
fn settle<const S: bool>(row: &mut Row<S>, aim: &mut Aim) -> u64 {
    while !refine(&mut row.b, aim.target(), aim.grain(), &mut aim.left)
        && chain(&mut row.b, aim.bound, aim.grain(), &mut aim.left)
    {}
    row.b.extremes().1
}

/// Count moves on the board, until none helps.
#[inline(never)]
fn move_counts<const S: bool>(row: &mut Row<S>, aim: &mut Aim) -> u64 {
    let mut most = row.b.extremes().1;
    let mut one = [Move { worst: 0, rank: 0, to: 0 }];
    while most > aim.target() && aim.left > 0 {
        let limit = (most - (most - aim.bound) / STEP).saturating_sub(aim.grain());
        if !list_moves(row, limit, &mut one, aim) {
            break;
        }
        let [m] = one;
        put(row.b.expert, m.rank, m.to);
        row.relabel();
        most = settle(row, aim);
    }
    most
}

/// From the best placement, in `hold`, when no count move helps by itself: moves that overload another
/// GPU at first, each followed by swaps and count moves; the first that ends better is kept, and so on.
#[inline(never)]
fn leap<const S: bool>(row: &mut Row<S>, aim: &mut Aim, mut best: u64) -> u64 {
    let mut list = [Move { worst: 0, rank: 0, to: 0 }; LEAPS];
    'leaps: while aim.stuck(best) && aim.left > 0 {
        // From `hold` each time: the moves name ranks, and adopting numbers equal replicas anew.
        row.adopt();
        if !list_moves(row, best.saturating_add(best / 3), &mut list, aim) {
            break;
        }
        for m in list {
            if m.rank == usize::MAX {
                break;
            }
            put(row.b.expert, m.rank, m.to);
            row.relabel();
            settle(row, aim);
            let now = move_counts(row, aim);
            if now.saturating_add(aim.grain()) < best {
                best = now;
                row.remember();
                continue 'leaps;
            }
            row.adopt();
        }
        break;
    }
    best
}

fn list_moves<const S: bool>(
    row: &mut Row<S>,
    limit: u64,
    list: &mut [Move],
    aim: &mut Aim,
) -> bool {
    let (scaled, factor) = (&*row.scaled, row.factor);
    let weight = |e, c| Row::<S>::weight(scaled, factor, e, c);
    moves::find(&row.b, row.count, row.cap, limit, weight, list, &mut aim.left)
}

/// Capped counts, packed in order of C1 as long as they can win; the best is in `hold`.
#[inline(never)]
fn other_counts<const S: bool>(row: &mut Row<S>, aim: &mut Aim, first: u64, mut best: u64) -> u64 {
    const D_HONDT: u64 = 255;
    let pairs = aim.slots == 2 && aim.even && !S;
    // The most promising, as C1 << 8 | candidate, and a checksum of each one's counts: many caps give the
    // same.
    let mut list = [(u64::MAX, 0u64); TRIES];
    if best == u64::MAX {
        enter(&mut list, ((first << 8) | D_HONDT, 0));
    }
    for i in 0..2 * CAPS {
        if !deal(row, aim, i) {
            continue;
        }
        let mut sum = 0u64;
        for &e in part(row.extra, 0, row.extras) {
            sum = sum.wrapping_add(u64::from(e + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20);
        }
        if list.iter().any(|&(_, s)| s == sum) {
            continue;
        }
        row.items();
        let c = if aim.even && !S { c1(row.b.w, row.b.gpus, aim.slots, 0) } else { aim.bound };
        if c < best || pairs {
            enter(&mut list, ((c << 8) | i, sum));
        }
    }
    for &(k, _) in &list {
        if best <= aim.target() || (k >> 8 >= best && !pairs) || k == u64::MAX {
            break;
        }
        if k & 255 == D_HONDT {
            row.dhondt();
        } else {
            deal(row, aim, k & 255);
        }
        row.items();
        if pairs {
            climb(row, aim);
        }
        let mut now = pack(row, aim);
        if aim.stuck(now) && aim.slots > 2 {
            now = move_counts(row, aim);
        }
        if now.saturating_add(aim.grain()) < best {
            best = now;
            row.remember();
        }
    }
    best
}

/// Keeps the list sorted; what falls off its end is gone.
fn enter(list: &mut [(u64, u64)], mut x: (u64, u64)) {
    for y in list.iter_mut() {
        if x.0 < y.0 {
            core::mem::swap(&mut x, y);
        }
    }
}

/// The counts of candidate `i`.
fn deal<const S: bool>(row: &mut Row<S>, aim: &Aim, i: u64) -> bool {
    let cap = aim.bound - aim.bound * (i >> 1) * CAP_STEP / 1024;
    let limit = aim.bound / (2 + (i & 1));
    let spare = row.b.w.len() - row.experts();
    let Some((extras, upto)) = capped(
        row.scaled,
        row.order,
        row.factor,
        cap,
        limit,
        row.cap,
        row.keys,
        row.count,
        part_mut(row.extra, 0, spare),
    ) else {
        return false;
    };
    row.extras = extras;
    row.upto = upto;
    extras == spare && (aim.even || reach::feasible(row))
}

/// Two slots: hill climbing on the counts in force, before they are packed.
#[inline(never)]
fn climb<const S: bool>(row: &mut Row<S>, aim: &mut Aim) {
    loop {
        let (scaled, factor) = (&*row.scaled, row.factor);
        let weight = |e, c| Row::<S>::weight(scaled, factor, e, c);
        let Some((d, e)) =
            pairs::step(row.b.w, row.b.expert, row.count, row.cap, weight, row.tmp, &mut aim.left)
        else {
            return;
        };
        add(row.count, d as usize, u32::MAX);
        add(row.count, e as usize, 1);
        row.extras_of_counts();
        row.items();
    }
}

/// D'Hondt and LPT as they are, unless `best` is better.
#[inline(never)]
fn plain<const S: bool>(row: &mut Row<S>, aim: &Aim, best: u64) -> u64 {
    if S || !aim.even {
        return best;
    }
    row.dhondt();
    row.items();
    if lpt(&mut row.b, row.keys, row.tree, row.fill) {
        let now = row.b.extremes().1;
        if now <= best.saturating_add(aim.grain()) {
            row.remember();
            return now;
        }
    }
    best
}

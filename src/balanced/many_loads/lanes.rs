//! Windows side by side, eight to a block, so that one instruction does several where the processor can. The
//! order of adding is written down, so that it does not matter whether it can.
//!
//! All of it is f32: add, subtract, multiply and compare, nothing else, so that every machine gets the same
//! bits. Nothing here is ever subnormal: loads are cut off below before they are raised to a power.

/// Windows in a block.
pub const WIDE: usize = 8;
/// Eight windows.
pub type Block = [f32; WIDE];

/// Blocks that hold `windows`.
pub fn blocks(windows: usize) -> usize {
    windows.div_ceil(WIDE)
}

/// Times below this part of the mean cost as much as this: 2^-3, whose 24th power is still far from
/// subnormal.
const LEAST: f32 = 0.125;
/// Times above this many times the mean cost as much as this: sums of the 24th power stay finite.
const MOST: f32 = 16.0;

/// weight * time^24, the time cut off at `LEAST` and `MOST`: the latter as integers, since of a minimum of floats
/// compilers make branches.
#[inline(always)]
pub fn power(time: f32, weight: f32) -> f32 {
    let t = if time > LEAST { time } else { LEAST };
    let t = f32::from_bits((t.to_bits() as i32).min(MOST.to_bits() as i32) as u32);
    let t2 = t * t;
    let t4 = t2 * t2;
    let t8 = t4 * t4;
    t8 * t8 * t8 * weight
}

#[inline(always)]
fn sum(block: &Block) -> f32 {
    let &[a, b, c, d, e, f, g, h] = block;
    let (a, b, c, d) = (a + e, b + f, c + g, d + h);
    (a + c) + (b + d)
}

/// What `rest` costs when `item` comes, or when it goes, on a GPU that takes `slowness` for a unit: the sum
/// over the windows of weight * time^24. In `costs`: by window.
///
/// Out of line, and through memory, because that is what compilers turn into vectors.
#[inline(never)]
pub fn cost_after<const COMES: bool>(
    costs: &mut [Block],
    rest: &[Block],
    item: &[Block],
    weight: &[Block],
    slowness: f32,
) -> f32 {
    let flat = costs.as_flattened_mut().iter_mut().zip(rest.as_flattened());
    let flat = flat.zip(item.as_flattened()).zip(weight.as_flattened());
    for (((cost, rest), item), weight) in flat {
        let load = if COMES { rest + item } else { rest - item };
        *cost = power(load * slowness, *weight);
    }
    let mut all = [0.0; WIDE];
    for cost in costs.iter() {
        for (all, &cost) in all.iter_mut().zip(cost) {
            *all += cost;
        }
    }
    sum(&all)
}

/// What loads cost, and in which window most, as an index into the lanes; the first of equals.
pub fn cost(load: &[Block], weight: &[Block], slowness: f32) -> (f32, usize) {
    let mut all = [0.0; WIDE];
    let (mut most, mut at) = (-1.0, 0);
    for (block, (load, weight)) in load.iter().zip(weight).enumerate() {
        for (((all, &load), &weight), i) in all.iter_mut().zip(load).zip(weight).zip(0..) {
            let cost = power(load * slowness, weight);
            *all += cost;
            if cost > most {
                most = cost;
                at = WIDE * block + i;
            }
        }
    }
    (sum(&all), at)
}

/// The largest load over the windows.
pub fn largest(load: &[Block]) -> f32 {
    load.as_flattened().iter().fold(0.0, |most, &load| if load > most { load } else { most })
}

/// The largest load over the windows after `plus` came.
#[inline(always)]
pub fn largest_with(load: &[Block], plus: &[Block]) -> f32 {
    let mut most = [0.0; WIDE];
    for (load, plus) in load.iter().zip(plus) {
        for ((most, &load), &plus) in most.iter_mut().zip(load).zip(plus) {
            let now = load + plus;
            *most = if now > *most { now } else { *most };
        }
    }
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let [a, b, c, d, e, f, g, h] = most;
    let (a, b, c, d) = (larger(a, e), larger(b, f), larger(c, g), larger(d, h));
    larger(larger(a, c), larger(b, d))
}

/// Adds.
#[inline(always)]
pub fn add(load: &mut [Block], plus: &[Block]) {
    for (load, plus) in load.iter_mut().zip(plus) {
        for (load, &plus) in load.iter_mut().zip(plus) {
            *load += plus;
        }
    }
}

/// Multiplies into `to`.
#[inline(always)]
pub fn scale(to: &mut [Block], from: &[Block], by: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from * by;
        }
    }
}

/// `from` less `minus`, into `to`.
#[inline(always)]
pub fn less(to: &mut [Block], from: &[Block], minus: &[Block]) {
    for ((to, from), minus) in to.iter_mut().zip(from).zip(minus) {
        for ((to, &from), &minus) in to.iter_mut().zip(from).zip(minus) {
            *to = from - minus;
        }
    }
}

/// `from` and `plus`, into `to`.
#[inline(always)]
pub fn more(to: &mut [Block], from: &[Block], plus: &[Block]) {
    for ((to, from), plus) in to.iter_mut().zip(from).zip(plus) {
        for ((to, &from), &plus) in to.iter_mut().zip(from).zip(plus) {
            *to = from + plus;
        }
    }
}

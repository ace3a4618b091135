//! Numbers of a file: what they are, and how they lie in its bytes.

use super::fault::Fault;

/// Numbers in rows, the last index fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// Their product of numbers.
    pub values: Vec<f64>,
}

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IEEE, of so many bytes.
    Float(usize),
    /// The upper half of a float of four bytes.
    Bfloat16,
    /// With a sign, of so many bytes.
    Signed(usize),
    /// Without one.
    Unsigned(usize),
}

impl Kind {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Kind::Float(size) | Kind::Signed(size) | Kind::Unsigned(size) => size,
            Kind::Bfloat16 => 2,
        }
    }

    /// The number in `bytes`, as many as an element has, the least significant first.
    fn decode(self, bytes: &[u8]) -> f64 {
        let bits = bytes.iter().rev().fold(0_u64, |bits, &byte| (bits << 8) | u64::from(byte));
        match self {
            Kind::Float(2) => half(bits),
            Kind::Float(4) => f64::from(f32::from_bits(bits as u32)),
            Kind::Float(_) => f64::from_bits(bits),
            Kind::Bfloat16 => f64::from(f32::from_bits((bits as u32) << 16)),
            Kind::Unsigned(_) => bits as f64,
            Kind::Signed(size) => {
                let unused = 64 - 8 * size as u32;
                (((bits << unused) as i64) >> unused) as f64
            }
        }
    }
}

/// A float of two bytes.
fn half(bits: u64) -> f64 {
    let (exponent, fraction) = ((bits >> 10) & 31, (bits & 1023) as f64);
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent as i32 - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// How elements lie in bytes.
pub struct Layout<'a> {
    /// What an element is.
    pub kind: Kind,
    /// The most significant byte is first.
    pub big_endian: bool,
    /// Elements before the first.
    pub offset: u64,
    /// Length of each dimension.
    pub shape: &'a [u64],
    /// Elements from one index of a dimension to the next.
    pub stride: &'a [u64],
}

impl Layout<'_> {
    /// The elements; `None` when some are not in `data`, or there are more than it has.
    pub fn read(&self, data: &[u8]) -> Option<Array> {
        let size = self.kind.size();
        let held = (data.len() / size) as u64;
        let count = self.shape.iter().try_fold(1_u64, |all, &len| all.checked_mul(len))?;
        let shape: Vec<usize> = self.shape.iter().map(|&len| len as usize).collect();
        if count == 0 {
            return Some(Array { shape, values: Vec::new() });
        }
        let steps = || self.shape.iter().zip(self.stride);
        let last = steps().try_fold(self.offset, |at, (&len, &stride)| {
            at.checked_add((len - 1).checked_mul(stride)?)
        })?;
        if count > held || last >= held || self.shape.len() != self.stride.len() {
            return None;
        }
        let mut values = Vec::with_capacity(count as usize);
        let mut element = [0; 8];
        for number in 0..count {
            let (mut rest, mut at) = (number, self.offset);
            for (&len, &stride) in steps().rev() {
                at += rest % len * stride;
                rest /= len;
            }
            let bytes = data.get(at as usize * size..)?.get(..size)?;
            element[..size].copy_from_slice(bytes);
            if self.big_endian {
                element[..size].reverse();
            }
            values.push(self.kind.decode(&element[..size]));
        }
        Some(Array { shape, values })
    }
}

impl Array {
    /// Its numbers, when they are `[L, E]` or `[W, L, E]` loads: finite, at least 0, and within a float of four bytes.
    pub fn loads(self) -> Result<Array, Fault> {
        let shape = &self.shape;
        if !(2..=3).contains(&shape.len()) || shape.contains(&0) {
            return Err(Fault::new(format!("has shape {shape:?}, not [L, E] or [W, L, E]")));
        }
        let good = |&load: &f64| load >= 0.0 && (load as f32).is_finite();
        if let Some(wrong) = self.values.iter().position(|load| !good(load)) {
            let value = figure(self.values[wrong]);
            let why = format!("is {value}: loads are finite and at least 0, of 32 bits");
            return Err(Fault::new(why).within(&self.place(wrong)));
        }
        Ok(self)
    }

    /// The index of a number.
    fn place(&self, mut at: usize) -> String {
        let mut index = Vec::new();
        for &len in self.shape.iter().rev() {
            index.push(at % len.max(1));
            at /= len.max(1);
        }
        index.iter().rev().map(|at| format!("[{at}]")).collect()
    }

    /// How many experts a placement `[L, P]` is of: as the file says, or as it names. Each has a slot, so at most P.
    pub fn experts(&self, given: Option<u64>) -> Result<usize, Fault> {
        let named = self.values.iter().copied().fold(-1.0, f64::max) + 1.0;
        let experts = given.map_or(named, |given| given as f64);
        match self.shape[..] {
            [_, slots] if experts >= 1.0 && experts <= slots as f64 => Ok(experts as usize),
            _ => Err(Fault::new(format!(
                "is {:?} of {} experts, not [L, P] of 1 to P",
                self.shape,
                figure(experts)
            ))),
        }
    }

    /// `[.., L, E]` of the loads `[.., L, P]` of slots under the placement `held`, `[L, P]`; -1 is an empty slot, whose
    /// load counts for nothing. Faults are those of the placement.
    pub fn of_experts(&self, held: &Array, experts: usize) -> Result<Array, Fault> {
        let (outer, inner) = self.shape.split_at(self.shape.len().saturating_sub(2));
        if held.shape != inner {
            return Err(Fault::new(format!("is {:?}, the loads are {:?}", held.shape, self.shape)));
        }
        let names = |&slot: &f64| slot.fract() == 0.0 && (-1.0..experts as f64).contains(&slot);
        if let Some(wrong) = held.values.iter().position(|slot| !names(slot)) {
            let why = format!("is {}, no expert below {experts}", figure(held.values[wrong]));
            return Err(Fault::new(why).within(&held.place(wrong)));
        }
        let (layers, slots) = (inner[0], inner[1]);
        let rows: usize = outer.iter().product::<usize>() * layers;
        let mut values = vec![0.0; rows * experts];
        for (row, loads) in self.values.chunks_exact(slots).enumerate() {
            let placed = &held.values[row % layers * slots..][..slots];
            for (&expert, load) in placed.iter().zip(loads).filter(|(expert, _)| **expert >= 0.0) {
                values[row * experts + expert as usize] += load;
            }
        }
        Ok(Array { shape: [outer, &[layers, experts]].concat(), values })
    }
}

/// A number in few digits.
fn figure(value: f64) -> String {
    if value.abs() < 1e9 { value.to_string() } else { format!("{value:e}") }
}

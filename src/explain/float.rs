//! Floats in decimal: the fewest digits that no neighbour shares, exactly, in whole numbers.
//!
//! Steele and White's algorithm in the form of "dragon4": the value is rest / unit, half the way to the neighbours less
//! / unit and more / unit, and digits are taken from the rest until what is left is within these. With a thousand bits
//! it is slow, which does not matter here, short, and right.

/// Words of a big number: the largest double times 10, and the smallest one scaled up, both take 36.
const WORDS: usize = 38;
/// Digits of a double at most.
const DIGITS: usize = 17;

/// A big whole number, lowest word first.
#[derive(Clone, Copy)]
struct Big([u32; WORDS]);

impl Big {
    /// `value` times 2 to the `shift`.
    #[inline(never)]
    fn new(value: u64, shift: u32) -> Big {
        let mut big = Big([0; WORDS]);
        let halves = [value as u32, (value >> 32) as u32];
        big.0.iter_mut().zip(halves).for_each(|(word, half)| *word = half);
        (0..shift / 31).for_each(|_| big.times(1 << 31));
        big.times(1 << (shift % 31));
        big
    }

    #[inline(never)]
    fn times(&mut self, factor: u32) {
        let mut carry = 0;
        for word in &mut self.0 {
            let product = u64::from(*word) * u64::from(factor) + carry;
            *word = product as u32;
            carry = product >> 32;
        }
    }

    #[inline(never)]
    fn plus(mut self, other: &Big) -> Big {
        let mut carry = 0;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            let sum = u64::from(*word) + u64::from(*other) + carry;
            *word = sum as u32;
            carry = sum >> 32;
        }
        self
    }

    /// Takes away one that is not larger.
    #[inline(never)]
    fn minus(&mut self, other: &Big) {
        let mut borrow = 0;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            let difference = i64::from(*word) - i64::from(*other) - borrow;
            *word = difference as u32;
            borrow = i64::from(difference < 0);
        }
    }

    #[inline(never)]
    fn below(&self, other: &Big) -> bool {
        self.0.iter().rev().lt(other.0.iter().rev())
    }
}

/// A float taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Float {
    /// The fraction as a whole number, and the power of 2 that it is times.
    fraction: u64,
    exponent: i32,
    /// The neighbour below is nearer than the one above.
    narrow: bool,
    negative: bool,
    finite: bool,
}

impl From<f32> for Float {
    #[inline(never)]
    fn from(value: f32) -> Float {
        Float::of_bits(u64::from(value.to_bits() & !(1 << 31)), 23, 127, value.is_sign_negative())
    }
}

impl From<f64> for Float {
    #[inline(never)]
    fn from(value: f64) -> Float {
        Float::of_bits(value.to_bits() & !(1 << 63), 52, 1023, value.is_sign_negative())
    }
}

impl Float {
    /// By bits without the sign, so that flush-to-zero changes nothing: `size` bits of fraction, below the
    /// exponent with that `bias`.
    fn of_bits(bits: u64, size: u32, bias: i32, negative: bool) -> Float {
        let (power, low) = ((bits >> size) as i32, bits & ((1 << size) - 1));
        Float {
            fraction: if power == 0 { low } else { low | 1 << size },
            exponent: power.max(1) - bias - size as i32,
            narrow: low == 0 && power > 1,
            negative,
            finite: power <= 2 * bias,
        }
    }

    /// The digits, the first at 10 to the power that is answered.
    fn digits(&self) -> (heapless::Vec<u8, DIGITS>, i32) {
        let (up, down) = (self.exponent.max(0) as u32, (-self.exponent).max(0) as u32);
        let twice = if self.narrow { 2 } else { 1 }; // in quarters where the lower neighbour is nearer
        let mut rest = Big::new(self.fraction, up + twice);
        let mut unit = Big::new(1, down + twice);
        let mut less = Big::new(1, up);
        let mut more = Big::new(1, up + twice - 1);
        let even = self.fraction & 1 == 0; // then the borders round to it, too
        let reaches = |rest: &Big, more: &Big, unit: &Big| {
            let top = rest.plus(more);
            if even { !top.below(unit) } else { unit.below(&top) }
        };
        let mut power = 0;
        while reaches(&rest, &more, &unit) {
            unit.times(10);
            power += 1;
        }
        loop {
            [&mut rest, &mut less, &mut more].into_iter().for_each(|big| big.times(10));
            power -= 1;
            if reaches(&rest, &more, &unit) {
                break;
            }
        }
        let mut digits = heapless::Vec::new();
        loop {
            let mut digit = 0;
            while !rest.below(&unit) {
                rest.minus(&unit);
                digit += 1;
            }
            let low = if even { !less.below(&rest) } else { rest.below(&less) };
            let high = reaches(&rest, &more, &unit);
            // of both borders the nearer; what is left is compared with half
            if high && (!low || !rest.plus(&rest).below(&unit)) {
                digit += 1;
            }
            if digits.push(b'0' + digit).is_err() || low || high {
                return (digits, power);
            }
            [&mut rest, &mut less, &mut more].into_iter().for_each(|big| big.times(10));
        }
    }

    /// Writes it: plainly from 0.0001 to 10^15, else with an exponent.
    pub fn write(&self, mut push: impl FnMut(u8)) {
        let mut say = |word: &str| word.bytes().for_each(&mut push);
        let nan = !self.finite && self.fraction & (self.fraction - 1) != 0;
        if self.negative && !nan {
            say("-");
        }
        match (self.finite, self.fraction) {
            (false, _) => return say(if nan { "NaN" } else { "infinity" }),
            (true, 0) => return say("0"),
            _ => {}
        }
        let (digits, power) = self.digits();
        let plain = (-4..15).contains(&power);
        let (lead, point) = if plain { ((-power).max(0), power.max(0) + 1) } else { (0, 1) };
        let zeros = core::iter::repeat_n(b'0', lead as usize);
        for (place, digit) in (0..).zip(zeros.chain(digits.iter().copied())) {
            if place == point {
                push(b'.');
            }
            push(digit);
        }
        (lead + digits.len() as i32..point).for_each(|_| push(b'0'));
        if !plain {
            push(b'e');
            if power < 0 {
                push(b'-');
            }
            let size = power.unsigned_abs();
            let digits = [(size >= 100, size / 100), (size >= 10, size / 10), (true, size)];
            let wanted = digits.into_iter().filter(|&(wanted, _)| wanted);
            wanted.for_each(|(_, digit)| push(b'0' + (digit % 10) as u8));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::String;

    fn written(number: impl Into<Float>) -> String {
        let mut text = String::new();
        number.into().write(|byte| text.push(char::from(byte)));
        text
    }

    #[test]
    fn by_hand() {
        let doubles = "0 -0 1 -1.5 0.1 9.5 123.456 100 0.0001 1e-5 100000000000000 1e15 1e300 -2.5e-300 5e-324 \
                       1.7976931348623157e308 9.007199254740992e15";
        for text in doubles.split(' ') {
            assert_eq!(written(text.parse::<f64>().unwrap()), text);
        }
        for text in ["0.1", "3.4028235e38", "1e-45", "1e-44", "16777216"] {
            assert_eq!(written(text.parse::<f32>().unwrap()), text);
        }
        assert_eq!(written(f64::INFINITY), "infinity");
        assert_eq!(written(f32::NEG_INFINITY), "-infinity");
        assert_eq!(written(f64::NAN) + &written(-f32::NAN), "NaNNaN");
    }

    /// Read again it is the same, and it has as many digits as the standard library's, which are the fewest.
    #[test]
    fn any_bits() {
        let digits = |text: &str| {
            let mantissa = text.split('e').next().unwrap().replace(['.', '-'], "");
            mantissa.trim_matches('0').len()
        };
        let mut state = 88_172_645_463_325_252_u64;
        for round in 0..40_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // powers of 2, which have a nearer neighbour, every fourth time
            let powers = round % 4 == 0;
            let double = f64::from_bits(if powers { state & !((1 << 52) - 1) } else { state });
            let single = state as u32;
            let single = f32::from_bits(if powers { single & !((1 << 23) - 1) } else { single });
            if double.is_finite() {
                let text = written(double);
                assert_eq!(text.parse::<f64>().unwrap().to_bits(), double.to_bits(), "{text}");
                assert_eq!(digits(&text), digits(&format!("{double:e}")), "{text}");
            }
            if single.is_finite() {
                let text = written(single);
                assert_eq!(text.parse::<f32>().unwrap().to_bits(), single.to_bits(), "{text}");
                assert_eq!(digits(&text), digits(&format!("{single:e}")), "{text}");
            }
        }
    }
}

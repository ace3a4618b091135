//! Floats in decimal: the fewest digits that no neighbour shares, exactly, in whole numbers.
//!
//! Steele and White's algorithm in the form of "dragon4": the value is R / S, half the way to the neighbours M / S,
//! and digits are taken from R until what is left is within M. With a thousand bits at most it is slow, which does not
//! matter here, short, and right.

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
        for (word, half) in big.0.iter_mut().zip(halves) {
            *word = half;
        }
        for _ in 0..shift / 31 {
            big.times(1 << 31);
        }
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
        let pairs = self.0.iter().zip(&other.0).rev();
        pairs.into_iter().find(|(a, b)| a != b).is_some_and(|(a, b)| a < b)
    }
}

/// A float on its way to decimal.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    /// The fraction as a whole number, and the power of 2 that it is times.
    fraction: u64,
    exponent: i32,
    /// The neighbour below is nearer than the one above.
    narrow: bool,
    negative: bool,
    finite: bool,
}

impl Decimal {
    /// A single one.
    #[inline(never)]
    pub fn of_single(value: f32) -> Decimal {
        let bits = u64::from(value.to_bits());
        Decimal::of_bits(bits & 0x7fff_ffff, 23, 127, bits >> 31 != 0)
    }

    /// A double one.
    #[inline(never)]
    pub fn of_double(value: f64) -> Decimal {
        let bits = value.to_bits();
        Decimal::of_bits(bits & !(1 << 63), 52, 1023, bits >> 63 != 0)
    }

    /// By bits, so that flush-to-zero changes nothing: `size` bits of fraction, below the exponent with that `bias`.
    fn of_bits(bits: u64, size: u32, bias: i32, negative: bool) -> Decimal {
        let (power, low) = ((bits >> size) as i32, bits & ((1 << size) - 1));
        let fraction = if power == 0 { low } else { low | 1 << size };
        Decimal {
            fraction,
            exponent: power.max(1) - bias - size as i32,
            narrow: low == 0 && power > 1,
            negative,
            finite: power <= 2 * bias,
        }
    }

    /// The digits, the first at 10 to the power that is answered.
    fn digits(&self, digits: &mut heapless::Vec<u8, DIGITS>) -> i32 {
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
                return power;
            }
            [&mut rest, &mut less, &mut more].into_iter().for_each(|big| big.times(10));
        }
    }

    /// Writes it: plainly from 0.0001 to 10^15, else with an exponent.
    pub fn write(&self, mut push: impl FnMut(u8)) {
        let mut say = |word: &str| word.bytes().for_each(&mut push);
        if !self.finite {
            let infinite = self.fraction & (self.fraction - 1) == 0;
            return say(match (infinite, self.negative) {
                (true, true) => "-infinity",
                (true, false) => "infinity",
                _ => "NaN",
            });
        }
        if self.negative {
            say("-");
        }
        if self.fraction == 0 {
            return say("0");
        }
        let mut digits = heapless::Vec::new();
        let power = self.digits(&mut digits);
        let plain = (-4..15).contains(&power);
        if plain && power < 0 {
            say("0.");
            (1..-power).for_each(|_| say("0"));
        }
        let before = if plain { power.max(-1) + 1 } else { 1 };
        for (place, &digit) in (0_i32..).zip(&digits) {
            if place == before && before > 0 {
                push(b'.');
            }
            push(digit);
        }
        (digits.len() as i32..before).for_each(|_| push(b'0'));
        if !plain {
            push(b'e');
            if power < 0 {
                push(b'-');
            }
            let power = power.unsigned_abs();
            let digits = [(power >= 100, power / 100), (power >= 10, power / 10), (true, power)];
            for (_, digit) in digits.into_iter().filter(|&(wanted, _)| wanted) {
                push(b'0' + (digit % 10) as u8);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;

    fn written(decimal: Decimal) -> String {
        let mut text = String::new();
        decimal.write(|byte| text.push(char::from(byte)));
        text
    }

    #[test]
    fn by_hand() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (123.456, "123.456"),
            (100.0, "100"),
            (0.0001, "0.0001"),
            (0.00001, "1e-5"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (1e300, "1e300"),
            (-2.5e-300, "-2.5e-300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (9007199254740993.0, "9.007199254740992e15"),
            (f64::INFINITY, "infinity"),
            (f64::NEG_INFINITY, "-infinity"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(written(Decimal::of_double(value)), text);
        }
        assert_eq!(written(Decimal::of_single(0.1)), "0.1");
        assert_eq!(written(Decimal::of_single(f32::MAX)), "3.4028235e38");
        assert_eq!(written(Decimal::of_single(f32::from_bits(1))), "1e-45");
        assert_eq!(written(Decimal::of_single(-f32::NAN)), "NaN");
        assert_eq!(written(Decimal::of_single(f32::NEG_INFINITY)), "-infinity");
    }

    /// Read again it is the same, and it has as many digits as the standard library's, which are the fewest.
    #[test]
    fn any_bits() {
        let mut state = 88_172_645_463_325_252_u64;
        let significant = |text: &str| {
            let mantissa = text.split('e').next().unwrap().replace(['.', '-'], "");
            mantissa.trim_matches('0').len()
        };
        for round in 0..40_000_u64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // powers of 2, which have a nearer neighbour, every fourth time
            let mask = if round % 4 == 0 { !((1 << 52) - 1) } else { u64::MAX };
            let double = f64::from_bits(state & mask);
            if double.is_finite() {
                let text = written(Decimal::of_double(double));
                assert_eq!(text.parse::<f64>().unwrap().to_bits(), double.to_bits(), "{text}");
                assert_eq!(significant(&text), significant(&std::format!("{double:e}")), "{text}");
            }
            let mask = if round % 4 == 0 { !((1 << 23) - 1) } else { u32::MAX };
            let single = f32::from_bits(state as u32 & mask);
            if single.is_finite() {
                let text = written(Decimal::of_single(single));
                assert_eq!(text.parse::<f32>().unwrap().to_bits(), single.to_bits(), "{text}");
                assert_eq!(significant(&text), significant(&std::format!("{single:e}")), "{text}");
            }
        }
    }
}

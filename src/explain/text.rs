//! A sentence with numbers in it, without core::fmt, which brings panics and kilobytes.

use crate::explain::float::Decimal;

/// No sentence is longer; tests/library/explain.rs measures them.
const LONGEST: usize = 400;

/// A sentence, complete before a byte of it leaves: so it may go where the arguments lie that it is about.
#[derive(Clone)]
pub struct Text {
    bytes: [u8; LONGEST],
    len: usize,
}

/// What a `%` of a template stands for.
#[derive(Clone, Copy, Debug)]
pub enum Value<'v> {
    /// A whole number.
    Whole(u64),
    /// One with a sign.
    Signed(i64),
    /// A real one, with the fewest digits that tell it from its neighbours.
    Real(Decimal),
    /// A word.
    Word(&'v str),
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Value::Whole(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Whole(u64::from(number))
    }
}

impl From<u8> for Value<'_> {
    fn from(number: u8) -> Self {
        Value::Whole(u64::from(number))
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Value::Whole(number as u64)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Value::Signed(i64::from(number))
    }
}

impl From<f32> for Value<'_> {
    fn from(number: f32) -> Self {
        Value::Real(Decimal::of_single(number))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Real(Decimal::of_double(number))
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(word: &'v str) -> Self {
        Value::Word(word)
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::new()
    }
}

impl Text {
    /// Nothing said yet.
    pub fn new() -> Self {
        Text { bytes: [0; LONGEST], len: 0 }
    }

    /// Whether nothing has been said.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes: ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The sentence.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Adds a template, with the next of `values` for each `%`.
    pub fn say(&mut self, template: &str, values: &[Value]) {
        let mut values = values.iter();
        for &byte in template.as_bytes() {
            match byte {
                b'%' => {
                    if let Some(value) = values.next() {
                        self.add(value);
                    }
                }
                _ => self.push(byte),
            }
        }
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Whole(number) => self.whole(*number),
            Value::Signed(number) => {
                if *number < 0 {
                    self.push(b'-');
                }
                self.whole(number.unsigned_abs());
            }
            Value::Real(number) => number.write(|byte| self.push(byte)),
            Value::Word(word) => word.bytes().for_each(|byte| self.push(byte)),
        }
    }

    fn whole(&mut self, number: u64) {
        let mut digits = [0; 20];
        let mut rest = number;
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        digits.iter().skip(digits.len() - used).for_each(|&digit| self.push(digit));
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    fn said(template: &str, values: &[Value]) -> std::string::String {
        let mut text = Text::new();
        text.say(template, values);
        text.as_str().into()
    }

    #[test]
    fn numbers_and_words() {
        for number in [0, 7, 10, 255, 1_000_000_007, u64::MAX] {
            assert_eq!(said("<%>", &[number.into()]), format!("<{number}>"));
        }
        for number in [0, -1, i32::MAX, i32::MIN] {
            assert_eq!(said("<%>", &[number.into()]), format!("<{number}>"));
        }
        assert_eq!(said("% is %, % left", &["a".into(), 1_u32.into()]), "a is 1,  left");
        assert_eq!(said("", &[1_u32.into()]), "");
        assert!(Text::new().is_empty());
    }

    #[test]
    fn a_full_text_takes_no_more() {
        let mut text = Text::new();
        for _ in 0..100 {
            text.say("0123456789%", &[f64::MIN_POSITIVE.into()]);
        }
        assert_eq!(text.as_bytes().len(), LONGEST);
    }
}

//! A sentence with numbers in it, without core::fmt, which brings panics and kilobytes.

use crate::explain::float::Float;
use crate::status::Status;

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
    Whole { negative: bool, size: u64 },
    /// A real one.
    Real(Float),
    /// A word.
    Word(&'v str),
}

macro_rules! unsigned {
    ($($kind:ty),*) => { $(
        impl From<$kind> for Value<'_> {
            fn from(number: $kind) -> Self {
                Value::Whole { negative: false, size: number as u64 }
            }
        }
    )* };
}
unsigned!(u8, u32, u64, usize);

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Value::Whole { negative: number < 0, size: number.unsigned_abs().into() }
    }
}

impl From<f32> for Value<'_> {
    fn from(number: f32) -> Self {
        Value::Real(Float::from(number))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Real(Float::from(number))
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(word: &'v str) -> Self {
        Value::Word(word)
    }
}

/// Adds a template to a text, with the next of the values for each `%`.
macro_rules! say {
    ($text:expr; $template:literal $(, $value:expr)*) => {
        $text.say($template, &[$($crate::explain::text::Value::from($value)),*])
    };
}
pub(crate) use say;

impl Default for Text {
    fn default() -> Self {
        Text { bytes: [0; LONGEST], len: 0 }
    }
}

impl Text {
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

    /// See [`say!`].
    pub fn say(&mut self, template: &str, values: &[Value]) {
        let mut values = values.iter();
        for &byte in template.as_bytes() {
            match byte {
                b'%' => values.next().into_iter().for_each(|value| self.add(value)),
                _ => self.push(byte),
            }
        }
    }

    /// Ends it: with the text of the status where nothing has been said, and with its number.
    pub fn finish(&mut self, status: Status) {
        if self.is_empty() {
            self.say(status.text().to_str().unwrap_or_default(), &[]);
        }
        self.say(" (status %)", &[status.code().into()]);
    }

    fn add(&mut self, value: &Value) {
        match *value {
            Value::Whole { negative, size } => {
                if negative {
                    self.push(b'-');
                }
                self.whole(size);
            }
            Value::Real(number) => number.write(|byte| self.push(byte)),
            Value::Word(word) => word.bytes().for_each(|byte| self.push(byte)),
        }
    }

    fn whole(&mut self, number: u64) {
        let mut digits = heapless::Vec::<u8, 20>::new();
        let mut rest = number;
        while digits.push(b'0' + (rest % 10) as u8).is_ok() && rest > 9 {
            rest /= 10;
        }
        digits.iter().rev().for_each(|&digit| self.push(digit));
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    fn said(template: &str, values: &[Value]) -> std::string::String {
        let mut text = Text::default();
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
        assert!(Text::default().is_empty());
    }

    #[test]
    fn a_full_text_takes_no_more() {
        let mut text = Text::default();
        for _ in 0..100 {
            text.say("0123456789%", &[f64::MIN_POSITIVE.into()]);
        }
        assert_eq!(text.as_bytes().len(), LONGEST);
    }
}

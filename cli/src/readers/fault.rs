//! What is said of a file that cannot be read.

use std::fmt;

/// Where in a file, and why. A place grows from the inside: each reader puts its own part in front.
#[derive(Debug, PartialEq)]
pub struct Fault {
    place: String,
    why: String,
}

impl Fault {
    /// Of what is being read.
    pub fn new(why: impl ToString) -> Fault {
        Fault { place: String::new(), why: why.to_string() }
    }

    /// The same, in a part of something larger: an index, a key or a name.
    pub fn within(mut self, outer: &str) -> Fault {
        let joint = match self.place.chars().next() {
            None | Some('[' | '.') => "",
            Some(_) if outer.is_empty() => "",
            Some(_) => ", ",
        };
        self.place = format!("{outer}{joint}{}", self.place);
        self
    }

    /// The same, when the place begins with a key of what it is in.
    pub fn in_key(mut self) -> Fault {
        if !self.place.is_empty() && !self.place.starts_with('[') {
            self.place.insert(0, '.');
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", shown(&self.place))?;
        }
        f.write_str(&shown(&self.why))
    }
}

/// Text of a file on one line.
fn shown(text: &str) -> String {
    let of = |letter: char| match letter {
        _ if letter.is_control() => letter.escape_default().to_string(),
        _ => letter.to_string(),
    };
    text.chars().map(of).collect()
}

/// Text of a file as part of a sentence.
pub fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What a dict holds in the place of what is looked for.
pub fn missing<'a>(key: &str, keys: impl Iterator<Item = &'a str>) -> Fault {
    let keys: Vec<String> = keys.take(8).map(short).collect();
    let has = if keys.is_empty() { "nothing".to_string() } else { keys.join(", ") };
    Fault::new(format!("has no {key}: it has {has}"))
}

//! numpy's own files: .npy, a header in Python's words and then the elements; .npz, a zip of them.

use std::io::Read;

use super::array::{Array, Kind, Layout};
use super::fault::{Fault, short};
use super::unzip::Archive;

/// What .npy begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Names of the array of loads in an .npz that has several, the likeliest first.
const NAMES: [&str; 5] = ["load", "logical_count", "weight", "expert_load", "arr_0"];

/// The array in an .npz: the only one, or that of the likeliest name.
pub fn npz(archive: &mut Archive) -> Result<Array, Fault> {
    let arrays: Vec<&str> = archive.names().filter(|name| name.ends_with(".npy")).collect();
    let of = |name: &&str| arrays.iter().find(|held| held.strip_suffix(".npy") == Some(name));
    let member = match arrays[..] {
        [only] => only,
        _ => NAMES.iter().find_map(of).ok_or_else(|| {
            let some: Vec<String> = arrays.iter().take(8).map(|name| short(name)).collect();
            let (some, wanted) = (some.join(", "), NAMES.join(", "));
            Fault::new(format!("which array? It has {some}; of several, one is to be {wanted}"))
        })?,
    };
    let member = member.to_string();
    let within = |fault: Fault| fault.within(&short(&member));
    let (mut file, size) = archive.open(&member).map_err(within)?;
    npy(&mut file, size).map_err(within)
}

/// The array of a file in .npy format that has `length` bytes.
pub fn npy(file: &mut impl Read, length: u64) -> Result<Array, Fault> {
    let mut start = [0; 8];
    take(file, &mut start)?;
    let (magic, version) = start.split_at(6);
    if magic != MAGIC {
        return Err(Fault::new("is no array of numpy"));
    }
    let mut len = [0; 4];
    let wide = match version {
        [1, 0] => 2,
        [2 | 3, 0] => 4,
        _ => return Err(Fault::new(format!("is of version {version:?} of numpy's format"))),
    };
    take(file, &mut len[..wide])?;
    let len = u32::from_le_bytes(len);
    if len > 1 << 16 {
        return Err(Fault::new(format!("has a header of {len} bytes")).within("header"));
    }
    let mut text = vec![0; len as usize];
    take(file, &mut text)?;
    let header = Header::parse(&text).map_err(|fault| fault.within("header"))?;
    header.read(file, length.saturating_sub(8 + wide as u64 + u64::from(len)))
}

/// Fills `bytes`.
fn take(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), Fault> {
    file.read_exact(bytes).map_err(|error| Fault::new(format!("ends in the header: {error}")))
}

/// What is said of the elements ahead of them.
#[derive(Default)]
struct Header {
    descr: Option<String>,
    fortran: Option<bool>,
    shape: Option<Vec<u64>>,
}

impl Header {
    /// Reads `{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }`.
    fn parse(text: &[u8]) -> Result<Header, Fault> {
        let mut words = Words { text, at: 0 };
        let mut header = Header::default();
        words.expect(b"{")?;
        while !words.meets(b"}") {
            let key = words.quoted()?;
            words.expect(b":")?;
            match key.as_str() {
                "descr" => header.descr = Some(words.quoted()?),
                "fortran_order" => {
                    header.fortran = Some(words.meets(b"True"));
                    if header.fortran == Some(false) {
                        words.expect(b"False")?;
                    }
                }
                "shape" => header.shape = Some(words.numbers()?),
                _ => return Err(Fault::new(format!("has a key {:?}", short(&key)))),
            }
            if !words.meets(b",") {
                words.expect(b"}")?;
                break;
            }
        }
        Ok(header)
    }

    /// The elements, in a file that has `length` bytes left.
    fn read(self, file: &mut impl Read, length: u64) -> Result<Array, Fault> {
        let Header { descr: Some(descr), fortran: Some(fortran), shape: Some(shape) } = self else {
            return Err(Fault::new("lacks descr, fortran_order or shape").within("header"));
        };
        let Some((kind, big_endian)) = kind(&descr) else {
            return Err(Fault::new(format!("holds {:?}, not numbers", short(&descr))));
        };
        let size = kind.size() as u64;
        let count = shape.iter().try_fold(1_u64, |all, &len| all.checked_mul(len));
        let bytes = count.and_then(|count| count.checked_mul(size));
        let Some(bytes) = bytes.filter(|&bytes| bytes <= length) else {
            let why = format!("says that it is {shape:?} of {descr}, more than its {length} bytes");
            return Err(Fault::new(why));
        };
        let mut data = Vec::new();
        let read = file.take(bytes).read_to_end(&mut data);
        read.map_err(|error| Fault::new(format!("cannot be unpacked: {error}")))?;
        if data.len() as u64 != bytes {
            return Err(Fault::new(format!("ends after {} of {bytes} bytes", data.len())));
        }
        // the sum of a record in a zip is looked at when it has ended
        let rest = file.read(&mut [0; 1]);
        rest.map_err(|error| Fault::new(format!("cannot be unpacked: {error}")))?;
        let stride = strides(&shape, fortran);
        let layout = Layout { kind, big_endian, offset: 0, shape: &shape, stride: &stride };
        layout.read(&data).ok_or_else(|| Fault::new(format!("is {shape:?}, which is not there")))
    }
}

/// Elements between neighbours of each dimension: the last is the fastest, or in Fortran's order the first.
fn strides(shape: &[u64], fortran: bool) -> Vec<u64> {
    let mut stride = vec![0; shape.len()];
    let mut step = 1_u64;
    let mut set = |at: usize| {
        stride[at] = step;
        step = step.saturating_mul(shape[at]);
    };
    match fortran {
        true => (0..shape.len()).for_each(&mut set),
        false => (0..shape.len()).rev().for_each(&mut set),
    }
    stride
}

/// `<f8` -> a float of 8 bytes, and whether its most significant byte is first.
fn kind(descr: &str) -> Option<(Kind, bool)> {
    let mut letters = descr.chars();
    let big_endian = match letters.next()? {
        '<' | '|' | '=' => false,
        '>' => true,
        _ => return None,
    };
    let of: fn(usize) -> Kind = match letters.next()? {
        'f' => Kind::Float,
        'i' => Kind::Signed,
        'u' | 'b' => Kind::Unsigned,
        _ => return None,
    };
    let kind = match letters.as_str() {
        "1" if of(1) != Kind::Float(1) => of(1),
        "2" => of(2),
        "4" => of(4),
        "8" => of(8),
        _ => return None,
    };
    Some((kind, big_endian))
}

/// The few words of Python that a header has.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl Words<'_> {
    fn rest(&mut self) -> &[u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.len() - rest.trim_ascii_start().len();
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Whether `word` is next, which is then passed.
    fn meets(&mut self, word: &[u8]) -> bool {
        let meets = self.rest().starts_with(word);
        self.at += if meets { word.len() } else { 0 };
        meets
    }

    fn expect(&mut self, word: &[u8]) -> Result<(), Fault> {
        if self.meets(word) {
            return Ok(());
        }
        Err(self.fault(&format!("{:?} is missing", String::from_utf8_lossy(word))))
    }

    fn fault(&self, why: &str) -> Fault {
        Fault::new(why).within(&format!("byte {}", self.at))
    }

    /// Text in quotes, without escapes.
    fn quoted(&mut self) -> Result<String, Fault> {
        self.expect(b"'")?;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(len) = rest.iter().position(|&byte| byte == b'\'') else {
            return Err(self.fault("a quote does not end"));
        };
        self.at += len + 1;
        Ok(String::from_utf8_lossy(&rest[..len]).into_owned())
    }

    /// Whole numbers in parentheses.
    fn numbers(&mut self) -> Result<Vec<u64>, Fault> {
        self.expect(b"(")?;
        let mut numbers = Vec::new();
        while !self.meets(b")") {
            let rest = self.rest();
            let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&rest[..len]).ok().and_then(|text| text.parse().ok());
            let Some(number) = number.filter(|_| numbers.len() < 8) else {
                return Err(self.fault("the shape is no tuple of numbers"));
            };
            self.at += len;
            numbers.push(number);
            if !self.meets(b",") {
                self.expect(b")")?;
                break;
            }
        }
        Ok(numbers)
    }
}

//! A pickle as torch.save writes it, read by a machine that can do no more than that.
//!
//! It knows the opcodes of data, and of the names only those of a table of loads: another name is a fault, and nothing
//! is imported or run. What is made lies in arenas and is named by index: values that hold themselves, or are nested a
//! million deep, are never walked.

use std::collections::HashMap;

use super::fault::{Fault, short};
use super::names::{Name, known};

/// A value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `None`, and what is not looked at.
    Nothing,
    Bool,
    Int(i64),
    Float,
    Text(&'a str),
    /// Tuples and lists: an index of `Pickle::rows`.
    Tuple(usize),
    List(usize),
    /// An index of `Pickle::dicts`.
    Dict(usize),
    /// What the pickle may name.
    Name(Name),
    /// An index of `Pickle::storages`, and of `Pickle::tensors`.
    Storage(usize),
    Tensor(usize),
}

impl Value<'_> {
    /// What it is called.
    pub fn kind(self) -> &'static str {
        match self {
            Value::Nothing => "None",
            Value::Bool => "bool",
            Value::Int(_) => "int",
            Value::Float => "float",
            Value::Text(_) => "str",
            Value::Tuple(_) => "tuple",
            Value::List(_) => "list",
            Value::Dict(_) => "dict",
            Value::Name(_) => "a name",
            Value::Storage(_) => "a storage",
            Value::Tensor(_) => "a tensor",
        }
    }
}

/// A key of a dict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key<'a> {
    Text(&'a str),
    Int(i64),
}

/// What a pickle holds.
#[derive(Debug, Default)]
pub struct Pickle<'a> {
    pub rows: Vec<Vec<Value<'a>>>,
    pub dicts: Vec<Vec<(Key<'a>, Value<'a>)>>,
    /// Names of their types, and keys.
    pub storages: Vec<(Name, &'a str)>,
    pub tensors: Vec<Tensor>,
}

/// A tensor, its elements still in the record of its storage.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub storage: usize,
    /// Where the storage has none: bytes, of a type that the tensor says.
    pub element: Option<Name>,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub stride: Vec<u64>,
}

/// Reads one pickle.
pub struct Machine<'a> {
    data: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    made: Pickle<'a>,
}

impl<'a> Machine<'a> {
    /// At the start of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        let (stack, marks, memo) = (Vec::new(), Vec::new(), HashMap::new());
        Machine { data, at: 0, stack, marks, memo, made: Pickle::default() }
    }

    /// What it holds, and the outermost value.
    pub fn load(mut self) -> Result<(Pickle<'a>, Value<'a>), Fault> {
        loop {
            let start = self.at;
            let within = |fault: Fault| fault.within(&format!("byte {start} of the pickle"));
            let code = self.number(1).map_err(within)? as u8;
            if code == b'.' {
                let value = self.pop().map_err(within)?;
                return Ok((self.made, value));
            }
            self.step(code).map_err(within)?;
        }
    }

    fn step(&mut self, code: u8) -> Result<(), Fault> {
        match code {
            b'N' => self.push(Value::Nothing),
            b'\x88' | b'\x89' => self.push(Value::Bool),
            b'J' => self.integer(4, |bits| i64::from(bits as u32 as i32))?,
            b'K' => self.integer(1, |bits| bits as i64)?,
            b'M' => self.integer(2, |bits| bits as i64)?,
            b'\x8a' => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Float);
            }
            b'X' => self.text(4)?,
            b'\x8c' => self.text(1)?,
            b'\x8d' => self.text(8)?,
            b')' => self.tuple(Vec::new()),
            b']' => {
                self.made.rows.push(Vec::new());
                self.push(Value::List(self.made.rows.len() - 1));
            }
            b'}' => self.dict(),
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let values = self.since_mark()?;
                self.tuple(values);
            }
            b'\x85'..=b'\x87' => {
                let count = usize::from(code - b'\x84');
                let mut values = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                values.reverse();
                self.tuple(values);
            }
            b'a' | b'e' => self.append(code == b'a')?,
            b's' | b'u' => self.items(code == b's')?,
            _ => self.step_of_names(code)?,
        }
        Ok(())
    }

    /// The opcodes of the memo, of names, and of what is made by them.
    fn step_of_names(&mut self, code: u8) -> Result<(), Fault> {
        match code {
            b'\x80' => self.number(1).map(drop)?, // protocol
            b'\x95' => self.number(8).map(drop)?, // frame
            b'q' | b'r' | b'\x94' => {
                let at = match code {
                    b'q' => self.number(1)? as u32,
                    b'r' => self.number(4)? as u32,
                    _ => self.memo.len() as u32,
                };
                let last =
                    *self.stack.last().ok_or_else(|| Fault::new("nothing is left to keep"))?;
                self.memo.insert(at, last);
            }
            b'h' | b'j' => {
                let at = self.number(if code == b'h' { 1 } else { 4 })? as u32;
                let kept = self.memo.get(&at).copied();
                self.push(kept.ok_or_else(|| Fault::new(format!("nothing was kept as {at}")))?);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Name(known(module, name)?));
            }
            b'\x93' => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => {
                    self.push(Value::Name(known(module, name)?));
                }
                _ => return Err(Fault::new("a name is no text")),
            },
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b'b' => self.pop().map(drop)?, // attributes of a dict or a parameter, which loads do not need
            _ => {
                let letter = code.escape_ascii();
                return Err(Fault::new(format!("opcode '{letter}' is none of data")));
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let data = self.data;
        let taken = self.at.checked_add(count).and_then(|end| data.get(self.at..end));
        let taken = taken.ok_or_else(|| Fault::new("it ends here"))?;
        self.at += count;
        Ok(taken)
    }

    /// A number of so many bytes without a sign, the least significant first.
    fn number(&mut self, size: usize) -> Result<u64, Fault> {
        let bytes = self.take(size)?;
        Ok(bytes.iter().rev().fold(0, |bits, &byte| (bits << 8) | u64::from(byte)))
    }

    fn integer(&mut self, size: usize, of: fn(u64) -> i64) -> Result<(), Fault> {
        let bits = self.number(size)?;
        self.push(Value::Int(of(bits)));
        Ok(())
    }

    /// A number of any length with a sign; none of loads is longer than 8 bytes.
    fn long(&mut self) -> Result<(), Fault> {
        let size = self.number(1)? as usize;
        let bytes = self.take(size)?;
        let sign = bytes.last().map_or(0, |&byte| if byte > 127 { u8::MAX } else { 0 });
        let mut number = [sign; 8];
        for (at, &byte) in bytes.iter().enumerate() {
            match number.get_mut(at) {
                Some(place) => *place = byte,
                None if byte == sign => (),
                None => return Err(Fault::new("a number does not fit 64 bits")),
            }
        }
        self.push(Value::Int(i64::from_le_bytes(number)));
        Ok(())
    }

    fn text(&mut self, size: usize) -> Result<(), Fault> {
        let len = usize::try_from(self.number(size)?).unwrap_or(usize::MAX);
        let text = std::str::from_utf8(self.take(len)?).map_err(Fault::new)?;
        self.push(Value::Text(text));
        Ok(())
    }

    /// Text up to the end of a line.
    fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(len.ok_or_else(|| Fault::new("it ends here"))?)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(Fault::new)
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(value);
    }

    fn pop(&mut self) -> Result<Value<'a>, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let value = if self.stack.len() > floor { self.stack.pop() } else { None };
        value.ok_or_else(|| Fault::new("nothing is left to take"))
    }

    fn since_mark(&mut self) -> Result<Vec<Value<'a>>, Fault> {
        let mark = self.marks.pop().ok_or_else(|| Fault::new("there is no mark"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, values: Vec<Value<'a>>) {
        self.made.rows.push(values);
        self.push(Value::Tuple(self.made.rows.len() - 1));
    }

    fn dict(&mut self) {
        self.made.dicts.push(Vec::new());
        self.push(Value::Dict(self.made.dicts.len() - 1));
    }

    /// Appends one value, or those since the mark, to the list below.
    fn append(&mut self, one: bool) -> Result<(), Fault> {
        let values = if one { vec![self.pop()?] } else { self.since_mark()? };
        let Some(&Value::List(list)) = self.stack.last() else {
            return Err(Fault::new("there is no list here"));
        };
        self.made.rows[list].extend(values);
        Ok(())
    }

    /// Adds one key and its value, or those since the mark, to the dict below.
    fn items(&mut self, one: bool) -> Result<(), Fault> {
        let values = if one {
            let value = self.pop()?;
            vec![self.pop()?, value]
        } else {
            self.since_mark()?
        };
        let Some(&Value::Dict(dict)) = self.stack.last() else {
            return Err(Fault::new("there is no dict here"));
        };
        for pair in values.chunks(2) {
            let key = match pair[0] {
                Value::Text(text) => Key::Text(text),
                Value::Int(number) => Key::Int(number),
                _ => return Err(Fault::new("a key is neither text nor a number")),
            };
            let value = *pair.get(1).ok_or_else(|| Fault::new("a key has no value"))?;
            self.made.dicts[dict].push((key, value));
        }
        Ok(())
    }

    /// `("storage", TYPE, KEY, device, elements)`.
    fn storage(&mut self) -> Result<(), Fault> {
        let identity = self.pop()?;
        let fields = match identity {
            Value::Tuple(tuple) => &self.made.rows[tuple][..],
            _ => &[],
        };
        let [Value::Text("storage"), Value::Name(Name::Element(kind)), Value::Text(key), _, _] =
            fields
        else {
            return Err(Fault::new("a persistent id is none of a storage"));
        };
        self.made.storages.push((Name::Element(*kind), key));
        self.push(Value::Storage(self.made.storages.len() - 1));
        Ok(())
    }

    /// Calls what the list of names has: nothing of it copies what it is given.
    fn call(&mut self) -> Result<(), Fault> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let arguments = match arguments {
            Value::Tuple(tuple) => &self.made.rows[tuple][..],
            _ => return Err(Fault::new("calls with what is no tuple")),
        };
        match (function, arguments) {
            (Value::Name(Name::Dict), _) => self.dict(), // what it holds comes after
            (Value::Name(Name::Device), _) => self.push(Value::Nothing),
            (Value::Name(Name::Size), &[sizes @ (Value::Tuple(_) | Value::List(_))]) => {
                self.push(sizes);
            }
            (Value::Name(Name::Parameter), &[data, ..]) => self.push(data),
            (Value::Name(Name::Tensor), &[storage, offset, shape, stride, ..]) => {
                self.tensor(storage, [offset, shape, stride], None)?;
            }
            (Value::Name(Name::TensorOfType), arguments) => match *arguments {
                [
                    storage,
                    offset,
                    shape,
                    stride,
                    _,
                    _,
                    Value::Name(element @ Name::Element(Some(_))),
                    ..,
                ] => {
                    self.tensor(storage, [offset, shape, stride], Some(element))?;
                }
                _ => return Err(Fault::new("a tensor has elements of no type that loads have")),
            },
            _ => return Err(Fault::new("calls what is no function of the list")),
        }
        Ok(())
    }

    fn tensor(
        &mut self,
        storage: Value<'a>,
        [offset, shape, stride]: [Value<'a>; 3],
        element: Option<Name>,
    ) -> Result<(), Fault> {
        let Value::Storage(storage) = storage else {
            return Err(Fault::new("a tensor has no storage"));
        };
        let within = |fault: Fault| fault.within("the size of a tensor");
        let (shape, stride) =
            (self.sizes(shape).map_err(within)?, self.sizes(stride).map_err(within)?);
        let offset = size(offset).map_err(within)?;
        if shape.len() != stride.len() {
            return Err(within(Fault::new(format!("{shape:?} has strides {stride:?}"))));
        }
        self.made.tensors.push(Tensor { storage, element, offset, shape, stride });
        self.push(Value::Tensor(self.made.tensors.len() - 1));
        Ok(())
    }

    fn sizes(&self, value: Value<'a>) -> Result<Vec<u64>, Fault> {
        match value {
            Value::Tuple(row) | Value::List(row) if self.made.rows[row].len() <= 8 => {
                self.made.rows[row].iter().copied().map(size).collect()
            }
            _ => Err(Fault::new(format!("is {}, not a tuple of at most 8", value.kind()))),
        }
    }
}

/// A whole number from 0.
pub fn size(value: Value) -> Result<u64, Fault> {
    match value {
        Value::Int(number) if number >= 0 => Ok(number as u64),
        Value::Int(number) => Err(Fault::new(format!("is {number}, not from 0"))),
        Value::Text(text) => Err(Fault::new(format!("is {:?}, not a whole number", short(text)))),
        _ => Err(Fault::new(format!("is {}, not a whole number", value.kind()))),
    }
}

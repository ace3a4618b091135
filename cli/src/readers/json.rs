//! JSON: a value, or a value a line; the place of a fault by line and column, or by the keys that lead to it.

use serde_json::Value;

use super::array::Array;
use super::fault::{Fault, missing};
use super::tree::Tree;

/// What a file holds.
pub enum Json {
    /// One value.
    One(Value),
    /// Several, each with the number of its line.
    Lines(Vec<(usize, Value)>),
}

/// Reads `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Json, Fault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(Json::One(value)),
        Err(error) => error,
    };
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let mut values = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice(line) {
            Ok(value) => values.push((index + 1, value)),
            Err(_) if values.is_empty() => return Err(fault(&whole, whole.line())),
            Err(error) => return Err(fault(&error, index + 1)),
        }
    }
    Ok(Json::Lines(values))
}

fn fault(error: &serde_json::Error, line: usize) -> Fault {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    Fault::new(format!("is no JSON: {what}"))
        .within(&format!("line {line}, column {}", error.column()))
}

/// What a value is called.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl<'a> Tree for &'a Value {
    type Node = &'a Value;

    fn root(&self) -> &'a Value {
        self
    }

    fn field(&self, node: &'a Value, key: &str) -> Result<&'a Value, Fault> {
        let object = node.as_object();
        let object =
            object.ok_or_else(|| Fault::new(format!("is {}, not an object", kind(node))))?;
        object.get(key).ok_or_else(|| missing(key, object.keys().map(String::as_str)))
    }

    fn list(&self, node: &'a Value) -> Result<Vec<&'a Value>, Fault> {
        let list = node.as_array();
        Ok(list.ok_or_else(|| Fault::new("is no list"))?.iter().collect())
    }

    fn whole(&self, node: &'a Value) -> Result<u64, Fault> {
        let number = node.as_u64();
        number.ok_or_else(|| Fault::new(format!("is {}, not a whole number from 0", kind(node))))
    }

    fn array(&self, node: &'a Value) -> Result<Array, Fault> {
        if !node.is_array() {
            return Err(Fault::new(format!("is {}, not a list of numbers", kind(node))));
        }
        let mut values = Vec::new();
        Ok(Array { shape: gather(node, &mut values)?, values })
    }
}

/// Appends the numbers of nested lists, all of one shape, which it returns.
fn gather(value: &Value, values: &mut Vec<f64>) -> Result<Vec<usize>, Fault> {
    let Value::Array(list) = value else {
        let number = value.as_f64();
        values.push(number.ok_or_else(|| Fault::new(format!("is {}, not a number", kind(value))))?);
        return Ok(Vec::new());
    };
    let mut first: Option<Vec<usize>> = None;
    for (index, each) in list.iter().enumerate() {
        let within = |fault: Fault| fault.within(&format!("[{index}]"));
        let shape = gather(each, values).map_err(within)?;
        match &first {
            Some(first) if *first != shape => {
                let why = format!("has shape {shape:?}, but [0] has {first:?}");
                return Err(within(Fault::new(why)));
            }
            Some(_) => (),
            None => first = Some(shape),
        }
    }
    let mut shape = vec![list.len()];
    shape.extend(first.unwrap_or_default());
    Ok(shape)
}

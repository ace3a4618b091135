//! Files of torch.save: a zip of a pickle, ARCHIVE/data.pkl, and of the bytes of its storages, ARCHIVE/data/KEY, which
//! are not packed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::array::{Array, Kind, Layout};
use super::fault::{Fault, missing};
use super::names::Name;
use super::pickle::{Key, Machine, Pickle, Value, size};
use super::tree::Tree;
use super::unzip::Archive;

/// The records of an archive: together they are not longer than the file.
pub struct Records<'a> {
    archive: Archive<'a>,
    folder: String,
    left: u64,
    read: HashMap<String, Rc<Vec<u8>>>,
}

impl<'a> Records<'a> {
    /// Finds the pickle.
    pub fn new(archive: Archive<'a>) -> Result<Self, Fault> {
        let is_pickle = |name: &&str| name.ends_with("/data.pkl") && name.matches('/').count() == 1;
        let pickles: Vec<&str> = archive.names().filter(is_pickle).collect();
        let [pickle] = pickles[..] else {
            return Err(Fault::new("has no data.pkl, or several: it is not of torch.save"));
        };
        let folder = pickle.trim_end_matches("data.pkl").to_string();
        let left = archive.length;
        Ok(Records { archive, folder, left, read: HashMap::new() })
    }

    /// The pickle.
    pub fn pickle(&mut self) -> Result<Rc<Vec<u8>>, Fault> {
        let order = format!("{}byteorder", self.folder);
        if self.archive.names().any(|name| name == order)
            && *self.record("byteorder")? != *b"little"
        {
            return Err(Fault::new("is of another byte order than little").within(&order));
        }
        self.record("data.pkl")
    }

    /// The name of the pickle.
    pub fn pickle_name(&self) -> String {
        format!("{}data.pkl", self.folder)
    }

    fn record(&mut self, name: &str) -> Result<Rc<Vec<u8>>, Fault> {
        let name = format!("{}{name}", self.folder);
        if let Some(bytes) = self.read.get(&name) {
            return Ok(bytes.clone());
        }
        let bytes = self.archive.stored(&name, self.left).map_err(|fault| fault.within(&name))?;
        self.left -= bytes.len() as u64;
        let bytes = Rc::new(bytes);
        self.read.insert(name, bytes.clone());
        Ok(bytes)
    }
}

/// What torch.save was given: dicts, lists, numbers and tensors.
pub struct Torch<'p, 'a> {
    records: RefCell<Records<'a>>,
    pickle: Pickle<'p>,
    root: Value<'p>,
}

impl<'p, 'a> Torch<'p, 'a> {
    /// Reads the pickle of `records`, whose bytes are `data`.
    pub fn new(records: Records<'a>, data: &'p [u8]) -> Result<Self, Fault> {
        let (pickle, root) =
            Machine::new(data).load().map_err(|fault| fault.within(&records.pickle_name()))?;
        Ok(Torch { records: RefCell::new(records), pickle, root })
    }
}

impl<'p> Tree for Torch<'p, '_> {
    type Node = Value<'p>;

    fn root(&self) -> Value<'p> {
        self.root
    }

    fn field(&self, node: Value<'p>, key: &str) -> Result<Value<'p>, Fault> {
        let Value::Dict(dict) = node else {
            return Err(Fault::new(format!("is {}, not a dict", node.kind())));
        };
        let entries = &self.pickle.dicts[dict];
        let found = entries.iter().rev().find(|(held, _)| *held == Key::Text(key)); // the last one counts
        found.map(|(_, value)| *value).ok_or_else(|| {
            let text = |(key, _): &(Key<'p>, _)| match key {
                Key::Text(text) => *text,
                Key::Int(_) => "a number",
            };
            missing(key, entries.iter().map(text))
        })
    }

    fn list(&self, node: Value<'p>) -> Result<Vec<Value<'p>>, Fault> {
        match node {
            Value::List(list) => Ok(self.pickle.rows[list].clone()),
            _ => Err(Fault::new("is no list")),
        }
    }

    fn whole(&self, node: Value<'p>) -> Result<u64, Fault> {
        size(node)
    }

    fn array(&self, node: Value<'p>) -> Result<Array, Fault> {
        let Value::Tensor(tensor) = node else {
            return Err(Fault::new(format!("is {}, not a tensor", node.kind())));
        };
        let tensor = &self.pickle.tensors[tensor];
        let (element, key) = self.pickle.storages[tensor.storage];
        let Name::Element(Some(kind)) = tensor.element.unwrap_or(element) else {
            return Err(Fault::new("is a tensor of no type"));
        };
        let kind: Kind = kind;
        let data = self.records.borrow_mut().record(&format!("data/{key}"))?;
        let (offset, shape, stride) = (tensor.offset, &tensor.shape[..], &tensor.stride[..]);
        let array = Layout { kind, big_endian: false, offset, shape, stride }.read(&data);
        array.ok_or_else(|| {
            let held = data.len() / kind.size();
            Fault::new(format!(
                "is a tensor {shape:?} of strides {stride:?} from {offset}, more than its {held} elements"
            ))
        })
    }
}

//! Placements as [`export`](super::export) writes them, read again.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Error;
use super::trace::Trace;

/// A placement from a file.
pub struct Imported {
    path: PathBuf,
    /// A row of experts for each layer.
    rows: Vec<Vec<i32>>,
}

/// Reads any of the forms.
pub fn read(path: &Path) -> Result<Imported, Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::import(path, error))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::import(path, error))?;
    let rows = layers(&value).ok_or_else(|| {
        let forms = "a list of rows, or an object with physical_to_logical_map or layer_list";
        Error::import(path, format!("not a placement: {forms}"))
    })?;
    let rows = rows.into_iter().enumerate().map(|(layer, row)| {
        let experts = row.iter().map(|expert| i32::try_from(expert.as_i64()?).ok());
        let row: Option<Vec<i32>> = experts.collect();
        row.ok_or_else(|| Error::import(path, format!("layer {layer} is not a list of experts")))
    });
    Ok(Imported { path: path.to_owned(), rows: rows.collect::<Result<_, _>>()? })
}

/// The rows of any of the forms, not yet read as numbers.
fn layers(value: &Value) -> Option<Vec<Vec<&Value>>> {
    if let Some(layers) = value.get("layer_list") {
        return layers.as_array()?.iter().map(of_devices).collect();
    }
    value.get("physical_to_logical_map").unwrap_or(value).as_array()?.iter().map(row).collect()
}

fn row(row: &Value) -> Option<Vec<&Value>> {
    Some(row.as_array()?.iter().collect())
}

/// The row of a layer that is listed device by device.
fn of_devices(layer: &Value) -> Option<Vec<&Value>> {
    let devices = layer.get("device_list")?.as_array()?;
    let experts = devices.iter().map(|device| row(device.get("device_expert")?));
    Some(experts.collect::<Option<Vec<_>>>()?.concat())
}

impl Imported {
    /// Its layers, `[L][P]` with P slots, for the layers of `trace`: rows ahead of them are for layers without experts.
    pub fn of_trace(&self, trace: &Trace, slots: u32) -> Result<Vec<i32>, Error> {
        let layers = trace.layers.len();
        let Some(dense) = self.rows.len().checked_sub(layers) else {
            let has = self.rows.len();
            let why = format!("{has} layers, where {} has {layers}", trace.source);
            return Err(Error::import(&self.path, why));
        };
        self.with_slots(dense, slots as usize)
    }

    /// All layers, `[L][P]`, and P.
    pub fn whole(&self) -> Result<(Vec<i32>, usize), Error> {
        let slots = self.rows.first().map_or(0, Vec::len);
        Ok((self.with_slots(0, slots)?, slots))
    }

    fn with_slots(&self, dense: usize, slots: usize) -> Result<Vec<i32>, Error> {
        let other = (dense..self.rows.len()).find(|&layer| self.rows[layer].len() != slots);
        if let Some(layer) = other {
            let why = format!("layer {layer} has {} slots, not {slots}", self.rows[layer].len());
            return Err(Error::import(&self.path, why));
        }
        Ok(self.rows[dense..].concat())
    }
}

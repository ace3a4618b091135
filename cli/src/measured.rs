//! Tables of steps that were measured: a CSV with the columns tokens, active_experts and microseconds, in any order,
//! among others; lines that begin with # say where it is from.

use std::path::Path;

use super::fit::Row;

const COLUMNS: [&str; 3] = ["tokens", "active_experts", "microseconds"];

/// The rows of a table, or which row is at fault.
pub fn read(path: &Path) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| error.to_string())?;
    let head = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut places = [0; 3];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = head.iter().position(|name| name == column);
        *place = found.ok_or_else(|| format!("there is no column {column}"))?;
    }
    let mut rows = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        let row = row(&record, places);
        rows.push(row.map_err(|why| format!("row {} below the header: {why}", at + 1))?);
    }
    if rows.is_empty() { Err("there are no rows below the header".to_string()) } else { Ok(rows) }
}

fn row(record: &csv::StringRecord, places: [usize; 3]) -> Result<Row, String> {
    let mut numbers = [0.0; 3];
    for ((number, place), column) in numbers.iter_mut().zip(places).zip(COLUMNS) {
        let text = record.get(place).unwrap_or_default();
        *number = match text.parse::<f64>() {
            // the squares of what is measured stay far from the ends of f64
            Ok(value) if (1e-12..=1e12).contains(&value) => value,
            _ => return Err(format!("{column} is {text:?}, no number above 0")),
        };
    }
    let [tokens, experts, micros] = numbers;
    if tokens < experts {
        return Err(format!("{tokens} tokens do not make {experts} experts active"));
    }
    Ok(Row { tokens, experts, micros })
}

//! vLLM's dump of expert loads (`expert_load_dump_dir`): `{snapshots [{step, window_expert_load [L][P],
//! physical_to_logical_map [L][P], ..}], num_logical_experts, ..}`; or a snapshot a line, with all of this. It is in
//! branches of vLLM, not in a release yet (0.33.0 has none).

use serde_json::Value;

use super::array::Array;
use super::fault::Fault;
use super::json::Json;
use super::tree::Tree;
use super::windows::Window;

const LOAD: &str = "window_expert_load";
const MAP: &str = "physical_to_logical_map";

/// Whether it is one of vLLM's, and not SGLang's.
pub fn is_dump(value: &Value) -> bool {
    value.get("snapshots").or(value.get(LOAD)).is_some()
}

/// A window `[L, E]` for each snapshot: the loads of its slots, added up by the map that stands beside them. Of several
/// snapshots of a step, as ranks write them that share a file, the first.
pub fn read(content: &Json) -> Result<Vec<Window>, Fault> {
    let mut windows: Vec<Window> = Vec::new();
    for (place, about, snapshot) in snapshots(content)? {
        let step = snapshot.get("step").and_then(Value::as_i64);
        let name = step.map_or_else(|| place.clone(), |step| format!("step {step}"));
        if windows.iter().any(|window| window.name == name) {
            continue;
        }
        let load = loads(about, snapshot).map_err(|fault| fault.within(&place))?;
        if let Some(first) = windows.first().filter(|first| first.load.shape != load.shape) {
            let why = format!("is {:?}, the first {:?}", load.shape, first.load.shape);
            return Err(Fault::new(why).within(&place));
        }
        windows.push(Window { name, load });
    }
    Ok(windows)
}

/// Each with its place, and with what the number of experts stands in.
fn snapshots(content: &Json) -> Result<Vec<(String, &Value, &Value)>, Fault> {
    let value = match content {
        Json::Lines(lines) => {
            let line = |(number, value)| (format!("line {number}"), value, value);
            return Ok(lines.iter().map(|(number, value)| line((number, value))).collect());
        }
        Json::One(value) if value.get(LOAD).is_some() => {
            return Ok(vec![("line 1".to_string(), value, value)]); // of lines, the only one
        }
        Json::One(value) => value,
    };
    let list = value.list(value.field(value, "snapshots")?);
    let list = list.map_err(|fault| fault.within("snapshots"))?;
    if list.is_empty() {
        return Err(Fault::new("is empty").within("snapshots"));
    }
    let place = |(index, snapshot)| (format!("snapshots[{index}]"), value, snapshot);
    Ok(list.into_iter().enumerate().map(place).collect())
}

fn loads(about: &Value, snapshot: &Value) -> Result<Array, Fault> {
    let of = |key: &'static str| {
        snapshot.field_array(snapshot, key).map_err(move |fault| fault.in_key())
    };
    let slots = of(LOAD)?.loads().map_err(|fault| fault.within(LOAD).in_key())?;
    if slots.shape.len() != 2 {
        let why = format!("has shape {:?}, not [L, P]", slots.shape);
        return Err(Fault::new(why).within(LOAD).in_key());
    }
    let held = of(MAP)?;
    let given = match about.get("num_logical_experts") {
        Some(number) => {
            let whole = about.whole(number);
            Some(whole.map_err(|fault| fault.within("num_logical_experts").in_key())?)
        }
        None => None,
    };
    let of_experts = held.experts(given).and_then(|experts| slots.of_experts(&held, experts));
    of_experts.map_err(|fault| fault.within(MAP).in_key())
}

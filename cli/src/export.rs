//! Placements as serving engines read them at their start. There is no form that two of them share:
//!
//! - **SGLang**, `--init-expert-location plan.json`: `{"physical_to_logical_map": [[..], ..]}`. No other
//!   key may stand beside it, as all become keyword arguments (`compute_initial_expert_location_metadata`
//!   and `init_by_mapping` in python/sglang/srt/eplb/expert_location.py). A row is looked up by the
//!   number of the layer in the model (`num_layers` is `num_hidden_layers`), hence one for each dense
//!   layer, in SGLang's own order: slot modulo experts.
//! - **vLLM** has no released form. Pull request 49572 (`eplb_config.initial_expert_map_path`) takes
//!   `[[..], ..]`, a row for each layer with experts.
//! - **vLLM Ascend**, `eplb_config.expert_map_path`: `{"moe_layer_count", "layer_list": [{"layer_id",
//!   "device_count", "device_list": [{"device_id", "device_expert": [..]}]}]}`, layers with experts
//!   counted from 0 (`_export_tensor_to_file` in vllm_ascend/eplb/adaptor/vllm_adaptor.py). Its map has
//!   one local slot per expert and device, so it cannot hold duplicates.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::args::{Engine, Form};
use super::cluster::Cluster;
use super::error::Error;
use super::trace::Trace;

/// Writes a placement `[L][P]` to `path`; returns how many rows the file has.
pub fn write(
    path: &Path,
    form: Form,
    trace: &Trace,
    cluster: &Cluster,
    placement: &[i32],
) -> Result<usize, Error> {
    let rows: Vec<&[i32]> = placement.chunks(cluster.slots as usize).collect();
    if let Some(slot) = placement.iter().position(|&expert| expert < 0) {
        let (layer, slot) = (slot / cluster.slots as usize, slot % cluster.slots as usize);
        return Err(Error::Impossible(format!(
            "slot {slot} of layer {layer} is empty, which no engine can take"
        )));
    }
    let (value, len) = match form.engine {
        Engine::Sglang => {
            let in_order: Vec<i32> =
                (0..trace.experts as i32).cycle().take(cluster.slots as usize).collect();
            let mut all = vec![in_order.as_slice(); form.dense_layers(trace)];
            all.extend(rows);
            (json!({ "physical_to_logical_map": all }), all.len())
        }
        Engine::Vllm => (json!(rows), rows.len()),
        Engine::VllmAscend => (by_device(&rows, cluster)?, rows.len()),
    };
    let file = File::create(path).map_err(Error::write(path))?;
    let mut file = BufWriter::new(file);
    serde_json::to_writer(&mut file, &value).map_err(Error::write(path))?;
    file.write_all(b"\n").and_then(|()| file.flush()).map_err(Error::write(path))?;
    Ok(len)
}

/// What vLLM Ascend reads.
fn by_device(rows: &[&[i32]], cluster: &Cluster) -> Result<Value, Error> {
    let slots_per_gpu = (cluster.slots / cluster.gpus) as usize;
    let mut layers = Vec::new();
    for (layer_id, row) in rows.iter().enumerate() {
        let mut devices = Vec::new();
        for (device_id, experts) in row.chunks(slots_per_gpu).enumerate() {
            if let Some(expert) = (1..experts.len())
                .find(|&slot| experts[..slot].contains(&experts[slot]))
                .map(|slot| experts[slot])
            {
                return Err(Error::Impossible(format!(
                    "GPU {device_id} holds expert {expert} of layer {layer_id} twice, which vLLM Ascend cannot take"
                )));
            }
            devices.push(json!({ "device_id": device_id, "device_expert": experts }));
        }
        layers.push(json!({
            "layer_id": layer_id,
            "device_count": cluster.gpus,
            "device_list": devices,
        }));
    }
    Ok(json!({ "moe_layer_count": rows.len(), "layer_list": layers }))
}

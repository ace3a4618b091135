//! Windows out of what engines write, as a trace.

use std::path::Path;

use super::super::trace::Trace;
use super::array::Array;
use super::fault::Fault;

/// Loads `[L, E]` with a name.
pub struct Window {
    /// What the window is called.
    pub name: String,
    /// `[L, E]`.
    pub load: Array,
}

impl Window {
    /// The windows of an array `[W, L, E]` or `[L, E]`, numbered.
    pub fn all(array: Array, name: &str) -> Vec<Window> {
        let (outer, inner) = array.shape.split_at(array.shape.len().saturating_sub(2));
        let rows = array.values.chunks_exact(inner.iter().product::<usize>().max(1));
        let window = |(index, values): (usize, &[f64])| Window {
            name: if outer.is_empty() { name.to_string() } else { format!("{name} {index}") },
            load: Array { shape: inner.to_vec(), values: values.to_vec() },
        };
        rows.enumerate().map(window).collect()
    }
}

/// At most `most` windows of steps, each the sum of as many successive ones. Steps in which nothing was counted, as a
/// recorder has them whose buffer is not full, are left out; of those alone one is left.
pub fn merge(mut steps: Vec<Window>, most: usize) -> Vec<Window> {
    let counted = |step: &Window| step.load.values.iter().any(|&load| load > 0.0);
    if steps.iter().any(counted) {
        steps.retain(counted);
    } else {
        steps.truncate(1);
    }
    let (all, most) = (steps.len(), most.min(steps.len()));
    let mut windows: Vec<Window> = Vec::with_capacity(most);
    let mut last = String::new();
    for (index, step) in steps.into_iter().enumerate() {
        let starts = (0..most).any(|window| window * all / most == index);
        match windows.last_mut() {
            Some(window) if !starts => {
                window.load.values.iter_mut().zip(step.load.values).for_each(|(sum, x)| *sum += x);
            }
            _ => {
                if let Some(window) = windows.last_mut() {
                    close(window, &last);
                }
                windows.push(Window { name: step.name.clone(), load: step.load });
            }
        }
        last = step.name;
    }
    if let Some(window) = windows.last_mut() {
        close(window, &last);
    }
    windows
}

/// Names the last step of a window, too.
fn close(window: &mut Window, last: &str) {
    if window.name != last {
        window.name = format!("{} to {}", window.name, last.trim_start_matches("step "));
    }
}

/// The trace of the windows, all of one shape, of the file `path`. Sums of loads may be more than the planner takes.
pub fn trace(windows: Vec<Window>, path: &Path) -> Result<Trace, Fault> {
    let large = |window: &&Window| window.load.values.iter().any(|&x| !(x as f32).is_finite());
    if let Some(window) = windows.iter().find(large) {
        return Err(Fault::new("a load does not fit 32 bits").within(&window.name));
    }
    let (layers, experts) = match windows.first().map(|window| &window.load.shape[..]) {
        Some(&[layers, experts]) => (layers, experts),
        _ => (0, 0),
    };
    Ok(Trace {
        source: path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        generated: false,
        dense: None,
        parts: vec![windows.len()],
        layers: (0..layers as u32).collect(),
        experts,
        load: windows.iter().flat_map(|w| &w.load.values).map(|&load| load as f32).collect(),
        windows: windows.into_iter().map(|window| window.name).collect(),
    })
}

/// The same without the first layers in which no window has a load: a model's layers without experts.
pub fn without_dense(mut trace: Trace) -> Trace {
    let (layers, experts) = (trace.layers.len(), trace.experts);
    let silent = |layer: &usize| {
        (0..trace.windows.len())
            .all(|w| trace.window(w)[layer * experts..][..experts].iter().all(|&x| x == 0.0))
    };
    let dense = (0..layers).take_while(silent).count();
    if dense < layers {
        let kept = (0..trace.windows.len()).flat_map(|w| &trace.window(w)[dense * experts..]);
        trace.load = kept.copied().collect();
        trace.layers.drain(..dense);
        trace.dense = Some(dense as u32);
    }
    trace
}

//! Layers whose windows differ: groups onto nodes with all windows in view, then each node's row.

use super::{ASSIGNMENTS, Layer, NONE, Rows, Source};
use crate::metrics::assignment::Assignment;
use crate::plan::robust;
use crate::plan::windows::Windows;
use crate::problem::Shape;

/// Groups go to nodes by the mean over the windows, then swap nodes as
/// experts swap GPUs.
pub(super) fn plan_windows(
    layer: &Layer,
    rows: &mut Rows,
    groups: Option<&mut Assignment>,
    windows: &mut Windows,
    slots: &mut [i32],
) {
    slots.fill(-1);
    let Some(groups) = groups else {
        rows.plan(layer, Source::Windows(windows), 0, None, slots);
        return;
    };
    let size = groups.size();
    groups.assign(windows.mean(layer.problem, layer.index), ASSIGNMENTS);
    rows.swap_groups(layer, windows, groups);
    for node in 0..layer.problem.shape().topology().num_nodes() {
        let source = Source::Windows(windows);
        rows.plan(layer, source, node as u32, Some((groups.node_of(), size)), slots);
    }
}

impl Rows<'_> {
    /// The GPUs that take part.
    pub(super) fn gpus(&self) -> impl Iterator<Item = usize> + '_ {
        self.gpu_row.iter().enumerate().filter(|(_, row)| **row != NONE).map(|(gpu, _)| gpu)
    }

    /// Their mean speed.
    pub(super) fn mean_speed(&self, shape: &Shape) -> f64 {
        let speeds = self.gpus().map(|gpu| f64::from(shape.topology().speed(gpu)));
        speeds.fold(0.0, |sum, speed| sum + speed) / self.gpus().count() as f64
    }

    /// Swaps groups between the nodes where that is better over the windows: nodes are a row of GPUs, groups
    /// are experts with one replica each.
    fn swap_groups(&mut self, layer: &Layer, windows: &mut Windows, groups: &mut Assignment) {
        let size = groups.size();
        let (mut nodes, mut filled) = (0, 0);
        for node in 0..layer.problem.shape().topology().num_nodes() {
            let first = filled;
            for (group, _) in
                groups.node_of().iter().enumerate().filter(|(_, of)| **of == node as u32)
            {
                if let (Some(expert), Some(placed)) =
                    (self.expert.get_mut(group), self.placed.get_mut(filled))
                {
                    *expert = (group * size) as u32;
                    *placed = group as u32;
                    filled += 1;
                }
            }
            if let (true, Some(name), Some(slots), Some(speed)) = (
                filled > first,
                self.gpu.get_mut(nodes),
                self.slots.get_mut(nodes),
                self.speed.get_mut(nodes),
            ) {
                *name = node as u32;
                *slots = (filled - first) as u32;
                *speed = (groups.node_speed(node) / self.mean_speed) as f32;
                nodes += 1;
            }
        }
        let (Some(expert), Some(placed), Some(slots), Some(speed)) = (
            self.expert.get(..filled),
            self.placed.get_mut(..filled),
            self.slots.get(..nodes),
            self.speed.get(..nodes),
        ) else {
            return;
        };
        let (share, weight) = windows.gather(layer.problem, layer.index, expert, size);
        let row = robust::Row {
            share,
            weight,
            slots,
            speed,
            mean_speed: 1.0,
            most_replicas: 1,
            effort: layer.effort,
            start: true,
        };
        robust::plan(row, self.planner.rest(), placed);
        let mut placed = placed.iter();
        for (&node, &slots) in self.gpu.iter().zip(slots) {
            for &group in placed.by_ref().take(slots as usize) {
                groups.put(group as usize, node);
            }
        }
    }
}

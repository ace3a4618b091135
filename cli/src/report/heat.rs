//! The heat map: the load of every GPU in every layer, as a multiple of the mean of the layer.
//!
//! The scale is logarithmic with the mean in the middle: half of it is as far off as twice. All cells of a
//! colour are one path, so that 58 layers of 32 GPUs take a few kilobytes. The colours themselves are in
//! style.css, since light and dark pages have other ones.

use std::fmt::Write;

/// Steps of the scale on either side of the mean; the outermost are four times and a quarter.
const STEPS: i32 = 10;
/// Columns drawn at most. Where there are more GPUs, a column is the largest of several.
const COLUMNS: usize = 256;
const WIDTH: f64 = 404.0;
const LEFT: f64 = 38.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 36.0;

/// What is drawn.
pub struct Heat<'a> {
    /// For those who cannot see it.
    pub label: &'a str,
    /// `[L][G]` load / mean.
    pub rows: &'a [Vec<f64>],
    /// Numbers of the layers.
    pub layers: &'a [u32],
    /// Nodes that the GPUs are on, contiguous and even; 1 where nodes do not matter.
    pub nodes: usize,
}

/// GPUs that share a column.
pub fn gpus_per_column(gpus: usize) -> usize {
    gpus.div_ceil(COLUMNS)
}

/// 0 to 2 * STEPS.
fn colour(ratio: f64) -> usize {
    let steps = f64::from(STEPS);
    let at = (ratio.log2() / 2.0 * steps).clamp(-steps, steps); // of 0 too
    (at.round() as i32 + STEPS) as usize
}

impl Heat<'_> {
    /// An SVG element.
    pub fn svg(&self) -> String {
        let gpus = self.rows.first().map_or(0, Vec::len).max(1);
        let bin = gpus_per_column(gpus);
        let columns = gpus.div_ceil(bin);
        let (wide, high) = (WIDTH / columns as f64, (420.0 / self.rows.len() as f64).min(14.0));
        let height = high * self.rows.len() as f64;
        let (all_wide, all_high) = (LEFT + WIDTH + 8.0, TOP + height + BOTTOM);
        let mut svg = format!(
            "<svg class=\"chart heat\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {all_wide} {all_high:.2}\">\n\
             <g shape-rendering=\"crispEdges\" transform=\"translate({LEFT} {TOP}) scale({wide:.5} {high:.5})\">\n",
            super::html::escape(self.label)
        );
        for (colour, path) in
            self.paths(bin).iter().enumerate().filter(|(_, path)| !path.is_empty())
        {
            let _ = writeln!(svg, "<path class=\"h{colour}\" d=\"{path}\"/>");
        }
        svg += "</g>\n";
        let _ = writeln!(
            svg,
            "<rect class=\"frame\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{height:.2}\"/>"
        );
        let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
            );
        };
        for row in (0..self.rows.len()).step_by(stride(self.rows.len(), 8)) {
            let y = TOP + (row as f64 + 0.5) * high + 4.0;
            text(LEFT - 6.0, y, "end", &self.layers[row].to_string());
        }
        let bottom = TOP + height;
        for gpu in (0..gpus).step_by(stride(gpus, 8)) {
            let x = LEFT + (gpu as f64 / bin as f64 + 0.5) * wide;
            text(x, bottom + 14.0, "middle", &gpu.to_string());
        }
        text(LEFT + WIDTH / 2.0, bottom + 31.0, "middle", "GPU");
        text(LEFT - 6.0, TOP - 8.0, "end", "layer");
        let nodes = if gpus.is_multiple_of(self.nodes) && bin == 1 { self.nodes } else { 1 };
        let of_node = WIDTH / nodes as f64;
        if (2..=8).contains(&nodes) {
            for node in 0..nodes {
                let x = LEFT + (node as f64 + 0.5) * of_node;
                text(x, TOP - 8.0, "middle", &format!("node {node}"));
            }
        }
        for node in 1..nodes {
            let x = LEFT + node as f64 * of_node;
            let _ = write!(svg, "<path class=\"node\" d=\"M{x:.2} {}V{bottom:.2}\"/>", TOP - 6.0);
        }
        svg + "\n</svg>"
    }

    /// The cells of each colour; neighbours in a row are one piece.
    fn paths(&self, bin: usize) -> Vec<String> {
        let mut paths = vec![String::new(); 2 * STEPS as usize + 1];
        for (y, row) in self.rows.iter().enumerate() {
            let largest = |gpus: &[f64]| gpus.iter().copied().fold(0.0, f64::max);
            let colours: Vec<usize> = row.chunks(bin).map(|gpus| colour(largest(gpus))).collect();
            let mut x = 0;
            for piece in colours.chunk_by(|a, b| a == b) {
                let len = piece.len();
                let _ = write!(paths[piece[0]], "M{x} {y}h{len}v1h-{len}z");
                x += len;
            }
        }
        paths
    }
}

/// The scale of all heat maps.
pub fn scale() -> String {
    let steps = 2 * STEPS as usize + 1;
    let mut svg = format!(
        "<svg class=\"chart scale\" role=\"img\" aria-label=\"colour scale, a quarter to four times the mean\" \
         viewBox=\"0 0 {} 46\"><g shape-rendering=\"crispEdges\">",
        16 * steps + 40
    );
    for step in 0..steps {
        let x = 20 + 16 * step;
        let _ = write!(svg, "<rect class=\"h{step}\" x=\"{x}\" width=\"16\" height=\"14\"/>");
    }
    svg += "</g>";
    for (at, text) in [(0, "≤ ¼"), (5, "½"), (10, "mean"), (15, "2 ×"), (20, "≥ 4 ×")] {
        let x = 28 + 16 * at;
        let _ = write!(svg, "<text x=\"{x}\" y=\"28\" text-anchor=\"middle\">{text}</text>");
    }
    let middle = 20 + 8 * steps;
    svg + &format!(
        "<text x=\"{middle}\" y=\"43\" text-anchor=\"middle\">load of a GPU / mean load of the layer</text></svg>"
    )
}

/// Every so many, about `count` of `len` in all, at 1, 2, 4 or 5 times a power of ten.
fn stride(len: usize, count: usize) -> usize {
    let mut tens = 1;
    loop {
        for step in [1, 2, 4, 5].map(|step| step * tens) {
            if len.div_ceil(step) <= count {
                return step;
            }
        }
        tens *= 10;
    }
}

//! The figures of a cost, fitted to steps that were measured.
//!
//! A step takes layer + max(token tokens, expert experts): the sum over its active experts of the longer of working and
//! reading, tokens spread evenly over them. Which rows work longer than they read is not known, but these are the ones
//! with most tokens an expert: so every place to part the rows is tried, and each leaves three figures that the times
//! are linear in. They make the mean relative error least (least squares, weighted anew by what is left, since a row that
//! was measured badly must not pull the rest), none below 0.

/// A step of a layer on one GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Tokens, each counted once at each of its experts.
    pub tokens: f64,
    /// Experts that have any.
    pub experts: f64,
    /// What it took, in microseconds.
    pub micros: f64,
}

/// Microseconds of a token, of an expert that is read, of a layer.
pub type Figures = [f64; 3];

/// An H200's in fp8 for DeepSeek-V3's experts, as fitted to a published table (tests/tool/measured).
pub const H200: Figures = [0.0704, 11.4, 21.0];

/// The names of the figures.
pub const NAMES: [&str; 3] = ["token_seconds", "expert_seconds", "layer_seconds"];

/// Rows that three figures need at least, and one to see that they fit.
pub const LEAST_ROWS: usize = 4;

/// Times that the weights are made anew.
const ROUNDS: usize = 20;
/// Relative errors below this weigh the same.
const SMALL: f64 = 1e-3;

/// Microseconds that a row takes by the figures.
pub fn modelled([token, expert, layer]: Figures, row: &Row) -> f64 {
    layer + f64::max(token * row.tokens, expert * row.experts)
}

/// How far the figures are off a row, as a share of what it took.
pub fn error(figures: Figures, row: &Row) -> f64 {
    (modelled(figures, row) / row.micros - 1.0).abs()
}

/// The mean of that over the rows.
fn mean_error(figures: Figures, rows: &[Row]) -> f64 {
    rows.iter().map(|row| error(figures, row)).sum::<f64>() / rows.len() as f64
}

/// The figures as they are printed: three digits, no less than is known.
pub fn rounded(figures: Figures) -> Figures {
    figures.map(|figure| format!("{figure:.2e}").parse().unwrap_or(figure))
}

/// The figures with the least mean error that were found.
pub fn fit(rows: &[Row]) -> Figures {
    fit_holding(rows, None)
}

/// The same with one figure as it is.
fn fit_holding(rows: &[Row], held: Option<(usize, f64)>) -> Figures {
    let mut rows = rows.to_vec();
    let each = |row: &Row| row.tokens / row.experts;
    rows.sort_by(|a, b| each(a).total_cmp(&each(b)));
    let is_border =
        |at: usize| at == 0 || at == rows.len() || each(&rows[at - 1]) < each(&rows[at]);
    let found = (0..=rows.len()).filter(|&reading| is_border(reading)).map(|reading| {
        let figures = of_parts(&rows, reading, held);
        (mean_error(figures, &rows), figures)
    });
    found.min_by(|a, b| a.0.total_cmp(&b.0)).map_or([0.0; 3], |(_, figures)| figures)
}

/// A row of the linear problem: what multiplies each figure, and the rest, as shares of what the row took.
type Equation = ([f64; 3], f64);

/// The figures when the first `reading` rows read for longer than they work, and the others do not.
fn of_parts(rows: &[Row], reading: usize, held: Option<(usize, f64)>) -> Figures {
    let equations: Vec<Equation> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let works = at >= reading;
            let factors =
                [if works { row.tokens } else { 0.0 }, if works { 0.0 } else { row.experts }, 1.0]
                    .map(|factor| factor / row.micros);
            (factors, 1.0 - held.map_or(0.0, |(figure, value)| factors[figure] * value))
        })
        .collect();
    let held_out = held.map(|(figure, _)| figure);
    let mut weights = vec![1.0; rows.len()];
    let mut figures = [0.0; 3];
    for _ in 0..=ROUNDS {
        figures = least_squares(&equations, &weights, held_out);
        for (weight, (factors, rest)) in weights.iter_mut().zip(&equations) {
            *weight = 1.0 / f64::max((dot(*factors, figures) - rest).abs(), SMALL);
        }
    }
    if let Some((figure, value)) = held {
        figures[figure] = value;
    }
    figures
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The least weighted squares, no figure below 0, and that one 0: the best of all sets of figures that are not 0.
fn least_squares(equations: &[Equation], weights: &[f64], without: Option<usize>) -> Figures {
    let mut best = (f64::INFINITY, [0.0; 3]);
    for set in 0..8_usize {
        let used: Vec<usize> = (0..3).filter(|figure| set >> figure & 1 == 1).collect();
        if without.is_some_and(|figure| used.contains(&figure)) {
            continue;
        }
        let Some(figures) = unconstrained(equations, weights, &used) else { continue };
        if figures.iter().any(|&figure| figure < 0.0) {
            continue;
        }
        let squares = equations.iter().zip(weights).map(|((factors, rest), weight)| {
            let left = dot(*factors, figures) - rest;
            weight * left * left
        });
        let sum = squares.sum();
        if sum < best.0 {
            best = (sum, figures);
        }
    }
    best.1
}

/// The least weighted squares with these figures; none where they cannot be told apart.
fn unconstrained(equations: &[Equation], weights: &[f64], used: &[usize]) -> Option<Figures> {
    let sum = |of: &dyn Fn(&Equation) -> f64| -> f64 {
        equations.iter().zip(weights).map(|(equation, weight)| weight * of(equation)).sum()
    };
    let scale: Vec<f64> = used.iter().map(|&i| sum(&|e| e.0[i] * e.0[i]).sqrt()).collect();
    let mut system: Vec<Vec<f64>> = Vec::new();
    for (&i, of_i) in used.iter().zip(&scale) {
        let normal = used.iter().zip(&scale);
        let mut row: Vec<f64> =
            normal.map(|(&j, of_j)| sum(&|e| e.0[i] * e.0[j]) / of_i / of_j).collect();
        row.push(sum(&|e| e.0[i] * e.1) / of_i);
        system.push(row);
    }
    let solved = eliminate(system)?;
    let mut figures = [0.0; 3];
    for ((&i, of_i), value) in used.iter().zip(&scale).zip(solved) {
        figures[i] = value / of_i;
    }
    Some(figures)
}

/// Solves a system, its right side the last column, whose diagonal was 1; none where it has no one solution.
fn eliminate(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    const LEAST_PIVOT: f64 = 1e-10; // of columns of length 1: they differ by less than rounding leaves
    let size = system.len();
    for at in 0..size {
        let pivot = system[at].clone();
        if pivot[at].is_nan() || pivot[at] < LEAST_PIVOT {
            return None;
        }
        for (_, row) in system.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            let factor = row[at] / pivot[at];
            row.iter_mut().zip(&pivot).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    Some(system.iter().enumerate().map(|(at, row)| row[size] / row[at]).collect())
}

/// What the rows do not say of the figures that were fitted to them, a sentence each.
pub fn unsaid(rows: &[Row], figures: Figures) -> Vec<String> {
    let mut said = Vec::new();
    if rows.len() < LEAST_ROWS {
        said.push(format!("{} rows say little: measure {LEAST_ROWS} or more", rows.len()));
    }
    let [token, expert, _] = figures;
    let each = rows.iter().map(|row| row.tokens / row.experts);
    let (fewest, most) =
        each.fold((f64::INFINITY, 0.0), |(low, high), n| (f64::min(low, n), f64::max(high, n)));
    if token == 0.0 {
        said.push(format!(
            "token_seconds is not seen: measure more than {most:.0} tokens an expert"
        ));
    }
    if expert == 0.0 {
        said.push(format!(
            "expert_seconds is not seen: measure fewer than {fewest:.0} tokens an expert, and other numbers of experts"
        ));
    }
    let best = mean_error(figures, rows);
    for (figure, name) in NAMES.iter().enumerate().filter(|(figure, _)| figures[*figure] > 0.0) {
        let fits_as_well = [0.5, 2.0].into_iter().any(|times| {
            let other = fit_holding(rows, Some((figure, times * figures[figure])));
            mean_error(other, rows) < best + f64::max(0.1 * best, 0.002)
        });
        if fits_as_well {
            said.push(format!(
                "{name} could as well be half or twice that: measure other numbers of active experts and of tokens"
            ));
        }
    }
    said
}

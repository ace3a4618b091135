//! What loads and slots cost: seconds and bytes.

use clap::Args;

/// What was said of it.
#[derive(Args, Clone, Copy, Debug)]
pub struct Costs {
    /// Microseconds that a GPU takes for a token of one expert: times are shown beside loads
    #[arg(long, value_name = "US", value_parser = positive)]
    pub us_per_token: Option<f64>,
    /// Weights of one expert of one layer in MB, to say what a GPU holds
    #[arg(long, value_name = "MB", default_value_t = 44.0, value_parser = positive)]
    pub expert_mb: f64,
}

impl Costs {
    /// Seconds that the busiest GPUs take for so many tokens; `None` where nobody said how long one takes.
    pub fn seconds(&self, tokens: f64) -> Option<f64> {
        Some(1e-6 * self.us_per_token? * tokens)
    }

    /// Bytes of so many experts.
    pub fn bytes(&self, experts: f64) -> f64 {
        1e6 * self.expert_mb * experts
    }

    /// A load of the busiest GPUs as it is shown: seconds, or else tokens.
    pub fn shown(&self, tokens: f64) -> String {
        match self.seconds(tokens) {
            Some(seconds) => time(seconds),
            None => super::figures::tokens(tokens),
        }
    }
}

/// 0.0123 -> "12.30 ms".
fn time(seconds: f64) -> String {
    match seconds.abs() {
        1.0.. => format!("{seconds:.2} s"),
        1e-3.. => format!("{:.2} ms", 1e3 * seconds),
        _ => format!("{:.2} µs", 1e6 * seconds),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number > 0.0 && number.is_finite());
    number.ok_or_else(|| "a number above 0 is wanted".to_string())
}

//! How far a long replay is: a bar on standard error, on a terminal only, gone when it is done.

use indicatif::{ProgressBar, ProgressStyle};

/// Counts steps. Where standard error is no terminal, nothing is drawn.
pub struct Progress(ProgressBar);

impl Progress {
    /// `steps` of `what` are ahead.
    pub fn new(what: &'static str, steps: usize) -> Self {
        // no colours: the bar is the same with NO_COLOR
        let style = ProgressStyle::with_template("{prefix} [{bar:40}] {pos}/{len}, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        Progress(ProgressBar::new(steps as u64).with_style(style).with_prefix(what))
    }

    /// One more is done.
    pub fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

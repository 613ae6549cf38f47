//! Progress of long work, on standard error and only where a person looks at it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use systole::backend::{Backend, BackendError, Outcome};
use systole::matmul::MatMul;

/// Time between two movements of a spinner.
const TICK: Duration = Duration::from_millis(120);

/// A bar over `total` steps. The library draws nothing where standard error is no terminal.
pub fn bar(total: usize, message: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {prefix} ({elapsed})");
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(message);
    bar.enable_steady_tick(TICK);
    bar
}

/// A spinner for work whose length nobody knows.
pub fn spinner(message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(message);
    spinner.enable_steady_tick(TICK);
    spinner
}

/// A backend that shows on a bar which node it runs.
pub struct Watched<'a> {
    /// Does the work.
    pub inner: &'a mut dyn Backend,
    /// Shows it.
    pub bar: ProgressBar,
}

impl Backend for Watched<'_> {
    fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Outcome>, BackendError> {
        if let Some(job) = jobs.first() {
            self.bar.set_prefix(job.name.to_string());
        }
        self.inner.run(jobs)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

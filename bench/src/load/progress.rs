//! The user at the terminal: a progress bar, and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;
use super::recorder::Recorder;

/// Set by each Ctrl-C.
pub(super) type Interrupt = Arc<AtomicBool>;

/// Time that an interrupted run waits for messages in flight.
const DRAIN_TIMEOUT_NS: u64 = 3_000_000_000;
const STEPS: f64 = 1_000.0;

#[derive(Debug)]
pub(super) struct Progress<'a> {
    plan: &'a Plan,
    pub(super) bar: ProgressBar,
    interrupt: Interrupt,
    interrupted_ns: Option<u64>,
    /// The run ends without waiting for messages in flight.
    pub(super) is_cut_off: bool,
    /// Deliveries and time at the last update.
    shown: (u64, u64),
}

impl<'a> Progress<'a> {
    /// Shows the bar if standard error is a terminal.
    pub(super) fn new(plan: &'a Plan, interrupt: Interrupt) -> Self {
        // A slow terminal must not slow the run down.
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(Some(STEPS as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self { plan, bar, interrupt, interrupted_ns: None, is_cut_off: false, shown: (0, 0) }
    }

    /// Takes the first Ctrl-C as the end of publishing, and the second as the end of the run.
    pub(super) fn update(&mut self, recorder: &Recorder, now_ns: u64) {
        if self.interrupt.swap(false, Ordering::Relaxed) {
            self.is_cut_off = self.interrupted_ns.is_some();
            self.interrupted_ns = self.interrupted_ns.or(Some(now_ns));
        }
        let waited_ns = self.interrupted_ns.map_or(0, |since_ns| now_ns - since_ns);
        self.is_cut_off |= waited_ns > DRAIN_TIMEOUT_NS;
        if self.bar.is_hidden() {
            return;
        }
        let deliveries = recorder.metrics.deliveries();
        let (deliveries_before, before_ns) = self.shown;
        self.shown = (deliveries, now_ns);
        let seconds = now_ns.saturating_sub(before_ns).max(1) as f64 / 1e9;
        let rate = deliveries.saturating_sub(deliveries_before) as f64 / seconds;
        let elapsed = now_ns as f64 / 1e9;
        let by_time = self.plan.duration().map(|duration| elapsed / duration.as_secs_f64());
        let messages =
            self.plan.messages.map(|all| recorder.metrics.counts.sent as f64 / all as f64);
        let share = by_time.or(messages).unwrap_or(0.0).clamp(0.0, 1.0);
        let left = if share > 0.0 { elapsed / share - elapsed } else { 0.0 };
        let left = Duration::try_from_secs_f64(left).unwrap_or_default().as_secs();
        let faults = recorder.verifier.faults.count;
        self.bar.set_position((share * STEPS) as u64);
        self.bar.set_message(format!("{rate:.0} deliveries/s  {left} s left  faults: {faults}"));
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted_ns.is_some()
    }
}

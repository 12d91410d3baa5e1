//! The user at the terminal: a bar that shows how far the run is, and the keys that end it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;
use super::recorder::Book;

/// Set whenever the user asks for the end.
pub type Interrupt = Arc<AtomicBool>;

/// How long a run that is to end waits for what is under way.
const FAREWELL_NS: u64 = 3_000_000_000;

/// Bar and keys.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    plan: &'a Plan,
    bar: ProgressBar,
    interrupt: Interrupt,
    interrupted_ns: Option<u64>,
    is_cut_off: bool,
    shown: (u64, u64),
}

impl<'a> Watch<'a> {
    /// Shows the bar, if standard error is a terminal.
    #[must_use]
    pub(super) fn new(plan: &'a Plan, interrupt: Interrupt) -> Self {
        const STEPS: u64 = 1_000;
        // A terminal that is too slow must not slow the run down.
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let template = "{bar:30} {percent:>3} %  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { plan, bar, interrupt, interrupted_ns: None, is_cut_off: false, shown: (0, 0) }
    }

    /// Shows what has happened by `now_ns`, and looks at the keys.
    pub(super) fn show(&mut self, book: &Book, now_ns: u64) {
        if self.interrupt.swap(false, Ordering::Relaxed) {
            self.is_cut_off = self.interrupted_ns.is_some();
            self.interrupted_ns = self.interrupted_ns.or(Some(now_ns));
        }
        let waited_ns = self.interrupted_ns.map_or(0, |since_ns| now_ns - since_ns);
        self.is_cut_off |= waited_ns > FAREWELL_NS;
        if self.bar.is_hidden() {
            return;
        }
        let deliveries = book.measure.deliveries();
        let (deliveries_before, before_ns) = self.shown;
        self.shown = (deliveries, now_ns);
        let seconds = now_ns.saturating_sub(before_ns).max(1) as f64 / 1e9;
        let rate = deliveries.saturating_sub(deliveries_before) as f64 / seconds;
        let elapsed = now_ns as f64 / 1e9;
        let by_time = self.plan.duration().map(|duration| elapsed / duration.as_secs_f64());
        let messages = self.plan.messages.map(|all| book.measure.sent as f64 / all as f64);
        let share = by_time.or(messages).unwrap_or(0.0).clamp(0.0, 1.0);
        let left = if share > 0.0 { elapsed / share - elapsed } else { 0.0 };
        let left = Duration::try_from_secs_f64(left).unwrap_or_default().as_secs();
        let faults = book.verifier.faults().count();
        self.bar.set_position((share * 1_000.0) as u64);
        self.bar.set_message(format!("{rate:.0} deliveries/s  {left} s left  {faults} faults"));
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// The user wants no more messages sent.
    #[must_use]
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted_ns.is_some()
    }

    /// The user does not want to wait for those that were.
    #[must_use]
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }
}

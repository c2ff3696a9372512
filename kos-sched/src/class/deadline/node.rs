//! What the deadline class keeps in a node, and the orders of its trees.
//!
//! | word | meaning |
//! |---|---|
//! | `words[0]` | the deadline, in ns of the clock; 0: a budget begins with the next wake-up |
//! | `words[1]` | the budget left, in ns; negative after an overrun |
//! | `words[2]` | when the next budget comes, while throttled |
//! | `halves` | runtime, relative deadline, period, in ns |
//! | `level` | in which container it is: [`Place`] |

use crate::ds::Order;
use crate::task::{DlParams, Node};
use crate::time::Duration;

/// In which container a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Asleep,
    Ready,
    Throttled,
}

impl Node {
    #[inline]
    pub(super) const fn due(&self) -> u64 {
        self.words[0]
    }

    #[inline]
    pub(super) const fn budget(&self) -> i64 {
        self.words[1].cast_signed()
    }

    #[inline]
    pub(super) const fn set_budget(&mut self, budget: i64) {
        self.words[1] = budget.cast_unsigned();
    }

    /// When the next budget comes.
    #[inline]
    pub(super) const fn refill(&self) -> u64 {
        self.words[2]
    }

    #[inline]
    pub(super) const fn runtime(&self) -> u32 {
        self.halves[0]
    }

    #[inline]
    pub(super) const fn relative(&self) -> u32 {
        self.halves[1]
    }

    #[inline]
    pub(super) const fn period(&self) -> u32 {
        self.halves[2]
    }

    #[inline]
    pub(super) const fn place(&self) -> Place {
        match self.level {
            0 => Place::Asleep,
            1 => Place::Ready,
            _ => Place::Throttled,
        }
    }

    #[inline]
    pub(super) const fn set_place(&mut self, place: Place) {
        self.level = match place {
            Place::Asleep => 0,
            Place::Ready => 1,
            Place::Throttled => 2,
        };
    }

    pub(super) fn params(&self) -> Option<DlParams> {
        let [runtime, deadline, period] = self.halves.map(|ns| Duration::from_ticks(ns.into()));
        DlParams::new(runtime, deadline, period).ok()
    }

    pub(super) fn set_params(&mut self, params: DlParams) {
        // At most 4 s each.
        self.halves = [params.runtime(), params.deadline(), params.period()]
            .map(|length| u32::try_from(length.as_ticks()).unwrap_or(u32::MAX));
    }

    /// Whether the next budget begins with the next wake-up: nothing of one was used.
    #[inline]
    pub(super) const fn is_fresh(&self) -> bool {
        self.due() == 0
    }

    /// Under new parameters: begins with the next wake-up, or in the period that starts `next`.
    pub(super) fn start_over(&mut self, next: Option<u64>) {
        let early = u64::from(self.period().saturating_sub(self.relative()));
        self.words[0] = next.map_or(0, |next| next.saturating_sub(early).max(1));
        self.set_budget(0);
    }

    /// A whole budget from `now` on.
    #[inline]
    pub(super) fn begin(&mut self, now: u64) {
        self.words[0] = now.saturating_add(self.relative().into());
        self.set_budget(self.runtime().into());
    }

    /// The start of the period after the one whose deadline it has.
    #[inline]
    pub(super) fn next_period(&self) -> u64 {
        self.due().saturating_add(u64::from(self.period().saturating_sub(self.relative())))
    }

    /// Waits for its next budget, which comes at `refill`.
    #[inline]
    pub(super) const fn throttle(&mut self, refill: u64) {
        self.words[2] = refill;
    }

    /// Gets the budget that was due. What it ran too long is taken off, unless a whole deadline has passed meanwhile.
    #[inline]
    pub(super) fn replenish(&mut self, now: u64) {
        let runtime = i64::from(self.runtime());
        self.words[0] = self.refill().saturating_add(self.relative().into());
        self.set_budget(self.budget().saturating_add(runtime).min(runtime));
        if self.due() <= now {
            self.begin(now);
        }
    }

    /// On a wake-up: whether what is left of budget and time exceeds the share that was granted. No division.
    #[inline]
    pub(super) fn exceeds_share(&self, now: u64) -> bool {
        let Some(left) = self.due().checked_sub(now) else { return true };
        let budget = u128::from(self.budget().max(0).cast_unsigned());
        budget * u128::from(self.relative()) > u128::from(left) * u128::from(self.runtime())
    }
}

/// By deadline.
#[derive(Debug)]
pub(super) enum ByDue {}

/// By the time of the next budget.
#[derive(Debug)]
pub(super) enum ByRefill {}

impl Order for ByDue {
    type Summary = ();

    #[inline]
    fn before(a: &Node, b: &Node) -> bool {
        a.due() < b.due()
    }

    fn summary(_: &Node, _: Option<&Node>, _: Option<&Node>, _: bool) {}

    fn stored(_: &Node) {}

    fn store(_: &mut Node, (): ()) {}
}

impl Order for ByRefill {
    type Summary = ();

    #[inline]
    fn before(a: &Node, b: &Node) -> bool {
        a.refill() < b.refill()
    }

    fn summary(_: &Node, _: Option<&Node>, _: Option<&Node>, _: bool) {}

    fn stored(_: &Node) {}

    fn store(_: &mut Node, (): ()) {}
}

//! [`Urgency`]: how urgent a task is, in one word that orders the policies of all classes.
//!
//! It can be lent: what a task is worth to those who wait for it, [`Urgency::policy`] says under which policy it then runs.

use core::fmt;

use crate::task::{DlParams, Nice, Policy, RtPriority};
use crate::time::Duration;

/// How urgent a task is; greater is more urgent. Of two deadline tasks the one with the shorter relative deadline is, of two
/// fair ones the one with the lower nice value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Urgency(u32);

/// Idle tasks have 1, fair ones up to here.
const FAIR_MOST: u32 = 41;
/// Real-time tasks begin here.
const RT: u32 = 100;
/// Deadline tasks begin above.
const RT_MOST: u32 = RT + 99;
/// Above every deadline task.
const STOP: u32 = u32::MAX;
/// The urgency of a deadline task and its relative deadline in ns, 1000 at least and 4 s at most, together.
const DEADLINES: u32 = 4_000_001_000;

impl Urgency {
    /// The least: of an idle thread, and of a task in the integrator's own class.
    pub const NONE: Self = Self(0);

    /// Of a task with this policy. Policies of the integrator's own are not compared: they lend nothing.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self(match policy {
            Policy::Stop => STOP,
            Policy::Deadline(params) => {
                let deadline = u32::try_from(params.deadline().as_ticks()).unwrap_or(DEADLINES);
                DEADLINES.saturating_sub(deadline)
            }
            Policy::Fifo(priority) | Policy::RoundRobin(priority, _) => RT + u32::from(priority.get()),
            Policy::Fair { nice, .. } | Policy::Batch(nice) => {
                FAIR_MOST.saturating_add_signed(-20 - i32::from(nice.get()))
            }
            Policy::Idle => 1,
            Policy::IdleThread | Policy::Custom { .. } => 0,
        })
    }

    /// The policy of a task that runs because others wait for it, of whom the most urgent has this urgency. In a deadline
    /// class it has each of its deadlines in full: a waiter's budget must not keep him waiting.
    #[must_use]
    pub fn policy(self) -> Option<Policy> {
        match self.0 {
            0 => None,
            1 => Some(Policy::Idle),
            2..=FAIR_MOST => {
                let nice = i8::try_from(FAIR_MOST - self.0).ok()?;
                Some(Policy::Fair { nice: Nice::new(nice - 20).ok()?, slice: Policy::SLICE })
            }
            RT..=RT_MOST => Some(Policy::Fifo(RtPriority::new(u8::try_from(self.0 - RT).ok()?).ok()?)),
            STOP => Some(Policy::Stop),
            word => {
                let deadline = Duration::from_ticks(DEADLINES.checked_sub(word)?.into());
                DlParams::new(deadline, deadline, deadline).ok().map(Policy::Deadline)
            }
        }
    }

    /// Whether the task does not wait behind fair ones if another CPU can run it.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        self.0 >= RT
    }

    pub(super) const fn to_word(self) -> u32 {
        self.0
    }

    pub(super) const fn from_word(word: u32) -> Self {
        Self(word)
    }
}

impl fmt::Debug for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.policy() {
            Some(policy) => write!(f, "Urgency({policy:?})"),
            None => f.write_str("Urgency(none)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Urgency;
    use crate::task::{DlParams, Nice, Policy, RtPriority};
    use crate::time::Duration;

    fn deadline(ns: u64) -> Policy {
        let span = Duration::from_ticks(ns);
        Policy::Deadline(DlParams::new(span, span, span).unwrap())
    }

    #[test]
    fn every_policy_has_its_place_and_comes_back() {
        let fair =
            (-20..20).rev().map(|nice| Policy::Fair { nice: Nice::new(nice).unwrap(), slice: Policy::SLICE });
        let rt = (0..100).map(|priority| Policy::Fifo(RtPriority::new(priority).unwrap()));
        let spans = [4_000_000_000, 3_999_999_999, 1_000_000, 1_001, 1_000];
        let all: Vec<Policy> = [Policy::Idle]
            .into_iter()
            .chain(fair)
            .chain(rt)
            .chain(spans.map(deadline))
            .chain([Policy::Stop])
            .collect();
        let words: Vec<Urgency> = all.iter().map(Urgency::of).collect();
        assert!(words.is_sorted_by(|a, b| a < b), "{words:?}");
        for (policy, urgency) in all.iter().zip(&words) {
            assert_eq!(urgency.policy(), Some(*policy));
            assert_eq!(urgency.is_urgent(), *urgency >= Urgency::of(&Policy::Fifo(RtPriority::MIN)));
        }
        assert_eq!(Urgency::of(&Policy::IdleThread), Urgency::NONE);
        assert_eq!(Urgency::NONE.policy(), None);
    }
}

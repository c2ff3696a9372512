//! Whether an address is nobody else's: [`Dad`], for IPv6 (RFC 4862 section 5.4) and IPv4 (RFC 5227).
//!
//! One machine an address. It is made when the address is chosen; [`poll`](Dad::poll), at [`poll_at`](Dad::poll_at) and until it says
//! `None`, tells what to send and when the address may be used. Before that the address is tentative: nothing goes out from
//! it, and of what comes in only conflicts count.
//!
//! A conflict is, of IPv6, a solicitation from the unspecified address or an advertisement for it; of IPv4, any ARP packet from it with
//! another's link address, or, while it is tentative, another's probe for it.

use crate::jitter::Jitter;
use crate::time::{Duration, Instant, after};

/// What to do with the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DadStep {
    /// Ask who has it: a solicitation from the unspecified address to its solicited-node group, an ARP probe.
    Probe,
    /// It may be used.
    Usable,
    /// Tell all that it is ours: an ARP request from it for itself.
    Announce,
}

/// What a conflict means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The address is another's: it is not to be used.
    Lost,
    /// It is kept: announce it once more.
    Defend,
    /// Nothing is to be done.
    Ignore,
}

/// Times of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Timing {
    probes: u8,
    /// Between probes, and as much again by chance.
    interval: Duration,
    spread: Duration,
    /// After the last.
    wait: Duration,
    announcements: u8,
}

const FIRST: Duration = Duration::from_secs(1);
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// Whoever disputes an address twice within that time gets it.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

const V4: Timing = Timing {
    probes: 3,
    interval: Duration::from_secs(1),
    spread: Duration::from_secs(1),
    wait: Duration::from_secs(2),
    announcements: 2,
};
const V6: Timing = Timing {
    probes: 1,
    interval: Duration::from_secs(1),
    spread: Duration::ZERO,
    wait: Duration::from_secs(1),
    announcements: 0,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Probing { left: u8 },
    Announcing { left: u8 },
    Lost,
}

/// Finds out whether an address is free, and defends it.
#[derive(Clone, Debug)]
pub struct Dad {
    timing: Timing,
    phase: Phase,
    at: Option<Instant>,
    defended: Option<Instant>,
    jitter: Jitter,
}

impl Dad {
    /// For an IPv4 address. `seed` differs from that of other hosts.
    #[must_use]
    pub const fn v4(now: Instant, seed: u64) -> Self {
        Self::new(now, seed, V4)
    }

    /// For an IPv6 address. `seed` differs from that of other hosts.
    #[must_use]
    pub const fn v6(now: Instant, seed: u64) -> Self {
        Self::new(now, seed, V6)
    }

    const fn new(now: Instant, seed: u64, timing: Timing) -> Self {
        let mut jitter = Jitter::new(seed);
        let at = Some(after(now, jitter.below(FIRST)));
        Self { timing, phase: Phase::Probing { left: timing.probes }, at, defended: None, jitter }
    }

    /// What to do next at `now`.
    pub fn poll(&mut self, now: Instant) -> Option<DadStep> {
        self.at.filter(|&at| at <= now)?;
        let (phase, wait, step) = match self.phase {
            Phase::Lost => return None,
            Phase::Probing { left: 0 } => {
                let left = self.timing.announcements;
                (Phase::Announcing { left }, (left > 0).then_some(Duration::ZERO), DadStep::Usable)
            }
            Phase::Probing { left } => {
                let between = self.timing.interval.saturating_add(self.jitter.below(self.timing.spread));
                let wait = if left > 1 { between } else { self.timing.wait };
                (Phase::Probing { left: left - 1 }, Some(wait), DadStep::Probe)
            }
            Phase::Announcing { left } => {
                let left = left.saturating_sub(1);
                (Phase::Announcing { left }, (left > 0).then_some(ANNOUNCE_INTERVAL), DadStep::Announce)
            }
        };
        (self.phase, self.at) = (phase, wait.map(|wait| after(now, wait)));
        Some(step)
    }

    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub const fn poll_at(&self) -> Option<Instant> {
        self.at
    }

    /// Whether the address may not be used yet.
    #[must_use]
    pub const fn is_tentative(&self) -> bool {
        matches!(self.phase, Phase::Probing { .. })
    }

    /// Somebody else uses or tries the address.
    pub fn on_conflict(&mut self, now: Instant) -> Verdict {
        let lately = self.defended.and_then(|last| now.checked_duration_since(last));
        let disputed = lately.is_some_and(|since| since < DEFEND_INTERVAL);
        match self.phase {
            Phase::Lost => Verdict::Ignore,
            Phase::Announcing { .. } if self.timing.announcements == 0 => Verdict::Ignore,
            Phase::Announcing { .. } if !disputed => {
                self.defended = Some(now);
                Verdict::Defend
            }
            Phase::Probing { .. } | Phase::Announcing { .. } => {
                (self.phase, self.at) = (Phase::Lost, None);
                Verdict::Lost
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Dad, DadStep, Verdict};
    use crate::time::{Duration, Instant, after};

    const START: Instant = Instant::from_ticks(0);

    /// All steps, each with the ms at which it came.
    fn steps(dad: &mut Dad) -> Vec<(DadStep, u64)> {
        let mut steps = Vec::new();
        while let Some(at) = dad.poll_at() {
            let early = at.checked_sub_duration(Duration::from_ticks(1));
            assert!(early.is_none_or(|early| dad.poll(early).is_none()));
            while let Some(step) = dad.poll(at) {
                steps.push((step, at.as_ticks() / 1_000_000));
            }
        }
        steps
    }

    #[test]
    fn an_address_of_ipv6_is_asked_for_once_and_used_after_a_second() {
        for seed in 0..50 {
            let mut dad = Dad::v6(START, seed);
            assert!(dad.is_tentative());
            let [(DadStep::Probe, probe), (DadStep::Usable, usable)] = steps(&mut dad)[..] else {
                panic!("{seed}")
            };
            assert!(probe < 1000 && usable - probe == 1000);
            assert!(!dad.is_tentative());
            assert_eq!(dad.on_conflict(START), Verdict::Ignore, "its advertisements defend it");
        }
    }

    #[test]
    fn an_address_of_ipv4_is_asked_for_three_times_and_announced_twice() {
        let mut delays = alloc::collections::BTreeSet::new();
        for seed in 0..50 {
            let steps = steps(&mut Dad::v4(START, seed));
            let names: Vec<DadStep> = steps.iter().map(|(step, _)| *step).collect();
            let wanted = [
                DadStep::Probe,
                DadStep::Probe,
                DadStep::Probe,
                DadStep::Usable,
                DadStep::Announce,
                DadStep::Announce,
            ];
            assert_eq!(names, wanted);
            let at: Vec<u64> = steps.iter().map(|(_, at)| *at).collect();
            assert!(
                at[0] < 1000
                    && (1000..=2000).contains(&(at[1] - at[0]))
                    && (1000..=2000).contains(&(at[2] - at[1]))
            );
            assert!(at[3] - at[2] == 2000 && at[4] == at[3] && at[5] - at[4] == 2000);
            delays.insert(at[0]);
        }
        assert!(delays.len() > 40, "hosts do not probe all at once");
    }

    #[test]
    fn a_tentative_address_is_given_up_at_the_first_conflict() {
        for mut dad in [Dad::v4(START, 1), Dad::v6(START, 1)] {
            assert_eq!(dad.on_conflict(START), Verdict::Lost);
            assert_eq!((dad.poll_at(), dad.poll(Instant::from_ticks(u64::MAX))), (None, None));
            assert_eq!(dad.on_conflict(START), Verdict::Ignore);
        }
    }

    #[test]
    fn an_address_in_use_is_defended_once_in_ten_seconds() {
        let mut dad = Dad::v4(START, 1);
        steps(&mut dad);
        let at = |s| after(START, Duration::from_secs(s));
        assert_eq!(dad.on_conflict(at(100)), Verdict::Defend);
        assert_eq!(dad.on_conflict(at(110)), Verdict::Defend);
        assert_eq!(dad.on_conflict(at(119)), Verdict::Lost);
    }
}

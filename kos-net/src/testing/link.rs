//! A simulated link: what a sender's side does to a frame, `Line`, as [`LinkConfig`] says; two of them between whatever sends and
//! receives frames: [`Cable`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Dice;
use crate::time::{Duration, Instant};

/// What a link does to the frames on it. Chances are in millionths of all frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Bits in a second; `None` is without limit.
    pub rate: Option<u64>,
    /// How long a frame is under way.
    pub delay: Duration,
    /// The most bytes that wait to be sent; what comes then is lost.
    pub queue: u64,
    /// A frame is lost.
    pub loss: u32,
    /// A frame comes twice.
    pub duplicate: u32,
    /// A bit of a frame is turned.
    pub corrupt: u32,
    /// A frame is held up, so that others overtake it: for up to four delays, or a millisecond.
    pub reorder: u32,
}

impl LinkConfig {
    /// A link that loses nothing, and takes `delay`.
    #[must_use]
    pub const fn perfect(delay: Duration) -> Self {
        Self { rate: None, delay, queue: u64::MAX, loss: 0, duplicate: 0, corrupt: 0, reorder: 0 }
    }
}

/// What a link counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Frames that were sent.
    pub sent: u64,
    /// Frames that found the queue full.
    pub overflowed: u64,
    /// Frames that were lost on the way.
    pub lost: u64,
    /// Frames that came twice.
    pub duplicated: u64,
    /// Frames that were damaged.
    pub corrupted: u64,
    /// Frames that were held up.
    pub reordered: u64,
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) config: LinkConfig,
    pub(super) stats: LinkStats,
    /// When the last frame in the queue has left.
    busy_until: Instant,
}

impl Line {
    pub(super) const fn new(config: LinkConfig) -> Self {
        let none = LinkStats { sent: 0, overflowed: 0, lost: 0, duplicated: 0, corrupted: 0, reordered: 0 };
        Self { config, stats: none, busy_until: Instant::from_ticks(0) }
    }

    /// Takes a frame; when it has left, if it had room.
    pub(super) fn enqueue(&mut self, now: Instant, length: usize) -> Option<Instant> {
        self.stats.sent += 1;
        let Some(rate) = self.config.rate else { return Some(now) };
        let start = self.busy_until.max(now);
        let waiting = start.checked_duration_since(now).map_or(0, |wait| wait.as_ticks());
        let queued = u128::from(waiting) * u128::from(rate) / 8_000_000_000;
        if queued + length as u128 > u128::from(self.config.queue) {
            self.stats.overflowed += 1;
            return None;
        }
        let ticks = length as u128 * 8_000_000_000 / u128::from(rate.max(1));
        let time = Duration::from_ticks(u64::try_from(ticks).unwrap_or(u64::MAX));
        self.busy_until = start.checked_add_duration(time)?;
        Some(self.busy_until)
    }

    /// When a frame that left at `left` arrives, and how it looks then: not at all, once or twice.
    pub(super) fn arrivals(
        &mut self,
        left: Instant,
        bytes: &[u8],
        dice: &mut Dice,
    ) -> Vec<(Instant, Vec<u8>)> {
        let mut arrivals = Vec::new();
        if dice.happens(self.config.loss) {
            self.stats.lost += 1;
            return arrivals;
        }
        let copies = if dice.happens(self.config.duplicate) { 2 } else { 1 };
        self.stats.duplicated += copies - 1;
        for _ in 0..copies {
            let mut bytes = bytes.to_vec();
            self.damage(&mut bytes, dice);
            let delay = Duration::from_ticks(self.config.delay.as_ticks().saturating_add(self.hold(dice)));
            arrivals.extend(left.checked_add_duration(delay).map(|at| (at, bytes)));
        }
        arrivals
    }

    fn damage(&mut self, bytes: &mut [u8], dice: &mut Dice) {
        if !dice.happens(self.config.corrupt) {
            return;
        }
        let bit = dice.below(bytes.len() as u64 * 8);
        let place = usize::try_from(bit / 8).ok().and_then(|place| bytes.get_mut(place));
        if let Some(byte) = place {
            *byte ^= 1 << (bit % 8);
            self.stats.corrupted += 1;
        }
    }

    /// For how many ns more a frame is under way.
    fn hold(&mut self, dice: &mut Dice) -> u64 {
        if !dice.happens(self.config.reorder) {
            return 0;
        }
        self.stats.reordered += 1;
        dice.below(self.config.delay.as_ticks().saturating_mul(4).max(1_000_000))
    }
}

/// A link between two sides that need not be stacks of ours; sides are numbered 0 and 1.
#[derive(Debug)]
pub struct Cable {
    lines: [Line; 2],
    dice: Dice,
    /// Frames under way, by arrival and number: who gets them, and their bytes.
    under_way: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    frames: u64,
}

impl Cable {
    /// A link that does the same either way; `seed` decides what happens by chance.
    #[must_use]
    pub const fn new(seed: u64, config: LinkConfig) -> Self {
        let lines = [Line::new(config), Line::new(config)];
        Self { lines, dice: Dice::new(seed), under_way: BTreeMap::new(), frames: 0 }
    }

    /// Sends a frame from a side; `longer` is how much longer than others it is under way.
    pub fn send(&mut self, now: Instant, side: usize, bytes: &[u8], longer: Duration) {
        let Some(line) = self.lines.get_mut(side) else { return };
        let Some(left) = line.enqueue(now, bytes.len()) else { return };
        for (at, bytes) in line.arrivals(left, bytes, &mut self.dice) {
            self.frames += 1;
            let at = at.checked_add_duration(longer).unwrap_or(at);
            self.under_way.insert((at, self.frames), (1 - side, bytes));
        }
    }

    /// The next frame that has arrived by now, and on which side.
    pub fn arrive(&mut self, now: Instant) -> Option<(usize, Vec<u8>)> {
        let first = self.under_way.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// When the next frame arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// What was counted on the way from a side.
    #[must_use]
    pub fn stats(&self, side: usize) -> LinkStats {
        self.lines.get(side).map(|line| line.stats).unwrap_or_default()
    }
}

//! Observers that keep what happened: [`Trace`] (slices and marks, for plots), [`Digest`] (a hash of everything), [`Latency`]
//! (how long woken tasks wait, as a histogram).

use alloc::vec;
use alloc::vec::Vec;

use super::watch::{Happening, Left, Observer};
use super::workload::Workload;

/// One CPU runs one task from `since` to `until`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The CPU.
    pub cpu: u32,
    /// The task.
    pub task: u32,
    /// From when.
    pub since: u64,
    /// Up to when.
    pub until: u64,
    /// Why it ended.
    pub why: Left,
}

/// A moment worth a mark in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A task was woken.
    Woken {
        /// The task.
        task: u32,
    },
    /// A job ended after its deadline.
    Late {
        /// The task.
        task: u32,
    },
}

/// Slices and marks in order of time, up to a limit.
#[derive(Debug)]
pub struct Trace {
    cpus: u32,
    limit: usize,
    slices: Vec<Slice>,
    marks: Vec<(u64, Mark)>,
    left_out: u64,
    end: u64,
}

impl Trace {
    /// Keeps up to `limit` slices, and as many marks, of `cpus` CPUs.
    #[must_use]
    pub fn new(cpus: u32, limit: usize) -> Self {
        Self { cpus, limit, slices: Vec::new(), marks: Vec::new(), left_out: 0, end: 0 }
    }

    /// How many CPUs it shows.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// The slices, by their ends.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// The marks and their times.
    #[must_use]
    pub fn marks(&self) -> &[(u64, Mark)] {
        &self.marks
    }

    /// How many slices and marks were too many.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Up to when it goes: the end of the run, or the last slice that is in it.
    #[must_use]
    pub fn length(&self) -> u64 {
        let last = self.slices.last().map_or(0, |slice| slice.until);
        if self.left_out > 0 { last } else { self.end }
    }

    fn mark(&mut self, now: u64, mark: Mark) {
        if self.marks.len() < self.limit {
            self.marks.push((now, mark));
        } else {
            self.left_out += 1;
        }
    }
}

impl Observer for Trace {
    fn see(&mut self, now: u64, what: &Happening) {
        match *what {
            Happening::Leaves { since, .. } if since == now => {}
            Happening::Leaves { cpu, task, since, why } if self.slices.len() < self.limit => {
                self.slices.push(Slice { cpu, task, since, until: now, why });
            }
            Happening::Leaves { .. } => self.left_out += 1,
            Happening::Woken { task } => self.mark(now, Mark::Woken { task }),
            Happening::Job { task, deadline, .. } if now > deadline => self.mark(now, Mark::Late { task }),
            _ => {}
        }
    }

    fn end(&mut self, now: u64) {
        self.end = now;
    }
}

/// FNV-1a over every happening but wakes that change nothing: two runs with equal digests did the same.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Digest {
    /// Of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// The hash so far.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    fn feed(&mut self, words: [u64; 4]) {
        for byte in words.into_iter().flat_map(u64::to_le_bytes) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Digest {
    fn see(&mut self, now: u64, what: &Happening) {
        let words = match *what {
            Happening::Started { task, mask, .. } => [0, task.into(), mask.into()],
            Happening::Woken { task } => [1, task.into(), 0],
            Happening::Runs { cpu, task } => [2, cpu.into(), task.into()],
            Happening::Leaves { cpu, task, why, .. } => [3 + ((why as u64) << 8), cpu.into(), task.into()],
            Happening::Idles { cpu } => [4, cpu.into(), 0],
            Happening::Idled { cpu, since } => [5, cpu.into(), since],
            Happening::Policy { task, .. } => [6, task.into(), 0],
            Happening::Affinity { task, mask } => [7, task.into(), mask.into()],
            Happening::Job { task, release, .. } => [8, task.into(), release],
            Happening::Kick { from, to } => [9, from.into(), to.into()],
        };
        let [what, first, second] = words;
        self.feed([now, what, first, second]);
    }
}

/// How many buckets each power of two is divided into.
const PARTS: u32 = 16;

/// From the wake of a task to its first nanosecond on a CPU, in buckets of at most a sixteenth of their value.
#[derive(Debug)]
pub struct Latency {
    since: Vec<Option<u64>>,
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Latency {
    /// For the tasks of `load`.
    #[must_use]
    pub fn new(load: &Workload) -> Self {
        let buckets = vec![0; 64 * PARTS as usize];
        Self { since: vec![None; load.tasks.len()], buckets, count: 0, longest: 0 }
    }

    /// How many wakes were measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, in nanoseconds.
    #[must_use]
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// `per_mille` of 1000 wakes took no longer than this many nanoseconds, to a sixteenth.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let wanted = u128::from(self.count) * u128::from(per_mille);
        let mut seen = 0;
        for (bucket, count) in (0..).zip(&self.buckets) {
            seen += u128::from(*count) * 1000;
            if seen >= wanted && seen > 0 {
                return upper(bucket).min(self.longest);
            }
        }
        self.longest
    }

    fn add(&mut self, length: u64) {
        self.count += 1;
        self.longest = self.longest.max(length);
        self.buckets[bucket(length)] += 1;
    }
}

impl Observer for Latency {
    fn see(&mut self, now: u64, what: &Happening) {
        match *what {
            Happening::Woken { task } => self.since[task as usize] = Some(now),
            Happening::Runs { task, .. } => {
                if let Some(since) = self.since[task as usize].take() {
                    self.add(now - since);
                }
            }
            _ => {}
        }
    }
}

/// The bucket of `length`: exact below [`PARTS`], then by its four bits after the first.
fn bucket(length: u64) -> usize {
    let power = length.checked_ilog2().unwrap_or(0).max(3);
    let part = (length >> (power.max(4) - 4)) & u64::from(PARTS - 1);
    (PARTS * (power - 3)) as usize + usize::try_from(part).unwrap_or(0)
}

/// The longest length in a bucket.
fn upper(bucket: u32) -> u64 {
    let (power, part) = (bucket / PARTS, u64::from(bucket % PARTS));
    if power == 0 { part } else { ((part + 17) << (power - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_say() {
        let mut last = 0;
        for length in (0..5000).chain([1 << 20, (1 << 40) + 12345, u64::MAX >> 1]) {
            let place = bucket(length);
            assert!(place >= last, "{length}");
            last = place;
            let upper = upper(super::super::workload::number(place));
            assert!(upper >= length && upper - length <= length / 16, "{length} in {place} up to {upper}");
        }
    }

    #[test]
    fn quantiles_are_the_measured_ones() {
        let mut load = Workload::new(1);
        let program = load.program("p", &[]);
        load.task(program, crate::task::Policy::NORMAL);
        let mut latency = Latency::new(&load);
        for length in 1..=100 {
            latency.see(0, &Happening::Woken { task: 0 });
            latency.see(length * 10, &Happening::Runs { cpu: 0, task: 0 });
        }
        assert_eq!((latency.count(), latency.longest()), (100, 1000));
        assert!((500..=531).contains(&latency.quantile(500)), "{}", latency.quantile(500));
        assert_eq!(latency.quantile(1000), 1000);
    }

    #[test]
    fn a_full_trace_tells_what_is_missing() {
        let mut trace = Trace::new(1, 1);
        for since in [0, 10] {
            trace.see(since + 10, &Happening::Leaves { cpu: 0, task: 0, since, why: Left::Blocked });
        }
        trace.end(50);
        assert_eq!((trace.slices().len(), trace.left_out(), trace.length()), (1, 1, 10));
    }
}

//! Cuts the power of a disk whose writes are known, at chosen points, and looks at what is left: [`Replay`].
//!
//! **Where.** Between two flushes lies an epoch. The power is cut as a flush has ended, or somewhere in an epoch: then each write that
//! was asked for since the flush is lost, kept, or torn into pieces, as the seed says. Each point draws anew, so that it is the
//! same whatever stood before it.
//!
//! **What must be there.** The kernel's `durability` writes a file only once the one before it was durable, and no number stands in two
//! of them. So a write that holds the bytes of file *n* proves that file *n - 1* had been reported durable before that write was asked
//! for: from there on a cut must leave it.

use core::fmt;

use kos_vfs::DeviceError;

use crate::disk::{self, DiskError, LOOKED_AT};
use crate::power::cut::{Cut, apply};
use crate::power::log::Step;

/// A row of points, each a power cut.
#[derive(Debug)]
pub struct Replay<'l> {
    steps: &'l [Step<'l>],
    /// Where each epoch ends: at its flush, the last one with the log.
    ends: Vec<usize>,
    /// The newest file whose bytes are in the first steps, by the number of steps.
    written: Vec<u64>,
    plan: Plan,
    /// The next point.
    next: u32,
    /// The disk after the first steps, and how many.
    flushed: (Vec<u8>, usize),
}

/// Which points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many.
    pub points: u32,
    /// Chooses what is lost.
    pub seed: u64,
    /// Files have numbers above this one; of six digits, so that nothing else looks like them.
    pub floor: u64,
}

/// A point, and what the cut left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Its number, from 1 on.
    pub number: u32,
    /// The flushes that had ended.
    pub flushes: usize,
    /// Writes since, which were kept, torn and lost.
    pub kept: u32,
    /// See above.
    pub torn: u32,
    /// See above.
    pub lost: u32,
    /// Files that had to be there and were.
    pub files: usize,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, flushes, kept, torn, lost, .. } = self;
        write!(
            f,
            "point {number}: after {flushes} flushes, with {kept} writes since kept, {torn} torn, {lost} lost"
        )
    }
}

/// A point at which something was lost.
#[derive(Debug)]
pub struct Loss {
    /// The point.
    pub point: Point,
    /// What.
    pub cause: DiskError,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.point, self.cause)
    }
}

impl core::error::Error for Loss {}

impl<'l> Replay<'l> {
    /// Of a disk that was `before`, and to which `steps` were done.
    #[must_use]
    pub fn new(before: Vec<u8>, steps: &'l [Step<'l>], plan: Plan) -> Self {
        let flushes = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Flush));
        let ends = flushes.map(|(at, _)| at).chain([steps.len()]).collect();
        let mut newest = 0;
        let newest = steps.iter().map(|step| {
            newest = newest.max(newest_in(step, plan.floor));
            newest
        });
        let written = [0].into_iter().chain(newest).collect();
        Self { steps, ends, written, plan, next: 0, flushed: (before, 0) }
    }

    /// The flushes that were written down.
    #[must_use]
    pub fn flushes(&self) -> usize {
        self.ends.len().saturating_sub(1)
    }

    /// The newest file whose bytes were written; 0 if there is none.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.written.last().copied().unwrap_or(0)
    }

    /// Looks at the disk after all steps: the files up to this one must be there.
    ///
    /// # Errors
    /// What is not as it must be.
    pub fn end(mut self, newest: u64) -> Result<(), DiskError> {
        self.advance(self.steps.len());
        let cut = Cut::new(&self.flushed.0).map_err(device)?;
        disk::look(&cut, &self.files_up_to(newest))
    }

    /// The newest files that are kept, up to this one.
    fn files_up_to(&self, newest: u64) -> Vec<u64> {
        let oldest = newest.saturating_sub(LOOKED_AT as u64).max(self.plan.floor);
        (oldest..newest).map(|number| number + 1).collect()
    }

    /// Does all steps up to this one.
    fn advance(&mut self, to: usize) {
        let (disk, done) = &mut self.flushed;
        let steps = self.steps.get(*done..to).unwrap_or_default();
        steps.iter().for_each(|step| apply(disk, step));
        *done = to.max(*done);
    }

    /// The epoch of a point, and whether it cuts at the flush before that. Points lie evenly.
    fn place(&self, point: u32) -> (usize, bool) {
        let (epochs, points) = (self.ends.len(), self.plan.points as usize);
        let epoch = |point: usize| point * epochs / points.max(1);
        let point = point as usize;
        let first = point.checked_sub(1).is_none_or(|before| epoch(before) != epoch(point));
        (epoch(point), if points >= 2 * epochs { first } else { point.is_multiple_of(2) })
    }

    fn cut(&mut self, number: u32) -> Result<Point, Loss> {
        let (epoch, at_flush) = self.place(number);
        let after = |epoch: usize| self.ends.get(epoch).map_or(0, |&flush| flush + 1);
        let start = epoch.checked_sub(1).map_or(0, after);
        let end = self.ends.get(epoch).copied().unwrap_or(start);
        self.advance(start);
        let (mut random, tail) = (Random::of(self.plan.seed, number), self.steps.get(start..end));
        let tail = tail.filter(|tail| !at_flush && !tail.is_empty()).unwrap_or_default();
        let asked = if tail.is_empty() { 0 } else { 1 + random.place(tail.len()) };
        let mut point = Point { number: number + 1, flushes: epoch, ..Point::default() };
        let durable = self.written.get(start + asked).map_or(0, |newest| newest.saturating_sub(1));
        let files = self.files_up_to(durable);
        let mut look = || {
            let mut cut = Cut::new(&self.flushed.0).map_err(device)?;
            lose(&mut cut, tail.get(..asked).unwrap_or_default(), &mut random, &mut point);
            disk::look(&cut, &files)
        };
        let looked = look();
        point.files = files.len();
        looked.map(|()| point).map_err(|cause| Loss { point, cause })
    }
}

impl Iterator for Replay<'_> {
    type Item = Result<Point, Loss>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next;
        self.next = number.checked_add(1).filter(|_| number < self.plan.points)?;
        Some(self.cut(number))
    }
}

/// What is left of steps that no flush followed: of four writes as many are in danger as the point draws; of those, half are torn.
fn lose<'l>(cut: &mut Cut<'l>, steps: &[Step<'l>], random: &mut Random, point: &mut Point) {
    let danger = random.below(5);
    for step in steps {
        let through = matches!(step, Step::Write { through: true, .. });
        if through || random.below(4) >= danger {
            cut.leave(step, &mut || true);
            point.kept += 1;
        } else if random.below(2) == 0 {
            cut.leave(step, &mut || random.below(2) == 0);
            point.torn += 1;
        } else {
            point.lost += 1;
        }
    }
}

fn device(cause: DeviceError) -> DiskError {
    DiskError::Fs(cause.into())
}

/// The highest number above `floor` that has a line of its own in what a step writes; 0 if there is none.
fn newest_in(step: &Step<'_>, floor: u64) -> u64 {
    let Step::Write { data, .. } = *step else { return 0 };
    let lines = data.split(|&byte| byte == b'\n');
    // What is behind the last line end is no line; before the first digit of a number, inline in a block, may stand anything.
    let ended = lines.clone().count().saturating_sub(1);
    let numbers = lines.take(ended).filter_map(|line| {
        let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let text = line.get(line.len() - digits..).filter(|_| digits == 6)?;
        core::str::from_utf8(text).ok()?.parse().ok()
    });
    numbers.filter(|&number| number > floor).max().unwrap_or(0)
}

/// SplitMix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct Random(u64);

impl Random {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The row of one point.
    fn of(seed: u64, point: u32) -> Self {
        let mut row = Self(seed);
        row.0 = row.next() ^ u64::from(point).wrapping_mul(Self::GAMMA);
        row
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::GAMMA);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A place among so many.
    fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;

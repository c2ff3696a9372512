//! The pages of a pipe, as a ring: `Pages`.
//!
//! Invariants: `used` pages from `first` on, around the end, have at least a byte each, within them; no others count; `limit` is at
//! most what was lent.

use core::fmt;

use super::error::{PipeError, ResizeError};
use super::{PIPE_BUF, Readiness};

/// A place for up to [`PIPE_BUF`] bytes of a pipe.
#[derive(Clone)]
pub struct PipePage {
    bytes: [u8; PIPE_BUF],
    start: usize,
    len: usize,
}

impl PipePage {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; PIPE_BUF], start: 0, len: 0 }
    }

    /// Puts in what fits behind what is there.
    fn append(&mut self, from: &[u8]) -> usize {
        let room = self.bytes.get_mut(self.start + self.len..).unwrap_or_default();
        let count = copy(room, from);
        self.len += count;
        count
    }

    fn take(&mut self, to: &mut [u8]) -> usize {
        let there = self.bytes.get(self.start..self.start + self.len).unwrap_or_default();
        let count = copy(to, there);
        (self.start, self.len) = (self.start + count, self.len - count);
        count
    }
}

/// Copies as much as there is and fits.
fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

impl Default for PipePage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PipePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipePage").field("len", &self.len).finish_non_exhaustive()
    }
}

/// What one read of one page moved.
pub(super) struct Moved {
    pub(super) bytes: usize,
    /// There is room for writers now that was not there.
    pub(super) freed: bool,
    /// There are more bytes.
    pub(super) more: bool,
}

/// What the pipe's lock guards.
pub(super) struct Pages<'p> {
    lent: &'p mut [PipePage],
    first: usize,
    used: usize,
    limit: usize,
    pub(super) readers: u32,
    pub(super) writers: u32,
}

impl<'p> Pages<'p> {
    pub(super) fn new(lent: &'p mut [PipePage]) -> Self {
        let limit = lent.len();
        Self { lent, first: 0, used: 0, limit, readers: 0, writers: 0 }
    }

    /// The page that is `at` places behind the first.
    fn page(&mut self, at: usize) -> Option<&mut PipePage> {
        let number = (self.first + at).checked_rem(self.lent.len())?;
        self.lent.get_mut(number)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    const fn is_full(&self) -> bool {
        self.used >= self.limit
    }

    pub(super) fn len(&mut self) -> usize {
        (0..self.used).filter_map(|at| self.page(at).map(|page| page.len)).sum()
    }

    pub(super) const fn capacity(&self) -> usize {
        self.limit * PIPE_BUF
    }

    pub(super) fn set_capacity(&mut self, bytes: usize) -> Result<usize, ResizeError> {
        let pages = bytes.div_ceil(PIPE_BUF).max(1).checked_next_power_of_two();
        let limit = pages.filter(|&pages| pages <= self.lent.len()).ok_or(ResizeError::TooLarge)?;
        if limit < self.used {
            return Err(ResizeError::Busy);
        }
        self.limit = limit;
        Ok(self.capacity())
    }

    /// Puts in one page's worth of `from`; 0 if there is no room. `first`: nothing of the write went before.
    pub(super) fn put(&mut self, from: &[u8], first: bool) -> Result<usize, PipeError> {
        if self.readers == 0 {
            return Err(PipeError::Broken);
        }
        let odd = from.len() % PIPE_BUF;
        if first
            && odd > 0
            && self.used > 0
            && let Some(last) = self.page(self.used - 1)
            && last.start + last.len + odd <= PIPE_BUF
        {
            return Ok(last.append(from.get(..odd).unwrap_or_default()));
        }
        if self.is_full() {
            return Ok(0);
        }
        let Some(next) = self.page(self.used) else { return Ok(0) };
        (next.start, next.len) = (0, 0);
        let count = next.append(from);
        self.used += 1;
        Ok(count)
    }

    /// Takes from the first page.
    pub(super) fn take(&mut self, to: &mut [u8]) -> Moved {
        let was_full = self.is_full();
        let mut moved = Moved { bytes: 0, freed: false, more: false };
        if self.used == 0 {
            return moved;
        }
        let Some(page) = self.page(0) else { return moved };
        moved.bytes = page.take(to);
        if page.len == 0 {
            (self.first, self.used) = ((self.first + 1) % self.lent.len(), self.used - 1);
            moved.freed = was_full;
        }
        moved.more = self.used > 0;
        moved
    }

    pub(super) fn of_reader(&self) -> Readiness {
        let readable = if self.is_empty() { Readiness::empty() } else { Readiness::READABLE };
        readable | if self.writers == 0 { Readiness::HUNG_UP } else { Readiness::empty() }
    }

    pub(super) fn of_writer(&self) -> Readiness {
        let writable = if self.is_full() { Readiness::empty() } else { Readiness::WRITABLE };
        writable | if self.readers == 0 { Readiness::BROKEN } else { Readiness::empty() }
    }

    pub(super) fn check(&mut self) -> Result<(), &'static str> {
        if self.limit > self.lent.len() || self.used > self.limit {
            return Err("more pages than there are");
        }
        let sound = |page: &PipePage| page.len > 0 && page.start + page.len <= PIPE_BUF;
        let all = (0..self.used).all(|at| self.page(at).is_some_and(|page| sound(page)));
        if all { Ok(()) } else { Err("a page without bytes, or with more than fit") }
    }
}

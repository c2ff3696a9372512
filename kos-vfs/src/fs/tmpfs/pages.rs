//! The bytes of a file: [`Pages`], a sorted list of chunks of up to 64 pages. What is not there is a hole and reads as zeroes.
//!
//! Invariants: chunks are sorted and none is empty; `pages` of a chunk has one entry for each bit of `present`, in order;
//! `written` is part of `present` (the rest was allocated ahead and counts as a hole); what lies behind the size of the file is
//! zero. Each page was taken from [`Space`].

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::error::FsError;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
const PAGE_64: u64 = PAGE as u64;
/// Pages of a chunk: the bits of its masks.
const CHUNK: u64 = 64;

/// Something of which there is only so much.
#[derive(Debug)]
pub(super) struct Space {
    used: AtomicUsize,
    pub(super) limit: usize,
}

impl Space {
    pub(super) const fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self, count: usize) -> Result<(), FsError> {
        let more = |used: usize| used.checked_add(count).filter(|&used| used <= self.limit);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| FsError::NoSpace)
    }

    pub(super) fn give_back(&self, count: usize) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Chunk {
    /// Number of its first page, divided by 64.
    base: u64,
    present: u64,
    written: u64,
    pages: Vec<Vec<u8>>,
}

impl Chunk {
    /// Where the page of a bit is, or would be.
    const fn slot(&self, bit: u64) -> usize {
        (self.present & (bit - 1)).count_ones() as usize
    }
}

/// The bytes of one file.
#[derive(Debug, Default)]
pub(super) struct Pages {
    chunks: Vec<Chunk>,
    count: usize,
}

/// The pieces of `length` bytes from `offset`: page, first byte in it, how many.
fn pieces(offset: u64, length: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + length;
    let mut at = offset;
    core::iter::from_fn(move || {
        let rest = end - at;
        let start = at % PAGE_64;
        let count = (PAGE_64 - start).min(rest);
        let piece = (at / PAGE_64, start, count);
        at += count;
        #[expect(clippy::cast_possible_truncation, reason = "both are at most the size of a page")]
        (count > 0).then_some((piece.0, start as usize, count as usize))
    })
}

impl Pages {
    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    fn chunk(&self, page: u64) -> Result<usize, usize> {
        // Files mostly grow at their end.
        match self.chunks.last() {
            Some(last) if last.base == page / CHUNK => Ok(self.chunks.len() - 1),
            Some(last) if last.base < page / CHUNK => Err(self.chunks.len()),
            _ => self.chunks.binary_search_by_key(&(page / CHUNK), |chunk| chunk.base),
        }
    }

    fn page(&self, page: u64) -> Option<&[u8]> {
        let chunk = self.chunks.get(self.chunk(page).ok()?)?;
        let bit = 1 << (page % CHUNK);
        if chunk.present & bit == 0 {
            return None;
        }
        chunk.pages.get(chunk.slot(bit)).map(Vec::as_slice)
    }

    fn page_mut(&mut self, page: u64) -> Option<&mut [u8]> {
        let index = self.chunk(page).ok()?;
        let chunk = self.chunks.get_mut(index)?;
        let bit = 1 << (page % CHUNK);
        if chunk.present & bit == 0 {
            return None;
        }
        let slot = chunk.slot(bit);
        chunk.pages.get_mut(slot).map(Vec::as_mut_slice)
    }

    /// Makes a page of zeroes, if it is not there; whether it was made.
    fn add(&mut self, page: u64, space: &Space) -> Result<bool, FsError> {
        let bit = 1 << (page % CHUNK);
        let found = self.chunk(page);
        let there = found.ok().and_then(|index| self.chunks.get(index));
        if there.is_some_and(|chunk| chunk.present & bit != 0) {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(PAGE)?;
        bytes.resize(PAGE, 0);
        let index = match found {
            Ok(index) => index,
            Err(index) => {
                self.chunks.try_reserve(1)?;
                let mut pages = Vec::new();
                pages.try_reserve(1)?;
                self.chunks.insert(index, Chunk { base: page / CHUNK, present: 0, written: 0, pages });
                index
            }
        };
        let Some(chunk) = self.chunks.get_mut(index) else { return Err(FsError::NoMemory) };
        let reserved = chunk.pages.try_reserve(1).map_err(FsError::from).and_then(|()| space.take(1));
        if let Err(error) = reserved {
            if chunk.present == 0 {
                self.chunks.remove(index);
            }
            return Err(error);
        }
        let slot = chunk.slot(bit);
        chunk.pages.insert(slot, bytes);
        chunk.present |= bit;
        self.count += 1;
        Ok(true)
    }

    fn mark_written(&mut self, page: u64, written: bool) {
        let Ok(index) = self.chunk(page) else { return };
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let bit = 1 << (page % CHUNK);
        chunk.written = if written { chunk.written | bit } else { chunk.written & !bit };
    }

    /// Frees the pages from `first` up to `end`.
    fn remove(&mut self, first: u64, end: u64, space: &Space) {
        if first >= end {
            return;
        }
        let mut freed = 0;
        let start = self.chunks.partition_point(|chunk| chunk.base < first / CHUNK);
        let mut index = start;
        while let Some(chunk) = self.chunks.get_mut(index).filter(|chunk| chunk.base * CHUNK < end) {
            let low = first.saturating_sub(chunk.base * CHUNK);
            let high = (end - chunk.base * CHUNK).min(CHUNK);
            let below_high = if high == CHUNK { u64::MAX } else { (1 << high) - 1 };
            let gone = chunk.present & below_high & !((1 << low) - 1);
            let (from, count) = (chunk.slot(1 << low), gone.count_ones() as usize);
            chunk.pages.drain(from..from + count);
            chunk.present &= !gone;
            chunk.written &= !gone;
            freed += count;
            index += 1;
        }
        self.chunks.retain(|chunk| chunk.present != 0);
        self.count -= freed;
        space.give_back(freed);
    }

    /// Fills `out` from `offset` on; all of it lies before the end of the file.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        let mut rest = out;
        for (page, start, count) in pieces(offset, rest.len() as u64) {
            let (piece, behind) = core::mem::take(&mut rest).split_at_mut(count);
            match self.page(page).and_then(|bytes| bytes.get(start..start + count)) {
                Some(bytes) => piece.copy_from_slice(bytes),
                None => piece.fill(0),
            }
            rest = behind;
        }
    }

    /// Stores `bytes`; returns how many, at least one.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8], space: &Space) -> Result<usize, FsError> {
        let mut rest = bytes;
        for (page, start, count) in pieces(offset, bytes.len() as u64) {
            match self.add(page, space) {
                Err(error) if rest.len() == bytes.len() => return Err(error),
                Err(_) => break,
                Ok(_) => {}
            }
            let (piece, behind) = rest.split_at(count);
            let room = self.page_mut(page).and_then(|bytes| bytes.get_mut(start..start + count));
            if let Some(room) = room {
                room.copy_from_slice(piece);
            }
            self.mark_written(page, true);
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }

    /// Makes what lies behind `size` zero, and frees pages that lie behind it whole.
    pub(super) fn cut(&mut self, size: u64, space: &Space) {
        self.remove(size.div_ceil(PAGE_64), u64::MAX / PAGE_64, space);
        self.zero_part(size / PAGE_64, (size % PAGE_64) as usize, PAGE);
    }

    fn zero_part(&mut self, page: u64, start: usize, end: usize) {
        if let Some(bytes) = self.page_mut(page).and_then(|bytes| bytes.get_mut(start..end)) {
            bytes.fill(0);
        }
    }

    /// Makes a range zero, freeing the pages that lie in it whole.
    pub(super) fn punch(&mut self, offset: u64, length: u64, space: &Space) {
        let end = offset + length;
        self.remove(offset.div_ceil(PAGE_64), end / PAGE_64, space);
        for (page, start, count) in
            [pieces(offset, length).next(), last_piece(offset, length)].into_iter().flatten()
        {
            self.zero_part(page, start, start + count);
        }
    }

    /// Makes a range zero, keeping its pages.
    pub(super) fn zero(&mut self, offset: u64, length: u64) {
        for (page, start, count) in pieces(offset, length) {
            self.zero_part(page, start, start + count);
            if count == PAGE {
                self.mark_written(page, false);
            }
        }
    }

    /// Gives every page of a range room, or none of them.
    pub(super) fn allocate(&mut self, offset: u64, length: u64, space: &Space) -> Result<(), FsError> {
        let (first, end) = (offset / PAGE_64, (offset + length).div_ceil(PAGE_64));
        let missing =
            usize::try_from(end - first).unwrap_or(usize::MAX).saturating_sub(self.present(first, end));
        if space.limit.saturating_sub(space.used()) < missing {
            return Err(FsError::NoSpace);
        }
        let mut made = Vec::new();
        made.try_reserve_exact(missing)?;
        for page in first..end {
            match self.add(page, space) {
                Ok(true) => made.push(page),
                Ok(false) => {}
                Err(error) => {
                    made.iter().for_each(|&page| self.remove(page, page + 1, space));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// How many pages there are from `first` up to `end`.
    fn present(&self, first: u64, end: u64) -> usize {
        let start = self.chunks.partition_point(|chunk| chunk.base < first / CHUNK);
        let chunks = self.chunks.get(start..).unwrap_or_default();
        let near = chunks.iter().take_while(|chunk| chunk.base * CHUNK < end);
        near.map(|chunk| {
            let low = first.saturating_sub(chunk.base * CHUNK);
            let high = (end - chunk.base * CHUNK).min(CHUNK);
            let below_high = if high == CHUNK { u64::MAX } else { (1 << high) - 1 };
            (chunk.present & below_high & !((1 << low) - 1)).count_ones() as usize
        })
        .sum()
    }

    /// The first byte at or after `offset`, below `size`, that was written.
    pub(super) fn next_data(&self, offset: u64, size: u64) -> Option<u64> {
        let page = offset / PAGE_64;
        let start = self.chunks.partition_point(|chunk| chunk.base < page / CHUNK);
        let found = self.chunks.get(start..)?.iter().find_map(|chunk| {
            let low = page.saturating_sub(chunk.base * CHUNK);
            let ahead = chunk.written & !((1_u64 << low) - 1);
            (ahead != 0).then(|| chunk.base * CHUNK + u64::from(ahead.trailing_zeros()))
        })?;
        Some(offset.max(found * PAGE_64)).filter(|&at| at < size)
    }

    /// The first byte at or after `offset`, at most `size`, that was not.
    pub(super) fn next_hole(&self, offset: u64, size: u64) -> u64 {
        let mut page = offset / PAGE_64;
        while let Some(chunk) = self.chunk(page).ok().and_then(|index| self.chunks.get(index)) {
            let behind = chunk.written >> (page % CHUNK);
            let run = u64::from((!behind).trailing_zeros()).min(CHUNK - page % CHUNK);
            page += run;
            if !page.is_multiple_of(CHUNK) || run == 0 {
                break;
            }
        }
        offset.max(page * PAGE_64).min(size)
    }

    /// Walks every invariant of a file of `size` bytes.
    pub(super) fn check(&self, size: u64) -> Result<(), &'static str> {
        if !self.chunks.is_sorted_by(|a, b| a.base < b.base) {
            return Err("chunks that are not in order");
        }
        let fits = |chunk: &Chunk| {
            let pages = chunk.present.count_ones() as usize;
            pages > 0 && pages == chunk.pages.len() && chunk.written & !chunk.present == 0
        };
        if !self.chunks.iter().all(fits) {
            return Err("a chunk whose masks say something else than its pages");
        }
        if self.chunks.iter().map(|chunk| chunk.pages.len()).sum::<usize>() != self.count {
            return Err("pages of a file that are not counted");
        }
        let behind = |page: u64| self.page(page).unwrap_or_default();
        let (page, start) = (size / PAGE_64, (size % PAGE_64) as usize);
        let tail = behind(page).get(start..).unwrap_or_default();
        if tail.iter().all(|&byte| byte == 0) { Ok(()) } else { Err("bytes behind the end of a file") }
    }

    /// Frees everything.
    pub(super) fn clear(&mut self, space: &Space) {
        space.give_back(self.count);
        *self = Self::default();
    }
}

fn last_piece(offset: u64, length: u64) -> Option<(u64, usize, usize)> {
    let end = offset.checked_add(length)?;
    let (page, count) = (end / PAGE_64, (end % PAGE_64) as usize);
    let start = if page == offset / PAGE_64 { (offset % PAGE_64) as usize } else { 0 };
    count.checked_sub(start).filter(|&count| count > 0).map(|count| (page, start, count))
}

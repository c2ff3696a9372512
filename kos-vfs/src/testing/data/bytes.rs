//! [`Bytes`]: what a file must hold, with holes, in as few lines as can be believed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

const PAGE: u64 = 4096;

/// The bytes of one file. What lies behind the end is not kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    pub(super) size: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

/// The parts of a range that lie in one page each: the page, and the bytes in it.
fn parts(range: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>)> {
    let pages = range.start / PAGE..range.end.div_ceil(PAGE);
    pages.filter_map(move |page| {
        let start = range.start.max(page * PAGE) - page * PAGE;
        let end = range.end.min((page + 1).saturating_mul(PAGE)) - page * PAGE;
        (start < end).then_some((page, start as usize..end as usize))
    })
}

impl Bytes {
    /// What a read gives.
    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let end = offset.saturating_add(length as u64).min(self.size).max(offset);
        let mut out = vec![0; (end - offset) as usize];
        let mut rest = &mut out[..];
        for (page, within) in parts(offset..end) {
            let (part, behind) = rest.split_at_mut(within.len());
            if let Some(bytes) = self.pages.get(&page) {
                part.copy_from_slice(&bytes[within]);
            }
            rest = behind;
        }
        out
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        self.size = self.size.max(end);
        let mut rest = bytes;
        for (page, within) in parts(offset..end) {
            let (part, behind) = rest.split_at(within.len());
            let page = self.pages.entry(page).or_insert_with(|| vec![0; PAGE as usize].into());
            page[within].copy_from_slice(part);
            rest = behind;
        }
    }

    pub(super) fn zero(&mut self, range: Range<u64>) {
        let pages: Vec<u64> =
            self.pages.range(range.start / PAGE..range.end.div_ceil(PAGE)).map(|(&page, _)| page).collect();
        for page in pages {
            let start = range.start.max(page * PAGE) - page * PAGE;
            let end = (range.end - page * PAGE).min(PAGE);
            if let Some(bytes) = self.pages.get_mut(&page) {
                bytes[start as usize..end as usize].fill(0);
            }
        }
    }

    pub(super) fn truncate(&mut self, size: u64) {
        self.zero(size..u64::MAX);
        self.pages.split_off(&size.div_ceil(PAGE));
        self.size = size;
    }

    /// Whether nothing but zeroes is in `range`.
    pub(super) fn is_zero(&self, range: Range<u64>) -> bool {
        let pages = self.pages.range(range.start / PAGE..range.end.div_ceil(PAGE));
        pages.into_iter().all(|(&page, bytes)| {
            let start = range.start.max(page * PAGE) - page * PAGE;
            let end = (range.end - page * PAGE).min(PAGE);
            start >= end || bytes[start as usize..end as usize].iter().all(|&byte| byte == 0)
        })
    }

    /// Where bytes were once written.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        self.pages.keys().map(|page| page * PAGE)
    }
}

//! [`File`]: what the cache knows of a file beside its pages.

use core::time::Duration;

use super::errseq::ErrSeq;
use crate::attr::{Attr, Timestamp};
use crate::tree::slots::NONE;

/// Times that the file system was not told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
}

/// A file with pages. One for each slot of the table of inodes; as [`new`](Self::new) where no page is of it.
///
/// Invariant: it has `times`, and is in the list of files to be written, from its first dirty page until the file system has all of it. Then it
/// also holds its inode.
#[derive(Debug)]
pub(super) struct File {
    /// Its file system.
    pub(super) fs: u32,
    /// How large it is, once known: every change of it passes here.
    pub(super) size: Option<u64>,
    /// Its first pages: of those that are clean, and of those that are not.
    pub(super) lists: [u32; 2],
    /// Its pages, and those of them that are not clean.
    pub(super) pages: u32,
    pub(super) dirty: u32,
    pub(super) times: Option<Times>,
    /// When its oldest change came.
    pub(super) since: Duration,
    /// Where writing it goes on.
    pub(super) cursor: u64,
    /// How often the file system got all of it: who mixes what both know looks whether this happened meanwhile.
    pub(super) settled: u32,
    pub(super) errors: ErrSeq,
    /// Its neighbours among the files that are to be written.
    pub(super) previous: u32,
    pub(super) next: u32,
}

impl File {
    pub(super) fn new() -> Self {
        Self {
            fs: NONE,
            size: None,
            lists: [NONE; 2],
            pages: 0,
            dirty: 0,
            times: None,
            since: Duration::ZERO,
            cursor: 0,
            settled: 0,
            errors: ErrSeq::default(),
            previous: NONE,
            next: NONE,
        }
    }

    /// Puts what only the cache knows over what the file system said.
    pub(super) fn show(&self, attr: &mut Attr) {
        if let Some(size) = self.size {
            attr.size = size;
        }
        if let Some(times) = self.times {
            attr.modified = times.modified;
            attr.changed = attr.changed.max(times.changed);
        }
    }
}

//! The bytes of files: where they are ([`Extent`]), growing and cutting.
//!
//! Whole runs of clusters are one request. Growing writes the data, then
//! the chain, and the caller then the entry; cutting goes the other way round.

use super::chain::{Run, Runs};
use super::entry::{Entry, Flags};
use super::table::Link;
use super::volume::Volume;
use crate::attr::{Ino, Timestamp};
use crate::block::write_bytes;
use crate::error::FsError;

/// The most bytes of a file.
pub(super) const SIZE_MAX: u64 = u32::MAX as u64;
/// What is written where there is nothing.
pub(super) const ZEROES: &[u8; 16 * 1024] = &[0; 16 * 1024];

/// Bytes that follow each other on the device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// The first one, from the start of the volume.
    pub(super) at: u64,
    /// How many.
    pub(super) length: u64,
}

impl Extent {
    /// How many of them lie in `most` bytes.
    pub(super) fn length_in(self, most: usize) -> usize {
        usize::try_from(self.length).map_or(most, |length| length.min(most))
    }
}

/// Pieces of a file, one behind the other: as many as are looked up in one go.
pub(super) type Extents = heapless::Vec<Extent, 16>;

/// What to write.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// These; at least as many as asked for.
    Bytes(&'a [u8]),
    /// Zeroes.
    Zeroes,
}

impl<'a> Source<'a> {
    /// Without the first `count`.
    fn skip(self, count: usize) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.get(count..).unwrap_or(&[])),
            Self::Zeroes => self,
        }
    }

    /// The first `count`, or fewer where there are no more in one piece.
    fn first(self, count: u64) -> &'a [u8] {
        let bytes = match self {
            Self::Bytes(bytes) => bytes,
            Self::Zeroes => ZEROES,
        };
        usize::try_from(count).ok().and_then(|count| bytes.get(..count)).unwrap_or(bytes)
    }
}

impl Volume<'_> {
    /// Writes `length` bytes at `at` of the volume.
    pub(super) fn transfer_out(&self, at: u64, length: u64, source: Source<'_>) -> Result<(), FsError> {
        let mut source = source;
        let mut done = 0;
        while done < length {
            let bytes = source.first(length - done);
            if bytes.is_empty() {
                return Ok(());
            }
            write_bytes(self.disk.device, at + done, bytes)?;
            done += bytes.len() as u64;
            source = source.skip(bytes.len());
        }
        Ok(())
    }

    /// Where up to `want` bytes of a file from `offset` on are: fills `found` with as many pieces as there is room for, none at
    /// its end.
    pub(super) fn extents(
        &mut self,
        file: Ino,
        offset: u64,
        want: usize,
        found: &mut Extents,
    ) -> Result<(), FsError> {
        let Entry { size, flags, .. } = self.node(file)?.entry;
        if flags.contains(Flags::DIRECTORY) {
            return Err(FsError::IsDirectory);
        }
        let end = u64::from(size).min(offset.saturating_add(want as u64));
        found.clear();
        self.with_runs(file, |volume, first, runs| {
            let mut next = offset;
            while next < end && !found.is_full() {
                match volume.extent(first, runs, next, end - next) {
                    Ok(extent) => {
                        next += extent.length;
                        // There is room for one more.
                        let _ = found.push(extent);
                    }
                    Err(error) if found.is_empty() => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(())
        })
    }

    /// Where byte `offset` of a chain is, which is within the file, and up to `want` bytes behind it.
    fn extent(&mut self, first: u32, runs: &mut Runs, offset: u64, want: u64) -> Result<Extent, FsError> {
        let shift = self.layout.cluster_shift;
        let skip = offset & u64::from(self.layout.cluster_bytes() - 1);
        let index = u32::try_from(offset >> shift).unwrap_or(u32::MAX);
        let clusters = u32::try_from((skip + want).div_ceil(1 << shift)).unwrap_or(u32::MAX);
        match self.locate(first, runs, index, clusters)? {
            Ok(run) => Ok(self.extent_of(run, skip, want)),
            Err(tail) => {
                Err(FsError::Corrupt { block: tail.cluster.into(), what: "a chain is shorter than its file" })
            }
        }
    }

    fn extent_of(&self, run: Run, skip: u64, want: u64) -> Extent {
        let at = (self.layout.sector_of(run.cluster) << self.layout.sector_shift) + skip;
        let length = (u64::from(run.length) << self.layout.cluster_shift) - skip;
        Extent { at, length: length.min(want) }
    }

    /// Writes up to `length` bytes behind the size of a file, which does not change, into its chain that begins with `first`.
    /// Returns how many were written; an error if it is none.
    fn write_behind(
        &mut self,
        file: Ino,
        first: &mut u32,
        offset: u64,
        length: u64,
        source: Source<'_>,
    ) -> Result<u64, FsError> {
        let (mut done, mut source) = (0, source);
        while done < length {
            match self.write_piece(file, first, offset + done, length - done, source) {
                Ok(count) => {
                    done += count;
                    source = source.skip(usize::try_from(count).unwrap_or(usize::MAX));
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Writes one run of clusters: one that is there, or a new one.
    fn write_piece(
        &mut self,
        file: Ino,
        first: &mut u32,
        offset: u64,
        length: u64,
        source: Source<'_>,
    ) -> Result<u64, FsError> {
        let shift = self.layout.cluster_shift;
        let skip = offset & u64::from(self.layout.cluster_bytes() - 1);
        let index = u32::try_from(offset >> shift).unwrap_or(u32::MAX);
        let want = u32::try_from((skip + length).div_ceil(1 << shift)).unwrap_or(u32::MAX);
        let start = *first;
        let found = match start {
            0 => None,
            _ => Some(self.with_runs(file, |volume, _, runs| volume.locate(start, runs, index, want))?),
        };
        let tail = match found {
            Some(Ok(run)) => {
                let extent = self.extent_of(run, skip, length);
                self.transfer_out(extent.at, extent.length, source)?;
                return Ok(extent.length);
            }
            Some(Err(tail)) if tail.index + 1 != index => {
                let block = tail.cluster.into();
                return Err(FsError::Corrupt { block, what: "a chain is shorter than its file" });
            }
            Some(Err(tail)) => Some(tail.cluster),
            None if index > 0 => {
                return Err(FsError::Corrupt { block: 0, what: "a file with a size has no chain" });
            }
            None => None,
        };
        let near = tail.map_or(self.state.space.next, |tail| tail + 1);
        let own = self.node(file)?.promised;
        let run = self.find_free(near, want, own)?;
        let extent = self.extent_of(run, skip, length);
        self.transfer_out(extent.at, extent.length, source)?;
        self.take(run, tail)?;
        self.lower_promise(file, run.length)?;
        if tail.is_none() {
            *first = run.cluster;
        }
        self.node(file)?.runs.insert(Run { index, ..run });
        Ok(extent.length)
    }

    /// Writes `length` bytes at `offset`, which is the size or behind it; what lies between becomes zeroes. Returns how many
    /// were written. An error leaves the file as it was, if the device lets it.
    pub(super) fn grow(
        &mut self,
        file: Ino,
        offset: u64,
        length: u64,
        source: Source<'_>,
        now: Timestamp,
    ) -> Result<u64, FsError> {
        let Entry { size, first: before, .. } = self.node(file)?.entry;
        let mut first = before;
        let grown = self.grow_chain(file, &mut first, size.into(), offset, length, source).and_then(|done| {
            self.change_entry(file, |entry| {
                entry.size = u32::try_from(offset + done).unwrap_or(u32::MAX);
                entry.first = first;
                entry.touch(now);
            })?;
            Ok(done)
        });
        if grown.is_err() {
            let _ = self.drop_behind(file, size, before, first);
        }
        grown
    }

    fn grow_chain(
        &mut self,
        file: Ino,
        first: &mut u32,
        size: u64,
        offset: u64,
        length: u64,
        source: Source<'_>,
    ) -> Result<u64, FsError> {
        let mut at = size;
        while at < offset {
            // A short one is asked for the rest, so that it says why.
            at += self.write_behind(file, first, at, offset - at, Source::Zeroes)?;
        }
        self.write_behind(file, first, offset, length, source)
    }

    /// Frees what was hung behind a file of `size` bytes that begins with cluster `before`; its chain begins with `first`.
    fn drop_behind(&mut self, file: Ino, size: u32, before: u32, first: u32) -> Result<(), FsError> {
        let clusters = self.layout.clusters_of(size);
        self.node(file)?.runs.cut(clusters);
        if before == 0 { self.free_chain(first) } else { self.cut_chain(file, clusters.max(1)) }
    }

    /// Ends the chain of a file after `clusters` clusters, at least one.
    fn cut_chain(&mut self, file: Ino, clusters: u32) -> Result<(), FsError> {
        let Some(last) = clusters.checked_sub(1) else { return Ok(()) };
        let found = self.with_runs(file, |volume, first, runs| volume.locate(first, runs, last, 1))?;
        let Ok(run) = found else { return Ok(()) };
        self.node(file)?.runs.cut(clusters);
        if let Link::Next(next) = self.link(run.cluster)? {
            self.set_link(run.cluster, Link::End)?;
            self.free_chain(next)?;
        }
        Ok(())
    }

    /// Frees what lies behind `size`, which the entry has already.
    pub(super) fn cut(&mut self, file: Ino, size: u32, first: u32) -> Result<(), FsError> {
        let clusters = self.layout.clusters_of(size);
        self.node(file)?.runs.cut(clusters);
        if clusters == 0 { self.free_chain(first) } else { self.cut_chain(file, clusters) }
    }
}

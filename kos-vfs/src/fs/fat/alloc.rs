//! Free clusters: [`Space`], a hint where they are and how many; the table alone decides.
//!
//! A cluster that was freed is not used again before the device was flushed: else a power cut could bring back the file that
//! lost it, with the bytes of the file that got it.
//!
//! Clusters can be promised to a file: others then find so many fewer. A promise names no clusters, and counts those that
//! the file's size needs beyond those that it has.

use super::chain::Run;
use super::table::Link;
use super::volume::Volume;
use crate::attr::Ino;
use crate::error::FsError;

/// What is known of the free clusters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Space {
    /// How many are free, where that is known.
    pub(super) free: Option<u32>,
    /// Where to look first.
    pub(super) next: u32,
    /// The lowest and highest cluster freed since the last flush.
    freed: Option<(u32, u32)>,
    /// How many are promised to all files together.
    promised: u32,
    /// Whether the table itself was counted since the mount, or `free` is what the volume says.
    counted: bool,
}

impl Space {
    /// All that was freed is durable.
    pub(super) const fn flushed(&mut self) {
        self.freed = None;
    }

    const fn waits(&self, first: u32, count: u32) -> bool {
        match self.freed {
            Some((low, high)) => first <= high && low < first + count,
            None => false,
        }
    }

    fn took(&mut self, first: u32, count: u32) {
        self.free = self.free.and_then(|free| free.checked_sub(count));
        self.next = first.saturating_add(count);
    }

    fn gave(&mut self, first: u32, count: u32) {
        let last = first + (count - 1);
        self.free = self.free.map(|free| free.saturating_add(count));
        self.freed = Some(self.freed.map_or((first, last), |(low, high)| (low.min(first), high.max(last))));
    }
}

impl Volume<'_> {
    /// Up to `want` free clusters that follow each other, at `near` or behind if there are any, for who was promised `own` of
    /// them. They stay free until [`take`](Self::take).
    pub(super) fn find_free(&mut self, near: u32, want: u32, own: u32) -> Result<Run, FsError> {
        let want = want.min(self.room_beside(own)?);
        let end = self.layout.clusters + 2;
        let near = if self.layout.is_cluster(near) { near } else { 2 };
        let found = match self.find_free_in(near, end, want)? {
            None => self.find_free_in(2, near, want)?,
            found => found,
        };
        let Some(run) = found else {
            self.state.space.free = Some(0);
            return Err(FsError::NoSpace);
        };
        if self.state.space.waits(run.cluster, run.length) {
            self.flush()?;
        }
        self.state.cache.forget(
            self.layout.sector_of(run.cluster),
            u64::from(run.length) * self.layout.cluster_sectors(),
        );
        Ok(run)
    }

    fn find_free_in(&mut self, start: u32, end: u32, want: u32) -> Result<Option<Run>, FsError> {
        let first = self.skip_while(start, end, |_, value| value != 0)?.0;
        let most = first.saturating_add(want.max(1)).min(end);
        let behind = self.skip_while(first, most, |_, value| value == 0)?.0;
        let run = Run { index: 0, cluster: first, length: behind - first };
        Ok((run.length > 0).then_some(run))
    }

    /// Makes a chain of free clusters, and hangs it behind `tail` if there is one.
    pub(super) fn take(&mut self, run: Run, tail: Option<u32>) -> Result<(), FsError> {
        let linked = self.link_run(run.cluster, run.length, Link::End);
        let hung = linked.and_then(|()| match tail {
            Some(tail) => self.set_link(tail, Link::Next(run.cluster)),
            None => Ok(()),
        });
        match hung {
            Ok(()) => self.state.space.took(run.cluster, run.length),
            Err(_) => {
                // Both may have half happened: the tail first, or it would lead to free clusters.
                if let Some(tail) = tail {
                    let _ = self.set_link(tail, Link::End);
                }
                let _ = self.set_values(run.cluster, run.length, |_| 0);
                self.state.space.free = None;
            }
        }
        hung
    }

    /// Frees the chain that begins with `first`. A chain that leads to a free cluster ends there.
    pub(super) fn free_chain(&mut self, first: u32) -> Result<(), FsError> {
        let mut next = self.layout.is_cluster(first).then_some(first);
        while let Some(start) = next {
            let (length, behind) = self.run_at(start)?;
            if length == 0 {
                return Ok(());
            }
            self.set_values(start, length, |_| 0).inspect_err(|_| self.state.space.free = None)?;
            self.state.space.gave(start, length);
            next = behind;
        }
        Ok(())
    }

    /// How many clusters follow each other from `start` on, and where the chain goes on; none if `start` is free.
    fn run_at(&mut self, start: u32) -> Result<(u32, Option<u32>), FsError> {
        let mut run = Run { index: 0, cluster: start, length: 1 };
        Ok(match self.lengthen(&mut run, u32::MAX)? {
            Some(Link::Next(next)) => (run.length, Some(next)),
            Some(Link::End) | None => (run.length, None),
            // The cluster before it led here, but it is nobody's.
            Some(Link::Free | Link::Bad) => (run.length - 1, None),
        })
    }

    /// How many clusters there are for who was promised `own` of them, at least one.
    fn room_beside(&mut self, own: u32) -> Result<u32, FsError> {
        let others = self.state.space.promised.saturating_sub(own);
        if others == 0 {
            return Ok(u32::MAX);
        }
        let room = self.count_free()?.checked_sub(others).filter(|&room| room > 0);
        room.ok_or(FsError::NoSpace)
    }

    /// Promises a file the clusters with which it can have `end` bytes, instead of what it was promised before.
    pub(super) fn promise(&mut self, file: Ino, end: u32) -> Result<(), FsError> {
        let node = self.node(file)?;
        let (size, own) = (node.entry.size, node.promised);
        let need = self.layout.clusters_of(end).saturating_sub(self.layout.clusters_of(size));
        if need > own {
            if !core::mem::replace(&mut self.state.space.counted, true) {
                self.state.space.free = None;
            }
            let others = self.state.space.promised - own;
            if self.count_free()?.saturating_sub(others) < need {
                return Err(FsError::NoSpace);
            }
        }
        self.lower_promise(file, own)?;
        self.node(file)?.promised = need;
        self.state.space.promised += need;
        Ok(())
    }

    /// Of what a file was promised, it has got `count` clusters.
    pub(super) fn lower_promise(&mut self, file: Ino, count: u32) -> Result<(), FsError> {
        let node = self.node(file)?;
        let count = node.promised.min(count);
        node.promised -= count;
        self.state.space.promised -= count;
        Ok(())
    }

    /// A file that had a promise is forgotten.
    pub(super) const fn end_promise(&mut self, promised: u32) {
        self.state.space.promised -= promised;
    }

    /// How many clusters are free and promised to nobody.
    pub(super) fn count_room(&mut self) -> Result<u32, FsError> {
        Ok(self.count_free()?.saturating_sub(self.state.space.promised))
    }

    /// Counts the free clusters, unless that is known.
    pub(super) fn count_free(&mut self) -> Result<u32, FsError> {
        if let Some(free) = self.state.space.free {
            return Ok(free);
        }
        let (mut free, mut next, end) = (0, 2, self.layout.clusters + 2);
        while next < end {
            let first = self.skip_while(next, end, |_, value| value != 0)?.0;
            next = self.skip_while(first, end, |_, value| value == 0)?.0;
            free += next - first;
        }
        self.state.space.free = Some(free);
        Ok(free)
    }
}

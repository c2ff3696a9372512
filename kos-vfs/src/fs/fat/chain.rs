//! Where in a chain a cluster is: [`Runs`], what is known of it.
//!
//! Each file in use remembers the runs of its chain that were walked, at most 512; when there are more, every second one goes,
//! and the rest are places to walk on from. So a seek backwards walks little, and a run that is known is found without the
//! table. No memory is no reason to fail: then nothing is remembered.

use alloc::vec::Vec;

use super::table::Link;
use super::volume::Volume;
use crate::error::FsError;

/// The most runs that are remembered of a file.
const RUNS_MAX: usize = 512;

/// Clusters that follow each other on the device and in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The place of the first in the chain, from 0 on.
    pub(super) index: u32,
    /// The first.
    pub(super) cluster: u32,
    /// How many; at least one.
    pub(super) length: u32,
}

impl Run {
    /// The place behind it.
    const fn end(self) -> u32 {
        self.index.saturating_add(self.length)
    }

    /// Its last cluster.
    pub(super) const fn last(self) -> u32 {
        self.cluster + (self.length - 1)
    }

    /// What of it begins at place `index`, which lies within.
    const fn from(self, index: u32) -> Self {
        let skip = index - self.index;
        Self { index, cluster: self.cluster + skip, length: self.length - skip }
    }

    /// Both as one, where `next` goes on in the chain and on the device.
    const fn joined(self, next: Self) -> Option<Self> {
        if next.index < self.index
            || next.index > self.end()
            || self.cluster + (next.index - self.index) != next.cluster
        {
            return None;
        }
        let end = if next.end() > self.end() { next.end() } else { self.end() };
        Some(Self { length: end - self.index, ..self })
    }
}

/// Runs of one chain, in its order, none overlapping.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// The last run that begins at or before place `index`.
    fn floor(&self, index: u32) -> Option<Run> {
        let behind = self.0.partition_point(|run| run.index <= index);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).copied()
    }

    /// Remembers a run, if there is memory.
    pub(super) fn insert(&mut self, run: Run) {
        let behind = self.0.partition_point(|known| known.index <= run.index);
        let before = behind.checked_sub(1).and_then(|at| self.0.get_mut(at));
        if let Some(before) = before
            && let Some(joined) = before.joined(run)
        {
            *before = joined;
            return;
        }
        if self.0.len() >= RUNS_MAX {
            let mut keep = false;
            self.0.retain(|_| {
                keep = !keep;
                keep
            });
            return self.insert(run);
        }
        if self.0.try_reserve(1).is_ok() {
            self.0.insert(behind.min(self.0.len()), run);
        }
    }

    /// Forgets what lies at place `index` and behind.
    pub(super) fn cut(&mut self, index: u32) {
        self.0.retain(|run| run.index < index);
        if let Some(last) = self.0.last_mut() {
            last.length = last.length.min(index - last.index);
        }
    }
}

impl Volume<'_> {
    /// The run with place `index` of the chain that begins with `first`, from that place on: `want` clusters or more, unless it
    /// ends before. `Err(tail)` in `Ok` if the chain ends before that place: its last cluster.
    pub(super) fn locate(
        &mut self,
        first: u32,
        runs: &mut Runs,
        index: u32,
        want: u32,
    ) -> Result<Result<Run, Run>, FsError> {
        let mut run = runs.floor(index).unwrap_or(Run { index: 0, cluster: first, length: 1 });
        if !self.layout.is_cluster(run.cluster) {
            return Err(FsError::Corrupt {
                block: run.cluster.into(),
                what: "a chain begins outside the volume",
            });
        }
        let wanted = index.saturating_add(want.max(1));
        loop {
            if run.end() >= wanted {
                break;
            }
            match self.link(run.last())? {
                Link::Next(next) if next == run.cluster.wrapping_add(run.length) => run.length += 1,
                Link::Next(_) if index < run.end() => break,
                Link::Next(next) => {
                    runs.insert(run);
                    run = Run { index: run.end(), cluster: next, length: 1 };
                }
                Link::End if index < run.end() => break,
                Link::End => {
                    runs.insert(run);
                    return Ok(Err(run.from(run.end() - 1)));
                }
                Link::Free | Link::Bad => {
                    return Err(FsError::Corrupt {
                        block: run.last().into(),
                        what: "a chain goes on to no cluster",
                    });
                }
            }
            if run.end() > self.layout.clusters {
                return Err(FsError::Corrupt {
                    block: first.into(),
                    what: "a chain is longer than the volume",
                });
            }
        }
        runs.insert(run);
        Ok(Ok(run.from(index)))
    }
}

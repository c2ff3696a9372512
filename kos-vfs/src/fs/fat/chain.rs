//! Where in a chain a cluster is: [`Runs`], what is known of it.
//!
//! Each file in use remembers the runs of its chain that were walked, at most 512; when there are more, every second one goes,
//! and from then on none is taken that is nearer to the one before it than the mean of those that stayed. What stayed are
//! places to walk on from, so that a seek backwards walks a 256th of the chain at most; the run that was found last is
//! remembered beside them. No memory is no reason to fail: then nothing is remembered.

use alloc::vec::Vec;

use super::table::Link;
use super::volume::Volume;
use crate::error::FsError;

/// The most runs that are remembered of a file.
const RUNS_MAX: u32 = 512;

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

/// Runs of one chain.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// In the order of the chain.
    known: Vec<Run>,
    /// Clusters from one to the next, at least.
    stride: u32,
    /// Where in `known` the last one was put: the next one mostly goes behind it.
    cursor: usize,
    /// The one that was found last.
    last: Option<Run>,
    /// Where the chain goes on behind it, if that was seen.
    onward: Option<u32>,
}

impl Runs {
    /// The run to walk on from to place `index`.
    fn floor(&self, index: u32) -> Option<Run> {
        if let Some(last) = self.last.filter(|run| (run.index..=run.end()).contains(&index)) {
            let next = self.onward.filter(|_| index == last.end());
            return Some(next.map_or(last, |cluster| Run { index, cluster, length: 1 }));
        }
        let behind = self.behind(index);
        let known = behind.checked_sub(1).and_then(|at| self.known.get(at)).copied();
        let last = self.last.filter(|run| run.index <= index);
        match (known, last) {
            (Some(known), Some(last)) if known.end() > last.end() => Some(known),
            (known, last) => last.or(known),
        }
    }

    /// How many of the known ones begin at place `index` or before.
    fn behind(&self, index: u32) -> usize {
        let begins = |at: usize| self.known.get(at).is_some_and(|run| run.index <= index);
        let is_it = |at: &usize| at.checked_sub(1).is_none_or(begins) && !begins(*at);
        let guess =
            [self.cursor, self.cursor + 1].into_iter().find(|at| *at <= self.known.len() && is_it(at));
        guess.unwrap_or_else(|| self.known.partition_point(|run| run.index <= index))
    }

    /// Remembers a run, if there is memory and none near.
    pub(super) fn insert(&mut self, run: Run) {
        (self.last, self.onward) = (Some(run), None);
        if self.known.len() >= RUNS_MAX as usize {
            self.thin();
        }
        let behind = self.behind(run.index);
        self.cursor = behind;
        if let Some(before) = behind.checked_sub(1).and_then(|at| self.known.get_mut(at)) {
            if let Some(joined) = before.joined(run) {
                *before = joined;
                self.last = Some(joined);
                return;
            }
            if run.index - before.index < self.stride {
                return;
            }
        }
        if self.known.try_reserve(1).is_ok() {
            self.known.insert(behind, run);
        }
    }

    /// Remembers the run that was asked for, and where its chain goes on.
    fn found(&mut self, run: Run, behind: Option<Link>) {
        self.insert(run);
        if let Some(Link::Next(next)) = behind
            && self.last.is_some_and(|last| last.end() == run.end())
        {
            self.onward = Some(next);
        }
    }

    /// Forgets every second one.
    fn thin(&mut self) {
        let span = self.known.last().map_or(0, |run| run.index);
        self.stride = span / (RUNS_MAX / 2);
        let mut keep = false;
        self.known.retain(|_| {
            keep = !keep;
            keep
        });
    }

    /// Forgets what lies at place `index` and behind.
    pub(super) fn cut(&mut self, index: u32) {
        (self.last, self.onward) = (None, None);
        self.known.retain_mut(|run| {
            run.length = run.length.min(index.saturating_sub(run.index));
            run.length > 0
        });
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
            let behind = self.lengthen(&mut run, wanted)?;
            if run.end() > self.layout.clusters {
                return Err(FsError::Corrupt {
                    block: first.into(),
                    what: "a chain is longer than the volume",
                });
            }
            match behind {
                Some(Link::Free | Link::Bad) => {
                    return Err(FsError::Corrupt {
                        block: run.last().into(),
                        what: "a chain goes on to no cluster",
                    });
                }
                _ if index < run.end() => {
                    runs.found(run, behind);
                    return Ok(Ok(run.from(index)));
                }
                Some(Link::Next(next)) => {
                    runs.insert(run);
                    run = Run { index: run.end(), cluster: next, length: 1 };
                }
                Some(Link::End) | None => {
                    runs.insert(run);
                    return Ok(Err(run.from(run.end() - 1)));
                }
            }
        }
    }

    /// Takes in the clusters that follow a run on the device and in its chain, until it ends at place `wanted` or behind; else
    /// what comes then.
    pub(super) fn lengthen(&mut self, run: &mut Run, wanted: u32) -> Result<Option<Link>, FsError> {
        if run.end() >= wanted {
            return Ok(None);
        }
        let last = run.last();
        // The last cluster of the volume leads to none behind it.
        let end = last.saturating_add(wanted - run.end()).min(self.layout.clusters + 1);
        let (behind, value) = self.skip_while(last, end, |cluster, value| value == cluster + 1)?;
        run.length += behind - last;
        match value {
            _ if run.end() >= wanted => Ok(None),
            Some(value) => Ok(Some(self.layout.link_of(value))),
            None => self.link(run.last()).map(Some),
        }
    }
}

//! Whose the frames of programs are: [`Census`], which finds each of them.
//!
//! A frame is found in the tables of whoever maps it, and in the objects that hold it; it is counted once, in a map of bits. What is
//! found has to be what was charged ([`Processes::frames`](super::Processes::frames)): who compares the two sees what is lost.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kos_alloc::Env;
use kos_paging::space::{FrameTable, SpaceStats};
use kos_paging::{PhysAddr, VirtAddr, VirtRange};

use super::space::UserSpace;
use super::{MOST, Process};
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::glue::address::frame_of;
use crate::platform::Platform;

/// The memory of one process, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The process.
    pub(crate) id: u32,
    /// Resident pages that nobody else has.
    pub(crate) own: u64,
    /// Resident pages that others have too: children, other programs, the object that shows them.
    pub(crate) shared: u64,
    /// Bytes of those, each divided by how many have it.
    pub(crate) share_bytes: u64,
    /// Page tables.
    pub(crate) tables: u64,
    /// The list of what is mapped.
    pub(crate) lists: u64,
}

impl Figures {
    /// Pages that are resident.
    pub(crate) const fn resident(&self) -> u64 {
        self.own + self.shared
    }

    /// Frames that are nobody else's.
    pub(crate) const fn alone(&self) -> u64 {
        self.own + self.tables + self.lists
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// A bit for each frame of the machine.
    marks: Vec<u64>,
    /// By process.
    pub(crate) processes: heapless::Vec<Figures, MOST>,
    /// Frames that several have, or an object, each once.
    pub(crate) shared: u64,
    /// Frames of the lists of objects.
    pub(crate) lists: u64,
}

impl Census {
    /// Room to count in; [`None`]: no memory.
    pub(crate) fn new<P: Platform>(kernel: &Kernel<P>) -> Option<Self> {
        let reach = kernel.platform().env().direct_map().frames();
        let words = (reach.start().0 + reach.count()).div_ceil(64);
        let mut marks = Vec::new();
        marks.try_reserve_exact(words).ok()?;
        marks.resize(words, 0);
        Some(Self { marks, ..Self::default() })
    }

    /// Counts. Sleeps for the locks of address spaces. What changes meanwhile may be counted or not.
    pub(crate) fn take<P: Platform>(&mut self, kernel: &Kernel<P>) {
        self.marks.fill(0);
        (self.shared, self.lists) = (0, 0);
        self.processes.clear();
        for process in kernel.processes.all() {
            let Some(space) = process.space() else { continue };
            let figures = self.look(&process, &space);
            // There is room for as many as there can be.
            let _ = self.processes.push(figures);
        }
        kernel.processes.objects.each(|object| {
            self.lists += object.list_frames() as u64;
            object.frames(|frame| self.shared += u64::from(mark(&mut self.marks, frame)));
        });
    }

    /// Frames that were found, each once.
    pub(crate) fn frames(&self) -> u64 {
        self.processes.iter().map(Figures::alone).sum::<u64>() + self.shared + self.lists
    }

    /// Looks at one process.
    fn look<P: Platform>(&mut self, process: &Arc<Process<P>>, space: &UserSpace<P>) -> Figures {
        let mut figures = Figures { id: process.id, ..Figures::default() };
        let Ok(all) = VirtRange::inclusive(VirtAddr::new(0), VirtAddr::new(last::<P>())) else {
            return figures;
        };
        let (marks, shared) = (&mut self.marks, &mut self.shared);
        // A table that is damaged ends it early: the sums show that.
        let _ = space.runs(all, |run| {
            for page in 0..run.range.bytes() / FRAME_BYTES {
                let frame = PhysAddr::new(run.phys.get() + page * FRAME_BYTES);
                let refs = space.env().meta(frame).map_or(1, |meta| meta.refs() as u64);
                let new = u64::from(mark(marks, frame));
                if refs <= 1 {
                    figures.own += new;
                    continue;
                }
                figures.shared += 1;
                figures.share_bytes += FRAME_BYTES / refs;
                *shared += new;
            }
        });
        let SpaceStats { tables, vma_frames, .. } = space.stats();
        (figures.tables, figures.lists) = (tables, vma_frames);
        figures
    }
}

/// The last address that a program may have.
const fn last<P: Platform>() -> u64 {
    match P::PROGRAMS {
        Some(layout) => layout.end - 1,
        None => 0,
    }
}

/// Sets the bit of a frame; whether it is new.
fn mark(marks: &mut [u64], frame: PhysAddr) -> bool {
    let number = frame_of(frame).0;
    let Some(word) = marks.get_mut(number / 64) else { return true };
    let bit = 1 << (number % 64);
    let new = *word & bit == 0;
    *word |= bit;
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_new_once() {
        let mut marks = [0_u64; 2];
        let at = |number: u64| PhysAddr::new(number * FRAME_BYTES + 5);
        for number in [0, 63, 64, 127] {
            assert!(mark(&mut marks, at(number)) && !mark(&mut marks, at(number)), "{number}");
        }
        assert!(
            mark(&mut marks, at(128)) && mark(&mut marks, at(128)),
            "beyond the map each is new: the sums show it"
        );
    }

    #[test]
    fn what_is_found_is_counted_once() {
        let of = |id, own, shared| Figures { id, own, shared, tables: 4, lists: 1, ..Figures::default() };
        let mut census = Census { shared: 7, lists: 2, ..Census::default() };
        census.processes.extend([of(1, 10, 7), of(2, 20, 6)]);
        assert_eq!(census.frames(), 10 + 20 + 2 * 5 + 7 + 2);
        assert_eq!(census.processes[1].resident(), 26);
    }
}

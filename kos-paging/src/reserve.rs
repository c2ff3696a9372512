//! Table frames taken before an operation commits, so that the commit cannot fail.
//!
//! The frames hang on one another: the first entry of each is a table entry that points to the next. No MMU sees them.
//!
//! Invariant: a frame that hangs here or in the table came from [`FrameSource::allocate`] and belongs to the table
//! alone; this module is the only one that takes one and the only one that gives one back.
#![expect(unsafe_code, reason = "makes the frames of a table into owned values again, to give them back")]

use crate::addr::PhysAddr;
use crate::entry::Entries;
use crate::error::{CreateError, MapError, ProtectError, SplitError, UnmapError};
use crate::format::{Entry, Format};
use crate::ports::{Frame, FrameRequest, FrameSource, PhysMapper};
use crate::span;
use crate::table::Table;

/// Why tables could not be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReserveError {
    OutOfTables { needed: u64 },
    UnusableFrame(PhysAddr),
}

/// Cleared frames that hang on one another.
#[derive(Debug)]
pub(crate) struct Reserve {
    first: Option<PhysAddr>,
    left: u64,
}

impl Reserve {
    /// Takes `needed` frames, or none.
    pub(crate) fn take<F: Format, P: FrameSource + PhysMapper>(
        format: F,
        ports: &P,
        needed: u64,
    ) -> Result<Self, ReserveError> {
        let mut reserve = Self { first: None, left: 0 };
        while reserve.left < needed {
            match table_frame(format, ports) {
                Ok(frame) => reserve.push(format, ports, frame),
                Err(cause) => {
                    reserve.give_back(format, ports);
                    let short = ReserveError::OutOfTables { needed };
                    return Err(cause.map_or(short, ReserveError::UnusableFrame));
                }
            }
        }
        Ok(reserve)
    }

    /// An empty table that nothing points to.
    ///
    /// # Panics
    ///
    /// If the operation counted fewer tables than it uses, a fault of this crate.
    pub(crate) fn pop<'p, F: Format, P: PhysMapper>(
        &mut self,
        format: F,
        ports: &'p P,
    ) -> (PhysAddr, Entries<'p, F::Raw>) {
        let Some(frame) = self.first else { unreachable!("an operation took fewer tables than it needs") };
        let entries = Entries::ours(ports, frame);
        self.first = match format.decode(entries.load(0), span::top::<F>()) {
            Ok(Entry::Table { phys, .. }) => Some(phys),
            _ => None,
        };
        entries.store(0, F::Raw::default());
        self.left -= 1;
        (frame, entries)
    }

    /// Gives all frames back.
    pub(crate) fn give_back<F: Format, P: FrameSource + PhysMapper>(mut self, format: F, ports: &P) {
        while self.first.is_some() {
            let (frame, _) = self.pop(format, ports);
            free(ports, frame);
        }
    }

    fn push<F: Format, P: PhysMapper>(&mut self, format: F, ports: &P, frame: PhysAddr) {
        let next = self.first.map_or(F::Raw::default(), |next| format.table(next));
        Entries::ours(ports, frame).store(0, next);
        self.first = Some(frame);
        self.left += 1;
    }
}

impl<F, P: FrameSource> Table<F, P> {
    /// Gives the root's frame back, and the ports.
    ///
    /// # Errors
    ///
    /// The table itself, if something is mapped or quarantined.
    ///
    /// # Safety
    ///
    /// No CPU has the table loaded.
    #[expect(clippy::result_large_err, reason = "a table that cannot go comes back whole")]
    pub unsafe fn destroy(self) -> Result<P, Self> {
        if self.stats.tables > 1 || self.stats.mapped_bytes + self.stats.quarantined_bytes > 0 {
            return Err(self);
        }
        free(&self.ports, self.root);
        Ok(self.ports)
    }
}

/// A frame for the root, cleared.
pub(crate) fn root<F: Format, P: FrameSource + PhysMapper>(
    format: F,
    ports: &P,
) -> Result<PhysAddr, CreateError> {
    table_frame(format, ports)
        .map_err(|cause| cause.map_or(CreateError::OutOfFrames, CreateError::UnusableFrame))
}

/// Gives back the frame of a table that nothing points to any more, in memory or in a TLB.
pub(crate) fn free<P: FrameSource>(ports: &P, frame: PhysAddr) {
    // SAFETY: by the module's invariant the table owned the frame alone, and it forgets it now.
    let frame = unsafe { Frame::new(frame) };
    ports.free(frame);
}

/// A cleared frame that MMU and mapper reach; else the one that had to go back, if there was one.
fn table_frame<F: Format, P: FrameSource + PhysMapper>(
    format: F,
    ports: &P,
) -> Result<PhysAddr, Option<PhysAddr>> {
    let highest = format.max_phys();
    let frame = ports.allocate(FrameRequest::below(highest)).map_err(|_| None)?;
    let address = frame.address();
    let reached = address.is_aligned(4096) && address.checked_add(4095).is_some_and(|last| last <= highest);
    match Entries::<F::Raw>::open(ports, address) {
        Some(entries) if reached => {
            entries.clear();
            Ok(address)
        }
        _ => {
            ports.free(frame);
            Err(Some(address))
        }
    }
}

impl<E> From<ReserveError> for SplitError<E> {
    fn from(cause: ReserveError) -> Self {
        match cause {
            ReserveError::OutOfTables { needed } => Self::OutOfTables { needed },
            ReserveError::UnusableFrame(frame) => Self::UnusableFrame(frame),
        }
    }
}

macro_rules! causes {
    ($($error:ident)*) => { $(
        impl From<ReserveError> for $error {
            fn from(cause: ReserveError) -> Self {
                match cause {
                    ReserveError::OutOfTables { needed } => Self::OutOfTables { needed },
                    ReserveError::UnusableFrame(frame) => Self::UnusableFrame(frame),
                }
            }
        }
    )* };
}

causes!(MapError UnmapError ProtectError);

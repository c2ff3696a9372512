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
use crate::format::{Entry, Format, Level};
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
            match table_frame(format, ports, Level::PAGE) {
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
    ) -> (PhysAddr, Entries<'p, F::Raw, P>) {
        let Some(frame) = self.first else { unreachable!("an operation took fewer tables than it needs") };
        let entries = Entries::ours::<F>(ports, frame, Level::PAGE);
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
            free::<F, P>(ports, frame, Level::PAGE);
        }
    }

    fn push<F: Format, P: PhysMapper>(&mut self, format: F, ports: &P, frame: PhysAddr) {
        let next = self.first.map_or(F::Raw::default(), |next| format.table(next, span::top::<F>()));
        Entries::ours::<F>(ports, frame, Level::PAGE).store(0, next);
        self.first = Some(frame);
        self.left += 1;
    }
}

impl<F: Format, P: FrameSource + PhysMapper, X> Table<F, P, X> {
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
        if self.stats.tables > fixed_tables::<F>()
            || self.stats.mapped_bytes + self.stats.quarantined_bytes > 0
        {
            return Err(self);
        }
        free_root(self.format, &self.ports, self.root);
        Ok(self.ports)
    }
}

/// The tables of a table that maps nothing: the root, and what its entries always lead to.
pub(crate) fn fixed_tables<F: Format>() -> u64 {
    if F::FIXED_ROOT { 1 + root_entries::<F>() as u64 } else { 1 }
}

fn root_entries<F: Format>() -> usize {
    1 << (F::shift(Level::new(F::LEVELS)) - F::shift(span::top::<F>()))
}

/// A root that maps nothing, with the tables that it always has.
pub(crate) fn root<F: Format, P: FrameSource + PhysMapper>(
    format: F,
    ports: &P,
) -> Result<PhysAddr, CreateError> {
    let top = span::top::<F>();
    let failed = |cause: Option<PhysAddr>| cause.map_or(CreateError::OutOfFrames, CreateError::UnusableFrame);
    let root = table_frame(format, ports, top).map_err(failed)?;
    let entries = Entries::ours::<F>(ports, root, top);
    for index in 0..if F::FIXED_ROOT { entries.count() } else { 0 } {
        match table_frame(format, ports, Level::PAGE) {
            Ok(frame) => entries.store(index, format.table(frame, top)),
            Err(cause) => {
                free_root(format, ports, root);
                return Err(failed(cause));
            }
        }
    }
    Ok(root)
}

/// Gives back a root, and the tables that its entries always lead to.
fn free_root<F: Format, P: FrameSource + PhysMapper>(format: F, ports: &P, root: PhysAddr) {
    let top = span::top::<F>();
    let entries = Entries::ours::<F>(ports, root, top);
    for index in 0..if F::FIXED_ROOT { entries.count() } else { 0 } {
        if let Ok(Entry::Table { phys, .. }) = format.decode(entries.load(index), top) {
            free::<F, P>(ports, phys, Level::PAGE);
        }
    }
    free::<F, P>(ports, root, top);
}

/// Gives back the frame of a table, whose entries stood at `level` and to which nothing points any more, in memory or in
/// a TLB.
pub(crate) fn free<F: Format, P: FrameSource>(ports: &P, frame: PhysAddr, level: Level) {
    // SAFETY: by the module's invariant the table owned the frame alone, and it forgets it now.
    let frame = unsafe { Frame::of_order(frame, order::<F>(level)) };
    ports.free(frame);
}

/// log2 of the 4 KiB frames that a table takes whose entries stand at `level`.
fn order<F: Format>(level: Level) -> u8 {
    u8::try_from(F::table_shift(level).saturating_sub(12)).unwrap_or(u8::MAX)
}

/// A cleared frame that MMU and mapper reach; else the one that had to go back, if there was one.
fn table_frame<F: Format, P: FrameSource + PhysMapper>(
    format: F,
    ports: &P,
    level: Level,
) -> Result<PhysAddr, Option<PhysAddr>> {
    let highest = format.max_table(level);
    let request = FrameRequest::below(highest).of_order(order::<F>(level));
    let frame = ports.allocate(request).map_err(|_| None)?;
    let address = frame.address();
    let last = address.checked_add(request.bytes() - 1);
    let reached = address.is_aligned(request.bytes()) && last.is_some_and(|last| last <= highest);
    let reached = reached && frame.order() == request.order;
    match if reached { Entries::open::<F>(ports, address, level) } else { None } {
        Some(entries) => {
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

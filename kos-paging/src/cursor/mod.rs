//! A range of a table, checked once, and the operations on it.
//!
//! Each operation has two phases: a survey reads the range, refuses what must be refused and counts the tables needed;
//! the commit, with these tables in hand, cannot fail. `map.rs`, `unmap.rs` and `protect.rs` hold one operation each,
//! `split.rs` what the latter two share.

mod map;
mod protect;
#[cfg(feature = "vma")]
mod replace;
mod split;
mod unmap;

#[cfg(target_has_atomic = "64")]
pub(crate) use map::one_leaf;
#[cfg(target_has_atomic = "64")]
pub(crate) use split::split_into;
pub(crate) use unmap::sweep;

use crate::addr::{PhysAddr, VirtRange};
use crate::attrs::{Attrs, Flags};
use crate::error::{AttrError, MapError, ProtectError, UnmapError};
use crate::flush::{Protected, Unmapped};
use crate::format::{Format, Level, MAX_LEVELS};
use crate::mode::{Exclusive, Mode};
use crate::policy::{HugePolicy, SplitPolicy, WxPolicy};
use crate::ports::{FrameSource, PhysMapper};
use crate::span::Span;
use crate::table::Table;
use crate::walk::{Purpose, Runs, Walk};

/// Whole pages of one half of the address space of a table, to be worked on.
#[derive(Debug)]
pub struct Cursor<'t, F, P, X = Exclusive> {
    table: &'t mut Table<F, P, X>,
    span: Span,
}

impl<'t, F: Format, P: FrameSource + PhysMapper, X: Mode> Cursor<'t, F, P, X> {
    pub(crate) const fn new(table: &'t mut Table<F, P, X>, span: Span) -> Self {
        Self { table, span }
    }

    /// The range.
    #[must_use]
    pub fn range(&self) -> VirtRange {
        self.span.range::<F>()
    }

    /// What is mapped: see [`Table::query`].
    #[must_use]
    pub fn query(&self) -> Runs<'_, F, P> {
        Runs::new(self.table.format, &self.table.ports, self.table.root, self.span)
    }

    /// Maps the whole range: see [`Table::map`].
    ///
    /// # Errors
    ///
    /// [`MapError`]; nothing changed.
    pub fn map(&mut self, phys: PhysAddr, attrs: Attrs, huge: HugePolicy) -> Result<(), MapError> {
        map::map(self.table, self.span, phys, attrs, huge)
    }

    /// Changes the attributes of the whole range: see [`Table::protect`].
    ///
    /// # Errors
    ///
    /// [`ProtectError`]; nothing changed.
    pub fn protect(&mut self, attrs: Attrs, split: SplitPolicy) -> Result<Protected, ProtectError> {
        protect::protect(self.table, self.span, attrs, split)
    }

    /// Unmaps what is mapped: see [`Table::unmap`].
    ///
    /// # Errors
    ///
    /// [`UnmapError`]; nothing changed.
    pub fn unmap(self, split: SplitPolicy) -> Result<Unmapped<'t, F, P, X>, UnmapError> {
        unmap::unmap(self.table, self.span, split)
    }
}

/// Leaves without address, by level: what the attributes of one operation come to.
#[derive(Clone, Copy, Debug)]
struct LeafBits<R>([R; MAX_LEVELS]);

impl<R: Copy + Default> LeafBits<R> {
    /// Refuses attributes that the policy, the half or the CPU forbids at any level.
    fn new<F: Format<Raw = R>>(format: F, wx: WxPolicy, span: Span, attrs: Attrs) -> Result<Self, AttrError> {
        allowed::<F>(wx, span, attrs)?;
        let mut bits = [R::default(); MAX_LEVELS];
        for (level, bits) in (0..=format.max_leaf().get()).zip(&mut bits) {
            *bits = format.leaf_bits(attrs, Level::new(level))?;
        }
        Ok(Self(bits))
    }

    fn at(&self, level: Level) -> R {
        self.0.get(usize::from(level.get())).copied().unwrap_or_default()
    }
}

/// Refuses what no format decides: the table's policy and the kernel's half.
pub(crate) fn allowed<F: Format>(wx: WxPolicy, span: Span, attrs: Attrs) -> Result<(), AttrError> {
    if wx != WxPolicy::Allow && attrs.flags.contains(Flags::WRITE | Flags::EXECUTE) {
        return Err(AttrError::WriteAndExecute);
    }
    if attrs.flags.contains(Flags::USER) && F::VA.is_upper(span.first) {
        return Err(AttrError::UserInKernelHalf);
    }
    Ok(())
}

/// The leaves of a span, with what is parked, for a survey.
fn leaves<F: Format, P: PhysMapper, X>(table: &Table<F, P, X>, span: Span) -> Walk<'_, F, P> {
    Walk::new(table.format, &table.ports, table.root, span, Purpose::Survey)
}

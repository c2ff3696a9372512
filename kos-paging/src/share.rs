//! The kernel's half: entries of a root that lead to another table's tables.
//!
//! What the other table maps there later is seen at once, as the tables are the same. Invariant: neither edits, checks nor
//! counts of a table go below an entry that it shares.
#![expect(unsafe_code, reason = "links tables that another table owns: the caller answers for it")]

use crate::addr::VirtRange;
use crate::entry::Entries;
use crate::error::{RangeError, ShareError};
use crate::format::Format;
use crate::ports::{FrameSource, PhysMapper};
use crate::span::{self, Span};
use crate::table::Table;

impl<F: Format, P: FrameSource + PhysMapper> Table<F, P> {
    /// Shows from now on in `range`, whole entries of the root, what `other` maps there: the kernel's half of a program's
    /// table. Edits of this table are refused there.
    ///
    /// # Errors
    ///
    /// [`ShareError`]; nothing changed.
    ///
    /// # Safety
    ///
    /// As long as this table lives, `other` lives, is of the same machine, and does not empty any of the entries of its root in the range
    /// that are in use now. What it maps below entries that are empty now does not show here.
    pub unsafe fn share<Q: PhysMapper, Y>(
        &mut self,
        range: VirtRange,
        other: &Table<F, Q, Y>,
    ) -> Result<(), ShareError> {
        let top = span::top::<F>();
        let span = self.own(range)?;
        if F::FIXED_ROOT {
            return Err(ShareError::FixedRoot);
        }
        if !span.pieces::<F>(top).all(|piece| piece == Span::of_entry::<F>(piece.first, top)) {
            return Err(ShareError::NotWholeEntries);
        }
        let entries = Entries::ours::<F>(&self.ports, self.root, top);
        let indexes = || span.pieces::<F>(top).map(|piece| piece.index::<F>(top));
        if self.shared.is_some() || indexes().any(|index| entries.load(index) != F::Raw::default()) {
            return Err(ShareError::Occupied);
        }
        let others = Entries::ours::<F>(&other.ports, other.root, top);
        indexes().for_each(|index| entries.store(index, others.load(index)));
        self.shared = Some(span);
        Ok(())
    }
}

impl From<RangeError> for ShareError {
    fn from(error: RangeError) -> Self {
        Self::Range(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Arena;
    use crate::{
        Attrs, HugePolicy, LongCaps, MapError, PaeCaps, PhysAddr, SplitPolicy, VirtAddr, WxPolicy, X86Long,
        X86Pae,
    };

    const HALF: u64 = 0xffff_8000_0000_0000;
    const KERNEL: u64 = 0xffff_ffff_8000_0000;

    fn range(first: u64, bytes: u64) -> VirtRange {
        VirtRange::new(VirtAddr::new(first), bytes).unwrap()
    }

    #[test]
    fn a_shared_half_is_seen_and_not_edited() {
        let memory = Arena::new(32);
        let format = X86Long::<4>::new(LongCaps::FULL).unwrap();
        let table = || Table::new(format, &memory, WxPolicy::Deny).unwrap();
        let (mut kernel, mut program) = (table(), table());
        let map = |table: &mut Table<_, _>, at, phys| {
            table.map(range(at, 4096), PhysAddr::new(phys), Attrs::RW, HugePolicy::Never)
        };
        map(&mut kernel, KERNEL, 0x1000).unwrap();
        // SAFETY: both are of this arena, and the kernel's entry is in use to the end.
        let share = |program: &mut Table<_, _>, part| unsafe { program.share(part, &kernel) };
        let upper = VirtRange::inclusive(VirtAddr::new(HALF), VirtAddr::new(u64::MAX)).unwrap();
        assert_eq!(share(&mut program, range(HALF, 4096)), Err(ShareError::NotWholeEntries));
        share(&mut program, upper).unwrap();
        assert_eq!(share(&mut program, upper), Err(RangeError::Shared { at: VirtAddr::new(HALF) }.into()));

        map(&mut program, 0x40_0000, 0x2000).unwrap();
        map(&mut kernel, KERNEL + 4096, 0x3000).unwrap();
        assert_eq!(program.translate(VirtAddr::new(KERNEL + 4097)).unwrap().phys, PhysAddr::new(0x3001));
        let at = VirtAddr::new(KERNEL + 8192);
        assert_eq!(map(&mut program, at.get(), 0x4000), Err(MapError::Range(RangeError::Shared { at })));
        assert!(program.unmap(range(KERNEL, 4096), SplitPolicy::Split).is_err());
        program.check().unwrap();
        assert_eq!((program.stats().tables, program.stats().mapped_bytes), (4, 4096));
        kernel.check().unwrap();
    }

    #[test]
    fn what_is_in_use_or_fixed_cannot_be_shared() {
        let memory = Arena::new(32);
        let format = X86Long::<4>::new(LongCaps::FULL).unwrap();
        let kernel = Table::new(format, &memory, WxPolicy::Deny).unwrap();
        let mut program = Table::new(format, &memory, WxPolicy::Deny).unwrap();
        program.map(range(KERNEL, 4096), PhysAddr::new(0), Attrs::RW, HugePolicy::Never).unwrap();
        let part = range(0xffff_ff80_0000_0000, 1 << 38);
        let last = range(0xffff_ff80_0000_0000, 0x80_0000_0000);
        // SAFETY: refused.
        assert_eq!(unsafe { program.share(part, &kernel) }, Err(ShareError::NotWholeEntries));
        // SAFETY: refused.
        assert_eq!(unsafe { program.share(last, &kernel) }, Err(ShareError::Occupied));

        let format = X86Pae::new(PaeCaps::FULL).unwrap();
        let kernel = Table::new(format, &memory, WxPolicy::Deny).unwrap();
        let mut program = Table::new(format, &memory, WxPolicy::Deny).unwrap();
        // SAFETY: refused.
        assert_eq!(unsafe { program.share(range(3 << 30, 1 << 30), &kernel) }, Err(ShareError::FixedRoot));
    }
}

//! A root that is its own table: tables are seen through themselves.

use core::error::Error;
use core::fmt;
use core::marker::PhantomData;

use crate::addr::{PhysAddr, VirtAddr};
use crate::format::{Format, Level, X86Long, X86TwoLevel};
use crate::span;

/// Formats whose table entries are leaves as well when they are read one level lower, and the last.
pub trait Recursive: Format {}

impl Recursive for X86TwoLevel {}
impl<const LEVELS: usize> Recursive for X86Long<LEVELS> {}

/// Why a slot of the root cannot lead to the root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SlotError {
    /// It is the last: the root would be seen in the last page of the space, beyond which no pointer can go, and where
    /// error codes are kept in pointers.
    Last,
    /// The root has fewer entries.
    OutOfRange,
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "the last slot of the root",
            Self::OutOfRange => "the root has fewer slots",
        })
    }
}

impl Error for SlotError {}

/// An entry of the root that leads to the root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecursiveSlot<F> {
    slot: u64,
    format: PhantomData<F>,
}

impl<F: Recursive> RecursiveSlot<F> {
    /// The slot with this number.
    ///
    /// # Errors
    ///
    /// [`SlotError`]: the last, or none.
    pub fn new(slot: u16) -> Result<Self, SlotError> {
        let last = (1_u64 << Self::index_bits()) - 1;
        match u64::from(slot) {
            slot if slot == last => Err(SlotError::Last),
            slot if slot > last => Err(SlotError::OutOfRange),
            slot => Ok(Self { slot, format: PhantomData }),
        }
    }

    /// What to store in the slot of the root at `root`.
    #[must_use]
    pub fn entry(&self, format: &F, root: PhysAddr) -> F::Raw {
        format.table(root, span::top::<F>())
    }

    /// Where the table is seen whose entry at `level` translates `at`; `None` if there is no such address or level. The
    /// tables above it must be there.
    #[must_use]
    pub fn table(&self, at: VirtAddr, level: Level) -> Option<VirtAddr> {
        let top = span::top::<F>();
        let offset = F::VA.offset(at).filter(|_| level <= top)?;
        let above = u32::from(top.get() - level.get());
        let slots =
            (0..=u32::from(level.get())).map(|turn| self.slot << (Self::index_bits() * (above + turn)));
        let path = slots.fold(offset >> F::shift(level.up()), |path, slot| path | slot);
        Some(F::VA.address(path << F::shift(Level::PAGE)))
    }

    fn index_bits() -> u32 {
        F::shift(Level::new(1)) - F::shift(Level::PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::VirtRange;
    use crate::attrs::Attrs;
    use crate::policy::HugePolicy;
    use crate::table::Table;
    use crate::testing::mmu::Mmu;
    use crate::testing::{Arena, Rig};

    /// Through the slot the MMU finds each table on the way to a page.
    fn sees_every_table<F: Recursive>(rig: Rig<F>, slot: u16, at: u64) {
        let memory = Arena::new(16);
        let mut table = Table::new(rig.format, &memory, rig.wx).unwrap();
        let page = VirtRange::new(VirtAddr::new(at), 4096).unwrap();
        table.map(page, PhysAddr::new(4096), Attrs::RX, HugePolicy::Never).unwrap();
        let mmu = Mmu { mode: rig.mode, memory: &memory, cr3: table.root().get() };
        let tables = mmu.tables_to(at);
        let recursive = RecursiveSlot::<F>::new(slot).unwrap();
        let entry: u64 = recursive.entry(&rig.format, table.root()).into();
        let bytes = size_of::<F::Raw>() as u64;
        let place = table.root().get() + u64::from(slot) * bytes;
        memory.write(place & !7, if bytes == 8 { entry } else { entry << (place % 8 * 8) });
        for (level, phys) in (0..F::LEVELS).rev().zip(tables) {
            let seen = recursive.table(VirtAddr::new(at), Level::new(level)).unwrap();
            assert_eq!(mmu.probe(seen.get()).map(|found| found.phys), Ok(phys), "level {level}");
        }
        assert_eq!(recursive.table(VirtAddr::new(at), Level::new(F::LEVELS)), None);
    }

    #[test]
    fn every_table_is_seen_through_the_slot() {
        sees_every_table(Rig::long(), 510, 0x7fff_1234_5000);
        sees_every_table(Rig::long(), 3, 0xffff_ffff_8020_0000);
        sees_every_table(Rig::five_levels(), 256, 0x0012_3456_7890_1000);
        sees_every_table(Rig::two_level(), 1022, 0xc012_3000);
    }

    #[test]
    fn recursive_last_slot_refused() {
        assert_eq!(RecursiveSlot::<X86Long<4>>::new(511), Err(SlotError::Last));
        assert_eq!(RecursiveSlot::<X86Long<4>>::new(512), Err(SlotError::OutOfRange));
        assert_eq!(RecursiveSlot::<X86TwoLevel>::new(1023), Err(SlotError::Last));
        assert!(RecursiveSlot::<X86TwoLevel>::new(511).is_ok());
    }
}

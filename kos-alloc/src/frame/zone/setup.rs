//! From a map of the machine to zones: [`Zones::init`].

use core::fmt;
use core::sync::atomic::Ordering;

use super::super::region::{self, ENTRY, Managed};
use super::super::{Backend, Buddy, InitError};
use super::Zones;
use super::local::Local;
use super::table::{Config, MAX_ZONES, Table};
use super::watermark::Watermarks;
use crate::ports::Env;
use crate::types::FrameRange;

/// Why zones were not set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZonesError {
    /// They are set up already. The first set-up stays.
    AlreadyInitialised,
    /// The table has no zone or more than [`MAX_ZONES`], or its ends do not ascend.
    Table {
        /// Zones in the table.
        zones: usize,
    },
    /// The regions or the storage are wrong, or no frame is usable.
    Frames(InitError),
}

impl fmt::Display for ZonesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInitialised => f.write_str("the zones are initialised already"),
            Self::Table { zones } => {
                write!(f, "a table of {zones} zones: 1 to {MAX_ZONES} with ascending ends are possible")
            }
            Self::Frames(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ZonesError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Frames(error) => Some(error),
            _ => None,
        }
    }
}

impl From<InitError> for ZonesError {
    fn from(error: InitError) -> Self {
        Self::Frames(error)
    }
}

impl<'m, E: Env> Zones<'m, E> {
    /// Words of storage for [`init`](Self::init) with the same arguments. They also suffice after one more range was
    /// cut out of `usable`, such as the storage itself. Quadratic in the number of ranges.
    ///
    /// # Errors
    ///
    /// Those of `init`, except for the storage.
    pub fn storage_words(
        &self,
        config: &Config<'_>,
        usable: &[FrameRange],
        reserved: &[FrameRange],
    ) -> Result<usize, ZonesError> {
        let plan = Plan::new(config, usable, reserved, self.env.cpus())?;
        let spare = ENTRY * plan.table.kinds().len();
        Ok(plan.all_words()?.checked_add(spare).ok_or(InitError::TooLarge)?)
    }

    /// Hands out the `usable` frames that are not `reserved` from now on. The lists may be in any order and are not
    /// needed afterwards. A zone of the table without a frame stays empty. What the storage holds does not matter.
    /// Quadratic in the number of ranges, linear in the storage; interrupts are not masked.
    ///
    /// # Errors
    ///
    /// [`ZonesError`]; it may be tried again then.
    ///
    /// # Safety
    ///
    /// Nobody else uses these frames.
    pub unsafe fn init(
        &self,
        storage: &'m mut [u64],
        config: &Config<'_>,
        usable: &[FrameRange],
        reserved: &[FrameRange],
    ) -> Result<(), ZonesError> {
        let plan = Plan::new(config, usable, reserved, self.env.cpus())?;
        let (needed, given) = (plan.all_words()?, storage.len());
        if needed > given {
            return Err(InitError::Storage { needed, given }.into());
        }
        if self.claimed.swap(true, Ordering::Relaxed) {
            return Err(ZonesError::AlreadyInitialised);
        }
        self.fill(storage, &plan)?;
        self.set_watermarks(&plan.table);
        self.table.set(plan.table);
        Ok(())
    }

    /// Builds the buddy of each zone in its part of `storage`, which is large enough.
    fn fill(&self, mut storage: &'m mut [u64], plan: &Plan<'_>) -> Result<(), InitError> {
        // What is left over gives each buddy room for more regions.
        let spare = storage.len().saturating_sub(plan.all_words()?) / plan.table.kinds().len().max(1);
        for (index, slot) in self.slots.iter().enumerate().take(plan.table.kinds().len()) {
            let Some(words) = plan.words(index)? else { continue };
            let managed = plan.managed(index);
            let buddy =
                Buddy::over(cut(&mut storage, words.buddy + spare)?, plan.table.settings().buddy, managed)?;
            let bits = cut(&mut storage, words.bits)?;
            let local = Local::new(bits, cut(&mut storage, words.caches)?, managed, plan.cpus);
            slot.fill(&self.env.irq_save(), buddy, local);
            self.populated.fetch_or(1 << index, Ordering::Release);
        }
        Ok(())
    }

    /// Computes the watermarks and lowmem reserves from what the zones have.
    pub(super) fn set_watermarks(&self, table: &Table) {
        let mut managed = [0; MAX_ZONES];
        for (managed, slot) in managed.iter_mut().zip(&self.slots) {
            let count = slot.with(&self.env.irq_save(), |core| core.buddy.stats().managed);
            *managed = count.unwrap_or(0);
        }
        let total = managed.iter().sum();
        for ((index, kind), slot) in table.kinds().iter().enumerate().zip(&self.slots) {
            slot.with(&self.env.irq_save(), |core| {
                core.stats.managed = core.buddy.stats().managed;
                let marks = Watermarks::new(table.settings(), E::PAGE_SHIFT, core.stats.managed, total);
                core.marks = marks;
                slot.floors.set(kind, index, marks.min, &managed);
                slot.note_pressure(core);
            });
        }
    }
}

/// Cuts the first `words` words off `storage`.
fn cut<'m>(storage: &mut &'m mut [u64], words: usize) -> Result<&'m mut [u64], InitError> {
    let given = storage.len();
    storage.split_off_mut(..words).ok_or(InitError::Storage { needed: words, given })
}

/// The arguments of a set-up, checked.
struct Plan<'a> {
    table: Table,
    managed: Managed<'a>,
    cpus: usize,
}

/// Words of storage for one zone, by use.
struct Words {
    buddy: usize,
    bits: usize,
    caches: usize,
}

impl Words {
    fn sum(&self) -> Option<usize> {
        self.buddy.checked_add(self.bits)?.checked_add(self.caches)
    }
}

impl<'a> Plan<'a> {
    fn new(
        config: &Config<'_>,
        usable: &'a [FrameRange],
        reserved: &'a [FrameRange],
        cpus: usize,
    ) -> Result<Self, ZonesError> {
        let zones = config.table.len();
        let table = Table::new(config).ok_or(ZonesError::Table { zones })?;
        let managed = Managed::new(usable, reserved)?;
        let reach = FrameRange::between(table.bounds(0).start(), table.bounds(zones - 1).end());
        region::largest(managed.within(reach))?;
        Ok(Self { table, managed, cpus })
    }

    /// The managed frames of zone number `index`.
    fn managed(&self, index: usize) -> Managed<'a> {
        self.managed.within(self.table.bounds(index))
    }

    /// Words of storage for all zones.
    fn all_words(&self) -> Result<usize, InitError> {
        let mut all = 0_usize;
        for index in 0..self.table.kinds().len() {
            let words = self.words(index)?.map_or(Some(0), |words| words.sum());
            all = words.and_then(|words| all.checked_add(words)).ok_or(InitError::TooLarge)?;
        }
        Ok(all)
    }

    /// Words of storage for zone number `index`; `None` if it has no frame.
    fn words(&self, index: usize) -> Result<Option<Words>, InitError> {
        let buddy = match Buddy::words_for(self.table.settings().buddy, self.managed(index)) {
            Err(InitError::NoFrames) => return Ok(None),
            other => other?,
        };
        let (bits, caches) = Local::storage_words(self.managed(index), self.cpus)?;
        Ok(Some(Words { buddy, bits, caches }))
    }
}

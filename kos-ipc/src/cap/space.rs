//! The capabilities of one process: [`CapSpace`].

use core::fmt;

use super::cell::NONE;
use super::cells::Cells;
use super::error::{CapError, InsertError};
use super::id::{CapId, MAX_SLOTS};
use super::lineage::Lineage;
use super::lookup::CapGuard;
use super::reserve::Reserved;
use super::revoke::Revocation;
use super::rights::Rights;
use super::slot::CapSlot;
use crate::channel::Level;
use crate::error::Corruption;
use crate::ports::Env;
use crate::quota::Quota;
use crate::sync::Lock;

/// What capabilities are to: a handle of the integrator's, as an enum of references or of counted pointers.
///
/// It is cloned and dropped with the space unlocked, the drop wherever the last lookup ends. A [`Directory`](super::Directory)
/// clones it under its lock: that takes constant time and calls nothing of this crate.
pub trait Object: Clone + Send + Sync {
    /// What it is: never changes.
    fn kind(&self) -> u8;

    /// Of an end of a channel: where that stands among others, as [`Channel::level`](crate::channel::Channel::level) says. Without it,
    /// channels can come to lie in each other for ever.
    fn level(&self) -> Option<&Level> {
        None
    }
}

/// What is known of a capability without its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapInfo {
    /// What the object is.
    pub kind: u8,
    /// What its holder may do.
    pub rights: Rights,
    /// By which the object's owner knows who calls; 0 is none.
    pub badge: u64,
}

/// Counts of a space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceStats {
    /// Slots in all.
    pub slots: usize,
    /// Capabilities that are there.
    pub live: usize,
    /// Slots that are never used again: their generations are used up.
    pub retired: usize,
}

/// The capabilities of one process, in lent slots. An empty one has no authority.
///
/// Lookups take no lock. Making and closing capabilities takes one, for constant time.
///
/// ```
/// use kos_ipc::cap::{CapError, CapSlot, CapSpace, Cells, Object, Rights};
/// use kos_ipc::quota::{Limits, QuotaNode, Quotas};
/// use kos_ipc::testing::StdEnv;
///
/// #[derive(Clone, Debug)]
/// struct Port(&'static str);
/// impl Object for Port {
///     fn kind(&self) -> u8 { 1 }
/// }
///
/// let mut nodes = [const { QuotaNode::new() }; 1];
/// let quotas = Quotas::<StdEnv>::new(&mut nodes);
/// let cells = Cells::new(&mut [], &quotas); // none: nobody may revoke
/// let quota = quotas.root(Limits::UNLIMITED).unwrap();
/// let mut slots = [const { CapSlot::new() }; 16];
/// let space = CapSpace::<_, Port>::new(&mut slots, &cells, quota, 0x5eed).unwrap();
/// let port = space.insert(Port("log"), Rights::READ | Rights::WRITE | Rights::DUPLICATE, 0).unwrap();
/// let reader = space.duplicate(port, Rights::READ).unwrap();
/// assert_eq!(space.get(reader, 1, Rights::READ).unwrap().0, "log");
/// assert_eq!(space.check(reader, Rights::WRITE), Err(CapError::MissingRights(Rights::WRITE)));
/// space.close(port).unwrap();
/// assert!(matches!(space.check(port, Rights::READ), Err(CapError::Stale { .. })));
/// ```
pub struct CapSpace<'s, E: Env, O: Object> {
    pub(super) slots: &'s [CapSlot<O>],
    pub(super) cells: &'s Cells<'s, E>,
    pub(super) quota: Quota<'s, E>,
    pub(super) salt: u64,
    pub(super) books: Lock<E, Books>,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Books {
    /// The first that is free.
    pub(super) free: u32,
    pub(super) free_slots: usize,
    pub(super) sealed: bool,
    pub(super) stats: SpaceStats,
}

impl Books {
    pub(super) fn put_free<O>(&mut self, number: u32, slot: &CapSlot<O>) {
        slot.set_next(self.free);
        self.free = number;
        self.free_slots += 1;
    }
}

impl<'s, E: Env, O: Object> CapSpace<'s, E, O> {
    /// An empty space in `slots`, of which there are 1 to 2^24. Spaces that pass capabilities to each other share `cells`; `quota`
    /// pays for slots and cells. `salt` is the integrator's random value: numbers of one space mean nothing in another.
    ///
    /// # Errors
    /// [`CapError::Full`] if there are no slots, or more than can be named; [`CapError::Foreign`] if `quota` is not of the tree of
    /// `cells`.
    pub fn new(
        slots: &'s mut [CapSlot<O>],
        cells: &'s Cells<'s, E>,
        quota: Quota<'s, E>,
        salt: u64,
    ) -> Result<Self, CapError> {
        let slots: &'s [CapSlot<O>] = slots;
        let possible = (1..=MAX_SLOTS).contains(&slots.len());
        let count = u32::try_from(slots.len()).ok().filter(|_| possible).ok_or(CapError::Full)?;
        if !cells.pays(&quota) {
            return Err(CapError::Foreign);
        }
        let stats = SpaceStats { slots: slots.len(), ..SpaceStats::default() };
        let mut books = Books { free: NONE, free_slots: 0, sealed: false, stats };
        for (number, slot) in (0..count).zip(slots).rev() {
            // Not free: retired, or still held by a guard of a space before that was forgotten.
            match slot.is_free() {
                true => books.put_free(number, slot),
                false => books.stats.retired += 1,
            }
        }
        Ok(Self { slots, cells, quota, salt, books: Lock::new(books) })
    }

    /// Gives the space a first capability to `object`. For whoever made the object: it asks for no right. With
    /// [`Rights::REVOKE`] it takes a cell.
    ///
    /// # Errors
    /// [`CapError`]: `Sealed`, `Full`, `NoCell` or `Quota`, with the object.
    pub fn insert(&self, object: O, rights: Rights, badge: u64) -> Result<CapId, InsertError<O>> {
        let reserved = Reserved::new(self, 1);
        let found = reserved.and_then(|slot| Ok((slot, Lineage::first(self.cells, rights, &self.quota)?)));
        match found {
            Ok((mut slot, lineage)) => Ok(Self::filled(slot.fill(object, rights, badge, lineage))),
            Err(reason) => Err(InsertError { reason, object }),
        }
    }

    /// The number of a slot that was reserved for it.
    #[expect(clippy::panic, reason = "one was reserved, and one is filled")]
    pub(super) fn filled(id: Option<CapId>) -> CapId {
        id.unwrap_or_else(|| panic!("a reserved slot is not there"))
    }

    /// Another capability to the same object with the same badge, and at most the same `rights`. Needs [`Rights::DUPLICATE`].
    ///
    /// # Errors
    /// [`CapError`]
    pub fn duplicate(&self, id: CapId, rights: Rights) -> Result<CapId, CapError> {
        let guard = self.get(id, id.open(self.salt).kind, Rights::DUPLICATE)?;
        guard.allow(rights)?;
        self.derive(&guard, rights, guard.badge())
    }

    /// Another capability with at most the same `rights` and with a `badge` of its own. Needs [`Rights::MINT`].
    ///
    /// # Errors
    /// [`CapError`]; [`CapError::Badged`] if there is a badge already.
    pub fn mint(&self, id: CapId, rights: Rights, badge: u64) -> Result<CapId, CapError> {
        let guard = self.get(id, id.open(self.salt).kind, Rights::MINT)?;
        guard.allow(rights)?;
        match guard.badge() {
            0 => self.derive(&guard, rights, badge),
            badge => Err(CapError::Badged(badge)),
        }
    }

    fn derive(&self, guard: &CapGuard<'_, E, O>, rights: Rights, badge: u64) -> Result<CapId, CapError> {
        let mut slot = Reserved::new(self, 1)?;
        let lineage = Lineage::of(self.cells, guard.slot).below(rights, &self.quota)?;
        Ok(Self::filled(slot.fill(O::clone(guard), rights, badge, lineage)))
    }

    /// Takes back whatever was made of a capability, in every space and on its way, at once; and, by the steps of the
    /// [`Revocation`], what was made of such as may revoke themselves. The capability stays. Needs [`Rights::REVOKE`].
    ///
    /// # Errors
    /// [`CapError`]
    pub fn revoke(&self, id: CapId) -> Result<Revocation<'_, E>, CapError> {
        let guard = self.get(id, id.open(self.salt).kind, Rights::REVOKE)?;
        let root = guard.slot.own();
        self.cells.retain(root);
        self.cells.advance(root);
        Ok(Revocation::new(self.cells, root))
    }

    /// Takes from a capability all rights but `rights`. Needs none. Lookups that are under way keep what they had.
    ///
    /// # Errors
    /// [`CapError`]
    pub fn narrow(&self, id: CapId, rights: Rights) -> Result<(), CapError> {
        let guard = self.get(id, id.open(self.salt).kind, Rights::empty())?;
        guard.slot.narrow(rights.bits());
        Ok(())
    }

    /// Refuses every new capability from now on, for good.
    pub fn seal(&self) {
        self.books.with(|books| books.sealed = true);
    }

    /// Counts.
    pub fn stats(&self) -> SpaceStats {
        self.books.with(|books| books.stats)
    }

    /// Walks every invariant, with the lock held. No guard and no transfer is out.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check_all(&self) -> Result<(), Corruption> {
        self.books.with(|books| {
            let (mut free, mut next) = (0, books.free);
            while let Some(slot) = self.slots.get(next as usize).filter(|_| free <= self.slots.len()) {
                if !slot.is_free() {
                    return Err(Corruption { what: "a slot that is listed as free and is not" });
                }
                (free, next) = (free + 1, slot.next());
            }
            let live = self.slots.iter().filter(|slot| slot.is_live()).count();
            let counted = free == books.free_slots && live == books.stats.live;
            if !counted || free + live + books.stats.retired != self.slots.len() {
                return Err(Corruption { what: "slots that are nowhere, or twice" });
            }
            Ok(())
        })
    }
}

impl<E: Env, O: Object> fmt::Debug for CapSpace<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapSpace").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

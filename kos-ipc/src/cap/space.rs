//! The capabilities of one process: [`CapSpace`].

use core::fmt;
use core::ops::Deref;

use super::error::{CapError, InsertError};
use super::id::{CapId, MAX_SLOTS, Name};
use super::rights::Rights;
use super::slot::{CapSlot, Facts, PinError};
use crate::error::Corruption;
use crate::ports::Env;
use crate::sync::Lock;

/// The end of the list of free slots.
const NONE: u32 = u32::MAX;

/// What capabilities are to: a handle of the integrator's, as an enum of references or of counted pointers.
///
/// It is cloned and dropped with the space unlocked, the drop wherever the last lookup ends.
pub trait Object: Clone + Send + Sync {
    /// What it is: never changes.
    fn kind(&self) -> u8;
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
    /// Capabilities that can be used.
    pub live: usize,
    /// Slots that are never used again: their generations are used up.
    pub retired: usize,
}

/// The capabilities of one process, in lent slots. An empty one has no authority.
///
/// Lookups take no lock. Making and closing capabilities takes one, for constant time.
///
/// ```
/// use kos_ipc::cap::{CapError, CapSlot, CapSpace, Object, Rights};
/// use kos_ipc::testing::StdEnv;
///
/// #[derive(Clone, Debug)]
/// struct Port(&'static str);
/// impl Object for Port {
///     fn kind(&self) -> u8 { 1 }
/// }
///
/// let mut slots = [const { CapSlot::new() }; 16];
/// let space = CapSpace::<StdEnv, Port>::new(&mut slots, 0x5eed).unwrap();
/// let port = space.insert(Port("log"), Rights::READ | Rights::WRITE | Rights::DUPLICATE, 0).unwrap();
/// let reader = space.duplicate(port, Rights::READ).unwrap();
/// assert_eq!(space.get(reader, 1, Rights::READ).unwrap().0, "log");
/// assert_eq!(space.check(reader, Rights::WRITE), Err(CapError::MissingRights(Rights::WRITE)));
/// space.close(port).unwrap();
/// assert!(matches!(space.check(port, Rights::READ), Err(CapError::Stale { .. })));
/// ```
pub struct CapSpace<'s, E: Env, O: Object> {
    slots: &'s [CapSlot<O>],
    salt: u64,
    books: Lock<E, Books>,
}

/// What the lock guards.
#[derive(Debug)]
struct Books {
    free: u32,
    sealed: bool,
    stats: SpaceStats,
}

impl<'s, E: Env, O: Object> CapSpace<'s, E, O> {
    /// An empty space in `slots`, of which there are 1 to 2^24. `salt` is the integrator's random value: numbers of one space mean
    /// nothing in another.
    ///
    /// # Errors
    /// [`CapError::Full`] if there are no slots, or more than can be named.
    pub fn new(slots: &'s mut [CapSlot<O>], salt: u64) -> Result<Self, CapError> {
        let slots: &'s [CapSlot<O>] = slots;
        let possible = (1..=MAX_SLOTS).contains(&slots.len());
        let count = u32::try_from(slots.len()).ok().filter(|_| possible).ok_or(CapError::Full)?;
        let mut stats = SpaceStats { slots: slots.len(), ..SpaceStats::default() };
        let mut free = NONE;
        for (number, slot) in (0..count).zip(slots).rev() {
            // Not free: retired, or still held by a guard of a space before that was forgotten.
            if slot.is_free() {
                slot.set_next(free);
                free = number;
            } else {
                stats.retired += 1;
            }
        }
        Ok(Self { slots, salt, books: Lock::new(Books { free, sealed: false, stats }) })
    }

    /// Gives the space a first capability to `object`. For whoever made the object: it asks for no right.
    ///
    /// # Errors
    /// [`CapError::Sealed`] or [`CapError::Full`], with the object.
    pub fn insert(&self, object: O, rights: Rights, badge: u64) -> Result<CapId, InsertError<O>> {
        let kind = object.kind();
        let facts = Facts { rights: rights.bits(), badge, kind: u32::from(kind) };
        let (slot, generation) = self.books.with(|books| match self.take_free(books) {
            Ok((number, slot)) => Ok((number, slot.fill(object, facts))),
            Err(reason) => Err(InsertError { reason, object }),
        })?;
        Ok(CapId::new(Name { slot, kind, generation }, self.salt))
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
        self.insert(O::clone(guard), rights, badge).map_err(|refused| refused.reason)
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

    /// Closes a capability: nobody finds it any more. The object is dropped here, or where the last guard is. Needs no right.
    ///
    /// # Errors
    /// [`CapError::Malformed`], [`CapError::Stale`]
    pub fn close(&self, id: CapId) -> Result<(), CapError> {
        let (name, slot) = self.open(id)?;
        self.info(name, slot)?;
        let closed = self.books.with(|books| {
            let closed = slot.close(name.generation);
            books.stats.live -= usize::from(closed);
            closed
        });
        if !closed {
            return Err(stale(name));
        }
        self.end_close(name.slot, slot);
        Ok(())
    }

    /// What is known of a capability, if its holder may do what is in `need`. Loads only: writes no shared line.
    ///
    /// # Errors
    /// [`CapError`]
    #[inline]
    pub fn check(&self, id: CapId, need: Rights) -> Result<CapInfo, CapError> {
        let (name, slot) = self.open(id)?;
        let info = self.info(name, slot)?;
        allow(info.rights, need)?;
        Ok(info)
    }

    /// The object of `kind` behind a capability, if its holder may do what is in `need`. One read-modify-write, and another when
    /// the guard goes.
    ///
    /// # Errors
    /// [`CapError`]
    #[inline]
    pub fn get(&self, id: CapId, kind: u8, need: Rights) -> Result<CapGuard<'_, E, O>, CapError> {
        let (name, slot) = self.open(id)?;
        if name.kind != kind {
            return Err(CapError::WrongKind { expected: kind, found: name.kind });
        }
        match slot.pin(name.generation) {
            Ok(()) => {}
            Err(PinError::TooMany) => return Err(CapError::Pinned),
            Err(PinError::Stale { last }) => {
                if last {
                    self.end_close(name.slot, slot);
                }
                return Err(stale(name));
            }
        }
        let guard = CapGuard { space: self, slot, number: name.slot };
        let facts = slot.read();
        if facts.kind != u32::from(kind) {
            return Err(CapError::Malformed);
        }
        allow(Rights::from_bits_retain(facts.rights), need)?;
        Ok(guard)
    }

    /// Refuses every new capability from now on, for good.
    pub fn seal(&self) {
        self.books.with(|books| books.sealed = true);
    }

    /// Counts.
    pub fn stats(&self) -> SpaceStats {
        self.books.with(|books| books.stats)
    }

    /// Walks every invariant, with the lock held. No guard is out.
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
            if live != books.stats.live || free + live + books.stats.retired != self.slots.len() {
                return Err(Corruption { what: "slots that are nowhere, or twice" });
            }
            Ok(())
        })
    }

    fn open(&self, id: CapId) -> Result<(Name, &'s CapSlot<O>), CapError> {
        let name = id.open(self.salt);
        let slot = self.slots.get(name.slot as usize).ok_or(CapError::Malformed)?;
        Ok((name, slot))
    }

    #[inline]
    fn info(&self, name: Name, slot: &CapSlot<O>) -> Result<CapInfo, CapError> {
        let facts = slot.facts(name.generation).ok_or(stale(name))?;
        if facts.kind != u32::from(name.kind) {
            return Err(CapError::Malformed);
        }
        Ok(CapInfo { kind: name.kind, rights: Rights::from_bits_retain(facts.rights), badge: facts.badge })
    }

    fn take_free(&self, books: &mut Books) -> Result<(u32, &'s CapSlot<O>), CapError> {
        if books.sealed {
            return Err(CapError::Sealed);
        }
        let number = books.free;
        let slot = self.slots.get(number as usize).ok_or(CapError::Full)?;
        books.free = slot.next();
        books.stats.live += 1;
        Ok((number, slot))
    }

    /// Ends a close, if nobody holds the slot any more.
    fn end_close(&self, number: u32, slot: &CapSlot<O>) {
        let Some(object) = slot.empty() else { return };
        let usable = slot.free();
        self.books.with(|books| match usable {
            true => {
                slot.set_next(books.free);
                books.free = number;
            }
            false => books.stats.retired += 1,
        });
        drop(object);
    }
}

const fn stale(name: Name) -> CapError {
    CapError::Stale { slot: name.slot, generation: name.generation }
}

#[inline]
fn allow(there: Rights, need: Rights) -> Result<(), CapError> {
    if there.contains(need) { Ok(()) } else { Err(CapError::MissingRights(need.difference(there))) }
}

impl<E: Env, O: Object> Drop for CapSpace<'_, E, O> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, loom))]
        if std::thread::panicking() {
            return;
        }
        for (number, slot) in (0..).zip(self.slots) {
            if let Some(generation) = slot.generation()
                && slot.close(generation)
            {
                self.end_close(number, slot);
            }
        }
    }
}

impl<E: Env, O: Object> fmt::Debug for CapSpace<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapSpace").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// An object that stays while this lives, though its capability be closed meanwhile.
pub struct CapGuard<'a, E: Env, O: Object> {
    space: &'a CapSpace<'a, E, O>,
    slot: &'a CapSlot<O>,
    number: u32,
}

impl<E: Env, O: Object> CapGuard<'_, E, O> {
    /// What the capability allows now.
    #[must_use]
    pub fn rights(&self) -> Rights {
        Rights::from_bits_retain(self.slot.read().rights)
    }

    /// The capability's badge; 0 is none.
    #[must_use]
    pub fn badge(&self) -> u64 {
        self.slot.read().badge
    }

    fn allow(&self, need: Rights) -> Result<(), CapError> {
        allow(self.rights(), need)
    }
}

impl<E: Env, O: Object> Deref for CapGuard<'_, E, O> {
    type Target = O;

    #[inline]
    #[expect(unsafe_code, clippy::panic, reason = "a pinned slot is full: see the slot's invariants")]
    fn deref(&self) -> &O {
        // SAFETY: the guard has the slot pinned as long as it lives, and the reference borrows the guard.
        match unsafe { self.slot.object() } {
            Some(object) => object,
            None => panic!("a pinned slot is empty"),
        }
    }
}

impl<E: Env, O: Object> Drop for CapGuard<'_, E, O> {
    #[inline]
    fn drop(&mut self) {
        if self.slot.unpin() {
            self.space.end_close(self.number, self.slot);
        }
    }
}

impl<E: Env, O: Object> fmt::Debug for CapGuard<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapGuard").field("rights", &self.rights()).finish_non_exhaustive()
    }
}

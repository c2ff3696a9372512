//! Capabilities on the way from one space to another: [`Transfer`], [`Carried`].

use core::fmt;

use super::CapError;
use super::cells::Cells;
use super::id::CapId;
use super::lineage::Lineage;
use super::lookup::{allow, stale};
use super::reserve::Reserved;
use super::rights::Rights;
use super::slot::CapSlot;
use super::space::{CapSpace, Object};
use crate::ports::Env;
use crate::sync::{Bug, seeded};

/// Capabilities that are about to leave their space: nobody finds them there. Dropped, they are back under the numbers that they had.
///
/// ```
/// use kos_ipc::cap::{CapSlot, CapSpace, Cell, Cells, Object, Rights};
/// use kos_ipc::quota::{Limits, QuotaNode, Quotas};
/// use kos_ipc::testing::StdEnv;
///
/// #[derive(Clone, Debug)]
/// struct Port;
/// impl Object for Port {
///     fn kind(&self) -> u8 { 1 }
/// }
///
/// let (mut nodes, mut cells) = ([const { QuotaNode::new() }; 1], [const { Cell::new() }; 4]);
/// let quotas = Quotas::<StdEnv>::new(&mut nodes);
/// let cells = Cells::new(&mut cells, &quotas);
/// let quota = quotas.root(Limits::UNLIMITED).unwrap();
/// let (mut ours, mut theirs) = ([const { CapSlot::new() }; 4], [const { CapSlot::new() }; 4]);
/// let ours = CapSpace::<_, Port>::new(&mut ours, &cells, quota.clone(), 1).unwrap();
/// let theirs = CapSpace::new(&mut theirs, &cells, quota, 2).unwrap();
///
/// let port = ours.insert(Port, Rights::READ | Rights::TRANSFER, 7).unwrap();
/// let mut message = [const { None }; 1];
/// ours.prepare(&[port]).unwrap().commit(|at, cap| message[at] = Some(cap));
/// let mut received = None;
/// theirs.accept(&mut message, |_, id| received = Some(id)).unwrap();
/// assert!(ours.check(port, Rights::READ).is_err());
/// assert_eq!(theirs.check(received.unwrap(), Rights::READ).unwrap().badge, 7);
/// ```
#[must_use = "dropped, it gives the capabilities back"]
pub struct Transfer<'a, 's, 'i, E: Env, O: Object> {
    space: &'a CapSpace<'s, E, O>,
    /// Those that are held.
    ids: &'i [CapId],
}

/// A capability in no space: it is in a message, or in a directory. Dropped, it is gone.
pub struct Carried<'c, E: Env, O: Object> {
    object: O,
    rights: Rights,
    badge: u64,
    lineage: Lineage<'c, E>,
}

impl<'s, E: Env, O: Object> CapSpace<'s, E, O> {
    /// Holds the capabilities `ids` for a transfer, all or none. Each needs [`Rights::TRANSFER`], and none is there twice.
    ///
    /// # Errors
    /// [`CapError`] of the first that cannot be given; nothing has changed.
    pub fn prepare<'i>(&self, ids: &'i [CapId]) -> Result<Transfer<'_, 's, 'i, E, O>, CapError> {
        let mut held = Transfer { space: self, ids: &[] };
        for (at, &id) in ids.iter().enumerate() {
            self.hold(id)?;
            held.ids = ids.get(..=at).unwrap_or_default();
        }
        Ok(held)
    }

    fn hold(&self, id: CapId) -> Result<(), CapError> {
        let (name, slot) = self.open(id)?;
        self.usable(name, slot, Rights::TRANSFER)?;
        if seeded(Bug::TransferUnheld) {
            return Ok(());
        }
        let held = self.books.with(|books| {
            let held = slot.hold(name.generation);
            books.stats.live -= usize::from(held);
            held
        });
        if held { Ok(()) } else { Err(stale(name)) }
    }

    /// Puts the capabilities of a message into this space, all or none, and says under which number each is there, with its
    /// place in the message. One that was revoked on the way comes too: each use of it is refused.
    ///
    /// # Errors
    /// [`CapError`]: `Sealed`, `Full`, `Quota`, `Foreign`. The message is as it was.
    pub fn accept(
        &self,
        caps: &mut [Option<Carried<'_, E, O>>],
        mut each: impl FnMut(usize, CapId),
    ) -> Result<(), CapError> {
        if !caps.iter().flatten().all(|cap| core::ptr::eq(cap.lineage.cells(), self.cells)) {
            return Err(CapError::Foreign);
        }
        let mut slots = Reserved::new(self, caps.iter().flatten().count())?;
        for (at, cap) in caps.iter_mut().enumerate() {
            let Some(Carried { object, rights, badge, lineage }) = cap.take() else { continue };
            if let Some(id) = slots.fill(object, rights, badge, lineage) {
                each(at, id);
            }
        }
        Ok(())
    }
}

impl<'s, E: Env, O: Object> CapSpace<'s, E, O> {
    /// Whether its capabilities are revoked by `cells`.
    pub(crate) fn is_under(&self, cells: &Cells<'_, E>) -> bool {
        core::ptr::addr_eq(self.cells, cells)
    }

    /// As [`accept`](Self::accept), of `count` that `next` gives when there is room for all of them; it may give fewer.
    pub(crate) fn accept_from<'c>(
        &self,
        count: usize,
        mut next: impl FnMut() -> Option<Carried<'c, E, O>>,
        mut each: impl FnMut(usize, CapId),
    ) -> Result<(), CapError> {
        let mut slots = Reserved::new(self, count)?;
        for at in 0..count {
            let Some(Carried { object, rights, badge, lineage }) = next() else { break };
            if let Some(id) = slots.fill(object, rights, badge, lineage) {
                each(at, id);
            }
        }
        Ok(())
    }

    /// As [`duplicate`](Self::duplicate), of a capability that is in no space.
    pub(super) fn derive_carried(&self, cap: &Carried<'_, E, O>, rights: Rights) -> Result<CapId, CapError> {
        if !core::ptr::eq(cap.lineage.cells(), self.cells) {
            return Err(CapError::Foreign);
        }
        if cap.is_revoked() {
            return Err(CapError::Revoked);
        }
        allow(cap.rights, Rights::DUPLICATE | rights)?;
        let mut slot = Reserved::new(self, 1)?;
        let lineage = cap.lineage.below(rights, &self.quota)?;
        Ok(Self::filled(slot.fill(cap.object.clone(), rights, cap.badge, lineage)))
    }
}

impl<'s, E: Env, O: Object> Transfer<'_, 's, '_, E, O> {
    /// Takes them out for good: gives each to `put`, in their order. It cannot fail.
    pub fn commit(mut self, mut put: impl FnMut(usize, Carried<'s, E, O>)) {
        let mut at = 0;
        while let Some((&id, rest)) = self.ids.split_first() {
            let Ok((name, slot)) = self.space.open(id) else { break };
            put(at, self.carry(slot));
            self.ids = rest;
            self.space.books.with(|_| slot.close_held());
            self.space.end_close(name.slot, slot);
            at += 1;
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn is_under(&self, cells: &Cells<'_, E>) -> bool {
        self.space.is_under(cells)
    }

    /// Shows the first objects, until one is refused: how many were not.
    #[expect(unsafe_code, reason = "looks at what held slots hold")]
    pub(crate) fn show<R>(&self, mut accept: impl FnMut(&O) -> Result<(), R>) -> Result<(), (usize, R)> {
        for (at, &id) in self.ids.iter().enumerate() {
            let Ok((_, slot)) = self.space.open(id) else { continue };
            // SAFETY: this transfer holds the slot, and goes on to do so while the object is looked at.
            let Some(object) = (unsafe { slot.object() }) else { continue };
            accept(object).map_err(|refused| (at, refused))?;
        }
        Ok(())
    }

    #[expect(unsafe_code, clippy::panic, reason = "a held slot is full: see the slot's invariants")]
    fn carry(&self, slot: &CapSlot<O>) -> Carried<'s, E, O> {
        let facts = slot.read();
        // SAFETY: this transfer holds the slot, and goes on to do so while the object is cloned.
        let Some(object) = (unsafe { slot.object() }) else { panic!("a held slot is empty") };
        Carried {
            object: object.clone(),
            rights: Rights::from_bits_retain(facts.rights),
            badge: facts.badge,
            lineage: Lineage::of(self.space.cells, slot),
        }
    }
}

impl<E: Env, O: Object> Drop for Transfer<'_, '_, '_, E, O> {
    fn drop(&mut self) {
        for &id in self.ids {
            if let Ok((_, slot)) = self.space.open(id) {
                self.space.books.with(|books| {
                    books.stats.live += 1;
                    slot.unhold();
                });
            }
        }
    }
}

impl<E: Env, O: Object> fmt::Debug for Transfer<'_, '_, '_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl<E: Env, O: Object> Carried<'_, E, O> {
    /// To what it is.
    pub const fn object(&self) -> &O {
        &self.object
    }

    /// What its holder may do.
    #[must_use]
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    /// Its badge; 0 is none.
    #[must_use]
    pub const fn badge(&self) -> u64 {
        self.badge
    }

    /// The same once more, for who makes something of it without a lock.
    pub(super) fn again(&self) -> Self {
        let Self { object, rights, badge, lineage } = self;
        Self { object: object.clone(), rights: *rights, badge: *badge, lineage: lineage.again() }
    }

    pub(crate) fn is_under(&self, cells: &Cells<'_, E>) -> bool {
        core::ptr::addr_eq(self.lineage.cells(), cells)
    }

    /// Whether it was revoked on the way.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.lineage.is_revoked()
    }
}

impl<E: Env, O: Object> fmt::Debug for Carried<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried").field("rights", &self.rights).finish_non_exhaustive()
    }
}

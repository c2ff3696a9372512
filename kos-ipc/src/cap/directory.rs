//! Names for capabilities: [`Directory`].
//!
//! Invariant: `order` of the first `len` entries, each read as the number of an entry, says which of them come in the order of
//! their names; those of the rest say which are free. So nothing but numbers moves, and there is no hash to attack.

use core::error::Error;
use core::fmt;

use super::error::CapError;
use super::id::CapId;
use super::rights::Rights;
use super::space::{CapSpace, Object};
use super::transfer::Carried;
use crate::caller::Caller;
use crate::error::{Corruption, WaitError};
use crate::policy::{ObjectKind, ObjectMeta, Op, Refused};
use crate::ports::Env;
use crate::sync::Lock;
use crate::time::Instant;
use crate::wait::WaitQueue;

/// Bytes of a name at most.
pub const MAX_NAME: usize = 63;

/// A place for a name and its capability.
pub struct DirEntry<'c, E: Env, O: Object> {
    name: [u8; MAX_NAME],
    len: u8,
    order: u16,
    cap: Option<Carried<'c, E, O>>,
}

impl<E: Env, O: Object> DirEntry<'_, E, O> {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { name: [0; MAX_NAME], len: 0, order: 0, cap: None }
    }

    fn name(&self) -> &[u8] {
        self.name.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<E: Env, O: Object> Default for DirEntry<'_, E, O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Env, O: Object> fmt::Debug for DirEntry<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirEntry").field("name", &self.name().escape_ascii()).finish_non_exhaustive()
    }
}

/// Why a name was not found, or not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryError {
    /// No name: empty, or longer than [`MAX_NAME`].
    BadName {
        /// Its length.
        len: usize,
    },
    /// The name has a capability already.
    Exists,
    /// No capability has the name.
    NotFound,
    /// No entry is free.
    Full,
    /// Refused by the policy.
    Refused(Refused),
    /// The capability of that name cannot be given so.
    Cap(CapError),
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { len } => write!(f, "{len} bytes are no name"),
            Self::Exists => f.write_str("the name is taken"),
            Self::NotFound => f.write_str("nothing has that name"),
            Self::Full => f.write_str("no entry is free"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Cap(error) => error.fmt(f),
        }
    }
}

impl Error for DirectoryError {}

/// Why a capability was given no name; it comes back.
#[derive(Debug)]
pub struct PublishError<'c, E: Env, O: Object> {
    /// Why.
    pub reason: DirectoryError,
    /// The capability.
    pub cap: Carried<'c, E, O>,
}

impl<E: Env, O: Object> fmt::Display for PublishError<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<E: Env, O: Object> Error for PublishError<'_, E, O>
where
    E: fmt::Debug,
    O: fmt::Debug,
{
}

/// Where services leave their capabilities under a name, and clients find them. Like any object it is reached through a capability:
/// without one nobody takes a name.
pub struct Directory<'d, 'c, E: Env, O: Object> {
    inner: Lock<E, Inner<'d, 'c, E, O>>,
    appeared: WaitQueue<E>,
    meta: ObjectMeta,
}

struct Inner<'d, 'c, E: Env, O: Object> {
    entries: &'d mut [DirEntry<'c, E, O>],
    len: usize,
}

impl<'d, 'c, E: Env, O: Object> Directory<'d, 'c, E, O> {
    /// Empty, with as many names as `entries`, up to 65,536. What was in them goes. `label` and `id` are for the policy.
    pub fn new(park: E::Park, entries: &'d mut [DirEntry<'c, E, O>], label: u16, id: u32) -> Self {
        let count = entries.len().min(1 << 16);
        let entries = entries.get_mut(..count).unwrap_or_default();
        for (number, entry) in (0..=u16::MAX).zip(entries.iter_mut()) {
            *entry = DirEntry { order: number, ..DirEntry::new() };
        }
        let meta = ObjectMeta { kind: ObjectKind::Directory, label, id };
        Self { inner: Lock::new(Inner { entries, len: 0 }), appeared: WaitQueue::new(park), meta }
    }

    /// Gives `cap` a name that nothing has, and wakes who waits for it. The capability needs [`Rights::DUPLICATE`] if anybody is to
    /// [`open`](Self::open) it.
    ///
    /// # Errors
    /// [`PublishError`], with the capability.
    pub fn publish(
        &self,
        caller: &Caller<'_, E>,
        name: &[u8],
        cap: Carried<'c, E, O>,
    ) -> Result<(), PublishError<'c, E, O>> {
        let checked = self.begin(caller, Op::Publish, name);
        let done = match checked {
            Ok(()) => self.inner.with(|inner| inner.insert(name, cap)),
            Err(reason) => Err((reason, cap)),
        };
        done.map_err(|(reason, cap)| PublishError { reason, cap })?;
        self.appeared.wake(usize::MAX);
        Ok(())
    }

    /// Makes a capability of that name in `space`, with at most `rights`.
    ///
    /// # Errors
    /// [`DirectoryError`]
    pub fn open(
        &self,
        caller: &Caller<'_, E>,
        name: &[u8],
        space: &CapSpace<'_, E, O>,
        rights: Rights,
    ) -> Result<CapId, DirectoryError> {
        self.begin(caller, Op::Open, name)?;
        let found = self.inner.with(|inner| inner.get(name).map(Carried::again));
        let found = found.ok_or(DirectoryError::NotFound)?;
        space.derive_carried(&found, rights).map_err(DirectoryError::Cap)
    }

    /// Frees a name, and gives back its capability.
    ///
    /// # Errors
    /// [`DirectoryError`]
    pub fn unlink(&self, caller: &Caller<'_, E>, name: &[u8]) -> Result<Carried<'c, E, O>, DirectoryError> {
        self.begin(caller, Op::Unlink, name)?;
        self.inner.with(|inner| inner.remove(name)).ok_or(DirectoryError::NotFound)
    }

    /// Sleeps until something has that name. It may be gone again when this returns. Thread context only.
    ///
    /// # Errors
    /// [`WaitError`]
    pub fn wait_for(
        &self,
        caller: &Caller<'_, E>,
        name: &[u8],
        until: Option<Instant>,
    ) -> Result<(), WaitError> {
        let there = || self.inner.with(|inner| inner.get(name).is_some()).then_some(());
        self.appeared.wait_for(caller.token(), 0, until, there)
    }

    /// Names in use.
    pub fn len(&self) -> usize {
        self.inner.with(|inner| inner.len)
    }

    /// Whether nothing has a name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Walks every invariant, with the lock held.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.inner.with(|inner| {
            let names = (0..inner.len).map(|at| inner.at(at).map(DirEntry::name));
            if !names.is_sorted_by(|a, b| a < b) {
                return Err(Corruption { what: "names out of order" });
            }
            let used = (0..inner.entries.len()).map(|at| inner.at(at).is_some_and(|e| e.cap.is_some()));
            if !used.eq((0..inner.entries.len()).map(|at| at < inner.len)) {
                return Err(Corruption { what: "a name without a capability, or the reverse" });
            }
            Ok(())
        })
    }

    fn begin(&self, caller: &Caller<'_, E>, op: Op, name: &[u8]) -> Result<(), DirectoryError> {
        caller.authorize(op, &self.meta).map_err(DirectoryError::Refused)?;
        let possible = (1..=MAX_NAME).contains(&name.len());
        if possible { Ok(()) } else { Err(DirectoryError::BadName { len: name.len() }) }
    }
}

impl<'c, E: Env, O: Object> Inner<'_, 'c, E, O> {
    /// The number of the entry that comes at `at`.
    fn order(&self, at: usize) -> usize {
        self.entries.get(at).map_or(usize::MAX, |entry| usize::from(entry.order))
    }

    fn set_order(&mut self, at: usize, number: usize) {
        if let (Some(entry), Ok(number)) = (self.entries.get_mut(at), u16::try_from(number)) {
            entry.order = number;
        }
    }

    fn at(&self, at: usize) -> Option<&DirEntry<'c, E, O>> {
        self.entries.get(self.order(at))
    }

    /// Where the name is, or would be.
    fn search(&self, name: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).map_or(&[][..], DirEntry::name).cmp(name) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Equal => return Ok(middle),
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn get(&self, name: &[u8]) -> Option<&Carried<'c, E, O>> {
        self.at(self.search(name).ok()?)?.cap.as_ref()
    }

    fn insert(
        &mut self,
        name: &[u8],
        cap: Carried<'c, E, O>,
    ) -> Result<(), (DirectoryError, Carried<'c, E, O>)> {
        let Err(at) = self.search(name) else { return Err((DirectoryError::Exists, cap)) };
        let number = self.order(self.len);
        let Some(entry) = self.entries.get_mut(number) else { return Err((DirectoryError::Full, cap)) };
        entry.name.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        entry.len = u8::try_from(name.len()).unwrap_or(0);
        entry.cap = Some(cap);
        for later in (at..self.len).rev() {
            self.set_order(later + 1, self.order(later));
        }
        self.set_order(at, number);
        self.len += 1;
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) -> Option<Carried<'c, E, O>> {
        let at = self.search(name).ok()?;
        let number = self.order(at);
        let cap = self.entries.get_mut(number)?.cap.take();
        for later in at + 1..self.len {
            self.set_order(later - 1, self.order(later));
        }
        self.len -= 1;
        self.set_order(self.len, number);
        cap
    }
}

impl<E: Env, O: Object> fmt::Debug for Directory<'_, '_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("len", &self.len()).finish_non_exhaustive()
    }
}

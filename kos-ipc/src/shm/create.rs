//! Making segments, and giving them names.

use core::fmt;

use super::error::CreateError;
use super::{Segment, Segments};
use crate::caller::Caller;
use crate::cap::{CapError, CapId, CapSpace, Directory, Object, Rights};
use crate::policy::{ObjectKind, ObjectMeta, Op};
use crate::ports::{Env, SharedMemory};
use crate::quota::{Quota, Resource};

/// Where a named segment goes: whose it is, who pays, and where the name stands.
pub struct Home<'a, 'd, 'c, E: Env, O: Object> {
    /// The creator's space.
    pub space: &'a CapSpace<'c, E, O>,
    /// Where its name is.
    pub directory: &'a Directory<'d, 'c, E, O>,
    /// What pays.
    pub quota: &'a Quota<'c, E>,
    /// What others get by the name at most.
    pub rights: Rights,
    /// Its type to the policy.
    pub label: u16,
    /// Tells it from others in records.
    pub id: u32,
}

impl<'m, E: Env, S: SharedMemory> Segments<'m, E, S> {
    /// A segment of `size` bytes, rounded up to whole pages, all zero, charged to `quota` as [`Resource::Bytes`] until it is gone. `label`
    /// and `id` are for the policy. Thread context: the kernel may block.
    ///
    /// # Errors
    /// [`CreateError`]: nothing has changed.
    pub fn create(
        &'m self,
        caller: &Caller<'_, E>,
        quota: &Quota<'_, E>,
        size: usize,
        label: u16,
        id: u32,
    ) -> Result<Segment<'m, E, S>, CreateError<S::Error>> {
        if size == 0 {
            return Err(CreateError::Empty);
        }
        let bytes = self.whole_pages(size).ok_or(CreateError::TooLarge { bytes: size })?;
        let meta = ObjectMeta { kind: ObjectKind::Segment, label, id };
        caller.authorize(Op::Create, &meta).map_err(CreateError::Refused)?;
        if !self.cells.is_paid_by(quota) {
            return Err(CreateError::Foreign);
        }
        let quotas = self.cells.quotas();
        let payer = quotas.charge_for(quota, Resource::Bytes, bytes).map_err(CreateError::Quota)?;
        let Some(number) = self.ledger.with(|ledger| ledger.take_segment(bytes, payer)) else {
            quotas.refund_for(payer, Resource::Bytes, bytes);
            return Err(CreateError::Full);
        };
        match self.kernel.create(bytes) {
            Ok(object) => self.ledger.with(|ledger| ledger.set_object(number, object)),
            Err(error) => {
                self.end(number);
                return Err(CreateError::Memory(error));
            }
        }
        Ok(Segment::first(self, number, meta))
    }

    /// Makes a segment of `size` bytes and gives it a `name` that nothing has. Its creator gets a capability with all rights;
    /// by the name others get at most `home.rights`, which he can revoke. `wrap` makes the kernel's object of it.
    ///
    /// The name goes by [`Directory::unlink`], and takes no mapping with it.
    ///
    /// # Errors
    /// [`CreateError`]: nothing has changed.
    pub fn create_shared_memory<O: Object>(
        &'m self,
        caller: &Caller<'_, E>,
        home: &Home<'_, '_, '_, E, O>,
        name: &[u8],
        size: usize,
        wrap: impl FnOnce(Segment<'m, E, S>) -> O,
    ) -> Result<CapId, CreateError<S::Error>> {
        let segment = self.create(caller, home.quota, size, home.label, home.id)?;
        let owner = home.space.insert(wrap(segment), Rights::all(), 0);
        let owner = owner.map_err(|refused| CreateError::Cap(refused.reason))?;
        publish(caller, home, name, owner).inspect_err(|_| _ = home.space.close(owner))?;
        Ok(owner)
    }
}

/// Gives a name to a copy of `owner`.
fn publish<E: Env, O: Object, M>(
    caller: &Caller<'_, E>,
    home: &Home<'_, '_, '_, E, O>,
    name: &[u8],
    owner: CapId,
) -> Result<(), CreateError<M>> {
    let rights = home.rights.difference(Rights::REVOKE) | Rights::DUPLICATE | Rights::TRANSFER;
    let copy = home.space.duplicate(owner, rights).map_err(CreateError::Cap)?;
    let close = |reason| {
        _ = home.space.close(copy);
        CreateError::Cap(reason)
    };
    let ids = [copy];
    let transfer = home.space.prepare(&ids).map_err(close)?;
    let mut taken = None;
    transfer.commit(|_, cap| taken = Some(cap));
    let cap = taken.ok_or(CreateError::Cap(CapError::Malformed))?;
    home.directory.publish(caller, name, cap).map_err(|refused| CreateError::Name(refused.reason))
}

impl<E: Env, O: Object> fmt::Debug for Home<'_, '_, '_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("rights", &self.rights).field("id", &self.id).finish_non_exhaustive()
    }
}

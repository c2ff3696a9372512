//! `mint`, `duplicate`, `narrow`, `release`, `revoke`; notifications; names.

use alloc::sync::Arc;

use kos_ipc::cap::{CapError, CapId, CapSpace, DirectoryError, MAX_NAME, Rights};
use kos_ipc::notify::NotifyError;
use kos_paging::VirtAddr;
use kos_vfs::Errno;

use super::Answer;
use super::endpoints::waited;
use crate::glue::ipc::IpcEnv;
use crate::ipc::{self, Bits, Handle, caps};
use crate::platform::Platform;
use crate::process::running::Running;

fn space<P: Platform>(running: &Running<P>) -> &CapSpace<'_, IpcEnv<P>, Handle<P>> {
    running.process.caps.space()
}

/// Rights that kos-ipc does not know are nobody's.
fn rights(word: u64) -> Result<Rights, Errno> {
    u32::try_from(word).ok().and_then(Rights::from_bits).ok_or(Errno::EINVAL)
}

pub(super) fn mint<P: Platform>(running: &Running<P>, cap: u64, word: u64, badge: u64) -> Answer {
    let made = space(running).mint(CapId::from_raw(cap), rights(word)?, badge);
    made.map(CapId::raw).map_err(caps::errno)
}

pub(super) fn duplicate<P: Platform>(running: &Running<P>, cap: u64, word: u64) -> Answer {
    let made = space(running).duplicate(CapId::from_raw(cap), rights(word)?);
    made.map(CapId::raw).map_err(caps::errno)
}

pub(super) fn narrow<P: Platform>(running: &Running<P>, cap: u64, word: u64) -> Answer {
    space(running).narrow(CapId::from_raw(cap), rights(word)?).map(|()| 0).map_err(caps::errno)
}

pub(super) fn release<P: Platform>(running: &Running<P>, cap: u64) -> Answer {
    space(running).close(CapId::from_raw(cap)).map(|()| 0).map_err(caps::errno)
}

pub(super) fn revoke<P: Platform>(running: &Running<P>, cap: u64) -> Answer {
    let (ipc, id) = (running.kernel.ipc()?, CapId::from_raw(cap));
    match ipc.segments.revoke(space(running), id, Handle::<P>::SEGMENT) {
        Ok(unmapping) => running.kernel.take_back(ipc, unmapping),
        Err(CapError::WrongKind { .. }) => space(running).revoke(id).map_err(caps::errno)?.finish(),
        Err(error) => return Err(caps::errno(error)),
    }
    Ok(0)
}

pub(super) fn notification<P: Platform>(running: &Running<P>) -> Answer {
    let (kernel, ipc) = (running.kernel, running.kernel.ipc()?);
    if !kernel.has_room_for::<Bits<P>>() {
        return Err(Errno::ENOMEM);
    }
    let bits = Arc::new(Bits::new(ipc.next_id()));
    let all = Rights::all().difference(Rights::REPLY);
    let id = space(running).insert(Handle::Bits(bits), all, 0);
    id.map(CapId::raw).map_err(|refused| caps::errno(refused.reason))
}

fn bits<P: Platform>(running: &Running<P>, cap: u64, need: Rights) -> Result<Arc<Bits<P>>, Errno> {
    let guard = space(running).get(CapId::from_raw(cap), Handle::<P>::BITS, need).map_err(caps::errno)?;
    match &*guard {
        Handle::Bits(bits) => Ok(Arc::clone(bits)),
        _ => Err(Errno::EINVAL),
    }
}

const fn unnotified(error: NotifyError) -> Errno {
    match error {
        NotifyError::Refused(_) => Errno::EPERM,
        NotifyError::Wait(cause) => waited(cause),
        _ => Errno::EAGAIN,
    }
}

pub(super) fn post<P: Platform>(running: &Running<P>, cap: u64, set: u64) -> Answer {
    let (bits, ipc, task) = (bits(running, cap, Rights::SIGNAL)?, running.kernel.ipc()?, ipc::task::<P>());
    let client = ipc.client(&task, running.process.caps.who);
    bits.post(&client, set).map(|()| 0).map_err(unnotified)
}

pub(super) fn take<P: Platform>(running: &Running<P>, cap: u64, mask: u64, nanos: u64) -> Answer {
    let (bits, ipc, task) = (bits(running, cap, Rights::WAIT)?, running.kernel.ipc()?, ipc::task::<P>());
    let client = ipc.client(&task, running.process.caps.who);
    bits.take(&client, mask, ipc::deadline(running.kernel, nanos)).map_err(unnotified)
}

/// The name that a program names.
pub(super) fn name<P: Platform>(
    running: &Running<P>,
    at: u64,
    length: u64,
) -> Result<heapless::Vec<u8, MAX_NAME>, Errno> {
    let mut name = heapless::Vec::new();
    let length = usize::try_from(length).map_err(|_| Errno::ENAMETOOLONG)?;
    name.resize_default(length).map_err(|_| Errno::ENAMETOOLONG)?;
    running.space.copy_in(VirtAddr::new(at), &mut name).map_err(|_| Errno::EFAULT)?;
    Ok(name)
}

/// Whether a capability is to the directory of names, and its holder may do that.
pub(super) fn may<P: Platform>(running: &Running<P>, names: u64, need: Rights) -> Result<(), Errno> {
    space(running).get(CapId::from_raw(names), Handle::<P>::NAMES, need).map(drop).map_err(caps::errno)
}

pub(super) const fn unnamed(error: DirectoryError) -> Errno {
    match error {
        DirectoryError::BadName { .. } => Errno::EINVAL,
        DirectoryError::Exists => Errno::EEXIST,
        DirectoryError::NotFound => Errno::ENOENT,
        DirectoryError::Full => Errno::ENOSPC,
        DirectoryError::Refused(_) => Errno::EPERM,
        DirectoryError::Cap(error) => caps::errno(error),
        _ => Errno::EIO,
    }
}

pub(super) fn publish<P: Platform>(
    running: &Running<P>,
    names: u64,
    at: u64,
    length: u64,
    cap: u64,
) -> Answer {
    may(running, names, Rights::WRITE)?;
    let (name, caps) = (name(running, at, length)?, &running.process.caps);
    let ids = [CapId::from_raw(cap)];
    let held = caps.giving().prepare(&ids).map_err(caps::errno)?;
    let mut given = None;
    held.commit(|_, cap| given = Some(cap));
    let (ipc, task, given) = (running.kernel.ipc()?, ipc::task::<P>(), given.ok_or(Errno::EBADF)?);
    let client = ipc.client(&task, caps.who);
    match ipc.names.publish(&client, &name, given) {
        Ok(()) if caps.gave(&name) => Ok(0),
        Ok(()) => ipc.names.unlink(&client, &name).map_err(unnamed).and(Err(Errno::EMFILE)),
        // The capability is gone: who gives something away has another.
        Err(refused) => Err(unnamed(refused.reason)),
    }
}

pub(super) fn lookup<P: Platform>(
    running: &Running<P>,
    names: u64,
    text: (u64, u64),
    word: u64,
    nanos: u64,
) -> Answer {
    may(running, names, Rights::READ)?;
    let (name, rights) = (name(running, text.0, text.1)?, rights(word)?);
    let (ipc, task) = (running.kernel.ipc()?, ipc::task::<P>());
    let client = ipc.client(&task, running.process.caps.who);
    let until = ipc::deadline(running.kernel, nanos);
    loop {
        match ipc.names.open(&client, &name, space(running), rights) {
            // It may go before it is opened: then the wait goes on.
            Err(DirectoryError::NotFound) if nanos > 0 => {
                ipc.names.wait_for(&client, &name, until).map_err(waited)?;
            }
            found => return found.map(CapId::raw).map_err(unnamed),
        }
    }
}

//! `shared_create`, `shared_map`, `shared_unmap`, `unlink`: memory that processes share under a name.

use alloc::sync::Arc;

use kos_ipc::Access;
use kos_ipc::cap::{CapId, Rights};
use kos_ipc::shm::{CreateError, Home};
use kos_user::abi;
use kos_vfs::Errno;

use super::Answer;
use super::caps::{may, name, unnamed};
use crate::glue::shared::SharedError;
use crate::ipc::{self, Handle, Shared, caps};
use crate::platform::Platform;
use crate::process::running::Running;

pub(super) fn create<P: Platform>(running: &Running<P>, names: u64, text: (u64, u64), bytes: u64) -> Answer {
    may(running, names, Rights::WRITE)?;
    let (kernel, caps) = (running.kernel, &running.process.caps);
    let (ipc, name, task) = (kernel.ipc()?, name(running, text.0, text.1)?, ipc::task::<P>());
    let bytes = usize::try_from(bytes).map_err(|_| Errno::ENOMEM)?;
    if !kernel.has_room_for::<Shared<P>>() {
        return Err(Errno::ENOMEM);
    }
    let (client, id) = (ipc.client(&task, caps.who), ipc.next_id());
    let rights = Rights::READ | Rights::WRITE | Rights::MAP;
    let home = Home {
        space: caps.giving(),
        directory: &ipc.names,
        quota: &ipc.quota,
        rights,
        label: ipc::policy::SEGMENT,
        id,
    };
    let copy = name.clone();
    let wrap = |segment| Handle::Segment(Arc::new(Shared { segment, name: copy, id }));
    let made = ipc.segments.create_shared_memory(&client, &home, &name, bytes, wrap);
    let cap = made.map_err(uncreated)?;
    if caps.gave(&name) {
        return Ok(cap.raw());
    }
    // It has given too many names.
    drop(ipc.names.unlink(&client, &name));
    let _ = caps.space().close(cap);
    Err(Errno::EMFILE)
}

const fn uncreated(error: CreateError<SharedError>) -> Errno {
    match error {
        CreateError::Empty => Errno::EINVAL,
        CreateError::Refused(_) => Errno::EPERM,
        CreateError::Full => Errno::ENOSPC,
        CreateError::Quota(_) => Errno::EDQUOT,
        CreateError::Memory(error) => error.0,
        CreateError::Cap(error) => caps::errno(error),
        CreateError::Name(error) => unnamed(error),
        _ => Errno::ENOMEM,
    }
}

pub(super) fn map<P: Platform>(running: &Running<P>, cap: u64, rights: u64) -> Answer {
    let access = match rights {
        abi::READ => Access::READ,
        rights if rights == abi::READ | abi::WRITE => Access::READ | Access::WRITE,
        _ => return Err(Errno::EINVAL),
    };
    let process = &running.process;
    process.shared.map((running.kernel, &process.caps), &running.space, CapId::from_raw(cap), access)
}

pub(super) fn unmap<P: Platform>(running: &Running<P>, at: u64) -> Answer {
    let process = &running.process;
    process.shared.unmap((running.kernel, process.id), &running.space, at).map(|()| 0)
}

pub(super) fn unlink<P: Platform>(running: &Running<P>, names: u64, text: (u64, u64)) -> Answer {
    may(running, names, Rights::WRITE)?;
    let (name, caps) = (name(running, text.0, text.1)?, &running.process.caps);
    if !caps.takes_back(&name) {
        return Err(Errno::ENOENT);
    }
    let (ipc, task) = (running.kernel.ipc()?, ipc::task::<P>());
    ipc.names.unlink(&ipc.client(&task, caps.who), &name).map(|_| 0).map_err(unnamed)
}

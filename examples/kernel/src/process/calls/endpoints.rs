//! `endpoint`, `call`, `receive`, `reply`, what was lent: the system calls of endpoints.

use alloc::sync::Arc;

use kos_ipc::WaitError;
use kos_ipc::cap::{CapId, Rights};
use kos_ipc::endpoint::{CallError, LeaseError, Lent, ReceiveError, SendError, SendReason};
use kos_paging::VirtAddr;
use kos_user::abi;
use kos_vfs::Errno;

use super::Answer;
use super::words::{self, INCOMING};
use crate::glue::ipc::Memory;
use crate::ipc::port::Incoming;
use crate::ipc::{self, Handle, Pending, Port, caps};
use crate::platform::Platform;
use crate::process::running::Running;

/// Calls that a process has received and not answered.
const PENDING: usize = 4;
/// Bytes that are copied at a time between programs.
const PIECE: usize = 512;
/// From the start of an [`abi::Incoming`] to its message.
const TO_MESSAGE: u64 = 16;

/// Calls that a process has received and not answered, by numbers that never come again.
pub(in crate::process) struct Pendings<P: Platform> {
    list: heapless::Vec<(u64, Pending<P>), PENDING>,
    next: u64,
}

impl<P: Platform> Pendings<P> {
    /// None.
    pub(in crate::process) const fn new() -> Self {
        Self { list: heapless::Vec::new(), next: 1 }
    }

    fn get(&self, number: u64) -> Result<&Pending<P>, Errno> {
        let found = self.list.iter().find(|(known, _)| *known == number);
        found.map(|(_, pending)| pending).ok_or(Errno::EBADF)
    }

    fn take(&mut self, number: u64) -> Result<Pending<P>, Errno> {
        let at = self.list.iter().position(|(known, _)| *known == number).ok_or(Errno::EBADF)?;
        Ok(self.list.swap_remove(at).1)
    }

    /// A number that no call had or will have.
    const fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// There is room: who receives asks before.
    fn put(&mut self, number: u64, pending: Pending<P>) {
        let _ = self.list.push((number, pending));
    }
}

pub(super) fn create<P: Platform>(running: &Running<P>) -> Answer {
    let ipc = running.kernel.ipc()?;
    running.process.caps.serve(running.kernel, ipc, ipc::policy::ENDPOINT).map(CapId::raw)
}

/// The endpoint behind a capability, and the badge of that.
fn port<P: Platform>(running: &Running<P>, cap: u64, need: Rights) -> Result<(Arc<Port<P>>, u64), Errno> {
    let space = running.process.caps.space();
    let guard = space.get(CapId::from_raw(cap), Handle::<P>::PORT, need).map_err(caps::errno)?;
    match &*guard {
        Handle::Port(port) => Ok((Arc::clone(port), guard.badge())),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn invoke<P: Platform>(
    running: &Running<P>,
    cap: u64,
    at: u64,
    leases: (u64, u64),
    nanos: u64,
) -> Answer {
    let (port, badge) = port(running, cap, Rights::WRITE)?;
    let leases = words::leases(running, leases.0, leases.1)?;
    let lent = Lent { memory: Memory::Program(Arc::clone(&running.space)), leases: &leases };
    let lent = Some(lent).filter(|lent| !lent.leases.is_empty());
    let message = words::take_message(running, at)?;
    let (ipc, task) = (running.kernel.ipc()?, ipc::task::<P>());
    let client = ipc.client(&task, running.process.caps.who);
    match port.call(&client, badge, message, lent, ipc::deadline(running.kernel, nanos)) {
        Ok(answer) => words::put_message(running, at, answer).map(|()| 0),
        Err(CallError::Unsent(SendError { reason, message })) => {
            // What was to go along comes back, under new numbers.
            words::put_message(running, at, message)?;
            Err(unsent(reason))
        }
        Err(CallError::Wait(cause)) => Err(waited(cause)),
        Err(_) => Err(Errno::EPIPE),
    }
}

pub(super) fn receive<P: Platform>(running: &mut Running<P>, cap: u64, at: u64, nanos: u64) -> Answer {
    let (port, _) = port(running, cap, Rights::READ)?;
    if running.pending.list.is_full() {
        return Err(Errno::EBUSY);
    }
    let (ipc, task) = (running.kernel.ipc()?, ipc::task::<P>());
    let client = ipc.client(&task, running.process.caps.who);
    let received = port.receive(&client, ipc::deadline(running.kernel, nanos)).map_err(unreceived)?;
    arrived(running, at, received)
}

/// Tells a program of a call. If it cannot be told, the caller learns that there is no answer.
fn arrived<P: Platform>(running: &mut Running<P>, at: u64, received: Incoming<P>) -> Answer {
    let (message, badge, pending) = received;
    let (message, accepted) = words::words_of(running, message);
    // Also a call that cannot be told whole has its number: no other gets it.
    let number = running.pending.number();
    let mut words = [0; INCOMING];
    words[..2].copy_from_slice(&[number, badge]);
    words[2..].copy_from_slice(&message);
    words::write(running, at, words)?;
    accepted?;
    running.pending.put(number, pending);
    Ok(0)
}

pub(super) fn reply<P: Platform>(running: &mut Running<P>, at: u64) -> Answer {
    let [number, _, message @ ..]: [u64; INCOMING] = words::read(running, at)?;
    running.pending.get(number)?;
    let message = words::message_of(running, &message)?;
    match running.pending.take(number)?.reply(message) {
        None => Ok(0),
        Some(message) => {
            words::put_message(running, at.wrapping_add(TO_MESSAGE), message).and(Err(Errno::EPIPE))
        }
    }
}

pub(super) fn reply_receive<P: Platform>(running: &mut Running<P>, cap: u64, at: u64, nanos: u64) -> Answer {
    let (port, _) = port(running, cap, Rights::READ)?;
    let [number, _, message @ ..]: [u64; INCOMING] = words::read(running, at)?;
    if !Arc::ptr_eq(running.pending.get(number)?.port(), &port) {
        return Err(Errno::EINVAL);
    }
    let message = words::message_of(running, &message)?;
    let pending = running.pending.take(number)?;
    let (ipc, task) = (running.kernel.ipc()?, ipc::task::<P>());
    let client = ipc.client(&task, running.process.caps.who);
    let received = pending.reply_receive(message, &client, ipc::deadline(running.kernel, nanos));
    arrived(running, at, received.map_err(unreceived)?)
}

/// Which bytes of which lease of which call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) reply: u64,
    pub(super) lease: u64,
    pub(super) offset: u64,
    /// In the memory of who copies.
    pub(super) at: u64,
    pub(super) length: u64,
}

impl Part {
    /// Copies piece by piece: the lease's number, offset in it, own address, bytes.
    fn pieces(self, mut copy: impl FnMut(usize, usize, VirtAddr, &mut [u8]) -> Result<(), Errno>) -> Answer {
        let number = |word: u64| usize::try_from(word).map_err(|_| Errno::EINVAL);
        let (lease, length) = (number(self.lease)?, number(self.length)?);
        let (mut done, mut place) = (0, [0; PIECE]);
        while done < length {
            let piece = place.get_mut(..PIECE.min(length - done)).unwrap_or_default();
            let offset = number(self.offset.saturating_add(done as u64))?;
            copy(lease, offset, VirtAddr::new(self.at.saturating_add(done as u64)), piece)?;
            done += piece.len();
        }
        Ok(0)
    }
}

pub(super) fn lease_read<P: Platform>(running: &Running<P>, part: Part) -> Answer {
    let pending = running.pending.get(part.reply)?;
    part.pieces(|lease, offset, at, piece| {
        pending.read(lease, offset, piece).map_err(unlent)?;
        running.space.copy_out(at, piece).map_err(|_| Errno::EFAULT)
    })
}

pub(super) fn lease_write<P: Platform>(running: &Running<P>, part: Part) -> Answer {
    let pending = running.pending.get(part.reply)?;
    part.pieces(|lease, offset, at, piece| {
        running.space.copy_in(at, piece).map_err(|_| Errno::EFAULT)?;
        pending.write(lease, offset, piece).map_err(unlent)
    })
}

/// How a wait ended, as system calls answer it.
pub(super) const fn waited(cause: WaitError) -> Errno {
    match cause {
        WaitError::PeerClosed => Errno::EPIPE,
        WaitError::Revoked => Errno::ESTALE,
        WaitError::TimedOut => Errno::EAGAIN,
        _ => Errno::EINTR,
    }
}

const fn unsent(reason: SendReason) -> Errno {
    match reason {
        SendReason::Full => Errno::EAGAIN,
        SendReason::Refused(_) => Errno::EPERM,
        SendReason::Deadlock => Errno::EDEADLK,
        SendReason::Wait(cause) => waited(cause),
        _ => Errno::EINVAL,
    }
}

const fn unreceived(error: ReceiveError) -> Errno {
    match error {
        ReceiveError::Refused(_) => Errno::EPERM,
        ReceiveError::Wait(cause) => waited(cause),
        _ => Errno::EAGAIN,
    }
}

const fn unlent(error: LeaseError) -> Errno {
    match error {
        LeaseError::WrongAccess => Errno::EACCES,
        LeaseError::Stale => Errno::EPIPE,
        LeaseError::Fault(_) => Errno::EFAULT,
        _ => Errno::EINVAL,
    }
}

const _: () = assert!(size_of::<abi::Incoming>() == 8 * INCOMING && TO_MESSAGE == 16);

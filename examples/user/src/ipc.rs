//! Capabilities, calls, notifications, names: the system calls of kos-ipc, as functions.
//!
//! A capability goes by a number, which means nothing to another process.

use crate::abi::{Call, Incoming, Lease, Message};
use crate::sys::{Answer, Errno, bytes, call};

/// The number of a capability of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap(pub u64);

fn place<T>(of: &mut T) -> u64 {
    core::ptr::from_mut(of).expose_provenance() as u64
}

impl Message {
    /// With these first words, and no capabilities.
    #[must_use]
    pub fn new(label: u64, first: &[u64]) -> Self {
        let mut message = Self { label, ..Self::default() };
        message.words.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
        message
    }
}

/// Memory that a callee may read during the call.
#[must_use]
pub fn readable(memory: &[u8]) -> Lease {
    let (start, length) = bytes(memory);
    Lease { start, length, writable: 0 }
}

/// Memory that a callee may write during the call. It must not be used before the call is over.
pub fn writable(memory: &mut [u8]) -> Lease {
    let start = memory.as_mut_ptr().expose_provenance() as u64;
    Lease { start, length: memory.len() as u64, writable: 1 }
}

/// Makes an endpoint that this process serves until its end.
///
/// # Errors
/// The kernel's.
pub fn endpoint() -> Result<Cap, Errno> {
    call(Call::EndpointCreate, [0; 6]).map(Cap)
}

/// Sends `message` and waits for the answer, which takes its place.
///
/// # Errors
/// The kernel's: `PIPE` if the server is gone.
pub fn invoke(endpoint: Cap, message: &mut Message, leases: &[Lease], nanos: u64) -> Result<(), Errno> {
    let at = leases.as_ptr().expose_provenance() as u64;
    call(Call::Invoke, [endpoint.0, place(message), at, leases.len() as u64, nanos, 0]).map(drop)
}

/// Waits for a call.
///
/// # Errors
/// The kernel's.
pub fn receive(endpoint: Cap, incoming: &mut Incoming, nanos: u64) -> Result<(), Errno> {
    call(Call::Receive, [endpoint.0, place(incoming), nanos, 0, 0, 0]).map(drop)
}

/// Answers a call with the message in `incoming`.
///
/// # Errors
/// The kernel's: `PIPE` if the caller waits no longer.
pub fn reply(incoming: &mut Incoming) -> Result<(), Errno> {
    call(Call::Reply, [place(incoming), 0, 0, 0, 0, 0]).map(drop)
}

/// Answers a call and waits for the next, which takes its place.
///
/// # Errors
/// The kernel's.
pub fn reply_receive(endpoint: Cap, incoming: &mut Incoming, nanos: u64) -> Result<(), Errno> {
    call(Call::ReplyReceive, [endpoint.0, place(incoming), nanos, 0, 0, 0]).map(drop)
}

/// Reads what the caller lent.
///
/// # Errors
/// The kernel's.
pub fn lease_read(reply: u64, lease: u64, offset: u64, to: &mut [u8]) -> Result<(), Errno> {
    let at = to.as_mut_ptr().expose_provenance() as u64;
    call(Call::LeaseRead, [reply, lease, offset, at, to.len() as u64, 0]).map(drop)
}

/// Writes to what the caller lent.
///
/// # Errors
/// The kernel's.
pub fn lease_write(reply: u64, lease: u64, offset: u64, from: &[u8]) -> Result<(), Errno> {
    let (at, length) = bytes(from);
    call(Call::LeaseWrite, [reply, lease, offset, at, length, 0]).map(drop)
}

/// Another capability with fewer rights and a badge.
///
/// # Errors
/// The kernel's.
pub fn mint(cap: Cap, rights: u64, badge: u64) -> Result<Cap, Errno> {
    call(Call::Mint, [cap.0, rights, badge, 0, 0, 0]).map(Cap)
}

/// Another capability with fewer rights.
///
/// # Errors
/// The kernel's.
pub fn duplicate(cap: Cap, rights: u64) -> Result<Cap, Errno> {
    call(Call::Duplicate, [cap.0, rights, 0, 0, 0, 0]).map(Cap)
}

/// Takes all rights but these from a capability.
///
/// # Errors
/// The kernel's.
pub fn narrow(cap: Cap, rights: u64) -> Result<(), Errno> {
    call(Call::Narrow, [cap.0, rights, 0, 0, 0, 0]).map(drop)
}

/// Closes a capability.
///
/// # Errors
/// The kernel's.
pub fn release(cap: Cap) -> Result<(), Errno> {
    call(Call::Release, [cap.0, 0, 0, 0, 0, 0]).map(drop)
}

/// Takes back what was made of a capability, wherever it is.
///
/// # Errors
/// The kernel's.
pub fn revoke(cap: Cap) -> Result<(), Errno> {
    call(Call::Revoke, [cap.0, 0, 0, 0, 0, 0]).map(drop)
}

/// Makes a notification.
///
/// # Errors
/// The kernel's.
pub fn notification() -> Result<Cap, Errno> {
    call(Call::NotificationCreate, [0; 6]).map(Cap)
}

/// Sets bits of a notification.
///
/// # Errors
/// The kernel's.
pub fn post(notification: Cap, bits: u64) -> Result<(), Errno> {
    call(Call::Post, [notification.0, bits, 0, 0, 0, 0]).map(drop)
}

/// Takes the bits of a mask that are set; waits for one.
///
/// # Errors
/// The kernel's.
pub fn take(notification: Cap, mask: u64, nanos: u64) -> Answer {
    call(Call::Take, [notification.0, mask, nanos, 0, 0, 0])
}

/// The capability to the directory of names.
///
/// # Errors
/// The kernel's.
pub fn names() -> Result<Cap, Errno> {
    call(Call::Names, [0; 6]).map(Cap)
}

/// Gives a capability away under a name.
///
/// # Errors
/// The kernel's.
pub fn publish(names: Cap, name: &[u8], cap: Cap) -> Result<(), Errno> {
    let (at, length) = bytes(name);
    call(Call::Publish, [names.0, at, length, cap.0, 0, 0]).map(drop)
}

/// A capability to what has a name; waits until something has.
///
/// # Errors
/// The kernel's.
pub fn lookup(names: Cap, name: &[u8], rights: u64, nanos: u64) -> Result<Cap, Errno> {
    let (at, length) = bytes(name);
    call(Call::Lookup, [names.0, at, length, rights, nanos, 0]).map(Cap)
}

/// Makes memory of so many bytes that others find under a name; nothing in it.
///
/// # Errors
/// The kernel's.
pub fn shared_create(names: Cap, name: &[u8], length: u64) -> Result<Cap, Errno> {
    let (at, name_length) = bytes(name);
    call(Call::SharedCreate, [names.0, at, name_length, length, 0, 0]).map(Cap)
}

/// Maps all of a segment, where the kernel has room.
///
/// # Errors
/// The kernel's.
pub fn shared_map(segment: Cap, rights: u64) -> Answer {
    call(Call::SharedMap, [segment.0, rights, 0, 0, 0, 0])
}

/// Takes away what [`shared_map`] mapped at an address. Nothing of it may be in use.
///
/// # Errors
/// The kernel's.
pub fn shared_unmap(at: u64) -> Result<(), Errno> {
    call(Call::SharedUnmap, [at, 0, 0, 0, 0, 0]).map(drop)
}

/// Takes back a name that this process gave.
///
/// # Errors
/// The kernel's.
pub fn unlink(names: Cap, name: &[u8]) -> Result<(), Errno> {
    let (at, length) = bytes(name);
    call(Call::Unlink, [names.0, at, length, 0, 0, 0]).map(drop)
}

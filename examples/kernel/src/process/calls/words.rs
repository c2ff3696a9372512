//! Messages as they lie in the memory of a program: words of 8 bytes.

use kos_ipc::cap::CapId;
use kos_ipc::endpoint::{Access, Lease, MAX_LEASES};
use kos_paging::VirtAddr;
use kos_user::abi;
use kos_vfs::Errno;

use crate::ipc::{Message, caps};
use crate::platform::Platform;
use crate::process::running::Running;

/// Words of an [`abi::Message`].
pub(super) const MESSAGE: usize = size_of::<abi::Message>() / 8;
/// Words of an [`abi::Incoming`]: number, badge, message.
pub(super) const INCOMING: usize = 2 + MESSAGE;
/// Words of an [`abi::Lease`].
const LEASE: usize = size_of::<abi::Lease>() / 8;

/// So many words from `at` on.
pub(super) fn read<P: Platform, const N: usize>(running: &Running<P>, at: u64) -> Result<[u64; N], Errno> {
    let mut bytes = [[0; 8]; N];
    running.space.copy_in(VirtAddr::new(at), bytes.as_flattened_mut()).map_err(|_| Errno::EFAULT)?;
    Ok(bytes.map(u64::from_le_bytes))
}

/// Puts words to `at` and behind.
pub(super) fn write<P: Platform, const N: usize>(
    running: &Running<P>,
    at: u64,
    words: [u64; N],
) -> Result<(), Errno> {
    let bytes = words.map(u64::to_le_bytes);
    running.space.copy_out(VirtAddr::new(at), bytes.as_flattened()).map_err(|_| Errno::EFAULT)
}

/// The message at `at`. Its capabilities are the process's no more.
pub(super) fn take_message<P: Platform>(running: &Running<P>, at: u64) -> Result<Message<P>, Errno> {
    message_of(running, &read(running, at)?)
}

/// The message that these words are. Its capabilities are the process's no more.
pub(super) fn message_of<P: Platform>(
    running: &Running<P>,
    words: &[u64; MESSAGE],
) -> Result<Message<P>, Errno> {
    let mut message = Message::<P>::new(words[0], [0; 8]);
    message.words.iter_mut().zip(&words[1..]).for_each(|(to, from)| *to = *from);
    let ids = words[9..].iter().filter(|&&raw| raw != 0).map(|&raw| CapId::from_raw(raw));
    let ids: heapless::Vec<CapId, { kos_ipc::endpoint::MAX_CAPS }> = ids.collect();
    let held = running.process.caps.giving().prepare(&ids).map_err(caps::errno)?;
    held.commit(|place, cap| {
        if let Some(to) = message.caps.get_mut(place) {
            *to = Some(cap);
        }
    });
    Ok(message)
}

/// Puts a message to `at`; its capabilities are the process's from now on, or lost where it has no room for them.
pub(super) fn put_message<P: Platform>(
    running: &Running<P>,
    at: u64,
    message: Message<P>,
) -> Result<(), Errno> {
    let (words, accepted) = words_of(running, message);
    write(running, at, words)?;
    accepted
}

/// The words that a message is; its capabilities are the process's from now on, or, as the second says, lost where it has
/// no room for them.
pub(super) fn words_of<P: Platform>(
    running: &Running<P>,
    mut message: Message<P>,
) -> ([u64; MESSAGE], Result<(), Errno>) {
    let mut words = [0; MESSAGE];
    words[0] = message.label;
    words[1..].iter_mut().zip(message.words).for_each(|(to, from)| *to = from);
    let accepted = running.process.caps.space().accept(&mut message.caps, |place, id| {
        words[9..].iter_mut().skip(place).take(1).for_each(|to| *to = id.raw());
    });
    (words, accepted.map_err(caps::errno))
}

/// The leases of a call.
pub(super) fn leases<P: Platform>(
    running: &Running<P>,
    at: u64,
    count: u64,
) -> Result<heapless::Vec<Lease, MAX_LEASES>, Errno> {
    let mut leases = heapless::Vec::new();
    for number in 0..count {
        let place = at.checked_add(number * size_of::<abi::Lease>() as u64).ok_or(Errno::EFAULT)?;
        let [start, len, writable]: [u64; LEASE] = read(running, place)?;
        let access = match writable {
            0 => Access::Read,
            1 => Access::Write,
            _ => return Err(Errno::EINVAL),
        };
        let [start, len] = [start, len].map(usize::try_from);
        let (Ok(start), Ok(len)) = (start, len) else { return Err(Errno::EFAULT) };
        leases.push(Lease { start, len, access }).map_err(|_| Errno::E2BIG)?;
    }
    Ok(leases)
}

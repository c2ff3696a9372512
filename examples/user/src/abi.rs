//! The native system calls: their numbers, flags and answers.
//!
//! A call takes its number and up to six words, and answers one word: a value, or an error as a negative number, by the
//! numbers of Linux. Calls with wild pointers answer EFAULT; a number that is none answers ENOSYS.

/// System calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Call {
    /// `exit(status)`; the lowest 8 bits are kept.
    Exit = 0,
    /// `write(fd, bytes, length)`: bytes taken.
    Write = 1,
    /// `read(fd, bytes, length)`: bytes read, 0 at the end.
    Read = 2,
    /// `open(path, length, flags)`: a descriptor.
    Open = 3,
    /// `close(fd)`.
    Close = 4,
    /// `getpid()`: the number of the process.
    GetPid = 5,
    /// `yield()`: others run first.
    Yield = 6,
    /// `brk(end)`: where the heap ends now; asked for 0, it changes nothing.
    Brk = 7,
    /// `mmap(address, length, rights, flags, fd, offset)`: where.
    Map = 8,
    /// `munmap(address, length)`.
    Unmap = 9,
    /// `mprotect(address, length, rights)`.
    Protect = 10,
    /// `fork()`: 0 in the child, its number in the parent.
    Fork = 11,
    /// `wait(place)`: the number of a child that has ended; its status goes to `place`, 4 bytes, unless that is 0.
    Wait = 12,
    /// `msync(fd)`: what was written through shared mappings of the file is in the file.
    Sync = 13,
    /// `clock()`: nanoseconds since the machine started.
    Clock = 14,
    /// `endpoint()`: a capability to a new endpoint that the process serves until its end.
    EndpointCreate = 15,
    /// `call(endpoint, message, leases, count, nanoseconds)`: sends the [`Message`] at `message`, with so many [`Lease`]s; the answer takes its
    /// place. Waits that long at most; [`FOR_EVER`].
    Invoke = 16,
    /// `receive(endpoint, place, nanoseconds)`: the next call goes to `place`, an [`Incoming`].
    Receive = 17,
    /// `reply(place)`: answers the call that the [`Incoming`] at `place` names with the message in it.
    Reply = 18,
    /// `reply_receive(endpoint, place, nanoseconds)`: both in one. Says nothing of who waits no longer.
    ReplyReceive = 19,
    /// `lease_read(reply, lease, offset, bytes, length)`: copies from what the caller lent.
    LeaseRead = 20,
    /// `lease_write(reply, lease, offset, bytes, length)`: copies to it.
    LeaseWrite = 21,
    /// `mint(capability, rights, badge)`: another with fewer rights and a badge.
    Mint = 22,
    /// `duplicate(capability, rights)`: another with fewer rights.
    Duplicate = 23,
    /// `narrow(capability, rights)`: takes all other rights from it.
    Narrow = 24,
    /// `release(capability)`: closes it.
    Release = 25,
    /// `revoke(capability)`: takes back what was made of it, wherever it is.
    Revoke = 26,
    /// `notification()`: a capability to a new notification.
    NotificationCreate = 27,
    /// `post(notification, bits)`: sets bits.
    Post = 28,
    /// `take(notification, mask, nanoseconds)`: the bits of the mask that are set; waits for one.
    Take = 29,
    /// `names()`: the capability to the directory of names that the process was given.
    Names = 30,
    /// `publish(names, name, length, capability)`: gives the capability away, under a name; with the process the name goes.
    Publish = 31,
    /// `lookup(names, name, length, rights, nanoseconds)`: a capability to what has that name; waits until something has.
    Lookup = 32,
    /// `shared_create(names, name, length, bytes)`: a capability to new memory of whole pages, all zero, which others find under that
    /// name. The name goes with the process, the memory with the last who uses it.
    SharedCreate = 33,
    /// `shared_map(segment, rights)`: all of it, where the kernel has room. It is not a child's.
    SharedMap = 34,
    /// `shared_unmap(address)`: what [`SharedMap`](Self::SharedMap) mapped there. `munmap` does not.
    SharedUnmap = 35,
    /// `unlink(names, name, length)`: takes back a name that the process gave. Who has what it named keeps it.
    Unlink = 36,
    /// `ready()`: tells whoever started the program that it can be used.
    Ready = 37,
    /// `exec(path, length, strings, words, variables)`: the program of that file goes on in place of this one, in the same process. `words`
    /// bytes of words and `variables` of variables lie at `strings`, with a zero behind each. Answers only if it fails.
    Exec = 38,
}

impl Call {
    /// All of them, by number.
    pub const ALL: [Self; 39] = [
        Self::Exit,
        Self::Write,
        Self::Read,
        Self::Open,
        Self::Close,
        Self::GetPid,
        Self::Yield,
        Self::Brk,
        Self::Map,
        Self::Unmap,
        Self::Protect,
        Self::Fork,
        Self::Wait,
        Self::Sync,
        Self::Clock,
        Self::EndpointCreate,
        Self::Invoke,
        Self::Receive,
        Self::Reply,
        Self::ReplyReceive,
        Self::LeaseRead,
        Self::LeaseWrite,
        Self::Mint,
        Self::Duplicate,
        Self::Narrow,
        Self::Release,
        Self::Revoke,
        Self::NotificationCreate,
        Self::Post,
        Self::Take,
        Self::Names,
        Self::Publish,
        Self::Lookup,
        Self::SharedCreate,
        Self::SharedMap,
        Self::SharedUnmap,
        Self::Unlink,
        Self::Ready,
        Self::Exec,
    ];

    /// The call with this number.
    #[must_use]
    pub fn of(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// The programs, by name: one file has them all.
pub const PROGRAMS: [&str; 15] = [
    "hello",
    "spin",
    "usertests",
    "fork-demo",
    "storm",
    "mmap-demo",
    "crash",
    "pingpong",
    "captests",
    "ramfsd",
    "shm-demo",
    "beacon",
    "repeat",
    "printenv",
    "exec-demo",
];

/// `mmap`: may be read.
pub const READ: u64 = 1;
/// `mmap`: may be written.
pub const WRITE: u64 = 2;
/// `mmap`: may be run. Not together with [`WRITE`].
pub const EXECUTE: u64 = 4;

/// `mmap`: who else maps it sees what is written; children of a fork too.
pub const SHARED: u64 = 1;
/// `mmap`: at the address, in place of what is there.
pub const FIXED: u64 = 2;
/// `mmap`: of no file.
pub const NO_FILE: u64 = u64::MAX;

/// `open`: for writing too.
pub const OPEN_WRITE: u64 = 1;
/// `open`: makes the file if there is none.
pub const OPEN_CREATE: u64 = 2;
/// `open`: cuts it to nothing.
pub const OPEN_TRUNCATE: u64 = 4;

/// As long as it takes.
pub const FOR_EVER: u64 = u64::MAX;

/// What is sent and answered: by its words, 8 bytes each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Message {
    /// What is asked for, or how it went.
    pub label: u64,
    /// Whatever the two agree on.
    pub words: [u64; 8],
    /// Capabilities that go along, and are the sender's no more; 0 is none. They need the right to be transferred.
    pub caps: [u64; 4],
}

/// A call that was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Incoming {
    /// Names the call, for the answer and for what was lent.
    pub reply: u64,
    /// The badge of the capability by which the caller came.
    pub badge: u64,
    /// What was sent; in its place goes what is answered.
    pub message: Message,
}

/// Memory that a caller lends for the time of his call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Lease {
    /// Where it begins.
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// 0: to be read; 1: to be written.
    pub writable: u64,
}

/// Rights of capabilities, as kos-ipc numbers them.
pub mod rights {
    /// Receive from an endpoint; find names.
    pub const READ: u64 = 1;
    /// Call an endpoint; give names.
    pub const WRITE: u64 = 1 << 1;
    /// Take bits of a notification.
    pub const WAIT: u64 = 1 << 2;
    /// Post bits to it.
    pub const SIGNAL: u64 = 1 << 3;
    /// Make another of it.
    pub const DUPLICATE: u64 = 1 << 4;
    /// Give it away.
    pub const TRANSFER: u64 = 1 << 5;
    /// Make one with a badge of it.
    pub const MINT: u64 = 1 << 6;
    /// Take back what was made of it.
    pub const REVOKE: u64 = 1 << 7;
    /// Map a segment.
    pub const MAP: u64 = 1 << 8;
}

/// A status: the program ended itself with the lowest 8 bits.
#[must_use]
pub const fn exited(status: u8) -> u32 {
    status as u32
}

/// A status: the kernel ended it.
pub const KILLED: u32 = 1 << 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_list() {
        for (number, call) in (0..).zip(Call::ALL) {
            assert_eq!(call as u64, number);
            assert_eq!(Call::of(number), Some(call));
        }
        assert_eq!(Call::of(Call::ALL.len() as u64), None);
        assert_eq!(Call::of(u64::MAX), None);
    }
}

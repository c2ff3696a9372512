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
}

impl Call {
    /// All of them, by number.
    pub const ALL: [Self; 15] = [
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
    ];

    /// The call with this number.
    #[must_use]
    pub fn of(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// The programs, by name: one file has them all.
pub const PROGRAMS: [&str; 7] = ["hello", "spin", "usertests", "fork-demo", "storm", "mmap-demo", "crash"];

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
        assert_eq!(Call::of(15), None);
        assert_eq!(Call::of(u64::MAX), None);
    }
}

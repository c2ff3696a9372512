//! [`Errno`]: what a system call answers, with the numbers of Linux on x86_64, aarch64 and riscv64.
//!
//! Inside the crate errors are typed and carry their evidence (see [`error`](crate::error)); each has one `match` to this.
//!
//! Source: `include/uapi/asm-generic/errno-base.h` and `errno.h` of Linux (numbers); POSIX.1-2024, `<errno.h>` (meanings).

use core::error::Error;
use core::fmt;

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// The number of an error, as Linux has it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $text] $name = $number,)*
        }

        impl Errno {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its symbol: `ENOENT`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it means, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    ESRCH = 3, "no such process";
    EINTR = 4, "interrupted";
    EIO = 5, "input or output error";
    ENXIO = 6, "no such device or address";
    E2BIG = 7, "too long";
    ENOEXEC = 8, "no program";
    EBADF = 9, "bad file descriptor";
    ECHILD = 10, "no child processes";
    EAGAIN = 11, "would block";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    EBUSY = 16, "busy";
    EEXIST = 17, "file exists";
    EXDEV = 18, "link across mounts";
    ENODEV = 19, "no such device";
    ENOTDIR = 20, "not a directory";
    EISDIR = 21, "is a directory";
    EINVAL = 22, "invalid argument";
    ENFILE = 23, "too many open files in the system";
    EMFILE = 24, "too many open files";
    ENOTTY = 25, "not a terminal";
    ETXTBSY = 26, "text file busy";
    EFBIG = 27, "file too large";
    ENOSPC = 28, "no space left on device";
    ESPIPE = 29, "illegal seek";
    EROFS = 30, "read-only file system";
    EMLINK = 31, "too many links";
    EPIPE = 32, "broken pipe";
    ERANGE = 34, "result too large";
    EDEADLK = 35, "deadlock";
    ENAMETOOLONG = 36, "name too long";
    ENOLCK = 37, "no locks available";
    ENOSYS = 38, "function not implemented";
    ENOTEMPTY = 39, "directory not empty";
    ELOOP = 40, "too many symbolic links";
    ENODATA = 61, "no such attribute";
    EOVERFLOW = 75, "value too large";
    EILSEQ = 84, "name that the file system cannot hold";
    EOPNOTSUPP = 95, "not supported";
    ETIMEDOUT = 110, "timed out";
    ESTALE = 116, "stale file handle";
    EUCLEAN = 117, "file system is damaged";
    EDQUOT = 122, "quota exceeded";
}

impl Errno {
    /// Its number.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The error with that number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|errno| errno.number() == number)
    }

    /// The error with that symbol.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|errno| errno.name().as_bytes() == name)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning())
    }
}

impl Error for Errno {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn symbols_name_one_number_each() {
        assert!(Errno::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        for &errno in Errno::ALL {
            assert_eq!(Errno::from_name(errno.name().as_bytes()), Some(errno));
        }
        assert_eq!(Errno::from_name(b"EWHAT"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn numbers_are_those_of_the_host() {
        for (errno, kind) in [
            (Errno::ENOENT, std::io::ErrorKind::NotFound),
            (Errno::ENOTEMPTY, std::io::ErrorKind::DirectoryNotEmpty),
            (Errno::EROFS, std::io::ErrorKind::ReadOnlyFilesystem),
            (Errno::ESTALE, std::io::ErrorKind::StaleNetworkFileHandle),
            (Errno::EDEADLK, std::io::ErrorKind::Deadlock),
            (Errno::EXDEV, std::io::ErrorKind::CrossesDevices),
        ] {
            assert_eq!(
                std::io::Error::from_raw_os_error(errno.number().into()).kind(),
                kind,
                "{}",
                errno.name()
            );
        }
        assert_eq!(Errno::ENOSPC.to_string(), "no space left on device");
    }
}

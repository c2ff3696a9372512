//! [`Refused`]: any refusal of kos-vfs as its number.

use kos_vfs::{AttrError, DirError, Errno, FileError, FsError, ResolveError};

/// What a system call is refused with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) Errno);

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self(errno)
    }
}

macro_rules! numbered {
    ($($error:ty)*) => {
        $(impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                Self(error.errno())
            }
        })*
    };
}

numbered! { AttrError DirError FileError FsError ResolveError }

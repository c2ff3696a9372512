//! As whom something is to run, as a file or a command line says it: [`Who`].

use core::fmt;

use kos_vfs::Cred;

use super::lines::{self, Name};
use super::login::LoginError;
use crate::Kernel;
use crate::platform::Platform;

/// As whom something is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The user and the group of these numbers, whether there is an account of them or not.
    Ids(u32, u32),
    /// Who is called so when it starts.
    Named(Name),
}

impl Default for Who {
    fn default() -> Self {
        Self::Ids(0, 0)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ids(uid, gid) => write!(f, "{uid}:{gid}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl Who {
    /// Reads `NAME`, `UID` or `UID:GID`. [`None`] if it is none of them.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        if let Ok(name) = lines::name(word) {
            return Some(Self::Named(name));
        }
        let number =
            |word: &str| word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()));
        match word.split_once(':') {
            None => number(word).map(|uid| Self::Ids(uid, uid)),
            Some((uid, gid)) => Some(Self::Ids(number(uid)?, number(gid)?)),
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// What he may do with files.
    ///
    /// # Errors
    /// [`LoginError`]: there is nobody of that name, or nobody knows.
    pub(crate) fn cred_of(&self, who: &Who) -> Result<Cred<'static>, LoginError> {
        match who {
            &Who::Ids(0, gid) => Ok(Cred { gid, ..Cred::ROOT }),
            &Who::Ids(uid, gid) => Ok(Cred::user(uid, gid, &[])),
            Who::Named(name) => self.identity(name).map(|identity| identity.cred),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_told_apart() {
        assert_eq!(Who::parse("alice"), Some(Who::Named("alice".try_into().unwrap())));
        assert_eq!([Who::parse("7"), Who::parse("7:8")], [Some(Who::Ids(7, 7)), Some(Who::Ids(7, 8))]);
        for word in ["", "7:", ":7", "+7", "7:alice", "Alice", "4294967296", "7:8:9"] {
            assert_eq!(Who::parse(word), None, "{word}");
        }
    }
}

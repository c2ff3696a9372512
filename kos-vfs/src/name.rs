//! One component of a path: [`Name`].
//!
//! A name is bytes, not text: 1 to 255 of them, any but `/` and NUL. `.` and `..` are no names: the resolver deals with
//! them, and a driver never sees one. A file system that can hold less answers an error; nothing is ever mangled.
//!
//! Source: POSIX.1-2024, 3.143 "Filename"; `NAME_MAX` and `PATH_MAX` as in Linux.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::errno::Errno;
use crate::error::NoMemory;

/// Bytes in a name, at most.
pub const NAME_MAX: usize = 255;

/// Bytes in a path with its final NUL, at most; so a path has at most 4095.
pub const PATH_MAX: usize = 4096;

/// Why bytes are not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// No bytes.
    Empty,
    /// More than [`NAME_MAX`] bytes.
    TooLong {
        /// How many.
        length: usize,
    },
    /// A `/` or a NUL.
    BadByte {
        /// Which of them.
        byte: u8,
        /// Where.
        offset: usize,
    },
    /// `.` or `..`.
    Dots,
}

impl NameError {
    /// What a system call answers.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Empty => Errno::ENOENT,
            Self::TooLong { .. } => Errno::ENAMETOOLONG,
            Self::BadByte { .. } | Self::Dots => Errno::EINVAL,
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty name"),
            Self::TooLong { length } => write!(f, "a name of {length} bytes, where {NAME_MAX} are the most"),
            Self::BadByte { byte, offset } => write!(f, "byte {byte:#04x} at {offset} cannot be in a name"),
            Self::Dots => f.write_str("`.` and `..` are not names"),
        }
    }
}

impl Error for NameError {}

/// One component of a path, as a driver gets it: checked, and neither `.` nor `..`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// Checks `bytes`.
    ///
    /// # Errors
    /// What makes it no name.
    pub fn new(bytes: &'a [u8]) -> Result<Self, NameError> {
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if bytes.len() > NAME_MAX {
            return Err(NameError::TooLong { length: bytes.len() });
        }
        let bad = bytes.iter().copied().enumerate().find(|&(_, byte)| byte == b'/' || byte == 0);
        if let Some((offset, byte)) = bad {
            return Err(NameError::BadByte { byte, offset });
        }
        if matches!(bytes, b"." | b"..") {
            return Err(NameError::Dots);
        }
        Ok(Self(bytes))
    }

    /// Its bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Printable ASCII as it is, every other byte as `\xNN`.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.escape_ascii(), f)
    }
}

/// Bytes of a name that need no memory beside the dentry.
const INLINE: usize = 31;

/// A name that owns its bytes.
#[derive(Debug)]
pub(crate) enum NameBuf {
    Short { length: u8, bytes: [u8; INLINE] },
    Long(Vec<u8>),
}

impl NameBuf {
    pub(crate) fn new(name: &[u8]) -> Result<Self, NoMemory> {
        let mut bytes = [0; INLINE];
        if let (Some(start), Ok(length)) = (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            start.copy_from_slice(name);
            return Ok(Self::Short { length, bytes });
        }
        let mut long = Vec::new();
        long.try_reserve_exact(name.len())?;
        long.extend_from_slice(name);
        Ok(Self::Long(long))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }

    /// Bytes beside the dentry.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_but_slash_and_nul_makes_a_name() {
        for byte in 0..=u8::MAX {
            let expected = match byte {
                0 | b'/' => Err(NameError::BadByte { byte, offset: 1 }),
                _ => Ok(()),
            };
            assert_eq!(Name::new(&[b'a', byte]).map(|_| ()), expected, "{byte:#x}");
        }
    }

    #[test]
    fn lengths_and_dots_are_refused_by_name() {
        let long = [b'x'; NAME_MAX + 1];
        assert_eq!(Name::new(b""), Err(NameError::Empty));
        assert_eq!(Name::new(&long), Err(NameError::TooLong { length: 256 }));
        assert_eq!(Name::new(&long[1..]).unwrap().as_bytes().len(), NAME_MAX);
        assert_eq!((Name::new(b"."), Name::new(b"..")), (Err(NameError::Dots), Err(NameError::Dots)));
        assert!(Name::new(b"...").is_ok());
    }
}

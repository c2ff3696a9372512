//! [`Words`]: the arguments of a call, read one by one; the tables of its symbols.

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use super::op::{DirFd, Seconds};
use super::parse::ParseError;
use crate::attr::Mode;
use crate::file::OpenFlags;
use crate::tree::mount::MountFlags;

/// The words of a call, taken one by one.
pub(super) struct Words<'a> {
    pub(super) call: &'a [u8],
    pub(super) rest: &'a [Vec<u8>],
    pub(super) index: usize,
}

impl Words<'_> {
    pub(super) fn error(&self) -> ParseError {
        let call = String::from_utf8_lossy(self.call).into_owned();
        ParseError::Argument { call, index: self.index }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, ParseError> {
        self.index += 1;
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.error())?;
        self.rest = rest;
        Ok(first.clone())
    }

    pub(super) fn text(&mut self) -> Result<String, ParseError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes).map_err(|_| self.error())
    }

    pub(super) fn number<T: FromStr>(&mut self) -> Result<T, ParseError> {
        let text = self.text()?;
        text.parse().map_err(|_| self.error())
    }

    pub(super) fn mode(&mut self) -> Result<Mode, ParseError> {
        let text = self.text()?;
        let bits = u16::from_str_radix(&text, 8).map_err(|_| self.error())?;
        Ok(Mode::of(bits))
    }

    pub(super) fn optional_mode(&mut self) -> Result<Mode, ParseError> {
        if self.rest.is_empty() { Ok(Mode::empty()) } else { self.mode() }
    }

    /// Symbols between `,` or `|`, or an octal number.
    pub(super) fn flags(&mut self, table: &[(&str, u32)]) -> Result<u32, ParseError> {
        let text = self.text()?;
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return u32::from_str_radix(&text, 8).map_err(|_| self.error());
        }
        text.split([',', '|']).filter(|word| !word.is_empty()).try_fold(0, |bits, word| {
            let found = table.iter().find(|(name, _)| *name == word);
            found.map(|(_, bit)| bits | bit).ok_or_else(|| self.error())
        })
    }

    pub(super) fn dir(&mut self) -> Result<DirFd, ParseError> {
        let text = self.text()?;
        if text == "AT_FDCWD" {
            return Ok(DirFd::Cwd);
        }
        text.parse().map(DirFd::Fd).map_err(|_| self.error())
    }

    /// Of a call without and with a directory: `mkdir`, `mkdirat`.
    pub(super) fn dir_if(&mut self, at: bool) -> Result<DirFd, ParseError> {
        if at { self.dir() } else { Ok(DirFd::Cwd) }
    }

    pub(super) fn open_flags(&mut self) -> Result<OpenFlags, ParseError> {
        Ok(OpenFlags::from_bits_retain(self.flags(OPEN)?))
    }

    pub(super) fn mount_flags(&mut self) -> Result<MountFlags, ParseError> {
        if self.rest.is_empty() {
            Ok(MountFlags::empty())
        } else {
            Ok(MountFlags::from_bits_truncate(self.flags(MOUNT)?))
        }
    }

    pub(super) fn seconds(&mut self) -> Result<Seconds, ParseError> {
        let seconds = self.number()?;
        Ok(match self.text()?.as_str() {
            "UTIME_NOW" => Seconds::Now,
            "UTIME_OMIT" => Seconds::Omit,
            nanos => Seconds::At(seconds, nanos.parse().map_err(|_| self.error())?),
        })
    }

    /// `FLAGS`, if there are any more words.
    pub(super) fn at_flags(&mut self) -> Result<u32, ParseError> {
        if self.rest.is_empty() { Ok(0) } else { self.flags(AT) }
    }

    pub(super) fn id(&mut self) -> Result<Option<u32>, ParseError> {
        let id: i64 = self.number()?;
        if id == -1 { Ok(None) } else { u32::try_from(id).map(Some).map_err(|_| self.error()) }
    }
}

pub(super) const OPEN: &[(&str, u32)] = &[
    ("O_RDONLY", 0),
    ("O_WRONLY", 0o1),
    ("O_RDWR", 0o2),
    ("O_CREAT", 0o100),
    ("O_EXCL", 0o200),
    ("O_NOCTTY", 0o400),
    ("O_TRUNC", 0o1000),
    ("O_APPEND", 0o2000),
    ("O_NONBLOCK", 0o4000),
    ("O_DSYNC", 0o10_000),
    ("O_DIRECT", 0o40_000),
    ("O_DIRECTORY", 0o200_000),
    ("O_NOFOLLOW", 0o400_000),
    ("O_NOATIME", 0o1_000_000),
    ("O_CLOEXEC", 0o2_000_000),
    ("O_SYNC", 0o4_010_000),
    ("O_PATH", 0o10_000_000),
    ("O_TMPFILE", 0o20_200_000),
];
pub(super) const MOUNT: &[(&str, u32)] =
    &[("rw", 0), ("ro", 1), ("nosuid", 2), ("nodev", 4), ("noexec", 8), ("noatime", 1 << 10)];
pub(super) const NO_FOLLOW: u32 = 0x100;
pub(super) const FOLLOW: u32 = 0x400;
pub(super) const EMPTY: u32 = 0x1000;
pub(super) const REMOVE_DIR: u32 = 0x200;
pub(super) const AT: &[(&str, u32)] = &[
    ("0", 0),
    ("AT_SYMLINK_NOFOLLOW", NO_FOLLOW),
    ("AT_SYMLINK_FOLLOW", FOLLOW),
    ("AT_EMPTY_PATH", EMPTY),
    ("AT_REMOVEDIR", REMOVE_DIR),
];
pub(super) const RESOLVE: &[(&str, u32)] = &[
    ("0", 0),
    ("RESOLVE_NO_XDEV", 1),
    ("RESOLVE_NO_MAGICLINKS", 2),
    ("RESOLVE_NO_SYMLINKS", 4),
    ("RESOLVE_BENEATH", 8),
    ("RESOLVE_IN_ROOT", 16),
    ("RESOLVE_CACHED", 32),
];
pub(super) const RENAME: &[(&str, u32)] = &[("0", 0), ("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2)];
pub(super) const XATTR: &[(&str, u32)] = &[("0", 0), ("XATTR_CREATE", 1), ("XATTR_REPLACE", 2)];
pub(super) const ACCESS: &[(&str, u32)] = &[("F_OK", 0), ("R_OK", 4), ("W_OK", 2), ("X_OK", 1)];
pub(super) const FALLOCATE: &[(&str, u32)] =
    &[("0", 0), ("FALLOC_FL_KEEP_SIZE", 1), ("FALLOC_FL_PUNCH_HOLE", 2), ("FALLOC_FL_ZERO_RANGE", 16)];

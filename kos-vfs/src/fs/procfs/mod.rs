//! The kit for `/proc` and `/sys`: a file system ([`Procfs`]) over directories and files that the integrator computes
//! ([`SyntheticDir`], [`SyntheticFile`]).
//!
//! What a file says is made when it is read from its beginning, and stays so for what is read behind it through the same open
//! file: who reads piece by piece never sees half of one state and half of another. As on Linux, `stat` shows 0 bytes.
//!
//! A directory tells its names in the order of keys, which are also the places of a listing: a name that stays keeps its key, so
//! that who lists processes meets each that lives once, whatever is born or dies meanwhile.

mod content;
mod fixed;
mod fs;
mod snapshots;
#[cfg(all(test, feature = "testing"))]
mod tests;

use alloc::sync::Arc;
use core::fmt;

pub use content::Content;
pub use fixed::Fixed;
pub use fs::Procfs;

use crate::attr::{FileType, Mode};
use crate::errno::Errno;
use crate::name::Name;

/// A file, or where a symlink points.
pub trait SyntheticFile: Send + Sync + fmt::Debug {
    /// Writes what it says now: `writeln!(out, "…")?`. Called without locks.
    ///
    /// # Errors
    /// That of `out`, or [`Content::fail`] with what the system call answers.
    fn generate(&self, out: &mut Content) -> fmt::Result;

    /// The most bytes that it says; a reader gets EFBIG if there are more.
    fn limit(&self) -> usize {
        64 << 10
    }

    /// Takes what somebody writes at `offset`; returns how many bytes. Called without locks.
    ///
    /// # Errors
    /// What the system call answers; EINVAL (as here) where nothing is taken.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let _ = (offset, bytes);
        Err(Errno::EINVAL)
    }
}

/// A directory.
pub trait SyntheticDir: Send + Sync + fmt::Debug {
    /// What has `name`. Called without locks.
    fn find(&self, name: Name<'_>) -> Option<Synthetic>;

    /// Tells `each` the names with keys from `from` on, in the order of keys, until there are no more or it answers false.
    fn list(&self, from: u64, each: &mut dyn FnMut(Listed<'_>) -> bool);
}

/// What is behind a name.
#[derive(Clone, Debug)]
pub enum Body {
    /// Bytes.
    File(Arc<dyn SyntheticFile>),
    /// Names.
    Dir(Arc<dyn SyntheticDir>),
    /// A path.
    Link(Arc<dyn SyntheticFile>),
}

impl Body {
    const fn kind(&self) -> FileType {
        match self {
            Self::File(_) => FileType::Regular,
            Self::Dir(_) => FileType::Directory,
            Self::Link(_) => FileType::Symlink,
        }
    }
}

/// Which of the things that a directory has or had: two with equal identities are one. Another thing under the same
/// key, as a process with the number of an earlier one, has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its place in a listing, below 2^62; of one thing at a time.
    pub key: u64,
    /// Which of those with this key.
    pub generation: u32,
}

/// What a directory finds.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// Which it is.
    pub identity: Identity,
    /// Permission bits. As the owner and the group, they stay as they are while it is in use.
    pub mode: Mode,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What is in it.
    pub body: Body,
}

impl Synthetic {
    /// Root's: a file that everybody reads, a directory that everybody searches, or a symlink.
    pub const fn new(body: Body, identity: Identity) -> Self {
        let mode = match body {
            Body::File(_) => 0o444,
            Body::Dir(_) => 0o555,
            Body::Link(_) => 0o777,
        };
        Self { identity, mode: Mode::from_bits_truncate(mode), uid: 0, gid: 0, body }
    }
}

/// One name of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The name.
    pub name: Name<'a>,
    /// Which it is.
    pub identity: Identity,
    /// What kind of file.
    pub kind: FileType,
}

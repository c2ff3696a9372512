//! Extended attributes: [`XattrOps`], bytes by name beside what `stat` shows.
//!
//! Source: Linux `xattr(7)`, `setxattr(2)`.

use crate::attr::{Ino, Timestamp};
use crate::error::FsError;

/// Bytes in the name of an attribute, its namespace included, at most.
pub const XATTR_NAME_MAX: usize = 255;

/// Bytes in the value of an attribute, at most. A file system may hold less.
pub const XATTR_SIZE_MAX: usize = 64 << 10;

bitflags::bitflags! {
    /// What must be so before an attribute is set: `XATTR_…`, with the values of Linux.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct XattrFlags: u32 {
        /// It is not there.
        const CREATE = 1 << 0;
        /// It is there.
        const REPLACE = 1 << 1;
    }
}

impl XattrFlags {
    /// Whether an attribute that is there, or is not, may be set.
    ///
    /// # Errors
    /// [`FsError::Exists`] or [`FsError::NoAttribute`].
    pub const fn allow(self, there: bool) -> Result<(), FsError> {
        if there && self.contains(Self::CREATE) {
            Err(FsError::Exists)
        } else if !there && self.contains(Self::REPLACE) {
            Err(FsError::NoAttribute)
        } else {
            Ok(())
        }
    }
}

/// The extended attributes of a file system. Names are whole (`user.mime_type`), 6 to [`XATTR_NAME_MAX`] bytes without NUL; who
/// may see and set them is the VFS's to know. A failed call has changed nothing.
pub trait XattrOps {
    /// Copies the value of `name` to the start of `out`, if it fits; returns its length either way.
    ///
    /// # Errors
    /// [`FsError::NoAttribute`], or what the device says.
    fn get(&self, file: Ino, name: &[u8], out: &mut [u8]) -> Result<usize, FsError>;

    /// Sets `name` to `value`, which may be empty and has at most [`XATTR_SIZE_MAX`] bytes.
    ///
    /// # Errors
    /// What [`XattrFlags::allow`] says, [`FsError::NoSpace`] also for what it can never hold, no memory, or what the device
    /// says.
    fn set(
        &self,
        file: Ino,
        name: &[u8],
        value: &[u8],
        flags: XattrFlags,
        now: Timestamp,
    ) -> Result<(), FsError>;

    /// Gives each name to `each`, in any order, until it answers false.
    ///
    /// # Errors
    /// What the device says.
    fn list(&self, file: Ino, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), FsError>;

    /// Takes `name` away.
    ///
    /// # Errors
    /// [`FsError::NoAttribute`], or what the device says. Being full is no reason to fail.
    fn remove(&self, file: Ino, name: &[u8], now: Timestamp) -> Result<(), FsError>;
}

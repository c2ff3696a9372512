//! Mounts and the file systems behind them.
//!
//! A mount shows the tree of a file system from one directory on; several may show the same. It stands on a dentry of another
//! mount, its parent, or is the root of a namespace. Both dentries are pinned while it stands. `pins` counts places and open
//! files through it; a mount that was taken away lazily stays until the last of them is gone.

use alloc::sync::Arc;

use bitflags::bitflags;

use super::slots::NONE;
use crate::fs::{FileSystem, FsInfo};

bitflags! {
    /// What a mount forbids. Values are those of `MS_…` in Linux.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct MountFlags: u32 {
        /// No changes.
        const READ_ONLY = 1 << 0;
        /// Set-user-ID and set-group-ID bits mean nothing to who runs a file.
        const NO_SUID = 1 << 1;
        /// Device nodes cannot be opened.
        const NO_DEVICES = 1 << 2;
        /// Nothing can be run.
        const NO_EXEC = 1 << 3;
        /// Times of reading are not kept.
        const NO_ACCESS_TIMES = 1 << 10;
    }
}

/// A file system that is mounted somewhere.
#[derive(Debug)]
pub(crate) struct Super {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) info: FsInfo,
    /// Mounts of it.
    pub(crate) mounts: u32,
    /// `st_dev`: never used again.
    pub(crate) device: u64,
}

/// One mount.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) fs: u32,
    /// What it shows: a pinned dentry.
    pub(crate) root: u32,
    /// The mount it stands on, [`NONE`] for the root of a namespace and for one that was taken away.
    pub(crate) parent: u32,
    /// Where it stands: a pinned dentry, if it has a parent.
    pub(crate) point: u32,
    pub(crate) flags: MountFlags,
    /// Places and open files.
    pub(crate) pins: u32,
    /// Mounts that stand on it.
    pub(crate) children: u32,
    /// Files open for writing.
    pub(crate) writers: u32,
    /// Whether it is out of every namespace.
    pub(crate) detached: bool,
    /// Whether it is the root of a namespace.
    pub(crate) namespace: bool,
}

impl Mount {
    pub(crate) const fn new(fs: u32, root: u32, flags: MountFlags) -> Self {
        Self {
            fs,
            root,
            parent: NONE,
            point: NONE,
            flags,
            pins: 0,
            children: 0,
            writers: 0,
            detached: false,
            namespace: false,
        }
    }
}

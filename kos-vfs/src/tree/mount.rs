//! Mounts and the file systems behind them.
//!
//! A mount shows the tree of a file system from one directory on; several may show the same. It stands on a dentry of another
//! mount, its parent, or is the root of a namespace (`namespace`). Both dentries are pinned while it stands. `pins` counts places and open
//! files through it; a mount that was taken away lazily stays until the last of them is gone.

use alloc::sync::Arc;

use bitflags::bitflags;

use super::slots::NONE;
use super::{Loc, Tree};
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
    /// The namespace that it is the root of, else [`NONE`].
    pub(crate) namespace: u32,
    /// Its copy, while its namespace is copied.
    pub(crate) copy: u32,
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
            namespace: NONE,
            copy: NONE,
        }
    }
}

impl Tree {
    #[inline]
    pub(crate) fn pin(&mut self, loc: Loc) {
        self.mounts.at_mut(loc.mount).pins += 1;
        self.dentries.pin(loc.dentry);
    }

    #[inline]
    pub(crate) fn release(&mut self, loc: Loc) {
        self.unpin(loc.dentry);
        self.unpin_mount(loc.mount);
    }

    /// From a place down into whatever is mounted there.
    #[inline]
    pub(crate) fn descend(&self, mut loc: Loc) -> Loc {
        while self.dentry(loc.dentry).mounts > 0
            && let Some(mount) = self.mount_at(loc)
        {
            loc = Loc { mount, dentry: self.mounts.at(mount).root };
        }
        loc
    }

    /// The mount that stands at `loc`.
    pub(crate) fn mount_at(&self, loc: Loc) -> Option<u32> {
        let here = |mount: &Mount| mount.parent == loc.mount && mount.point == loc.dentry;
        self.mounts.iter().find(|(_, mount)| here(mount)).map(|(index, _)| index)
    }

    /// Where the mount of `loc` stands, if `loc` is its root and it stands on another.
    pub(crate) fn ascend(&self, loc: Loc) -> Option<Loc> {
        let mount = self.mounts.at(loc.mount);
        let at_root = mount.root == loc.dentry && mount.parent != NONE;
        at_root.then_some(Loc { mount: mount.parent, dentry: mount.point })
    }

    /// Whether `below` is `above` or lies in it, within one file system.
    pub(crate) fn is_below(&self, mut below: u32, above: u32) -> bool {
        loop {
            if below == above {
                return true;
            }
            let parent = self.dentry(below).parent;
            if parent == below {
                return false;
            }
            below = parent;
        }
    }

    /// Takes a file system in. `None` if the table is full.
    pub(crate) fn add_super(&mut self, fs: Arc<dyn FileSystem>) -> Option<u32> {
        let info = fs.info();
        let index = self.supers.insert(Super { fs, info, mounts: 0, device: self.next_device }).ok()?;
        self.next_device += 1;
        Some(index)
    }

    /// The first file system from slot `from` on.
    pub(crate) fn super_from(&self, from: u32) -> Option<(u32, Arc<dyn FileSystem>)> {
        let (index, found) = self.supers.iter().find(|&(index, _)| index >= from)?;
        Some((index, Arc::clone(&found.fs)))
    }

    /// Adds a mount that shows `root`; it takes over the caller's pin on it. `None`, and the pin is given back, if the table is
    /// full.
    pub(crate) fn add_mount(&mut self, mount: Mount) -> Option<u32> {
        let (fs, root) = (mount.fs, mount.root);
        match self.mounts.insert(mount) {
            Ok(index) => {
                self.supers.at_mut(fs).mounts += 1;
                Some(index)
            }
            Err(_) => {
                self.unpin(root);
                None
            }
        }
    }

    /// Puts a mount on a place.
    pub(crate) fn attach(&mut self, index: u32, at: Loc) {
        self.dentries.pin(at.dentry);
        self.dentries.get_mut(at.dentry).mounts += 1;
        self.mounts.at_mut(at.mount).children += 1;
        let mount = self.mounts.at_mut(index);
        (mount.parent, mount.point) = (at.mount, at.dentry);
        self.moves += 1;
    }

    /// Takes a mount off its place; it goes when nothing uses it.
    pub(crate) fn detach(&mut self, index: u32) {
        let mount = self.mounts.at_mut(index);
        let parent = core::mem::replace(&mut mount.parent, NONE);
        let point = core::mem::replace(&mut mount.point, NONE);
        (mount.detached, mount.namespace) = (true, NONE);
        self.moves += 1;
        if parent != NONE {
            self.leave_point(parent, point);
        }
        self.drop_mount_if_idle(index);
    }

    /// Gives back what a mount had of the place where it stood.
    pub(super) fn leave_point(&mut self, parent: u32, point: u32) {
        self.dentries.get_mut(point).mounts -= 1;
        self.unpin(point);
        self.mounts.at_mut(parent).children -= 1;
        self.drop_mount_if_idle(parent);
    }

    pub(crate) fn unpin_mount(&mut self, index: u32) {
        self.mounts.at_mut(index).pins -= 1;
        self.drop_mount_if_idle(index);
    }

    fn drop_mount_if_idle(&mut self, index: u32) {
        let Some(mount) = self.mounts.get(index) else { return };
        if !mount.detached || mount.pins > 0 || mount.children > 0 {
            return;
        }
        let (fs, root) = (mount.fs, mount.root);
        self.mounts.remove(index);
        self.unpin(root);
        self.supers.at_mut(fs).mounts -= 1;
        self.unmounted |= self.supers.at(fs).mounts == 0;
    }
}

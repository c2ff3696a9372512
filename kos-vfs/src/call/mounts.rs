//! Mounting: file systems, binds, taking away; namespaces.
//!
//! Source: Linux `mount(2)`, `umount(2)`, `mount_namespaces(7)`.

use alloc::sync::Arc;

use super::{At, AtFlags, Call, MountError};
use crate::attr::FileType;
use crate::cred::CapSet;
use crate::error::FsError;
use crate::fs::{FileSystem, SyncMode};
use crate::perm::Denied;
use crate::ports::Env;
use crate::tree::mount::{Mount, MountFlags};
use crate::tree::place::{Member, Place, View};
use crate::tree::slots::NONE;
use crate::tree::{Loc, Tree};
use crate::vfs::Vfs;

impl<E: Env> Vfs<E> {
    /// Starts a namespace: mounts `fs` as its root. Returns where its first process stands.
    ///
    /// # Errors
    /// A table is full, or what the file system says of its root.
    pub fn mount_root(&self, fs: Arc<dyn FileSystem>, flags: MountFlags) -> Result<View<'_, E>, MountError> {
        let mount = self.add_fs(fs, flags)?;
        let (root, member) = self.tree(|tree| {
            let Some(namespace) = tree.start_namespace(mount, true) else {
                tree.detach(mount);
                return Err(MountError::TableFull);
            };
            let dentry = tree.mounts.at(mount).root;
            Ok((Place::pin(self, tree, Loc { mount, dentry }), Member::join(self, tree, namespace)))
        })?;
        Ok(View::at(root, member))
    }

    /// A mount of `fs` that stands nowhere yet.
    fn add_fs(&self, fs: Arc<dyn FileSystem>, flags: MountFlags) -> Result<u32, MountError> {
        let attr = fs.load(fs.root())?;
        if attr.kind != FileType::Directory {
            fs.forget(attr.ino, 1);
            return Err(MountError::NotDirectory);
        }
        let added = self.tree(|tree| {
            let Some(id) = tree.add_super(Arc::clone(&fs)) else {
                return Err(true);
            };
            let Ok(inode) = tree.enter(id, attr) else {
                tree.supers.remove(id);
                return Err(true);
            };
            let mount = tree
                .add(NONE, b"", id, inode, false)
                .and_then(|root| tree.add_mount(Mount::new(id, root, flags)));
            mount.ok_or_else(|| {
                tree.forget_super(id);
                false
            })
        });
        added.map_err(|in_use| {
            if in_use {
                fs.forget(attr.ino, 1);
            }
            MountError::TableFull
        })
    }
}

impl<'v, E: Env> Call<'_, 'v, E> {
    pub(super) fn may_mount(&self) -> Result<(), MountError> {
        let needs = CapSet::SYS_ADMIN;
        if self.ctx.cred.has(needs) { Ok(()) } else { Err(Denied::Needs(needs).into()) }
    }

    /// Mounts `fs` on the directory at `path`.
    ///
    /// # Errors
    /// Why not.
    pub fn mount(
        &self,
        fs: Arc<dyn FileSystem>,
        at: At<'_, 'v, E>,
        path: &[u8],
        flags: MountFlags,
    ) -> Result<(), MountError> {
        self.may_mount()?;
        let point = self.resolve(at, path, AtFlags::empty())?;
        if self.vfs().attr_of(&point).is_none_or(|attr| attr.kind != FileType::Directory) {
            return Err(MountError::NotDirectory);
        }
        let mount = self.vfs().add_fs(fs, flags)?;
        self.attach(mount, &point)
    }

    /// Shows what is at `source` at `path` too: a directory on a directory, or another file on another file. Mounts below it
    /// are not shown.
    ///
    /// # Errors
    /// Why not.
    pub fn bind(
        &self,
        source: &Place<'v, E>,
        at: At<'_, 'v, E>,
        path: &[u8],
        flags: MountFlags,
    ) -> Result<(), MountError> {
        self.may_mount()?;
        let point = self.resolve(at, path, AtFlags::empty())?;
        let is_dir = |place: &Place<'v, E>| {
            self.vfs().attr_of(place).is_some_and(|attr| attr.kind == FileType::Directory)
        };
        if is_dir(source) != is_dir(&point) {
            return Err(MountError::NotDirectory);
        }
        let mount = self.vfs().tree(|tree| {
            let root = source.loc().dentry;
            tree.dentries.pin(root);
            let fs = tree.dentry(root).fs;
            tree.add_mount(Mount::new(fs, root, flags))
        });
        self.attach(mount.ok_or(MountError::TableFull)?, &point)
    }

    /// Puts a mount on a place; takes it away again if the place was removed meanwhile.
    fn attach(&self, mount: u32, point: &Place<'v, E>) -> Result<(), MountError> {
        self.vfs().tree(|tree| {
            let loc = point.loc();
            if tree.is_gone(loc) {
                tree.detach(mount);
                return Err(MountError::Removed);
            }
            // Something may have been mounted there since it was found.
            let top = tree.descend(loc);
            tree.attach(mount, top);
            Ok(())
        })
    }

    /// Changes what the mount at `path` forbids.
    ///
    /// # Errors
    /// Not the root of a mount, or files open for writing where it is to take no more changes.
    pub fn remount(&self, at: At<'_, 'v, E>, path: &[u8], flags: MountFlags) -> Result<(), MountError> {
        self.may_mount()?;
        let place = self.resolve(at, path, AtFlags::empty())?;
        self.vfs().tree(|tree| {
            let mount = tree.mounts.at_mut(place.loc().mount);
            if mount.root != place.loc().dentry {
                return Err(MountError::NotMount);
            }
            if flags.contains(MountFlags::READ_ONLY) && mount.writers > 0 {
                return Err(MountError::Writers { files: mount.writers });
            }
            mount.flags = flags;
            Ok(())
        })
    }

    /// Takes the mount at `path` away, when what was written to it is durable. A `lazy` one takes all that is mounted on it
    /// along, goes when nobody uses it any more, and does so even if its device never comes back: sync before, to know.
    ///
    /// # Errors
    /// Not the root of a mount; unless lazy, in use, or what could not be written. It stays then.
    pub fn unmount(&self, at: At<'_, 'v, E>, path: &[u8], lazy: bool) -> Result<(), MountError> {
        self.may_mount()?;
        let place = self.resolve(at, path, AtFlags::empty())?;
        let node = place.node();
        let fs = &node.fs;
        self.vfs()
            .tree(|tree| mount_shown(tree, place.loc()).and_then(|mount| may_leave(tree, mount, lazy)))?;
        let written = self.vfs().flush_files(Some(node.fs_id)).and_then(|()| fs.sync(SyncMode::All));
        if !lazy {
            written.map_err(|error: FsError| MountError::Fs(error))?;
        }
        self.vfs().tree(|tree| {
            let mount = mount_shown(tree, place.loc())?;
            may_leave(tree, mount, lazy)?;
            tree.take_away(mount);
            Ok(())
        })
    }
}

/// The mount of which `loc` is the root, if it can be taken away.
fn mount_shown(tree: &Tree, loc: Loc) -> Result<u32, MountError> {
    let mount = tree.mounts.at(loc.mount);
    if mount.root == loc.dentry && mount.parent != NONE { Ok(loc.mount) } else { Err(MountError::NotMount) }
}

/// Whether nobody but the caller, who has one place on it, uses a mount.
fn may_leave(tree: &Tree, mount: u32, lazy: bool) -> Result<(), MountError> {
    let Mount { pins, children, .. } = *tree.mounts.at(mount);
    let (users, mounts) = (pins - 1, children);
    if lazy || users == 0 && mounts == 0 { Ok(()) } else { Err(MountError::Busy { users, mounts }) }
}

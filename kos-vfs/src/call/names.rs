//! Making and removing names.
//!
//! Source: POSIX.1-2024 `mkdir`, `mknod`, `link`, `symlink`, `unlink`, `rmdir`; the order of errors is that of Linux
//! (`fs/namei.c`).

use super::{At, AtFlags, Call, DirError};
use crate::attr::{Attr, DeviceNumber, FileType, Mode};
use crate::cred::CapSet;
use crate::error::FsError;
use crate::fs::FsFeatures;
use crate::name::PATH_MAX;
use crate::perm::{self, Access, Denied};
use crate::ports::Env;
use crate::tree::Node;
use crate::tree::place::Place;
use crate::walk::{Last, ResolveFault, ResolveFlags, Walk};

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Makes a directory.
    ///
    /// # Errors
    /// Why not.
    pub fn mkdir(&self, at: At<'_, 'v, E>, path: &[u8], mode: Mode) -> Result<(), DirError> {
        let mode = mode & (Mode::ALL_ACCESS | Mode::STICKY);
        self.create(at, path, FileType::Directory, mode, DeviceNumber::default(), &[])
    }

    /// Makes a file that is no directory: regular and empty, a pipe, a socket or a device.
    ///
    /// # Errors
    /// Why not.
    pub fn mknod(
        &self,
        at: At<'_, 'v, E>,
        path: &[u8],
        kind: FileType,
        mode: Mode,
        device: DeviceNumber,
    ) -> Result<(), DirError> {
        match kind {
            FileType::Directory => Err(DirError::Denied(Denied::Needs(CapSet::empty()))),
            FileType::Symlink => Err(DirError::Invalid),
            _ => self.create(at, path, kind, mode, device, &[]),
        }
    }

    /// Makes a symlink to `target`.
    ///
    /// # Errors
    /// Why not.
    pub fn symlink(&self, target: &[u8], at: At<'_, 'v, E>, path: &[u8]) -> Result<(), DirError> {
        if target.is_empty() {
            return Err(DirError::NotFound);
        }
        if target.len() >= PATH_MAX {
            return Err(DirError::TargetTooLong);
        }
        if target.contains(&0) {
            return Err(DirError::Invalid);
        }
        self.create(at, path, FileType::Symlink, Mode::ALL_ACCESS, DeviceNumber::default(), target)
    }

    fn create(
        &self,
        at: At<'_, 'v, E>,
        path: &[u8],
        kind: FileType,
        mode: Mode,
        device: DeviceNumber,
        target: &[u8],
    ) -> Result<(), DirError> {
        let mut walk = self.walk(at, path, ResolveFlags::empty())?;
        walk.parent()?;
        let dir = walk.at.node();
        let _names = self.vfs().exclude(dir.inode);
        let child = self.vacancy(&walk, &dir, kind == FileType::Directory)?;
        let dir_attr = self.may_add(&dir)?;
        let device_node = matches!(kind, FileType::CharDevice | FileType::BlockDevice);
        if device_node && !self.ctx.cred.has(CapSet::MKNOD) {
            return Err(Denied::Needs(CapSet::MKNOD).into());
        }
        let needs = match kind {
            FileType::Regular | FileType::Directory => FsFeatures::empty(),
            FileType::Symlink => FsFeatures::SYMLINKS,
            _ => FsFeatures::SPECIAL,
        };
        if !dir.fs.info().features.contains(needs) {
            return Err(DirError::Unsupported);
        }
        let mut new = self.new_node(&dir_attr, kind, mode, device, target);
        if kind == FileType::Symlink {
            new.mode = Mode::ALL_ACCESS;
        }
        self.make(&dir, walk.name()?, &child, &new)
    }

    /// The negative dentry at the end of a walk, in a directory whose lock is held and that can be changed.
    fn vacancy(&self, walk: &Walk<'_, 'v, E>, dir: &Node, for_dir: bool) -> Result<Place<'v, E>, DirError> {
        if walk.last != Last::Name {
            return Err(DirError::Exists);
        }
        let child = walk.look_up_locked(dir)?;
        if self.vfs().attr_of(&child).is_some() {
            return Err(DirError::Exists);
        }
        if walk.has_slash() && !for_dir {
            return Err(DirError::NotFound);
        }
        self.vfs().want_write(&walk.at).map_err(|()| DirError::ReadOnly)?;
        Ok(child)
    }

    /// Whether the caller may add a name to a directory; what is known of it.
    pub(crate) fn may_add(&self, dir: &Node) -> Result<Attr, DirError> {
        let (attr, dead) = self.vfs().tree(|tree| {
            let inode = tree.inodes.get(dir.inode);
            (inode.attr, inode.dead)
        });
        if dead {
            return Err(DirError::NotFound);
        }
        perm::may(&self.ctx.cred, &attr, Access::WRITE | Access::EXEC)?;
        Ok(attr)
    }

    /// Gives the file at `old` one more name. A symlink there is given one itself, unless `follow` says otherwise.
    ///
    /// # Errors
    /// Why not.
    pub fn link(
        &self,
        old_at: At<'_, 'v, E>,
        old: &[u8],
        new_at: At<'_, 'v, E>,
        new: &[u8],
        follow: bool,
    ) -> Result<(), DirError> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::NO_FOLLOW };
        let place = self.resolve(old_at, old, flags)?;
        self.link_place(&place, new_at, new)
    }

    /// Gives a file one more name; of one without any ([`OpenFlags::NAMELESS`](crate::OpenFlags::NAMELESS)), the first.
    ///
    /// # Errors
    /// Why not.
    pub fn link_place(&self, file: &Place<'v, E>, at: At<'_, 'v, E>, path: &[u8]) -> Result<(), DirError> {
        let mut walk = self.walk(at, path, ResolveFlags::empty())?;
        walk.parent()?;
        let dir = walk.at.node();
        let _names = self.vfs().exclude(dir.inode);
        let child = self.vacancy(&walk, &dir, false)?;
        if file.loc().mount != walk.at.loc().mount {
            return Err(DirError::OtherMount);
        }
        self.may_add(&dir)?;
        let limit = dir.fs.info().max_links;
        if limit <= 1 {
            return Err(DirError::Unsupported);
        }
        let node = file.node();
        let (kind, hidden) = self.vfs().tree(|tree| {
            let inode = tree.inodes.get(node.inode);
            (inode.attr.kind, inode.nameless)
        });
        if kind == FileType::Directory {
            return Err(DirError::LinkToDirectory);
        }
        let _file = self.vfs().exclude(node.inode);
        let attr = node.fs.attr(node.ino)?;
        let named_once = self.vfs().tree(|tree| tree.dentry(file.loc().dentry).parent != file.loc().dentry);
        if attr.links == 0 && (hidden || named_once) {
            return Err(DirError::NotFound);
        }
        if attr.links >= limit {
            return Err(FsError::TooManyLinks { limit }.into());
        }
        let attr = dir.fs.dirs().link(dir.ino, walk.name()?, node.ino, self.vfs().now())?;
        self.vfs().tree(|tree| {
            let linked = tree.inodes.get_mut(node.inode);
            (linked.attr, linked.unlinked) = (attr, false);
            tree.inodes.hold(node.inode);
            tree.name_made(child.loc().dentry, node.inode);
        });
        Ok(())
    }

    /// Takes the name at `path` from a file that is no directory.
    ///
    /// # Errors
    /// Why not.
    pub fn unlink(&self, at: At<'_, 'v, E>, path: &[u8]) -> Result<(), DirError> {
        let mut walk = self.walk(at, path, ResolveFlags::empty())?;
        walk.parent()?;
        if walk.last != Last::Name {
            return Err(DirError::IsDirectory);
        }
        self.remove(&walk, false)
    }

    /// Removes the empty directory at `path`.
    ///
    /// # Errors
    /// Why not.
    pub fn rmdir(&self, at: At<'_, 'v, E>, path: &[u8]) -> Result<(), DirError> {
        let mut walk = self.walk(at, path, ResolveFlags::empty())?;
        walk.parent()?;
        match walk.last {
            Last::Name => self.remove(&walk, true),
            Last::Dot => Err(DirError::Invalid),
            Last::DotDot => Err(DirError::NotEmpty),
            Last::Root => Err(DirError::Busy),
        }
    }

    fn remove(&self, walk: &Walk<'_, 'v, E>, directory: bool) -> Result<(), DirError> {
        self.vfs().want_write(&walk.at).map_err(|()| DirError::ReadOnly)?;
        let dir = walk.at.node();
        // Each of two directories may be below the other where names come and go by themselves.
        let circles = directory && self.vfs().tree(|tree| tree.is_volatile(dir.fs_id));
        let _still = circles.then(|| self.vfs().lock_renames(dir.fs_id));
        let _names = self.vfs().exclude(dir.inode);
        let child = walk.look_up_locked(&dir)?;
        let victim = self.vfs().attr_of(&child);
        if !directory && walk.has_slash() {
            return Err(match victim.map(|attr| attr.kind) {
                None => DirError::NotFound,
                Some(FileType::Directory) => DirError::IsDirectory,
                Some(_) => DirError::NotDirectory,
            });
        }
        self.may_remove(&dir, &child, directory)?;
        let node = child.node();
        let name = walk.name()?;
        {
            let _file = self.vfs().exclude(node.inode);
            let (dirs, now) = (dir.fs.dirs(), self.vfs().now());
            if directory {
                dirs.rmdir(dir.ino, name, node.ino, now)?;
            } else {
                dirs.unlink(dir.ino, name, node.ino, now)?;
                self.vfs().lost_name(&node);
            }
        }
        self.vfs().tree(|tree| {
            if directory {
                tree.bury(child.loc().dentry);
            }
            tree.name_gone(child.loc().dentry);
        });
        Ok(())
    }

    /// Whether the caller may take `child` out of `dir`, whose lock is held, as a directory or as something else.
    pub(crate) fn may_remove(
        &self,
        dir: &Node,
        child: &Place<'v, E>,
        directory: bool,
    ) -> Result<(), DirError> {
        let (dir_attr, victim, mounted, dead) = self.vfs().tree(|tree| {
            let dentry = tree.dentry(child.loc().dentry);
            let victim = tree.inode_of(child.loc().dentry).map(|inode| inode.attr);
            let dir = tree.inodes.get(dir.inode);
            (dir.attr, victim, dentry.mounts > 0, dir.dead)
        });
        let victim = victim.ok_or(DirError::NotFound)?;
        perm::may_remove(&self.ctx.cred, &dir_attr, &victim)?;
        match (directory, victim.kind == FileType::Directory) {
            (true, false) => return Err(DirError::NotDirectory),
            (false, true) => return Err(DirError::IsDirectory),
            _ => {}
        }
        if dead {
            return Err(DirError::NotFound);
        }
        if mounted { Err(DirError::Busy) } else { Ok(()) }
    }
}

/// Keeps the fault's name short where it is made by hand.
impl From<ResolveFault> for DirError {
    fn from(fault: ResolveFault) -> Self {
        Self::Resolve(crate::walk::ResolveError { fault, component: 0 })
    }
}

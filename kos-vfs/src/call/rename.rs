//! Rename: what moves where, and what forbids it. The order of locks is in [`tree::lock`](crate::tree::lock).
//!
//! Source: POSIX.1-2024 `rename`; Linux `renameat2(2)` and the order of its errors (`fs/namei.c`).

use super::{At, Call, DirError};
use crate::attr::FileType;
use crate::fs::{FsFeatures, Rename, RenameEnd, RenameFlags};
use crate::name::NameBuf;
use crate::perm::{self, Access};
use crate::ports::Env;
use crate::tree::place::Place;
use crate::tree::{Node, Tree};
use crate::walk::{Last, ResolveFault, ResolveFlags, Walk};

/// One end of a rename: its directory, locked, and what is there.
struct End<'w, 'a, 'v, E: Env> {
    walk: &'w Walk<'a, 'v, E>,
    dir: Node,
    child: Place<'v, E>,
    /// Kind and inode of what is there.
    found: Option<(FileType, u32)>,
}

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Gives the file at `old` the name `new`; what had it before loses it. Where both name one file, nothing happens.
    ///
    /// # Errors
    /// Why not.
    pub fn rename(
        &self,
        old_at: At<'_, 'v, E>,
        old: &[u8],
        new_at: At<'_, 'v, E>,
        new: &[u8],
        flags: RenameFlags,
    ) -> Result<(), DirError> {
        if flags.contains(RenameFlags::EXCHANGE | RenameFlags::NO_REPLACE) {
            return Err(DirError::Invalid);
        }
        let mut from = self.walk(old_at, old, ResolveFlags::empty())?;
        from.parent()?;
        let mut to = self.walk(new_at, new, ResolveFlags::empty())?;
        to.parent()?;
        if from.at.loc().mount != to.at.loc().mount {
            return Err(DirError::OtherMount);
        }
        if from.last != Last::Name {
            return Err(DirError::Busy);
        }
        if to.last != Last::Name {
            let exists = flags.contains(RenameFlags::NO_REPLACE);
            return Err(if exists { DirError::Exists } else { DirError::Busy });
        }
        self.vfs().want_write(&from.at).map_err(|()| DirError::ReadOnly)?;
        let fs = from.at.node().fs_id;
        let _still = self.vfs().lock_renames(fs);
        let _names = self.vfs().exclude_dirs(from.at.loc(), to.at.loc());
        let from = self.end(&from)?;
        if from.found.is_none() {
            return Err(DirError::NotFound);
        }
        let to = self.end(&to)?;
        self.rename_locked(&from, &to, flags)
    }

    fn end<'w, 'a>(&self, walk: &'w Walk<'a, 'v, E>) -> Result<End<'w, 'a, 'v, E>, DirError> {
        let dir = walk.at.node();
        let child = walk.look_up_locked(&dir)?;
        let found = self.vfs().tree(|tree| {
            let dentry = child.loc().dentry;
            tree.inode_of(dentry).map(|inode| (inode.attr.kind, tree.dentry(dentry).inode))
        });
        Ok(End { walk, dir, child, found })
    }

    fn rename_locked(
        &self,
        from: &End<'_, '_, 'v, E>,
        to: &End<'_, '_, 'v, E>,
        flags: RenameFlags,
    ) -> Result<(), DirError> {
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        self.check_shape(from, to, flags)?;
        if from.found.map(|found| found.1) == to.found.map(|found| found.1) && !self.respells(from, to)? {
            return Ok(());
        }
        self.check_rights(from, to, exchange)?;
        // All that can fail for memory comes before the driver.
        let (from_name, to_name) = (from.walk.name()?, to.walk.name()?);
        let buffer = |name: &[u8]| NameBuf::new(name).map_err(|_| DirError::from(ResolveFault::NoMemory));
        let names = (buffer(from_name.as_bytes())?, buffer(to_name.as_bytes())?);
        let rename = Rename {
            from: RenameEnd { dir: from.dir.ino, name: from_name, file: Some(from.child.node().ino) },
            to: RenameEnd { dir: to.dir.ino, name: to_name, file: to.found.map(|_| to.child.node().ino) },
            exchange,
            now: self.vfs().now(),
        };
        {
            // A volatile file system may say that one of the directories is what is renamed: it is locked.
            let dirs = [from.dir.inode, to.dir.inode];
            let inode = |end: &End<'_, '_, 'v, E>| {
                end.found.map(|found| found.1).filter(|inode| !dirs.contains(inode))
            };
            let _files = self.vfs().exclude_files(inode(from), inode(to));
            from.dir.fs.dirs().rename(&rename)?;
            if to.found.is_some() && !exchange {
                self.vfs().lost_name(&to.child.node());
            }
        }
        self.vfs().tree(|tree| moved(tree, from, to, names, exchange));
        Ok(())
    }

    /// Whether a file shall get another spelling of the name that it has.
    fn respells(&self, from: &End<'_, '_, 'v, E>, to: &End<'_, '_, 'v, E>) -> Result<bool, DirError> {
        let other = from.child == to.child && from.walk.name()? != to.walk.name()?;
        Ok(other && self.vfs().tree(|tree| tree.has_spellings(from.dir.fs_id)))
    }

    /// What the shape of the tree and the slashes of the paths forbid.
    fn check_shape(
        &self,
        from: &End<'_, '_, 'v, E>,
        to: &End<'_, '_, 'v, E>,
        flags: RenameFlags,
    ) -> Result<(), DirError> {
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let is_dir = |end: &End<'_, '_, 'v, E>| end.found.is_some_and(|found| found.0 == FileType::Directory);
        if flags.contains(RenameFlags::NO_REPLACE) && to.found.is_some() {
            return Err(DirError::Exists);
        }
        if exchange && to.found.is_none() {
            return Err(DirError::NotFound);
        }
        if exchange && !is_dir(to) && to.walk.has_slash() {
            return Err(DirError::NotDirectory);
        }
        if !is_dir(from) && (from.walk.has_slash() || !exchange && to.walk.has_slash()) {
            return Err(DirError::NotDirectory);
        }
        let (into_itself, over_parent) = self.vfs().tree(|tree| {
            let (source, target) = (from.child.loc().dentry, to.child.loc().dentry);
            let (old, new) = (from.walk.at.loc().dentry, to.walk.at.loc().dentry);
            (tree.is_below(new, source), tree.is_below(old, target))
        });
        if into_itself {
            return Err(DirError::IntoItself);
        }
        match (over_parent, exchange) {
            (true, true) => Err(DirError::IntoItself),
            (true, false) => Err(DirError::NotEmpty),
            _ => Ok(()),
        }
    }

    fn check_rights(
        &self,
        from: &End<'_, '_, 'v, E>,
        to: &End<'_, '_, 'v, E>,
        exchange: bool,
    ) -> Result<(), DirError> {
        let dir = |found: Option<(FileType, u32)>| found.is_some_and(|found| found.0 == FileType::Directory);
        let (source_dir, target_dir) = (dir(from.found), dir(to.found));
        let mounted =
            |end: &End<'_, '_, 'v, E>| self.vfs().tree(|tree| tree.dentry(end.child.loc().dentry).mounts > 0);
        // Whether something is mounted there is asked last, as Linux does; `may_remove` asks first.
        let busy = |result: Result<(), DirError>| match result {
            Err(DirError::Busy) => Ok(()),
            other => other,
        };
        busy(self.may_remove(&from.dir, &from.child, source_dir))?;
        if to.found.is_none() {
            self.may_add(&to.dir)?;
        } else {
            busy(self.may_remove(&to.dir, &to.child, if exchange { target_dir } else { source_dir }))?;
        }
        if from.dir.inode != to.dir.inode {
            // A directory that moves gets another `..`.
            if source_dir {
                self.may_write(&from.child)?;
            }
            if exchange && target_dir {
                self.may_write(&to.child)?;
            }
        }
        if mounted(from) || mounted(to) {
            return Err(DirError::Busy);
        }
        let features = from.dir.fs.info().features;
        if exchange && !features.contains(FsFeatures::EXCHANGE) {
            return Err(DirError::Invalid);
        }
        Ok(())
    }

    fn may_write(&self, place: &Place<'v, E>) -> Result<(), DirError> {
        let attr = self.vfs().attr_of(place).ok_or(DirError::NotFound)?;
        Ok(perm::may(&self.ctx.cred, &attr, Access::WRITE)?)
    }
}

/// The driver has renamed: so does the cache.
fn moved<E: Env>(
    tree: &mut Tree,
    from: &End<'_, '_, '_, E>,
    to: &End<'_, '_, '_, E>,
    (from_name, to_name): (NameBuf, NameBuf),
    exchange: bool,
) {
    let (source, target) = (from.child.loc().dentry, to.child.loc().dentry);
    let (old, new) = (from.walk.at.loc().dentry, to.walk.at.loc().dentry);
    tree.dentries.unhash(target);
    tree.reattach(source, new, to_name);
    if exchange {
        tree.reattach(target, old, from_name);
    } else if let Some((FileType::Directory, _)) = to.found
        && target != source
    {
        tree.bury(target);
    }
}

//! Looking at files, and changing what is known of them.
//!
//! Source: POSIX.1-2024 `stat`, `access`, `chmod`, `chown`, `utimensat`, `readlink`, `truncate`.

use super::{At, AtFlags, AttrError, Call};
use crate::attr::{Attr, FileType, Mode, SetAttr, Timestamp};
use crate::error::FsError;
use crate::file::FileError;
use crate::fs::StatFs;
use crate::name::PATH_MAX;
use crate::perm::{self, Access};
use crate::ports::Env;
use crate::tree::mount::MountFlags;
use crate::tree::place::{Place, View};
use crate::walk::ResolveFault;

/// What `stat` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Which mounted file system: a number that is never used again.
    pub device: u64,
    /// The file.
    pub attr: Attr,
    /// Bytes in which it is best read and written.
    pub block_size: u32,
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// As it is (`UTIME_OMIT`).
    Omit,
    /// The time of day (`UTIME_NOW`).
    Now,
    /// This one.
    To(Timestamp),
}

impl<'v, E: Env> Call<'_, 'v, E> {
    /// What is known now of the file at a place.
    ///
    /// # Errors
    /// What the file system says.
    pub fn stat(&self, place: &Place<'v, E>) -> Result<Stat, AttrError> {
        let node = place.node();
        let attr = self.vfs().attr(&node)?;
        let device = self.vfs().tree(|tree| tree.supers.at(node.fs_id).device);
        Ok(Stat { device, attr, block_size: node.fs.info().block_size })
    }

    /// How full the file system at a place is.
    ///
    /// # Errors
    /// What it says.
    pub fn statfs(&self, place: &Place<'v, E>) -> Result<StatFs, AttrError> {
        Ok(place.node().fs.statfs()?)
    }

    /// Where the symlink at a place points: copied to the start of `target`; returns how many bytes that is, or how many fit.
    ///
    /// # Errors
    /// Not a symlink, no memory, or what the file system says.
    pub fn readlink(&self, place: &Place<'v, E>, target: &mut [u8]) -> Result<usize, AttrError> {
        let is_link = self.vfs().attr_of(place).is_some_and(|attr| attr.kind == FileType::Symlink);
        if !is_link || target.is_empty() {
            return Err(AttrError::Invalid);
        }
        let node = place.node();
        let mut whole = alloc::vec::Vec::new();
        whole.try_reserve_exact(PATH_MAX).map_err(FsError::from)?;
        whole.resize(PATH_MAX, 0);
        let Some(room) = whole.first_chunk_mut() else { return Err(AttrError::Invalid) };
        let length = node.fs.dirs().readlink(node.ino, room)?;
        self.vfs().touch(place);
        let length = length.min(target.len());
        for (to, from) in target.iter_mut().zip(whole.iter().take(length)) {
            *to = *from;
        }
        Ok(length)
    }

    /// Whether the caller may do all of `want` at a place; with nothing wanted, it is there.
    ///
    /// # Errors
    /// Why not.
    pub fn access(&self, place: &Place<'v, E>, want: Access) -> Result<(), AttrError> {
        let Some(attr) = self.vfs().attr_of(place) else { return Ok(()) };
        let regular = attr.kind == FileType::Regular;
        if want.contains(Access::EXEC)
            && regular
            && self.vfs().mount_flags(place).contains(MountFlags::NO_EXEC)
        {
            return Err(AttrError::NoExec);
        }
        perm::may(&self.ctx.cred, &attr, want)?;
        let stored = matches!(attr.kind, FileType::Regular | FileType::Directory | FileType::Symlink);
        if want.contains(Access::WRITE) && stored {
            self.vfs().want_write(place).map_err(|()| AttrError::ReadOnly)?;
        }
        Ok(())
    }

    /// Sets permission bits.
    ///
    /// # Errors
    /// Why not.
    pub fn chmod(&self, place: &Place<'v, E>, mode: Mode) -> Result<(), AttrError> {
        self.change(place, |attr, now| {
            if attr.kind == FileType::Symlink {
                return Err(AttrError::Unsupported);
            }
            let mode = perm::change_mode(&self.ctx.cred, attr, mode)?;
            Ok(SetAttr { mode: Some(mode), changed: Some(now), ..SetAttr::default() })
        })
    }

    /// Sets owner and group; `None` stays.
    ///
    /// # Errors
    /// Why not.
    pub fn chown(&self, place: &Place<'v, E>, uid: Option<u32>, gid: Option<u32>) -> Result<(), AttrError> {
        self.change(place, |attr, now| {
            let mode = perm::change_owner(&self.ctx.cred, attr, uid, gid)?;
            Ok(SetAttr { uid, gid, mode: Some(mode), changed: Some(now), ..SetAttr::default() })
        })
    }

    /// Sets the times of reading and of change.
    ///
    /// # Errors
    /// Why not.
    pub fn set_times(
        &self,
        place: &Place<'v, E>,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<(), AttrError> {
        if (accessed, modified) == (SetTime::Omit, SetTime::Omit) {
            return Ok(());
        }
        let chosen = (accessed, modified) != (SetTime::Now, SetTime::Now);
        let step = place.node().fs.info().time_step;
        self.change(place, |attr, now| {
            perm::may_set_times(&self.ctx.cred, attr, chosen)?;
            let time = |set| match set {
                SetTime::Omit => None,
                SetTime::Now => Some(now),
                SetTime::To(time) => Some(time.truncated(step)),
            };
            let (accessed, modified) = (time(accessed), time(modified));
            Ok(SetAttr { accessed, modified, changed: Some(now), ..SetAttr::default() })
        })
    }

    /// Works out what to set from what is known, with the file locked; then sets it.
    fn change(
        &self,
        place: &Place<'v, E>,
        work: impl FnOnce(&Attr, Timestamp) -> Result<SetAttr, AttrError>,
    ) -> Result<(), AttrError> {
        self.vfs().want_write(place).map_err(|()| AttrError::ReadOnly)?;
        let node = place.node();
        let _file = self.vfs().exclude(node.inode);
        let attr = node.fs.attr(node.ino)?;
        let set = work(&attr, self.vfs().now())?;
        let attr = self.vfs().set_attr(&node, &set).map_err(|error| match error {
            FsError::Unsupported => AttrError::NotStored,
            error => AttrError::Fs(error),
        })?;
        self.vfs().learn(&node, attr);
        Ok(())
    }

    /// Sets the size of the file at `path`.
    ///
    /// # Errors
    /// Why not.
    pub fn truncate(&self, at: At<'_, 'v, E>, path: &[u8], size: u64) -> Result<(), AttrError> {
        if size > i64::MAX.cast_unsigned() {
            return Err(AttrError::Invalid);
        }
        self.set_size_of(&self.resolve(at, path, AtFlags::empty())?, size)
    }

    /// Sets the size of the file at a place, as who may write it.
    ///
    /// # Errors
    /// Why not.
    pub fn set_size_of(&self, place: &Place<'v, E>, size: u64) -> Result<(), AttrError> {
        if size > i64::MAX.cast_unsigned() {
            return Err(AttrError::Invalid);
        }
        let Some(attr) = self.vfs().attr_of(place) else { return Err(AttrError::Invalid) };
        match attr.kind {
            FileType::Regular => {}
            FileType::Directory => return Err(AttrError::IsDirectory),
            _ => return Err(AttrError::Invalid),
        }
        self.vfs().want_write(place).map_err(|()| AttrError::ReadOnly)?;
        perm::may(&self.ctx.cred, &attr, Access::WRITE)?;
        self.cut_node(&place.node(), size).map_err(|error| match error {
            FileError::Fs(error) => AttrError::Fs(error),
            FileError::TooLarge { limit } => AttrError::TooLarge { limit },
            _ => AttrError::Invalid,
        })
    }

    /// The directory at `path`, to stand in: the caller may search it.
    fn standing(&self, at: At<'_, 'v, E>, path: &[u8]) -> Result<Place<'v, E>, AttrError> {
        let place = self.resolve(at, path, AtFlags::empty())?;
        let attr = self.vfs().attr_of(&place).filter(|attr| attr.kind == FileType::Directory);
        let Some(attr) = attr else {
            let fault = ResolveFault::NotDirectory;
            return Err(AttrError::Resolve(crate::walk::ResolveError { fault, component: 0 }));
        };
        perm::may(&self.ctx.cred, &attr, Access::EXEC)?;
        Ok(place)
    }

    /// A view like the caller's with the directory at `path` as its working directory.
    ///
    /// # Errors
    /// Not a directory, or he may not search it.
    pub fn chdir(&self, at: At<'_, 'v, E>, path: &[u8]) -> Result<View<'v, E>, AttrError> {
        Ok(View { cwd: self.standing(at, path)?, ..self.view.clone() })
    }

    /// A view like the caller's with the directory at `path` as its root. The working directory stays where it is.
    ///
    /// # Errors
    /// Not a directory, or he may not search it or has no [`CapSet::SYS_CHROOT`](crate::CapSet::SYS_CHROOT).
    pub fn chroot(&self, at: At<'_, 'v, E>, path: &[u8]) -> Result<View<'v, E>, AttrError> {
        let root = self.standing(at, path)?;
        let needs = crate::cred::CapSet::SYS_CHROOT;
        if !self.ctx.cred.has(needs) {
            return Err(perm::Denied::Needs(needs).into());
        }
        Ok(View { root, ..self.view.clone() })
    }

    /// Sets permission bits of what is at `path`.
    ///
    /// # Errors
    /// Why not.
    pub fn chmod_at(&self, at: At<'_, 'v, E>, path: &[u8], mode: Mode) -> Result<(), AttrError> {
        self.chmod(&self.resolve(at, path, AtFlags::empty())?, mode)
    }

    /// What is known now of the file at `path`.
    ///
    /// # Errors
    /// The path leads nowhere, or what the file system says.
    pub fn stat_at(&self, at: At<'_, 'v, E>, path: &[u8], flags: AtFlags) -> Result<Stat, AttrError> {
        self.stat(&self.resolve(at, path, flags)?)
    }
}

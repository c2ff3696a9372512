//! Opening: [`Call::open`](crate::Call::open).
//!
//! Source: POSIX.1-2024 `open`; where it leaves a choice, Linux (`fs/namei.c`, `fs/open.c`).

use super::error::FileError;
use super::flags::OpenFlags;
use super::table::OpenFile;
use crate::attr::{Attr, DeviceNumber, FileType, Mode};
use crate::call::{At, Call, DirError};
use crate::cred::CapSet;
use crate::fs::{FsFeatures, NewNode};
use crate::perm::{self, Access, Denied};
use crate::ports::Env;
use crate::tree::mount::MountFlags;
use crate::tree::place::Place;
use crate::walk::{Last, ResolveFault, ResolveFlags, Walk};

/// How to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// The flags of `open`.
    pub flags: OpenFlags,
    /// Permission bits of a file that is made, before the umask.
    pub mode: Mode,
    /// How the path may lead.
    pub resolve: ResolveFlags,
}

impl How {
    /// As `open(2)` does: flags alone.
    pub const fn flags(flags: OpenFlags) -> Self {
        Self { flags, mode: Mode::empty(), resolve: ResolveFlags::empty() }
    }

    /// Makes the file if it is missing.
    pub const fn create(flags: OpenFlags, mode: Mode) -> Self {
        Self { flags: flags.union(OpenFlags::CREATE), mode, resolve: ResolveFlags::empty() }
    }
}

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Opens the file at `path`, or makes it.
    ///
    /// # Errors
    /// Why not. Nothing is made or cut then, but a file that was made stays if there is no slot to open it.
    pub fn open(&self, at: At<'_, 'v, E>, path: &[u8], how: &How) -> Result<OpenFile<'v, E>, FileError> {
        let flags = how.flags.normalized().ok_or(FileError::Invalid)?;
        let writing = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::NAMELESS;
        if how.resolve.contains(ResolveFlags::CACHED) && flags.intersects(writing) {
            return Err(self.refuse(ResolveFault::NotCached));
        }
        let walk = self.walk(at, path, how.resolve)?;
        if flags.contains(OpenFlags::NAMELESS) {
            return self.open_nameless(walk, flags, how.mode);
        }
        if flags.contains(OpenFlags::CREATE) {
            return self.open_or_create(walk, flags, how.mode);
        }
        let place = walk.end(!flags.contains(OpenFlags::NO_FOLLOW))?;
        self.open_found(place, flags, false)
    }

    /// Opens a place once more, as reading `/proc/self/fd/N` does.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reopen(&self, place: &Place<'v, E>, flags: OpenFlags) -> Result<OpenFile<'v, E>, FileError> {
        let making = OpenFlags::CREATE | OpenFlags::NAMELESS;
        let flags = flags.normalized().filter(|flags| !flags.intersects(making));
        self.open_found(place.clone(), flags.ok_or(FileError::Invalid)?, false)
    }

    fn refuse(&self, fault: ResolveFault) -> FileError {
        FileError::Resolve(crate::walk::ResolveError { fault, component: 0 })
    }

    fn open_or_create(
        &self,
        mut walk: Walk<'_, 'v, E>,
        flags: OpenFlags,
        mode: Mode,
    ) -> Result<OpenFile<'v, E>, FileError> {
        walk.parent()?;
        loop {
            let there = walk.last != Last::Name;
            if there && flags.contains(OpenFlags::EXCLUSIVE) {
                return Err(FileError::Create(DirError::Exists));
            }
            if there || walk.has_slash() {
                return Err(FileError::IsDirectory);
            }
            let dir = walk.at.node();
            let names = self.vfs().exclude(dir.inode);
            let child = walk.look_up_locked(&dir)?;
            let Some(attr) = self.vfs().attr_of(&child) else {
                let place = self.create_file(&walk, &dir, child, mode)?;
                drop(names);
                return self.open_found(place, flags, true);
            };
            drop(names);
            if flags.contains(OpenFlags::EXCLUSIVE) {
                return Err(FileError::Create(DirError::Exists));
            }
            if attr.kind == FileType::Symlink && !flags.contains(OpenFlags::NO_FOLLOW) {
                walk.follow_last(&child)?;
                continue;
            }
            let place = walk.enter_last(&child)?;
            return self.open_found(place, flags, false);
        }
    }

    fn create_file(
        &self,
        walk: &Walk<'_, 'v, E>,
        dir: &crate::tree::Node,
        child: Place<'v, E>,
        mode: Mode,
    ) -> Result<Place<'v, E>, FileError> {
        self.vfs().want_write(&walk.at).map_err(|()| FileError::ReadOnly)?;
        let dir_attr = self.may_add(dir).map_err(FileError::from)?;
        let new = self.new_node(&dir_attr, FileType::Regular, mode, DeviceNumber::default(), &[]);
        self.make(dir, walk.name()?, &child, &new)?;
        Ok(child)
    }

    fn open_nameless(
        &self,
        walk: Walk<'_, 'v, E>,
        flags: OpenFlags,
        mode: Mode,
    ) -> Result<OpenFile<'v, E>, FileError> {
        let dir = walk.end(true)?;
        let node = dir.node();
        let dir_attr = self.vfs().attr_of(&dir).filter(|attr| attr.kind == FileType::Directory);
        let dir_attr = dir_attr.ok_or(FileError::NotDirectory)?;
        self.vfs().want_write(&dir).map_err(|()| FileError::ReadOnly)?;
        perm::may(&self.ctx.cred, &dir_attr, Access::WRITE | Access::EXEC)?;
        if !node.fs.info().features.contains(FsFeatures::NAMELESS) {
            return Err(FileError::Unsupported);
        }
        let new = self.new_node(&dir_attr, FileType::Regular, mode, DeviceNumber::default(), &[]);
        let attr = node.fs.dirs().create_nameless(node.ino, &new)?;
        let hidden = flags.contains(OpenFlags::EXCLUSIVE);
        let place = self.vfs().adopt_nameless(&dir, &node, attr, hidden).ok_or(FileError::NoMemory)?;
        self.open_found(place, flags, true)
    }

    /// Opens what is there; what was `made` just now needs no permission.
    fn open_found(
        &self,
        place: Place<'v, E>,
        flags: OpenFlags,
        made: bool,
    ) -> Result<OpenFile<'v, E>, FileError> {
        let attr = self.vfs().attr_of(&place).ok_or(FileError::BadDescriptor)?;
        let wants_dir = flags.contains(OpenFlags::DIRECTORY) && !flags.contains(OpenFlags::NAMELESS);
        if wants_dir && attr.kind != FileType::Directory {
            // A symlink that is not followed is one first, to Linux.
            return Err(FileError::NotDirectory);
        }
        if flags.contains(OpenFlags::PATH) {
            return OpenFile::new(place, flags, attr.kind).ok_or(FileError::TableFull);
        }
        if !made {
            self.may_open(&place, &attr, flags)?;
        }
        let mut file = OpenFile::new(place, flags, attr.kind).ok_or(FileError::TableFull)?;
        match attr.kind {
            FileType::Regular => self.open_made(&mut file)?,
            FileType::Directory => {}
            _ => self.open_special(&mut file, &attr)?,
        }
        if flags.contains(OpenFlags::TRUNCATE) && attr.kind == FileType::Regular && !made {
            self.cut(&file, 0)?;
        }
        Ok(file)
    }

    fn may_open(&self, place: &Place<'v, E>, attr: &Attr, flags: OpenFlags) -> Result<(), FileError> {
        let access = flags.access();
        let mount = self.vfs().mount_flags(place);
        match attr.kind {
            FileType::Symlink => return Err(FileError::IsLink),
            FileType::Directory if access.contains(Access::WRITE) || flags.contains(OpenFlags::CREATE) => {
                return Err(FileError::IsDirectory);
            }
            FileType::CharDevice | FileType::BlockDevice if mount.contains(MountFlags::NO_DEVICES) => {
                return Err(FileError::NoDevices);
            }
            _ => {}
        }
        if is_stored(attr.kind) && access.contains(Access::WRITE) {
            self.vfs().want_write(place).map_err(|()| FileError::ReadOnly)?;
        }
        perm::may(&self.ctx.cred, attr, access)?;
        let own = self.ctx.cred.owns(attr) || self.ctx.cred.has(CapSet::FOWNER);
        if flags.contains(OpenFlags::NO_ACCESS_TIME) && !own {
            return Err(FileError::Denied(Denied::NotOwner));
        }
        Ok(())
    }

    /// For [`NewNode`]: what the caller makes in a directory.
    pub(crate) fn new_node<'n>(
        &self,
        dir: &Attr,
        kind: FileType,
        mode: Mode,
        device: DeviceNumber,
        target: &'n [u8],
    ) -> NewNode<'n> {
        let cred = &self.ctx.cred;
        let (gid, mode) = perm::for_new(cred, dir, kind, mode, self.ctx.umask);
        NewNode { kind, mode, uid: cred.uid, gid, device, target, now: self.vfs().now() }
    }
}

/// Whether a file system has the bytes or names of such a file.
const fn is_stored(kind: FileType) -> bool {
    matches!(kind, FileType::Regular | FileType::Directory)
}

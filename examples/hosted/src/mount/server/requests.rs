//! The requests as `fuser` hands them over: what each asks of the [`Server`], and how it is answered.

use alloc::sync::Arc;
use core::time::Duration;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use fuser::{
    AccessFlags, BsdFileFlags, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenFlags as HostFlags, RenameFlags as HostRename, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLock, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use kos_vfs::fs::{RenameFlags, XattrFlags};
use kos_vfs::name::PATH_MAX;
use kos_vfs::perm::Access;
use kos_vfs::{At, Call, Errno, SeekFrom, XattrName};

use super::super::Spot;
use super::super::caller::Caller;
use super::super::convert::{self, errno};
use super::super::locks::{Asked, Locks};
use super::{Changes, Server, Told, read_at};
use crate::fs::env::SleepEnv;

/// Nothing is valid for any time: Linux asks again.
const TTL: Duration = Duration::ZERO;

fn entry(reply: ReplyEntry, told: Result<Told, Errno>) {
    match told {
        Ok(told) => reply.entry(&TTL, &told.attr, told.generation),
        Err(error) => reply.error(errno(error)),
    }
}

fn empty(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(error)),
    }
}

fn opened(reply: ReplyOpen, handle: Result<FileHandle, Errno>) {
    match handle {
        // Every change comes through this mount, so what Linux has cached of a file is still right.
        Ok(handle) => reply.opened(handle, FopenFlags::FOPEN_KEEP_CACHE),
        Err(error) => reply.error(errno(error)),
    }
}

/// Replies with the bytes that `fill` puts into room of `size` bytes, or with their number where no room was asked for.
fn sized(reply: ReplyXattr, size: u32, fill: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) {
    let mut out = vec![0; size as usize];
    match fill(&mut out) {
        Ok(needed) if size == 0 => reply.size(u32::try_from(needed).unwrap_or(u32::MAX)),
        Ok(length) => reply.data(out.get(..length).unwrap_or_default()),
        Err(error) => reply.error(errno(error)),
    }
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let mut wanted = InitFlags::FUSE_DONT_MASK
            | InitFlags::FUSE_ATOMIC_O_TRUNC
            | InitFlags::FUSE_HANDLE_KILLPRIV_V2
            | InitFlags::FUSE_PARALLEL_DIROPS;
        wanted.set(InitFlags::FUSE_POSIX_LOCKS, self.locks.is_some());
        // What an old Linux lacks it does itself, with a mask or in two steps.
        let _ = config.add_capabilities(wanted & config.capabilities());
        Ok(())
    }

    fn destroy(&mut self) {
        self.locks.iter().for_each(Locks::clear);
        self.handles.clear();
        self.nodes.clear();
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.nodes.get(parent);
        entry(reply, found.and_then(|dir| self.call(request, 0, |call| self.find(call, &dir, name))));
    }

    fn forget(&self, _: &Request, node: INodeNo, lookups: u64) {
        self.nodes.forget(node, lookups);
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.nodes.get(node).and_then(|place| self.attr(&place)) {
            Ok(told) => reply.attr(&TTL, &told.attr),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        node: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let (accessed, modified) = (convert::set_time(accessed), convert::set_time(modified));
        let set = Changes { mode, uid, gid, size, accessed, modified, handle };
        match self.set(request, node, &set) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn readlink(&self, _: &Request, node: INodeNo, reply: ReplyData) {
        let mut target = [0; PATH_MAX];
        let length = self.nodes.get(node);
        let length = length.and_then(|place| self.root_call(|call| Ok(call.readlink(&place, &mut target)?)));
        match length {
            Ok(length) => reply.data(target.get(..length).unwrap_or_default()),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        let Some((kind, mode)) = convert::mode(mode) else { return reply.error(fuser::Errno::EINVAL) };
        let device = convert::device(device);
        let made = self.make(request, umask, (parent, name), |call, at, name| {
            Ok(call.mknod(at, name, kind, mode, device)?)
        });
        entry(reply, made);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self.make(request, umask, (parent, name), |call, at, name| {
            Ok(call.mkdir(at, name, convert::permissions(mode))?)
        });
        entry(reply, made);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let made = self.make(request, 0, (parent, name), |call, at, name| {
            Ok(call.symlink(target.as_os_str().as_bytes(), at, name)?)
        });
        entry(reply, made);
    }

    fn link(&self, request: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let file = self.nodes.get(node);
        let made = file.and_then(|file| {
            self.make(request, 0, (parent, name), |call, at, name| Ok(call.link_place(&file, at, name)?))
        });
        entry(reply, made);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let dir = self.nodes.get(parent);
        empty(
            reply,
            dir.and_then(|dir| {
                self.call(request, 0, |call| Ok(call.unlink(At::Place(&dir), name.as_bytes())?))
            }),
        );
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let dir = self.nodes.get(parent);
        empty(
            reply,
            dir.and_then(|dir| {
                self.call(request, 0, |call| Ok(call.rmdir(At::Place(&dir), name.as_bytes())?))
            }),
        );
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: HostRename,
        reply: ReplyEmpty,
    ) {
        let Some(flags) = RenameFlags::from_bits(flags.bits()) else {
            return reply.error(fuser::Errno::EINVAL);
        };
        let rename = || {
            let (from, to) = (self.nodes.get(parent)?, self.nodes.get(new_parent)?);
            let (old, new) = (name.as_bytes(), new_name.as_bytes());
            self.call(request, 0, |call| {
                Ok(call.rename(At::Place(&from), old, At::Place(&to), new, flags)?)
            })
        };
        empty(reply, rename());
    }

    fn open(&self, request: &Request, node: INodeNo, flags: HostFlags, reply: ReplyOpen) {
        opened(reply, self.open_node(request, node, flags));
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        match self.create_file(request, (parent, name), (mode, umask), flags) {
            Ok((told, handle)) => {
                reply.created(&TTL, &told.attr, told.generation, handle, FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(error) => reply.error(errno(error)),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: HostFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.handles.get(handle).and_then(|file| read_at(&file, offset, size)) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn write(
        &self,
        request: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        flags: WriteFlags,
        _: HostFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.handles.get(handle).and_then(|file| {
            // Linux says whether the writer may leave set-user-ID bits standing; else he needs no name.
            let work = |call: &Call<'_, 'static, SleepEnv>| Ok(call.pwrite(&file, data, offset)?);
            if flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
                self.call(request, 0, work)
            } else {
                self.root_call(work)
            }
        });
        match written.map(|count| u32::try_from(count).unwrap_or(u32::MAX)) {
            Ok(count) => reply.written(count),
            Err(error) => reply.error(errno(error)),
        }
    }

    /// Without locks nothing waits for a descriptor to be closed: Linux need not ask again.
    fn flush(&self, _: &Request, _: INodeNo, handle: FileHandle, owner: LockOwner, reply: ReplyEmpty) {
        let Some(locks) = &self.locks else { return reply.error(fuser::Errno::ENOSYS) };
        empty(reply, self.handles.get(handle).map(|file| locks.closed(owner, handle, &file)));
    }

    fn getlk(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        pid: u32,
        reply: ReplyLock,
    ) {
        let asked = Asked { owner, handle, start, end, kind, pid };
        match (&self.locks, self.handles.get(handle)) {
            (Some(locks), Ok(file)) => locks.find(&asked, &file, reply),
            (_, Err(error)) => reply.error(errno(error)),
            (None, _) => reply.error(fuser::Errno::ENOSYS),
        }
    }

    fn setlk(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        pid: u32,
        wait: bool,
        reply: ReplyEmpty,
    ) {
        let asked = Asked { owner, handle, start, end, kind, pid };
        match (&self.locks, self.handles.get(handle)) {
            (Some(locks), Ok(file)) => locks.set(&asked, &file, wait, reply),
            (_, Err(error)) => reply.error(errno(error)),
            (None, _) => reply.error(fuser::Errno::ENOSYS),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: HostFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.locks.iter().for_each(|locks| locks.released(handle));
        self.handles.close(handle);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, data: bool, reply: ReplyEmpty) {
        empty(reply, self.sync(handle, data));
    }

    fn opendir(&self, request: &Request, node: INodeNo, flags: HostFlags, reply: ReplyOpen) {
        opened(reply, self.open_node(request, node, flags));
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.list(handle, offset, &mut reply) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: HostFlags, reply: ReplyEmpty) {
        self.handles.close(handle);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, handle: FileHandle, data: bool, reply: ReplyEmpty) {
        empty(reply, self.sync(handle, data));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let info = self.fs.info();
        let name = u32::try_from(info.max_name).unwrap_or(u32::MAX);
        match self.fs.statfs() {
            Ok(stat) => reply.statfs(
                stat.blocks,
                stat.free,
                stat.available,
                stat.files,
                stat.files_free,
                info.block_size,
                name,
                info.block_size,
            ),
            Err(error) => reply.error(errno(error.errno())),
        }
    }

    fn access(&self, request: &Request, node: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let want = Access::from_bits_truncate(mask.bits().to_le_bytes()[0]);
        let asked = self.nodes.get(node).and_then(|place| {
            let caller = Caller::of(request).real();
            let ctx = caller.ctx(0);
            Ok(self.view.call(&ctx).access(&place, want)?)
        });
        empty(reply, asked);
    }

    fn setxattr(
        &self,
        request: &Request,
        node: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let set = |place: Arc<Spot>| {
            let flags = XattrFlags::from_bits(flags.cast_unsigned()).ok_or(Errno::EINVAL)?;
            let name = XattrName::new(name.as_bytes())?;
            self.call(request, 0, |call| Ok(call.set_xattr(&place, name, value, flags)?))
        };
        empty(reply, self.nodes.get(node).and_then(set));
    }

    fn getxattr(&self, request: &Request, node: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        sized(reply, size, |out| {
            let (place, name) = (self.nodes.get(node)?, XattrName::new(name.as_bytes())?);
            self.call(request, 0, |call| Ok(call.get_xattr(&place, name, out)?))
        });
    }

    fn listxattr(&self, request: &Request, node: INodeNo, size: u32, reply: ReplyXattr) {
        sized(reply, size, |out| {
            let place = self.nodes.get(node)?;
            self.call(request, 0, |call| Ok(call.list_xattrs(&place, out)?))
        });
    }

    fn removexattr(&self, request: &Request, node: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let remove = |place: Arc<Spot>| {
            let name = XattrName::new(name.as_bytes())?;
            self.call(request, 0, |call| Ok(call.remove_xattr(&place, name)?))
        };
        empty(reply, self.nodes.get(node).and_then(remove));
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let allocate = || {
            let how = convert::allocate(mode).ok_or(Errno::EOPNOTSUPP)?;
            let file = self.handles.get(handle)?;
            self.root_call(|call| Ok(call.allocate(&file, how, offset, length)?))
        };
        empty(reply, allocate());
    }

    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let seek = || {
            let offset = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            let to = match whence {
                libc::SEEK_DATA => SeekFrom::Data(offset),
                libc::SEEK_HOLE => SeekFrom::Hole(offset),
                _ => return Err(Errno::EINVAL),
            };
            Ok(self.handles.get(handle)?.seek(to)?)
        };
        match seek() {
            Ok(position) => reply.offset(position.cast_signed()),
            Err(error) => reply.error(errno(error)),
        }
    }
}

//! [`Server`]: each request of FUSE as one operation of kos-vfs.
//!
//! Linux walks paths, follows symlinks, keeps descriptors, appends and caches pages; it asks here for one name at a time. As
//! names and attributes are valid for no time at all, every component of every path comes here, and is checked here. Linux locks
//! a directory while a name in it is made, moved or removed, so what was just made is still there when it is looked up.
//!
//! Source: Linux `include/uapi/linux/fuse.h`, `fs/fuse/dir.c`, `fs/fuse/file.c`.

use alloc::sync::Arc;
use core::time::Duration;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use fuser::{
    AccessFlags, BsdFileFlags, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags as HostFlags, RenameFlags as HostRename, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use kos_vfs::fs::{FileSystem, RenameFlags, SyncMode, XattrFlags};
use kos_vfs::name::PATH_MAX;
use kos_vfs::perm::Access;
use kos_vfs::{At, AtFlags, Call, Ctx, Errno, How, OpenFlags, SeekFrom, SetTime, View, XattrName};

use super::caller::Caller;
use super::convert::{self, errno};
use super::nodes::{Handles, Nodes};
use super::{File, Spot};
use crate::fs::env::SleepEnv;

/// Nothing is valid for any time: Linux asks again.
const TTL: Duration = Duration::ZERO;

/// A program is opened to be run; Linux's own flag, which no header shows.
const FOR_EXECUTION: i32 = 0x20;

/// One file system, served.
#[derive(Debug)]
pub(super) struct Server {
    view: View<'static, SleepEnv>,
    fs: Arc<dyn FileSystem>,
    nodes: Nodes,
    handles: Handles,
}

/// What Linux is told of a file.
struct Told {
    attr: FileAttr,
    generation: Generation,
}

impl Server {
    /// Serves `fs`, whose root `view` stands in.
    pub(super) fn new(view: View<'static, SleepEnv>, fs: Arc<dyn FileSystem>) -> Result<Self, Errno> {
        let root = view.call(&Ctx::root()).resolve(At::Cwd, b"/", AtFlags::empty())?;
        let nodes = Nodes::new(fs.root().number, root);
        Ok(Self { view, fs, nodes, handles: Handles::default() })
    }

    /// Does `work` as who sent the request.
    fn call<R>(
        &self,
        request: &Request,
        umask: u32,
        work: impl FnOnce(&Call<'_, 'static, SleepEnv>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let caller = Caller::of(request);
        let ctx = caller.ctx(umask);
        work(&self.view.call(&ctx))
    }

    /// Does `work` as nobody who could be refused.
    fn root_call<R>(
        &self,
        work: impl FnOnce(&Call<'_, 'static, SleepEnv>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        work(&self.view.call(&Ctx::root()))
    }

    fn attr(&self, place: &Spot) -> Result<Told, Errno> {
        let stat = self.root_call(|call| Ok(call.stat(place)?))?;
        let node = self.nodes.number(stat.attr.ino.number);
        let generation = Generation(stat.attr.ino.generation.into());
        Ok(Told { attr: convert::attr(node, &stat.attr, stat.block_size), generation })
    }

    /// What Linux is told of a file that it will know from now on.
    fn tell(&self, place: Spot) -> Result<Told, Errno> {
        let told = self.attr(&place)?;
        self.nodes.tell(told.attr.ino, place);
        Ok(told)
    }

    /// The name in a directory, as who may search it.
    fn find(&self, call: &Call<'_, 'static, SleepEnv>, dir: &Spot, name: &OsStr) -> Result<Told, Errno> {
        self.tell(call.resolve(At::Place(dir), name.as_bytes(), AtFlags::NO_FOLLOW)?)
    }

    /// Makes a name in a directory, and tells of it.
    fn make(
        &self,
        request: &Request,
        umask: u32,
        (parent, name): (INodeNo, &OsStr),
        work: impl FnOnce(&Call<'_, 'static, SleepEnv>, At<'_, 'static, SleepEnv>, &[u8]) -> Result<(), Errno>,
    ) -> Result<Told, Errno> {
        let dir = self.nodes.get(parent)?;
        self.call(request, umask, |call| {
            work(call, At::Place(&dir), name.as_bytes())?;
            self.find(call, &dir, name)
        })
    }

    fn open_node(&self, request: &Request, node: INodeNo, flags: HostFlags) -> Result<FileHandle, Errno> {
        let place = self.nodes.get(node)?;
        let kept = convert::open_flags(flags.0);
        let file = if flags.0 & FOR_EXECUTION == 0 {
            self.call(request, 0, |call| Ok(call.reopen(&place, kept)?))
        } else {
            // To run it is to read it, without the right to.
            self.call(request, 0, |call| Ok(call.access(&place, Access::EXEC)?))
                .and_then(|()| self.root_call(|call| Ok(call.reopen(&place, kept)?)))
        };
        Ok(self.handles.insert(file?))
    }

    fn create_file(
        &self,
        request: &Request,
        (parent, name): (INodeNo, &OsStr),
        (mode, umask): (u32, u32),
        flags: i32,
    ) -> Result<(Told, FileHandle), Errno> {
        let dir = self.nodes.get(parent)?;
        let flags = convert::open_flags(flags) | OpenFlags::NO_FOLLOW;
        let how = How::create(flags, convert::permissions(mode));
        let file =
            self.call(request, umask, |call| Ok(call.open(At::Place(&dir), name.as_bytes(), &how)?))?;
        let told = self.tell(file.place().clone())?;
        Ok((told, self.handles.insert(file)))
    }

    /// Sets a size through an open file, or as who may write the file.
    fn set_size(
        &self,
        call: &Call<'_, 'static, SleepEnv>,
        place: &Spot,
        handle: Option<FileHandle>,
        size: u64,
    ) -> Result<(), Errno> {
        let open = handle.and_then(|handle| self.handles.get(handle).ok());
        match open.filter(|file| file.flags().writes()) {
            Some(file) => Ok(call.set_size(&file, size)?),
            None => Ok(call.set_size_of(place, size)?),
        }
    }

    fn set(&self, request: &Request, node: INodeNo, set: &Changes) -> Result<FileAttr, Errno> {
        let place = self.nodes.get(node)?;
        self.call(request, 0, |call| {
            if let Some(mode) = set.mode {
                call.chmod(&place, convert::permissions(mode))?;
            }
            if set.uid.is_some() || set.gid.is_some() {
                call.chown(&place, set.uid, set.gid)?;
            }
            if let Some(size) = set.size {
                self.set_size(call, &place, set.handle, size)?;
            }
            // A new size brings its time with it, for who may write but does not own.
            let with_size =
                |time| if set.size.is_some() && time == SetTime::Now { SetTime::Omit } else { time };
            Ok(call.set_times(&place, with_size(set.accessed), with_size(set.modified))?)
        })?;
        Ok(self.attr(&place)?.attr)
    }

    fn list(&self, handle: FileHandle, from: u64, reply: &mut ReplyDirectory) -> Result<(), Errno> {
        let dir = self.handles.get(handle)?;
        dir.seek(SeekFrom::Start(from))?;
        Ok(dir.list(|entry| {
            let node = self.nodes.number(entry.number);
            let name = OsStr::from_bytes(entry.name);
            !reply.add(node, entry.next.0, convert::kind(entry.kind), name)
        })?)
    }

    fn sync(&self, handle: FileHandle, data: bool) -> Result<(), Errno> {
        let mode = if data { SyncMode::Data } else { SyncMode::All };
        Ok(self.handles.get(handle)?.sync(mode)?)
    }
}

/// What a request wants changed of a file.
struct Changes {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    size: Option<u64>,
    accessed: SetTime,
    modified: SetTime,
    handle: Option<FileHandle>,
}

/// Bytes from `offset` on, as far as there are any.
fn read_at(file: &File, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; size as usize];
    let mut count = 0;
    while let Some(rest) = bytes.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.pread(rest, offset.saturating_add(count as u64)) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if count == 0 => return Err(error.into()),
            Err(_) => break,
        }
    }
    bytes.truncate(count);
    Ok(bytes)
}

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
        let wanted = InitFlags::FUSE_DONT_MASK
            | InitFlags::FUSE_ATOMIC_O_TRUNC
            | InitFlags::FUSE_HANDLE_KILLPRIV_V2
            | InitFlags::FUSE_PARALLEL_DIROPS;
        // What an old Linux lacks it does itself, with a mask or in two steps.
        let _ = config.add_capabilities(wanted & config.capabilities());
        Ok(())
    }

    fn destroy(&mut self) {
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

    /// Nothing waits for a descriptor to be closed: Linux need not ask again.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(fuser::Errno::ENOSYS);
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

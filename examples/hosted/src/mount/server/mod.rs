//! [`Server`]: each request of FUSE as one operation of kos-vfs.
//!
//! Linux walks paths, follows symlinks, keeps descriptors, appends and caches pages; it asks here for one name at a time. As
//! names and attributes are valid for no time at all, every component of every path comes here, and is checked here. Linux locks
//! a directory while a name in it is made, moved or removed, so what was just made is still there when it is looked up.
//!
//! Source: Linux `include/uapi/linux/fuse.h`, `fs/fuse/dir.c`, `fs/fuse/file.c`.

mod requests;

use alloc::sync::Arc;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use fuser::{FileAttr, FileHandle, Generation, INodeNo, OpenFlags as HostFlags, ReplyDirectory, Request};
use kos_vfs::fs::{FileSystem, SyncMode};
use kos_vfs::perm::Access;
use kos_vfs::{At, AtFlags, Call, Ctx, Errno, How, OpenFlags, SeekFrom, SetTime, View};

use super::caller::Caller;
use super::convert;
use super::locks::Locks;
use super::nodes::{Handles, Nodes};
use super::{File, Spot};
use crate::fs::env::SleepEnv;

/// A program is opened to be run; Linux's own flag, which no header shows.
const FOR_EXECUTION: i32 = 0x20;

/// One file system, served.
#[derive(Debug)]
pub(super) struct Server {
    view: View<'static, SleepEnv>,
    fs: Arc<dyn FileSystem>,
    nodes: Nodes,
    handles: Handles,
    /// `None`: Linux keeps the locks.
    locks: Option<Locks>,
}

/// What Linux is told of a file.
struct Told {
    attr: FileAttr,
    generation: Generation,
}

impl Server {
    /// Serves `fs`, whose root `view` stands in.
    pub(super) fn new(
        view: View<'static, SleepEnv>,
        fs: Arc<dyn FileSystem>,
        locks: Option<Locks>,
    ) -> Result<Self, Errno> {
        let root = view.call(&Ctx::root()).resolve(At::Cwd, b"/", AtFlags::empty())?;
        let nodes = Nodes::new(fs.root().number, root);
        Ok(Self { view, fs, nodes, handles: Handles::default(), locks })
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

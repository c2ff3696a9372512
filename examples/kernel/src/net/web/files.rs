//! Files over HTTP: read, put and deleted below one directory, out of which no path leads.
//!
//! The path is walked by the VFS from that directory under [`ResolveFlags::BENEATH`]: `..` and links that lead out are refused by the
//! walk itself, not by a look at the text. What is put has no name until all of it is there; then it takes the place of the file,
//! with that file's mode: who reads meanwhile sees the file before or the file after.

use alloc::string::String;
use core::fmt::Write;

use kos_net::Entropy;
use kos_net::services::http::{Status, decode};
use kos_vfs::fs::{RenameFlags, SyncMode};
use kos_vfs::{At, Ctx, Entry, Errno, FileType, How, Mode, OpenFlags, Place, ResolveFlags, View};

use super::answer::Answer;
use super::json::Quoted;
use super::{Grant, PAGE};
use crate::Kernel;
use crate::glue::entropy::KernelEntropy;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::shell::File;

/// Bytes of a path.
const PATH: usize = 1024;
/// Names of a listing.
const LISTED: usize = 256;

type Dir<'k, P> = Place<'k, FilesEnv<P>>;

/// What an error of the VFS is to a client.
pub(super) fn status(errno: Errno) -> Status {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => Status::NOT_FOUND,
        // Out of the root, or not allowed.
        Errno::EXDEV | Errno::ELOOP | Errno::EACCES | Errno::EPERM | Errno::EROFS => Status::FORBIDDEN,
        Errno::EINVAL | Errno::ENAMETOOLONG | Errno::EILSEQ => Status::BAD_REQUEST,
        Errno::EISDIR | Errno::ENOTEMPTY | Errno::EBUSY | Errno::EEXIST => Status::CONFLICT,
        Errno::ENOMEM | Errno::ENOSPC | Errno::EDQUOT | Errno::ENFILE | Errno::EMFILE => Status::UNAVAILABLE,
        // A file system without files that have no name.
        Errno::EOPNOTSUPP => Status::NOT_IMPLEMENTED,
        _ => Status::INTERNAL_ERROR,
    }
}

/// The error of an operation, for a client.
macro_rules! refused {
    () => {
        |error| status(error.errno())
    };
}

/// A directory that is served, and who serves it.
pub(super) struct Root<'k, P: Platform> {
    kernel: &'k Kernel<P>,
    view: View<'k, FilesEnv<P>>,
    ctx: Ctx<'static>,
    top: Dir<'k, P>,
}

impl<'k, P: Platform> Root<'k, P> {
    /// The directory of the grant, as its user sees it.
    pub(super) fn open(kernel: &'k Kernel<P>, grant: &Grant) -> Result<Self, Status> {
        let view = kernel.files().and_then(|files| files.view()).ok_or(Status::NOT_FOUND)?;
        let ctx = Ctx { cred: grant.cred, umask: Mode::of(0o022), ..Ctx::root() };
        let path = grant.root.as_bytes();
        let top = view.call(&ctx).resolve_within(At::Cwd, path, true, ResolveFlags::empty());
        let top = top.map_err(refused!())?;
        Ok(Self { kernel, view, ctx, top })
    }

    /// The file at `path`, or what is in the directory.
    pub(super) fn get(&self, path: &str) -> Result<Answer<'k, P>, Status> {
        let mut place = [0; PATH];
        let path = plain(path, &mut place)?;
        let call = self.view.call(&self.ctx);
        let flags = OpenFlags::NONBLOCK;
        let how = How { resolve: ResolveFlags::BENEATH, ..How::flags(flags) };
        let file = call.open(At::Place(&self.top), path, &how).map_err(refused!())?;
        let stat = call.stat(file.place()).map_err(refused!())?;
        match stat.attr.kind {
            FileType::Regular => Ok(Answer::File(file, stat.attr.size)),
            FileType::Directory => self.list(&file),
            _ => Err(Status::FORBIDDEN),
        }
    }

    /// Removes the file at `path`; of a link the link.
    pub(super) fn delete(&self, path: &str) -> Result<(), Status> {
        let mut place = [0; PATH];
        let (dir, name) = self.parent(plain(path, &mut place)?)?;
        self.view.call(&self.ctx).unlink(At::Place(&dir), name).map_err(refused!())
    }

    /// Begins to take a file for `path`. One that takes the place of another has its mode.
    pub(super) fn put(self, path: &str) -> Result<Upload<'k, P>, Status> {
        let mut place = [0; PATH];
        let (dir, name) = self.parent(plain(path, &mut place)?)?;
        let name = heapless::Vec::from_slice(name).map_err(|_| Status::BAD_REQUEST)?;
        let call = self.view.call(&self.ctx);
        // Also refuses to put a file in the place of a directory before any of it has come.
        let there = call.resolve_within(At::Place(&dir), &name, false, ResolveFlags::BENEATH);
        let there = there.ok().and_then(|there| call.stat(&there).ok()).map(|stat| stat.attr);
        let mode = match &there {
            None => Mode::of(0o644),
            Some(attr) if attr.kind == FileType::Symlink => Mode::of(0o644),
            Some(attr) if attr.kind == FileType::Regular => attr.mode & Mode::of(0o777),
            Some(_) => return Err(Status::CONFLICT),
        };
        let how =
            How { mode, ..How::flags(OpenFlags::WRITE_ONLY | OpenFlags::DIRECTORY | OpenFlags::NAMELESS) };
        let file = call.open(At::Place(&dir), b".", &how).map_err(refused!())?;
        let new = there.is_none();
        Ok(Upload { root: self, dir, name, file, at: 0, new })
    }

    /// A name that nobody else has, also not one who was cut off before the machine last started.
    fn name_of_its_own(&self) -> heapless::String<32> {
        let (mut bytes, mut own) = ([0; 8], heapless::String::new());
        // It has as many as are asked for.
        let _ = KernelEntropy::new(self.kernel).fill(&mut bytes);
        // It fits: a word and sixteen digits.
        let _ = write!(own, ".put-{:016x}", u64::from_le_bytes(bytes));
        own
    }

    /// The directory that holds the last name of a path, and that name.
    fn parent<'p>(&self, path: &'p [u8]) -> Result<(Dir<'k, P>, &'p [u8]), Status> {
        let cut = path.iter().rposition(|&byte| byte == b'/');
        let (dir, name) = cut.map_or((&b"."[..], path), |cut| {
            (path.get(..cut).unwrap_or_default(), path.get(cut + 1..).unwrap_or_default())
        });
        if matches!(name, b"" | b"." | b"..") {
            return Err(Status::BAD_REQUEST);
        }
        let call = self.view.call(&self.ctx);
        let dir = call.resolve_within(At::Place(&self.top), dir, true, ResolveFlags::BENEATH);
        Ok((dir.map_err(refused!())?, name))
    }

    fn list(&self, dir: &File<'k, P>) -> Result<Answer<'k, P>, Status> {
        let mut text = String::new();
        text.try_reserve_exact(PAGE).map_err(|_| Status::UNAVAILABLE)?;
        let (mut count, mut more) = (0, false);
        let _ = text.write_str("{\"entries\":[");
        let listed = dir.list(|&Entry { name, kind, .. }| {
            if matches!(name, b"." | b"..") {
                return true;
            }
            let mut line = heapless::String::<640>::new();
            let comma = if count > 0 { "," } else { "" };
            let kind = if kind == FileType::Directory { "directory" } else { "file" };
            let fits = write!(line, "{comma}{{\"name\":{},\"kind\":\"{kind}\"}}", Quoted(name)).is_ok();
            if !fits || count >= LISTED || text.len() + line.len() + 32 > PAGE {
                more = true;
                return false;
            }
            text.push_str(&line);
            count += 1;
            true
        });
        listed.map_err(refused!())?;
        let _ = writeln!(text, "],\"more\":{more}}}");
        Ok(Answer::Json(Status::OK, text))
    }
}

/// The path that a URL names, from the root on: without what HTTP escapes, and relative.
fn plain<'o>(path: &str, out: &'o mut [u8; PATH]) -> Result<&'o [u8], Status> {
    let path = decode(path, out).ok_or(Status::BAD_REQUEST)?;
    let path = path.trim_ascii_start();
    let begin = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    Ok(match path.get(begin..) {
        None | Some([]) => b".",
        Some(path) => path,
    })
}

/// A file on its way. It has no name until all of it is there: of what does not come whole nothing is left.
pub(super) struct Upload<'k, P: Platform> {
    root: Root<'k, P>,
    dir: Dir<'k, P>,
    name: heapless::Vec<u8, 255>,
    file: File<'k, P>,
    at: u64,
    /// There was none.
    new: bool,
}

impl<P: Platform> Upload<'_, P> {
    /// Takes what comes next.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        let call = self.root.view.call(&self.root.ctx);
        while !bytes.is_empty() {
            let written = call.pwrite(&self.file, bytes, self.at).map_err(refused!())?;
            self.at += written as u64;
            bytes = bytes.get(written..).filter(|_| written > 0).ok_or(Status::UNAVAILABLE)?;
        }
        Ok(())
    }

    /// All of it came: it is made durable, then it takes its place. Whether there was one before.
    pub(super) fn finish(self) -> Result<Status, Status> {
        self.file.sync(SyncMode::Data).map_err(refused!())?;
        let (call, dir) = (self.root.view.call(&self.root.ctx), At::Place(&self.dir));
        let place = self.file.place();
        if self.new && call.link_place(place, dir, &self.name).is_ok() {
            return Ok(Status::CREATED);
        }
        // What has a name is replaced by what has one.
        let own = self.root.name_of_its_own();
        call.link_place(place, dir, own.as_bytes()).map_err(refused!())?;
        let renamed = call.rename(dir, own.as_bytes(), dir, &self.name, RenameFlags::empty());
        renamed.map_err(|error| {
            // Somebody else may have removed it.
            let _ = call.unlink(dir, own.as_bytes());
            status(error.errno())
        })?;
        Ok(if self.new { Status::CREATED } else { Status::NO_CONTENT })
    }
}

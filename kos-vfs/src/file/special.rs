//! Open files that are not stored: pipes, sockets and devices, which the integrator's [`SpecialOpener`](crate::SpecialOpener)
//! serves, and regular files that a file system makes for who opens them ([`OpenOps`]).
//!
//! No lock is held across their calls but the position of a file that has one. So who waits in a pipe keeps nobody from writing
//! to it.

use super::error::FileError;
use super::flags::OpenFlags;
use super::io::{SeekFrom, in_range};
use super::table::{OpenFile, Served};
use crate::attr::Attr;
use crate::call::Call;
use crate::errno::Errno;
use crate::fs::{OpenOps, SyncMode};
use crate::ports::{Env, SpecialFile, SpecialOpen};
use crate::tree::Node;

/// Who has the bytes, for one call.
pub(super) enum Server<'f> {
    Port(&'f dyn SpecialFile),
    Handle(Node, u64),
}

impl Server<'_> {
    fn has_position(&self) -> bool {
        match self {
            Self::Port(special) => special.has_position(),
            Self::Handle(..) => true,
        }
    }

    fn handle(node: &Node) -> Result<&dyn OpenOps, Errno> {
        node.fs.opens().ok_or(Errno::EINVAL)
    }

    fn read(&self, offset: u64, out: &mut [u8], flags: OpenFlags) -> Result<usize, Errno> {
        match self {
            Self::Port(special) => special.read(offset, out, flags),
            Self::Handle(node, handle) => Self::handle(node)?.read(*handle, offset, out),
        }
    }

    fn write(&self, offset: u64, bytes: &[u8], flags: OpenFlags) -> Result<usize, Errno> {
        match self {
            Self::Port(special) => special.write(offset, bytes, flags),
            Self::Handle(node, handle) => Self::handle(node)?.write(*handle, offset, bytes),
        }
    }

    pub(super) fn seek(&self, position: u64, to: SeekFrom) -> Result<u64, FileError> {
        let seek = match (self, to) {
            (Self::Port(special), _) => special.seek(position, to),
            (_, SeekFrom::Start(offset)) => Ok(offset),
            (_, SeekFrom::Current(delta)) => position.checked_add_signed(delta).ok_or(Errno::EINVAL),
            // Where it ends is only known when it is made.
            _ => Err(Errno::EINVAL),
        };
        seek.map_err(FileError::Special)
    }

    pub(super) fn sync(&self, mode: SyncMode) -> Result<(), FileError> {
        match self {
            Self::Port(special) => special.sync(mode).map_err(FileError::Special),
            Self::Handle(..) => Err(FileError::Invalid),
        }
    }
}

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Asks who is behind a node that the caller may open.
    pub(super) fn open_special(&self, file: &mut OpenFile<'v, E>, attr: &Attr) -> Result<(), FileError> {
        let opener = self.vfs().special.as_deref().ok_or(FileError::NobodyThere)?;
        let node = file.place().node();
        let fs = self.vfs().tree(|tree| tree.supers.at(node.fs_id).device);
        let (flags, cred) = (file.flags(), &self.ctx.cred);
        let open = SpecialOpen { kind: attr.kind, device: attr.device, fs, ino: attr.ino, flags, cred };
        let special = opener.open(&open).map_err(|errno| match errno {
            Errno::ENXIO => FileError::NobodyThere,
            errno => FileError::Special(errno),
        })?;
        file.serve(Served::Port(special));
        Ok(())
    }

    /// Tells the file system of a regular file, if it makes bytes for who opens one.
    pub(super) fn open_made(&self, file: &mut OpenFile<'v, E>) -> Result<(), FileError> {
        let node = file.place().node();
        if let Some(opens) = node.fs.opens() {
            let handle = opens.open(node.ino, file.flags()).map_err(FileError::Special)?;
            file.serve(Served::Handle(handle));
        }
        Ok(())
    }
}

impl<E: Env> OpenFile<'_, E> {
    /// Who serves it, if it is not stored.
    pub(super) fn server(&self) -> Option<Server<'_>> {
        match self.served() {
            Served::Not => None,
            Served::Port(special) => Some(Server::Port(&**special)),
            Served::Handle(handle) => Some(Server::Handle(self.place().node(), *handle)),
        }
    }

    /// Who serves it, if that has no positions.
    pub(super) fn stream(&self) -> Option<Server<'_>> {
        self.server().filter(|server| !server.has_position())
    }

    /// Who serves it, for a call that names a position.
    pub(super) fn seekable(&self) -> Result<Option<Server<'_>>, FileError> {
        let server = self.server();
        let positions = server.as_ref().is_none_or(Server::has_position);
        if positions { Ok(server) } else { Err(FileError::NoPosition) }
    }

    pub(super) fn read_from(
        &self,
        server: &Server<'_>,
        out: &mut [u8],
        offset: u64,
    ) -> Result<usize, FileError> {
        let flags = self.flags();
        if !flags.reads() {
            return Err(FileError::BadDescriptor);
        }
        in_range(offset, out.len())?;
        let count = server.read(offset, out, flags).map_err(FileError::Special)?;
        Ok(count.min(out.len()))
    }

    pub(super) fn write_to(
        &self,
        server: &Server<'_>,
        bytes: &[u8],
        offset: u64,
    ) -> Result<usize, FileError> {
        let flags = self.flags();
        if !flags.writes() {
            return Err(FileError::BadDescriptor);
        }
        in_range(offset, bytes.len())?;
        let count = server.write(offset, bytes, flags).map_err(FileError::Special)?;
        Ok(count.min(bytes.len()))
    }

    /// The last handle goes: tells the file system.
    pub(super) fn close_served(&self) {
        if let Some(Server::Handle(node, handle)) = self.server()
            && let Some(opens) = node.fs.opens()
        {
            opens.close(handle);
        }
    }
}

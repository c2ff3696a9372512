//! Open pipes, sockets and devices: what the integrator's [`SpecialOpener`](crate::SpecialOpener) serves.
//!
//! No lock is held across its calls but the position of a file that has one. So who waits in a pipe keeps nobody from writing
//! to it.

use super::error::FileError;
use super::io::in_range;
use super::table::OpenFile;
use crate::attr::Attr;
use crate::call::Call;
use crate::errno::Errno;
use crate::ports::{Env, SpecialFile, SpecialOpen};

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Asks who is behind a node that the caller may open.
    pub(super) fn open_special(
        &self,
        mut file: OpenFile<'v, E>,
        attr: &Attr,
    ) -> Result<OpenFile<'v, E>, FileError> {
        let opener = self.vfs().special.as_deref().ok_or(FileError::NobodyThere)?;
        let node = file.place().node();
        let fs = self.vfs().tree(|tree| tree.supers.at(node.fs_id).device);
        let (flags, cred) = (file.flags(), &self.ctx.cred);
        let open = SpecialOpen { kind: attr.kind, device: attr.device, fs, ino: attr.ino, flags, cred };
        let special = opener.open(&open).map_err(|errno| match errno {
            Errno::ENXIO => FileError::NobodyThere,
            errno => FileError::Special(errno),
        })?;
        file.serve(special);
        Ok(file)
    }
}

impl<E: Env> OpenFile<'_, E> {
    /// What serves it, if that has no positions.
    pub(super) fn stream(&self) -> Option<&dyn SpecialFile> {
        self.special().filter(|special| !special.has_position())
    }

    /// What serves it, for a call that names a position.
    pub(super) fn seekable(&self) -> Result<Option<&dyn SpecialFile>, FileError> {
        let special = self.special();
        let positions = special.is_none_or(SpecialFile::has_position);
        if positions { Ok(special) } else { Err(FileError::NoPosition) }
    }

    pub(super) fn read_special(
        &self,
        special: &dyn SpecialFile,
        out: &mut [u8],
        offset: u64,
    ) -> Result<usize, FileError> {
        let flags = self.flags();
        if !flags.reads() {
            return Err(FileError::BadDescriptor);
        }
        in_range(offset, out.len())?;
        let count = special.read(offset, out, flags).map_err(FileError::Special)?;
        Ok(count.min(out.len()))
    }

    pub(super) fn write_special(
        &self,
        special: &dyn SpecialFile,
        bytes: &[u8],
        offset: u64,
    ) -> Result<usize, FileError> {
        let flags = self.flags();
        if !flags.writes() {
            return Err(FileError::BadDescriptor);
        }
        in_range(offset, bytes.len())?;
        let count = special.write(offset, bytes, flags).map_err(FileError::Special)?;
        Ok(count.min(bytes.len()))
    }
}

//! Reading, writing, sizes and positions of open files.
//!
//! A file's lock is held shared for a read and exclusively for a write, an append with its look at the size included. So no
//! read sees half of a write, and two appends never overlap.

use super::error::FileError;
use super::flags::OpenFlags;
use super::table::OpenFile;
use crate::attr::{Attr, FileType, SetAttr};
use crate::call::Call;
use crate::errno::Errno;
use crate::fs::{Allocate, Seek, SyncMode};
use crate::perm;
use crate::ports::Env;
use crate::tree::Node;

/// The largest offset that a system call can name.
const OFFSET_MAX: u64 = i64::MAX.cast_unsigned();

/// Where to set a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// To this byte.
    Start(u64),
    /// So far from where it is.
    Current(i64),
    /// So far from the end.
    End(i64),
    /// To the first data from this byte on.
    Data(u64),
    /// To the first hole from this byte on.
    Hole(u64),
}

impl<'v, E: Env> OpenFile<'v, E> {
    /// Reads at the position, and moves it.
    ///
    /// # Errors
    /// As [`pread`](Self::pread); the position stays.
    pub fn read(&self, out: &mut [u8]) -> Result<usize, FileError> {
        if let Some(stream) = self.stream() {
            return self.read_from(&stream, out, 0);
        }
        let mut position = self.position();
        let count = self.pread(out, *position)?;
        *position += count as u64;
        Ok(count)
    }

    /// Reads from byte `offset` on; returns how much there was before the end.
    ///
    /// # Errors
    /// Not open for reading, a directory, an offset beyond 2^63 - 1, or what the file system says.
    pub fn pread(&self, out: &mut [u8], offset: u64) -> Result<usize, FileError> {
        if let Some(server) = self.seekable()? {
            return self.read_from(&server, out, offset);
        }
        let open = self.open();
        if !open.flags.reads() {
            return Err(FileError::BadDescriptor);
        }
        in_range(offset, out.len())?;
        if open.kind == FileType::Directory {
            return Err(FileError::IsDirectory);
        }
        let node = self.place().node();
        let count = {
            let vfs = self.place().vfs();
            if node.cached && !open.flags.contains(OpenFlags::DIRECT) {
                let _data = vfs.share(node.inode);
                let mut ahead = open.ahead;
                let count = vfs.read_cached(&node, offset, out, &mut ahead)?;
                self.set_ahead(ahead);
                count
            } else {
                let _data = vfs.share_stored(&node)?;
                node.fs.files().read_at(node.ino, offset, out)?
            }
        };
        if !open.flags.contains(OpenFlags::NO_ACCESS_TIME) && !out.is_empty() {
            self.place().vfs().touch(self.place());
        }
        Ok(count)
    }

    /// The size and the rest, as they are now.
    pub(super) fn attr(&self, node: &Node) -> Result<Attr, FileError> {
        Ok(self.place().vfs().attr(node)?)
    }

    /// Sets the position; returns it.
    ///
    /// # Errors
    /// A position below 0 or beyond 2^63 - 1, nothing of that kind there, or no file to have one. The position stays.
    pub fn seek(&self, to: SeekFrom) -> Result<u64, FileError> {
        let server = self.seekable()?;
        let mut position = self.position();
        if let Some(server) = server {
            let to = server.seek(*position, to)?;
            *position = Some(to).filter(|&to| to <= OFFSET_MAX).ok_or(FileError::Invalid)?;
            return Ok(*position);
        }
        let open = self.open();
        if open.flags.contains(OpenFlags::PATH) {
            return Err(FileError::BadDescriptor);
        }
        let node = self.place().node();
        let to = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => position.checked_add_signed(delta),
            SeekFrom::End(_) | SeekFrom::Data(_) | SeekFrom::Hole(_) if open.kind == FileType::Directory => {
                None
            }
            SeekFrom::End(delta) => self.attr(&node)?.size.checked_add_signed(delta),
            SeekFrom::Data(offset) => Some(self.find(&node, offset, Seek::Data)?),
            SeekFrom::Hole(offset) => Some(self.find(&node, offset, Seek::Hole)?),
        };
        *position = to.filter(|&to| to <= OFFSET_MAX).ok_or(FileError::Invalid)?;
        Ok(*position)
    }

    fn find(&self, node: &Node, offset: u64, what: Seek) -> Result<u64, FileError> {
        let vfs = self.place().vfs();
        let _data = vfs.share_stored(node)?;
        let size = self.attr(node)?.size;
        if offset >= size || self.kind() != FileType::Regular {
            return Err(FileError::NothingThere);
        }
        node.fs.files().seek(node.ino, offset, size, what)?.ok_or(FileError::NothingThere)
    }

    /// Returns when what was written before is durable.
    ///
    /// # Errors
    /// What the file system says: then nothing is known to be durable.
    pub fn sync(&self, mode: SyncMode) -> Result<(), FileError> {
        if self.flags().contains(OpenFlags::PATH) {
            return Err(FileError::BadDescriptor);
        }
        if let Some(server) = self.server() {
            return server.sync(mode);
        }
        let node = self.place().node();
        let vfs = self.place().vfs();
        if vfs.is_dirty(&node) {
            let _data = vfs.exclude(node.inode);
            // What fails here is told below.
            let _ = vfs.flush(&node);
        }
        let durable = node.fs.files().fsync(node.ino, mode);
        self.tell_errors(&node).and(durable).map_err(FileError::from)
    }
}

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Writes at the position, or at the end of a file that is open for appending, and moves the position.
    ///
    /// # Errors
    /// As [`pwrite`](Self::pwrite); the position stays.
    pub fn write(&self, file: &OpenFile<'v, E>, bytes: &[u8]) -> Result<usize, FileError> {
        if let Some(stream) = file.stream() {
            return file.write_to(&stream, bytes, 0);
        }
        let mut position = file.position();
        let (count, end) = self.write_at(file, bytes, *position)?;
        *position = end;
        Ok(count)
    }

    /// Writes from byte `offset` on (at the end, if the file is open for appending); returns how many bytes it took. Less than
    /// all means: the next would fail.
    ///
    /// # Errors
    /// Not open for writing, beyond the largest file, or what the file system says; and nothing was written.
    pub fn pwrite(&self, file: &OpenFile<'v, E>, bytes: &[u8], offset: u64) -> Result<usize, FileError> {
        self.write_at(file, bytes, offset).map(|(count, _)| count)
    }

    fn write_at(&self, file: &OpenFile<'v, E>, bytes: &[u8], offset: u64) -> Result<(usize, u64), FileError> {
        if let Some(server) = file.seekable()? {
            let count = file.write_to(&server, bytes, offset)?;
            return Ok((count, offset + count as u64));
        }
        let flags = file.flags();
        if !flags.writes() {
            return Err(FileError::BadDescriptor);
        }
        in_range(offset, bytes.len())?;
        let node = file.place().node();
        if node.cached {
            self.vfs().balance();
        }
        let data = self.vfs().exclude(node.inode);
        let attr = file.attr(&node)?;
        let offset = if flags.contains(OpenFlags::APPEND) { attr.size } else { offset };
        if bytes.is_empty() {
            return Ok((0, offset));
        }
        let limit = self.size_limit(&node);
        let room = limit.checked_sub(offset).filter(|&room| room > 0);
        let room = room.ok_or(FileError::TooLarge { limit })?;
        let length = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        self.lose_set_id(&node, &attr)?;
        let bytes = bytes.get(..length).unwrap_or_default();
        let count = self.store(&node, offset, bytes, flags.contains(OpenFlags::DIRECT))?;
        drop(data);
        if flags.contains(OpenFlags::DATA_SYNC) {
            file.sync(if flags.contains(OpenFlags::SYNC) { SyncMode::All } else { SyncMode::Data })?;
        }
        Ok((count, offset + count as u64))
    }

    /// Stores all of `bytes`, as far as there is room.
    fn store(&self, node: &Node, offset: u64, bytes: &[u8], direct: bool) -> Result<usize, FileError> {
        let (vfs, now) = (self.vfs(), self.vfs().now());
        let mut count = 0;
        while let Some(rest) = bytes.get(count..).filter(|rest| !rest.is_empty()) {
            let at = offset + count as u64;
            let stored = match (node.cached, direct) {
                (false, _) => node.fs.files().write_at(node.ino, at, rest, now),
                (true, false) => vfs.write_cached(node, at, rest, now),
                (true, true) => vfs.write_through(node, at, rest, now),
            };
            match stored {
                Ok(0) => break,
                Ok(more) => count += more.min(rest.len()),
                Err(error) if count == 0 => return Err(error.into()),
                Err(_) => break,
            }
        }
        Ok(count)
    }

    /// The largest size that this caller may give a file.
    fn size_limit(&self, node: &Node) -> u64 {
        node.fs.info().max_size.min(self.ctx.limits.file_size).min(OFFSET_MAX)
    }

    /// Whoever changes the bytes of a file takes its set-user-ID from it. The file's lock is held.
    fn lose_set_id(&self, node: &Node, attr: &Attr) -> Result<(), FileError> {
        let mode = perm::after_write(&self.ctx.cred, attr);
        if mode == attr.mode {
            return Ok(());
        }
        let set = SetAttr { mode: Some(mode), changed: Some(self.vfs().now()), ..SetAttr::default() };
        let attr = self.vfs().set_attr(node, &set)?;
        self.vfs().learn(node, attr);
        Ok(())
    }

    /// Sets the size of an open file.
    ///
    /// # Errors
    /// Not open for writing, no regular file, too large, or what the file system says. The size stays.
    pub fn set_size(&self, file: &OpenFile<'v, E>, size: u64) -> Result<(), FileError> {
        let open = file.open();
        if open.flags.contains(OpenFlags::PATH) {
            return Err(FileError::BadDescriptor);
        }
        if !open.flags.writes() || open.kind != FileType::Regular || size > OFFSET_MAX {
            return Err(FileError::Invalid);
        }
        self.cut(file, size)
    }

    pub(crate) fn cut(&self, file: &OpenFile<'v, E>, size: u64) -> Result<(), FileError> {
        self.cut_node(&file.place().node(), size)
    }

    /// Sets the size of a file that may be written.
    pub(crate) fn cut_node(&self, node: &Node, size: u64) -> Result<(), FileError> {
        let _data = self.vfs().exclude(node.inode);
        let attr = self.vfs().attr(node)?;
        let limit = self.size_limit(node);
        if size > limit && size > attr.size {
            return Err(FileError::TooLarge { limit });
        }
        let set_id = attr;
        let attr = self.vfs().truncate_cached(node, size, self.vfs().now())?;
        self.vfs().learn(node, attr);
        self.lose_set_id(node, &set_id)
    }

    /// Gives a range of an open file room, or takes it.
    ///
    /// # Errors
    /// Not open for writing, no regular file, an empty range, too large, or what the file system says.
    pub fn allocate(
        &self,
        file: &OpenFile<'v, E>,
        how: Allocate,
        offset: u64,
        length: u64,
    ) -> Result<(), FileError> {
        let open = file.open();
        if length == 0 && !open.flags.contains(OpenFlags::PATH) {
            return Err(FileError::Invalid);
        }
        if !open.flags.writes() {
            return Err(FileError::BadDescriptor);
        }
        match open.kind {
            FileType::Regular => {}
            FileType::Directory => return Err(FileError::IsDirectory),
            FileType::Fifo => return Err(FileError::NoPosition),
            _ => return Err(FileError::Special(Errno::ENODEV)),
        }
        let end = offset.checked_add(length).filter(|&end| end <= OFFSET_MAX);
        let end = end.ok_or(FileError::TooLarge { limit: OFFSET_MAX })?;
        let node = file.place().node();
        let _data = self.vfs().exclude(node.inode);
        let limit = self.size_limit(&node);
        let attr = file.attr(&node)?;
        if end > limit && how != Allocate::PunchHole {
            return Err(FileError::TooLarge { limit });
        }
        let changed = self.vfs().allocate_cached(&node, how, offset..end, self.vfs().now())?;
        self.vfs().learn(&node, changed);
        self.lose_set_id(&node, &attr)
    }
}

/// Whether a range lies within what a system call can name.
pub(super) fn in_range(offset: u64, length: usize) -> Result<(), FileError> {
    let end = offset.checked_add(length as u64).filter(|&end| end <= OFFSET_MAX);
    end.map(drop).ok_or(FileError::Invalid)
}

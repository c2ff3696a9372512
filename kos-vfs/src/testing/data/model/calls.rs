//! The operations of a [`DataModel`] on the bytes of one file.

use alloc::vec;

use super::{DataModel, DataOp};
use crate::call::Ctx;
use crate::errno::Errno;
use crate::file::{FileError, SeekFrom};
use crate::fs::{Allocate, FsFeatures, SyncMode};

impl DataModel<'_> {
    pub(super) fn pwrite(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let offset = op.offset(self.files[file].size);
        let call_ctx = Ctx::root();
        let written = self.view.call(&call_ctx).pwrite(&self.handles[file][0], &op.bytes(), offset);
        self.wrote(file, op, offset, written)
    }

    pub(super) fn append(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let offset = self.files[file].size;
        let written = self.view.call(&Ctx::root()).pwrite(&self.handles[file][1], &op.bytes(), 0);
        self.wrote(file, op, offset, written)
    }

    pub(super) fn write(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        if op.how & 1 == 0 {
            self.positions[file] = op.offset(self.files[file].size);
            assert_eq!(
                self.handles[file][0].seek(SeekFrom::Start(self.positions[file]))?,
                self.positions[file]
            );
        }
        let (offset, before) = (self.positions[file], self.files[file].size);
        let written = self.view.call(&Ctx::root()).write(&self.handles[file][0], &op.bytes());
        if let Ok(count) = written {
            self.positions[file] += count as u64;
        }
        self.wrote(file, op, offset, written)?;
        assert_eq!(self.handles[file][0].seek(SeekFrom::Current(0))?, self.positions[file], "from {before}");
        Ok(())
    }

    /// Compares what a write said; where it was short, the next would fail.
    fn wrote(
        &mut self,
        file: usize,
        op: DataOp,
        offset: u64,
        written: Result<usize, FileError>,
    ) -> Result<(), FileError> {
        let (length, limit) = (op.length(), self.limit());
        if written == Err(FileError::Invalid) {
            // Not so for who appends: he named no place.
            assert!(offset + length > i64::MAX.cast_unsigned(), "{op:?}");
            return Ok(());
        }
        if offset >= limit {
            assert_eq!(written, Err(FileError::TooLarge { limit }), "{op:?}");
            return Ok(());
        }
        let Some(count) = self.unless_full(file, written)? else { return Ok(()) };
        assert!(count > 0 && count as u64 <= length, "{op:?}: {count} bytes");
        self.files[file].write(offset, &op.bytes()[..count]);
        if (count as u64) < length.min(limit - offset) {
            self.full += 1;
            self.compare(file)?;
        }
        Ok(())
    }

    pub(super) fn pread(&self, file: usize, op: DataOp) -> Result<(), FileError> {
        let offset = op.offset(self.files[file].size);
        let mut out = vec![0xaa; op.length() as usize];
        let read = self.handles[file][usize::from(op.how & 1)].pread(&mut out, offset);
        if offset.checked_add(op.length()).is_none_or(|end| end > i64::MAX.cast_unsigned()) {
            assert_eq!(read, Err(FileError::Invalid));
            return Ok(());
        }
        self.same(file, offset, &out, read?);
        Ok(())
    }

    pub(super) fn read(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let mut out = vec![0xaa; op.length() as usize];
        let offset = self.positions[file];
        let read = self.handles[file][0].read(&mut out);
        if offset.checked_add(op.length()).is_none_or(|end| end > i64::MAX.cast_unsigned()) {
            assert_eq!(read, Err(FileError::Invalid));
            return Ok(());
        }
        let count = read?;
        self.same(file, offset, &out, count);
        self.positions[file] += count as u64;
        Ok(())
    }

    pub(super) fn same(&self, file: usize, offset: u64, out: &[u8], count: usize) {
        let expected = self.files[file].read(offset, out.len());
        assert_eq!(count, expected.len(), "a read at {offset} of {}", self.story(file));
        if let Some(at) = out.iter().zip(&expected).position(|(a, b)| a != b) {
            let (found, right) = (out[at], expected[at]);
            panic!("{found:#x} at {} for {right:#x} of {}", offset + at as u64, self.story(file));
        }
        assert!(out[count..].iter().all(|&byte| byte == 0xaa), "bytes behind the end were written");
    }

    pub(super) fn truncate(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let size = op.offset(self.files[file].size);
        let cut = self.view.call(&Ctx::root()).set_size(&self.handles[file][0], size);
        let limit = self.limit();
        if size > limit {
            assert_eq!(cut, Err(FileError::TooLarge { limit }));
        } else if self.unless_full(file, cut)?.is_some() {
            self.files[file].truncate(size);
        }
        Ok(())
    }

    pub(super) fn allocate(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let ways = [
            Allocate::Grow,
            Allocate::KeepSize,
            Allocate::PunchHole,
            Allocate::Zero,
            Allocate::ZeroKeepSize,
            Allocate::PunchHole,
        ];
        let how = ways[usize::from(op.how) % ways.len()];
        let (offset, length, limit) = (op.offset(self.files[file].size), op.length(), self.limit());
        let done = self.view.call(&Ctx::root()).allocate(&self.handles[file][0], how, offset, length);
        let end = offset.saturating_add(length);
        if end > i64::MAX.cast_unsigned() || end > limit && how != Allocate::PunchHole {
            assert!(matches!(done, Err(FileError::TooLarge { .. })), "{done:?}");
            return Ok(());
        }
        if done.is_err_and(|error| error.errno() == Errno::EOPNOTSUPP) {
            assert!(!self.info.features.contains(FsFeatures::SPARSE), "{how:?} is not supported");
            return Ok(());
        }
        let clears = !matches!(how, Allocate::Grow | Allocate::KeepSize);
        if clears && done.is_err() {
            self.learn_zeroes(file, offset, length)?;
        }
        if self.unless_full(file, done)?.is_some() {
            let bytes = &mut self.files[file];
            if clears {
                bytes.zero(offset..end);
            }
            if matches!(how, Allocate::Grow | Allocate::Zero) {
                bytes.size = bytes.size.max(end);
            }
        }
        Ok(())
    }

    /// Of a range that was to become zero on a full volume some may be.
    fn learn_zeroes(&mut self, file: usize, offset: u64, length: u64) -> Result<(), FileError> {
        let mut out = vec![0; length as usize];
        let count = self.handles[file][0].pread(&mut out, offset)?;
        let before = self.files[file].read(offset, out.len());
        for (at, (&now, &before)) in (offset..).zip(out[..count].iter().zip(&before)) {
            if now == 0 && before != 0 {
                self.files[file].zero(at..at + 1);
            }
        }
        Ok(())
    }

    /// What lies before data is zero; what lies between data and the next hole is something to read.
    pub(super) fn seek(&mut self, file: usize, op: DataOp) -> Result<(), FileError> {
        let (offset, size) = (op.offset(self.files[file].size), self.files[file].size);
        let handle = &self.handles[file][0];
        let data = match handle.seek(SeekFrom::Data(offset)) {
            Err(FileError::NothingThere) => None,
            found => Some(found?),
        };
        let reached = data.unwrap_or(size).max(offset);
        assert!(data.is_none_or(|data| (offset..size).contains(&data)), "{data:?} of {}", self.story(file));
        assert!(self.files[file].is_zero(offset..reached), "data was skipped in {}", self.story(file));
        let hole = match handle.seek(SeekFrom::Hole(offset)) {
            Err(FileError::NothingThere) => None,
            found => Some(found?),
        };
        assert_eq!(hole.is_none(), offset >= size, "the end of {} counts as a hole", self.story(file));
        assert!(hole.is_none_or(|hole| (offset..=size).contains(&hole)));
        // One of the two is right here.
        assert!(offset >= size || data == Some(offset) || hole == Some(offset), "{data:?} {hole:?}");
        assert!(data.is_none() || data != hole, "{data:?} is both");
        self.positions[file] = handle.seek(SeekFrom::Current(0))?;
        assert_eq!(Some(self.positions[file]), hole.or(data).or(Some(self.positions[file])));
        Ok(())
    }

    pub(super) fn sync(&self, file: usize, op: DataOp) -> Result<(), FileError> {
        match op.how % 4 {
            0 => Ok(self.vfs.sync()?),
            1 => self.handles[file][0].sync(SyncMode::All),
            _ => self.handles[file][1].sync(SyncMode::Data),
        }
    }
}

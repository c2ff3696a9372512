//! [`Stream`]: an open file as `embedded_io` knows one.

use embedded_io::{ErrorType, Read, Seek, Write};

use super::error::FileError;
use super::io::SeekFrom;
use super::table::OpenFile;
use crate::call::Call;
use crate::fs::SyncMode;
use crate::ports::Env;

/// An open file with who reads and writes it. Shares the position of its file.
#[derive(Debug)]
pub struct Stream<'f, 'v, E: Env> {
    call: Call<'f, 'v, E>,
    file: &'f OpenFile<'v, E>,
}

impl<'f, 'v, E: Env> Stream<'f, 'v, E> {
    /// `file`, read and written by `call`.
    pub const fn new(call: Call<'f, 'v, E>, file: &'f OpenFile<'v, E>) -> Self {
        Self { call, file }
    }
}

impl<E: Env> ErrorType for Stream<'_, '_, E> {
    type Error = FileError;
}

impl<E: Env> Read for Stream<'_, '_, E> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, FileError> {
        self.file.read(buf)
    }
}

impl<E: Env> Write for Stream<'_, '_, E> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, FileError> {
        self.call.write(self.file, buf)
    }

    /// Makes it durable, as `fsync` does.
    fn flush(&mut self) -> Result<(), FileError> {
        self.file.sync(SyncMode::All)
    }
}

impl<E: Env> Seek for Stream<'_, '_, E> {
    fn seek(&mut self, pos: embedded_io::SeekFrom) -> Result<u64, FileError> {
        self.file.seek(match pos {
            embedded_io::SeekFrom::Start(offset) => SeekFrom::Start(offset),
            embedded_io::SeekFrom::End(delta) => SeekFrom::End(delta),
            embedded_io::SeekFrom::Current(delta) => SeekFrom::Current(delta),
        })
    }
}

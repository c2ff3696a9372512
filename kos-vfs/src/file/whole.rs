//! Reading a whole file, however little memory there is: [`OpenFile::read_whole`].

use alloc::vec::Vec;

use lock_api::Mutex;

use super::error::FileError;
use super::table::OpenFile;
use crate::error::NoMemory;
use crate::ports::Env;

/// Bytes of the least piece.
const PIECE: usize = 4096;

/// A piece that is always there, for who gets no memory; its lock is taken before all others.
pub(crate) struct Spare<E: Env>(Mutex<E::Lock, State>);

struct State {
    piece: Vec<u8>,
    /// Files that were read in several pieces.
    streamed: u64,
}

impl<E: Env> Spare<E> {
    pub(crate) fn new() -> Result<Self, NoMemory> {
        let piece = buffer(PIECE)?;
        Ok(Self(Mutex::new(State { piece, streamed: 0 })))
    }

    pub(crate) fn streamed(&self) -> u64 {
        self.0.lock().streamed
    }
}

fn buffer(length: usize) -> Result<Vec<u8>, NoMemory> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// A buffer of `length` bytes, or half of that, or a quarter, down to one piece.
fn largest(mut length: usize) -> Option<Vec<u8>> {
    while length >= PIECE {
        match buffer(length) {
            Ok(buffer) => return Some(buffer),
            Err(NoMemory) => length /= 2,
        }
    }
    None
}

impl<E: Env> OpenFile<'_, E> {
    /// Gives all bytes of the file to `sink`, from the first on, until it answers false: in one piece where there is memory for
    /// one of at most `most` bytes, else in smaller ones of 4 KiB at least, which need none. Returns how many bytes that were.
    /// The position stays. For loaders, which want a file and cannot wait for memory.
    ///
    /// `sink` must not read a whole file itself.
    ///
    /// # Errors
    /// As [`pread`](Self::pread); what `sink` has got by then is the beginning of the file.
    pub fn read_whole(&self, most: usize, mut sink: impl FnMut(&[u8]) -> bool) -> Result<u64, FileError> {
        let size = self.attr(&self.place().node())?.size;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let spare = &self.place().vfs().spare;
        let (bytes, pieces) = match largest(size.max(PIECE).min(most)) {
            Some(mut buffer) => self.pour(&mut buffer, &mut sink)?,
            None => self.pour(&mut spare.0.lock().piece, &mut sink)?,
        };
        if pieces > 1 {
            let mut state = spare.0.lock();
            state.streamed = state.streamed.wrapping_add(1);
        }
        Ok(bytes)
    }

    /// Reads from the first byte on, a buffer at a time; how many bytes, and how many pieces.
    fn pour(&self, buffer: &mut [u8], sink: &mut dyn FnMut(&[u8]) -> bool) -> Result<(u64, u64), FileError> {
        let (mut bytes, mut pieces) = (0, 0);
        loop {
            let count = self.pread(buffer, bytes)?;
            let piece = buffer.get(..count).unwrap_or_default();
            if piece.is_empty() {
                return Ok((bytes, pieces));
            }
            (bytes, pieces) = (bytes + count as u64, pieces + 1);
            if !sink(piece) {
                return Ok((bytes, pieces));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::PIECE;
    use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
    use crate::testing::{HostEnv, TestClock};
    use crate::{At, Config, Ctx, How, Mode, MountFlags, OpenFlags, SeekFrom, Vfs};

    #[test]
    fn a_whole_file_comes_in_pieces_when_memory_is_short() {
        let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
        let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
        let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        let how = How::create(OpenFlags::READ_WRITE, Mode::ALL_ACCESS);
        let file = call.open(At::Cwd, b"/file", &how).unwrap();
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(call.pwrite(&file, &bytes, 0), Ok(bytes.len()));
        let read = |most| {
            let (mut out, mut pieces) = (vec![], vec![]);
            let count = file.read_whole(most, |piece| {
                out.extend_from_slice(piece);
                pieces.push(piece.len());
                true
            });
            assert_eq!(count, Ok(bytes.len() as u64));
            assert!(out == bytes);
            (pieces.len(), pieces[0])
        };
        assert_eq!(read(usize::MAX), (1, bytes.len()));
        assert_eq!(vfs.stats().files_streamed, 0);
        assert_eq!(read(100_000), (4, 100_000));
        assert_eq!(read(0), (bytes.len().div_ceil(PIECE), PIECE), "from the piece that is always there");
        assert_eq!(vfs.stats().files_streamed, 2);
        assert_eq!(file.read_whole(0, |_| false), Ok(PIECE as u64), "the sink has enough");
        assert_eq!(file.seek(SeekFrom::Current(0)), Ok(0));
    }
}

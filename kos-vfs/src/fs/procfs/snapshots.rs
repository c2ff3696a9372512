//! [`Snapshots`]: what each open file was told last, by handle.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Content, SyntheticFile};
use crate::errno::Errno;

/// What one open file reads.
#[derive(Debug)]
struct Snapshot {
    file: Arc<dyn SyntheticFile>,
    /// `None` until it is read.
    bytes: Option<Vec<u8>>,
}

/// All open files.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    slots: Vec<Option<Snapshot>>,
    free: Vec<usize>,
}

impl Snapshots {
    pub(super) fn open(&mut self, file: Arc<dyn SyntheticFile>) -> Result<u64, Errno> {
        let snapshot = Some(Snapshot { file, bytes: None });
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index)
        {
            *slot = snapshot;
            return Ok(index as u64);
        }
        // Room for each slot among the free ones, so that closing takes no memory.
        let room = self.slots.try_reserve(1).is_ok() && self.free.try_reserve(self.slots.len() + 1).is_ok();
        if !room {
            return Err(Errno::ENOMEM);
        }
        self.slots.push(snapshot);
        Ok(self.slots.len() as u64 - 1)
    }

    fn slot(&mut self, handle: u64) -> Result<&mut Snapshot, Errno> {
        let slot = usize::try_from(handle).ok().and_then(|index| self.slots.get_mut(index));
        slot.and_then(Option::as_mut).ok_or(Errno::EBADF)
    }

    /// What is open.
    pub(super) fn file(&mut self, handle: u64) -> Result<Arc<dyn SyntheticFile>, Errno> {
        Ok(Arc::clone(&self.slot(handle)?.file))
    }

    /// What is to be asked before a read from `offset` on.
    pub(super) fn stale(
        &mut self,
        handle: u64,
        offset: u64,
    ) -> Result<Option<Arc<dyn SyntheticFile>>, Errno> {
        let slot = self.slot(handle)?;
        Ok((offset == 0 || slot.bytes.is_none()).then(|| Arc::clone(&slot.file)))
    }

    /// Keeps what the file said; returns what it said before.
    pub(super) fn store(&mut self, handle: u64, bytes: Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        Ok(self.slot(handle)?.bytes.replace(bytes))
    }

    pub(super) fn read(&mut self, handle: u64, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        let bytes = self.slot(handle)?.bytes.as_deref().unwrap_or_default();
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        Ok(out.iter_mut().zip(rest).map(|(to, from)| *to = *from).count())
    }

    /// Takes an open file out; the caller drops it without the lock.
    pub(super) fn close(&mut self, handle: u64) -> Option<impl Sized + use<>> {
        let index = usize::try_from(handle).ok()?;
        let gone = self.slots.get_mut(index)?.take()?;
        self.free.push(index);
        Some(gone)
    }
}

/// What a file says now.
pub(super) fn ask(file: &dyn SyntheticFile, limit: usize) -> Result<Vec<u8>, Errno> {
    let mut out = Content::new(limit);
    let written = file.generate(&mut out);
    out.finish(written)
}

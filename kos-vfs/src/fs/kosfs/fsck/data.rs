//! The bytes of files against their checksums.

use lock_api::RawRwLock;

use super::super::buffer;
use super::super::extent::{EXTENT_MAX, Extent, checksum};
use super::super::key::{ItemKind, Key};
use super::super::layout::BLOCK;
use super::{Check, Problem};
use crate::block::BlockDevice;
use crate::error::FsError;

impl<D: BlockDevice, R: RawRwLock> Check<'_, D, R> {
    /// Reads all data.
    pub(super) fn check_data(&mut self) -> Result<(), FsError> {
        let mut bytes = buffer(EXTENT_MAX)?;
        let mut from = Some(Key::LEAST);
        while let Some(item) = from.map_or(Ok(None), |from| self.next_item(from))? {
            from = item.key.next();
            if item.key.kind != ItemKind::Extent as u8 {
                continue;
            }
            if let Ok(extent) = Extent::decode(item.key, item.bytes())
                && !extent.reserved
            {
                self.check_extent(item.key.file, &extent, &mut bytes)?;
            }
        }
        Ok(())
    }

    fn check_extent(&mut self, file: u64, extent: &Extent, bytes: &mut [u8]) -> Result<(), FsError> {
        let Some(bytes) = bytes.get_mut(..extent.count() * BLOCK) else { return Ok(()) };
        self.volume.disk().read_run(extent.start, bytes)?;
        for (at, block) in bytes.chunks(BLOCK).enumerate() {
            if checksum(block) != extent.sum(at) {
                self.found(Problem::Data { file, block: extent.first + at as u64 });
            }
        }
        Ok(())
    }
}

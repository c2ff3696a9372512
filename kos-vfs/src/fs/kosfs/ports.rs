//! What the VFS calls: [`FileSystem`] and [`FileOps`] of [`KosFs`].

use lock_api::RawRwLock;

use super::inode::{Inode, ROOT, ino};
use super::names::LINKS_MAX;
use super::{BLOCK_SIZE, KosFs, SIZE_MAX, data};
use crate::attr::{Attr, Ino, SetAttr, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::{
    Allocate, DirOps, FileOps, FileSystem, FsFeatures, FsInfo, Seek, StatFs, SyncMode, XattrOps,
};
use crate::name::NAME_MAX;

impl<D: BlockDevice, R: RawRwLock + Send + Sync> FileSystem for KosFs<D, R> {
    fn info(&self) -> FsInfo {
        let all = FsFeatures::OWNERS | FsFeatures::SYMLINKS | FsFeatures::SPECIAL;
        let all = all | FsFeatures::EXCHANGE | FsFeatures::SPARSE | FsFeatures::NAMELESS;
        let read_only = if self.read_only { FsFeatures::READ_ONLY } else { FsFeatures::empty() };
        FsInfo {
            kind: "kosfs",
            block_size: u32::try_from(BLOCK_SIZE).unwrap_or(u32::MAX),
            max_size: SIZE_MAX,
            max_links: LINKS_MAX,
            max_name: NAME_MAX,
            time_step: 1,
            access_step: 1,
            features: all | read_only,
        }
    }

    fn root(&self) -> Ino {
        ino(ROOT)
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        let attr = self.attr(file)?;
        if attr.links == 0 && !self.is_used(file.number) {
            return Err(FsError::Stale);
        }
        self.take_use(file.number)?;
        Ok(attr)
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        if file.generation != 0 {
            return Err(FsError::Stale);
        }
        self.volume.look(|tree| Ok(Inode::find(tree, file.number)?.shown()))
    }

    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        self.volume.change(|view, edits| {
            let mut inode = Inode::find(view.tree, file.number)?;
            inode.set(set);
            // The times of a write that waited must not fail where the write does not.
            edits.writes_to = file.number;
            edits.put(Inode::key(file.number), inode.encode().as_ref())?;
            Ok(inode.shown())
        })
    }

    fn forget(&self, file: Ino, uses: u32) {
        if self.drop_uses(file.number, uses) {
            // Nothing is promised to whom nobody uses, and giving back does not fail.
            let _ = self.volume.promise(file.number, 0);
            self.unused(file.number);
        }
    }

    fn dirs(&self) -> &dyn DirOps {
        self
    }

    fn files(&self) -> &dyn FileOps {
        self
    }

    fn xattrs(&self) -> Option<&dyn XattrOps> {
        Some(self)
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        Ok(self.volume.statfs())
    }

    fn sync(&self, _: SyncMode) -> Result<(), FsError> {
        self.volume.commit_all(false)
    }
}

impl<D: BlockDevice, R: RawRwLock> FileOps for KosFs<D, R> {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        data::read_at(self, file.number, offset, out)
    }

    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError> {
        self.finish_cut(file.number)?;
        data::write_at(self, file.number, offset, bytes, now)
    }

    fn reserve(&self, file: Ino, pages: u64, _: u64) -> Result<bool, FsError> {
        self.volume.promise(file.number, pages)?;
        Ok(true)
    }

    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        self.finish_cut(file.number)?;
        data::truncate(self, file.number, size, now)
    }

    fn allocate(
        &self,
        file: Ino,
        how: Allocate,
        offset: u64,
        length: u64,
        now: Timestamp,
    ) -> Result<Attr, FsError> {
        self.finish_cut(file.number)?;
        let end = offset.checked_add(length).filter(|&end| end <= SIZE_MAX);
        let end = end.ok_or(FsError::TooLarge { limit: SIZE_MAX })?;
        match how {
            Allocate::Grow => data::allocate(self, file.number, offset..end, end, now),
            Allocate::KeepSize => data::allocate(self, file.number, offset..end, 0, now),
            Allocate::Zero => data::punch(self, file.number, offset..end, end, now),
            Allocate::PunchHole | Allocate::ZeroKeepSize => {
                data::punch(self, file.number, offset..end, 0, now)
            }
        }
    }

    fn seek(&self, file: Ino, offset: u64, size: u64, what: Seek) -> Result<Option<u64>, FsError> {
        data::seek(self, file.number, offset, size, what)
    }

    fn fsync(&self, _: Ino, _: SyncMode) -> Result<(), FsError> {
        self.volume.commit_all(false)
    }
}

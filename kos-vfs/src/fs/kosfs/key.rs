//! The order of the tree: [`Key`].

use super::layout::RawKey;

/// What kind of item a key names. The number is on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum ItemKind {
    /// What is known about a file. Offset 0.
    Inode = 1,
    /// An extended attribute, or a piece of one. The offset is the hash of its name.
    Xattr = 2,
    /// A name. The offset is its hash: what `readdir` hands out as a cookie.
    Name = 3,
    /// Bytes of a short file. Offset 0.
    Inline = 4,
    /// Blocks of a file. The offset is the first of them, counted in the file.
    Extent = 5,
    /// A file without a name. The file is 0, the offset its number.
    Orphan = 6,
}

/// The name of an item: ordered by file, then kind, then offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) file: u64,
    pub(super) kind: u8,
    pub(super) offset: u64,
}

impl Key {
    /// Below every other.
    pub(super) const LEAST: Self = Self { file: 0, kind: 0, offset: 0 };

    pub(super) const fn new(file: u64, kind: ItemKind, offset: u64) -> Self {
        Self { file, kind: kind as u8, offset }
    }

    /// The key that comes next; `None` behind the last.
    pub(super) const fn next(self) -> Option<Self> {
        if let Some(offset) = self.offset.checked_add(1) {
            return Some(Self { offset, ..self });
        }
        if let Some(kind) = self.kind.checked_add(1) {
            return Some(Self { kind, offset: 0, ..self });
        }
        match self.file.checked_add(1) {
            Some(file) => Some(Self { file, kind: 0, offset: 0 }),
            None => None,
        }
    }
}

impl From<RawKey> for Key {
    fn from(raw: RawKey) -> Self {
        Self { file: raw.file.get(), kind: raw.kind, offset: raw.offset.get() }
    }
}

impl From<Key> for RawKey {
    fn from(key: Key) -> Self {
        Self { file: key.file.into(), kind: key.kind, offset: key.offset.into() }
    }
}

//! What is known about a file, as an item: [`Inode`].

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::key::{ItemKind, Key};
use super::layout::BLOCK;
use super::tree::{Blocked, Tree};
use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::error::FsError;
use crate::fs::NewNode;

/// The number of the root directory.
pub(super) const ROOT: u64 = 1;

/// Bytes of a file that stand in the tree instead of blocks, at most.
pub(super) const INLINE_MAX: usize = 1024;

/// Its bytes are an [`ItemKind::Inline`] item.
const INLINE: u16 = 1;

/// 12 bytes: seconds since 1970, nanoseconds.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawTime {
    seconds: I64,
    nanos: U32,
}

/// An inode item: 108 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawInode {
    /// `S_IFMT` and permission bits.
    mode: U16,
    flags: U16,
    links: U32,
    uid: U32,
    gid: U32,
    major: U32,
    minor: U32,
    size: U64,
    /// Blocks of data.
    blocks: U64,
    /// Of a directory: where `..` leads.
    parent: U64,
    /// Of a directory: names in it.
    names: U64,
    accessed: RawTime,
    modified: RawTime,
    changed: RawTime,
    born: RawTime,
}

/// What is known about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) attr: Attr,
    /// Blocks of data.
    pub(super) blocks: u64,
    pub(super) parent: u64,
    pub(super) names: u64,
    pub(super) inline: bool,
}

/// A file of this file system. Numbers are never used again, so that there are no generations.
pub(super) const fn ino(number: u64) -> Ino {
    Ino { number, generation: 0 }
}

impl Inode {
    pub(super) const fn key(number: u64) -> Key {
        Key::new(number, ItemKind::Inode, 0)
    }

    /// A new file in the directory `parent`.
    pub(super) fn new(number: u64, parent: u64, new: &NewNode<'_>) -> Self {
        let directory = new.kind == FileType::Directory;
        let attr = Attr {
            ino: ino(number),
            kind: new.kind,
            mode: new.mode,
            links: if directory { 2 } else { 1 },
            uid: new.uid,
            gid: new.gid,
            device: new.device,
            size: new.target.len() as u64,
            blocks: 0,
            accessed: new.now,
            modified: new.now,
            changed: new.now,
            born: new.now,
        };
        let inline = matches!(new.kind, FileType::Regular | FileType::Symlink);
        Self { attr, blocks: 0, parent: if directory { parent } else { 0 }, names: 0, inline }
    }

    /// The file `number`, which somebody uses or a name points to.
    pub(super) fn find(tree: &Tree, number: u64) -> Result<Self, Blocked> {
        let item = tree.get(Self::key(number))?.ok_or(FsError::Stale)?;
        Ok(Self::decode(number, item)?)
    }

    /// The file `number`, whose bytes are to be changed.
    pub(super) fn find_regular(tree: &Tree, number: u64) -> Result<Self, Blocked> {
        let inode = Self::find(tree, number)?;
        match inode.attr.kind {
            FileType::Regular => Ok(inode),
            FileType::Directory => Err(FsError::IsDirectory.into()),
            _ => Err(FsError::Unsupported.into()),
        }
    }

    /// The inode in `item`.
    pub(super) fn decode(number: u64, item: &[u8]) -> Result<Self, FsError> {
        let corrupt = FsError::Corrupt { block: number, what: "an inode that makes no sense" };
        let raw = RawInode::read_from_bytes(item).map_err(|_| corrupt)?;
        let time = |raw: RawTime| Timestamp::new(raw.seconds.get(), raw.nanos.get()).ok_or(corrupt);
        let attr = Attr {
            ino: ino(number),
            kind: FileType::from_bits(raw.mode.get()).ok_or(corrupt)?,
            mode: Mode::of(raw.mode.get()),
            links: raw.links.get(),
            uid: raw.uid.get(),
            gid: raw.gid.get(),
            device: DeviceNumber { major: raw.major.get(), minor: raw.minor.get() },
            size: raw.size.get(),
            blocks: raw.blocks.get().saturating_mul(BLOCK as u64 / 512),
            accessed: time(raw.accessed)?,
            modified: time(raw.modified)?,
            changed: time(raw.changed)?,
            born: time(raw.born)?,
        };
        if attr.size > super::SIZE_MAX {
            return Err(corrupt);
        }
        let inline = raw.flags.get() & INLINE != 0;
        Ok(Self { attr, blocks: raw.blocks.get(), parent: raw.parent.get(), names: raw.names.get(), inline })
    }

    pub(super) fn encode(&self) -> impl AsRef<[u8]> {
        let time = |time: Timestamp| RawTime { seconds: time.seconds.into(), nanos: time.nanos().into() };
        let raw = RawInode {
            mode: self.attr.mode_word().into(),
            flags: (u16::from(self.inline) * INLINE).into(),
            links: self.attr.links.into(),
            uid: self.attr.uid.into(),
            gid: self.attr.gid.into(),
            major: self.attr.device.major.into(),
            minor: self.attr.device.minor.into(),
            size: self.attr.size.into(),
            blocks: self.blocks.into(),
            parent: self.parent.into(),
            names: self.names.into(),
            accessed: time(self.attr.accessed),
            modified: time(self.attr.modified),
            changed: time(self.attr.changed),
            born: time(self.attr.born),
        };
        let mut bytes = [0; size_of::<RawInode>()];
        bytes.copy_from_slice(raw.as_bytes());
        bytes
    }

    /// Changes what `set` names.
    pub(super) fn set(&mut self, set: &SetAttr) {
        let attr = &mut self.attr;
        attr.mode = set.mode.unwrap_or(attr.mode);
        attr.uid = set.uid.unwrap_or(attr.uid);
        attr.gid = set.gid.unwrap_or(attr.gid);
        attr.accessed = set.accessed.unwrap_or(attr.accessed);
        attr.modified = set.modified.unwrap_or(attr.modified);
        attr.changed = set.changed.unwrap_or(attr.changed);
    }

    /// Its bytes changed at `now`.
    pub(super) fn touch(&mut self, now: Timestamp) {
        (self.attr.modified, self.attr.changed) = (now, now);
    }

    /// What others see of it, with the blocks that it has now.
    pub(super) fn shown(&self) -> Attr {
        Attr { blocks: self.blocks.saturating_mul(BLOCK as u64 / 512), ..self.attr }
    }
}

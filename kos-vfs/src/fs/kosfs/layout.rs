//! What stands on the device, byte by byte. All numbers are little-endian, all blocks have 4096 bytes.
//!
//! | block | what |
//! |---|---|
//! | 0 to 15 | not used: room for a boot loader |
//! | 16, 272 | superblocks: a generation's stands in 16 if it is even, in 272 if it is odd |
//! | 273 on | three homes of the table of groups, one behind the other ([`plan`](super::plan)) |
//! | then | three homes of all bitmaps |
//! | then | nodes of trees, and data |
//! | last | the parameters once more, as mkfs wrote them |
//!
//! Every block that is not data begins with a [`Header`]. Who points to a block holds a [`Pointer`] with what the header
//! must say, so that a write that was torn, lost, stale or went elsewhere shows.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a block.
pub(super) const BLOCK: usize = 4096;

/// Bytes of a [`Header`].
pub(super) const HEADER: usize = size_of::<Header>();

/// Blocks of a group: what one bitmap block has bits for, 4048 × 8.
pub(super) const GROUP_BLOCKS: u64 = (BLOCK - HEADER) as u64 * 8;

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    Super = 1,
    Node = 2,
    Bitmap = 3,
    Groups = 4,
    Parameters = 5,
}

/// The start of every block but those of data.
///
/// | at | bytes | what |
/// |---|---|---|
/// | 0 | 8 | XXH64 with seed 0 of the bytes from 8 on |
/// | 8 | 4 | `kosB` |
/// | 12 | 1 | kind |
/// | 13 | 1 | level: 0 is a leaf |
/// | 14 | 2 | items |
/// | 16 | 8 | the block's own number |
/// | 24 | 8 | the generation that wrote it |
/// | 32 | 16 | the volume |
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    pub(super) checksum: U64,
    pub(super) magic: [u8; 4],
    pub(super) kind: u8,
    pub(super) level: u8,
    pub(super) items: U16,
    pub(super) address: U64,
    pub(super) generation: U64,
    pub(super) volume: [u8; 16],
}

/// The magic of every [`Header`].
pub(super) const MAGIC: [u8; 4] = *b"kosB";

/// Where a block is, and what must be found there. 24 bytes: address, generation, checksum.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub(super) struct Pointer {
    pub(super) address: U64,
    pub(super) generation: U64,
    pub(super) checksum: U64,
}

/// The key of an item: 17 bytes, in the order of file, kind, offset.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub(super) struct RawKey {
    pub(super) file: U64,
    pub(super) kind: u8,
    pub(super) offset: U64,
}

/// An entry of an inner node: 41 bytes. The child holds keys from this one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Branch {
    pub(super) key: RawKey,
    pub(super) child: Pointer,
}

/// An entry of a leaf: 21 bytes. They grow upwards behind the header, the items downwards from the block's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) key: RawKey,
    /// Where the item starts in the block.
    pub(super) start: U16,
    pub(super) length: U16,
}

/// An entry of the table of groups: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawGroup {
    /// Blocks of the group that the tree does not need.
    pub(super) free: U32,
    /// Which home of its bitmap counts; 3 if none was ever written: then all usable blocks are free.
    pub(super) home: u8,
    pub(super) zero: [u8; 3],
    /// The checksum of that bitmap.
    pub(super) checksum: U64,
}

/// What a superblock says behind its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Super {
    /// 1.
    pub(super) version: U32,
    /// 12: the logarithm of the block size.
    pub(super) block_shift: u8,
    /// 1: XXH64.
    pub(super) checksum_kind: u8,
    /// Levels of the tree: 0 is a single leaf.
    pub(super) level: u8,
    pub(super) flags: u8,
    /// Blocks of the volume.
    pub(super) blocks: U64,
    /// What a driver may ignore.
    pub(super) compatible: U64,
    /// What a driver that does not know it mounts read-only.
    pub(super) read_only_compatible: U64,
    /// What a driver that does not know it refuses.
    pub(super) incompatible: U64,
    pub(super) root: Pointer,
    /// The number of the next file.
    pub(super) next_file: U64,
    /// Files that there are.
    pub(super) files: U64,
    /// Blocks that no tree of this generation needs.
    pub(super) free: U64,
    /// XXH64 of the checksums of all blocks of the table of groups, in order.
    pub(super) tables: U64,
    /// Seconds since 1970 when mkfs ran.
    pub(super) created: U64,
    /// The key of the names' hash.
    pub(super) hash_key: [u8; 16],
    /// Text, filled with NUL.
    pub(super) label: [u8; 64],
}

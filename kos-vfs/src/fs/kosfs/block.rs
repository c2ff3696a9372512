//! One block in memory: [`Block`], sealed before it is written and checked after it was read.

use alloc::vec::Vec;

use twox_hash::XxHash64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::layout::{BLOCK, BlockKind, Header, MAGIC, Pointer};
use crate::error::FsError;

/// The bytes of one block; always [`BLOCK`] of them.
#[derive(Clone, Debug)]
pub(super) struct Block(Vec<u8>);

/// What a block must be, as whoever points to it knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) kind: BlockKind,
    pub(super) address: u64,
    pub(super) volume: &'a [u8; 16],
}

impl Block {
    /// All zero.
    pub(super) fn try_new() -> Result<Self, FsError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(BLOCK)?;
        bytes.resize(BLOCK, 0);
        Ok(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The value at byte `at`; `None` past the end.
    pub(super) fn get<T: FromBytes + KnownLayout + Immutable>(&self, at: usize) -> Option<T> {
        T::read_from_prefix(self.0.get(at..)?).ok().map(|(value, _)| value)
    }

    /// Stores `value` at byte `at`; nothing past the end.
    pub(super) fn put<T: IntoBytes + Immutable>(&mut self, at: usize, value: &T) {
        if let Some(place) = at.checked_add(size_of::<T>()).and_then(|end| self.0.get_mut(at..end)) {
            place.copy_from_slice(value.as_bytes());
        }
    }

    pub(super) fn header(&self) -> Header {
        self.get(0).unwrap_or(EMPTY)
    }

    /// Its checksum, as it must stand in its header.
    fn sum(&self) -> u64 {
        XxHash64::oneshot(0, self.0.get(8..).unwrap_or_default())
    }

    /// Makes it fit to be written to `expected.address` by `generation`. Returns what points to it.
    pub(super) fn seal(&mut self, expected: Expected<'_>, generation: u64) -> Pointer {
        let header = Header {
            magic: MAGIC,
            kind: expected.kind as u8,
            address: expected.address.into(),
            generation: generation.into(),
            volume: *expected.volume,
            ..self.header()
        };
        self.put(0, &header);
        let checksum = self.sum().into();
        self.put(0, &Header { checksum, ..header });
        Pointer { address: expected.address.into(), generation: generation.into(), checksum }
    }

    /// Whether it is what was expected, by itself.
    pub(super) fn verify(&self, expected: Expected<'_>) -> Result<Header, FsError> {
        let header = self.header();
        let corrupt = |what| Err(FsError::Corrupt { block: expected.address, what });
        if header.magic != MAGIC {
            return corrupt("no block of kosfs");
        }
        if header.checksum.get() != self.sum() {
            return corrupt("its checksum is another");
        }
        if header.volume != *expected.volume {
            return corrupt("it belongs to another volume");
        }
        if header.address.get() != expected.address {
            return corrupt("it was written for another place");
        }
        if header.kind != expected.kind as u8 {
            return corrupt("it is of another kind");
        }
        Ok(header)
    }

    /// Whether it is what `pointer` points to.
    pub(super) fn verify_child(
        &self,
        kind: BlockKind,
        pointer: Pointer,
        volume: &[u8; 16],
    ) -> Result<Header, FsError> {
        let header = self.verify(Expected { kind, address: pointer.address.get(), volume })?;
        if header.generation != pointer.generation || header.checksum != pointer.checksum {
            return Err(FsError::Corrupt {
                block: pointer.address.get(),
                what: "it is older or newer than it must be",
            });
        }
        Ok(header)
    }
}

/// The header of no block.
const EMPTY: Header = Header {
    checksum: zerocopy::little_endian::U64::ZERO,
    magic: [0; 4],
    kind: 0,
    level: 0,
    items: zerocopy::little_endian::U16::ZERO,
    address: zerocopy::little_endian::U64::ZERO,
    generation: zerocopy::little_endian::U64::ZERO,
    volume: [0; 16],
};

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: [u8; 16] = *b"0123456789abcdef";
    const HERE: Expected<'_> = Expected { kind: BlockKind::Node, address: 77, volume: &VOLUME };

    fn sealed() -> (Block, Pointer) {
        let mut block = Block::try_new().unwrap();
        block.bytes_mut()[1000] = 42;
        let pointer = block.seal(HERE, 5);
        (block, pointer)
    }

    #[test]
    fn every_changed_bit_shows() {
        let (block, pointer) = sealed();
        assert!(block.verify_child(BlockKind::Node, pointer, &VOLUME).is_ok());
        for at in (0..BLOCK).step_by(3) {
            let mut damaged = block.clone();
            damaged.bytes_mut()[at] ^= 1 << (at % 8);
            assert!(damaged.verify_child(BlockKind::Node, pointer, &VOLUME).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_block_that_went_elsewhere_or_is_stale_is_named() {
        let (mut block, old) = sealed();
        let what = |error| match error {
            Err(FsError::Corrupt { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what(block.verify(Expected { address: 78, ..HERE })), "it was written for another place");
        assert_eq!(what(block.verify(Expected { volume: &[0; 16], ..HERE })), "it belongs to another volume");
        assert_eq!(what(block.verify(Expected { kind: BlockKind::Bitmap, ..HERE })), "it is of another kind");
        block.seal(HERE, 6);
        assert_eq!(
            what(block.verify_child(BlockKind::Node, old, &VOLUME)),
            "it is older or newer than it must be"
        );
    }
}

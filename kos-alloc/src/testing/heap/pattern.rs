//! Bytes by which a block is known again: both ends, and a sample between.

use core::ptr::NonNull;

/// Bytes at each end that are all written and compared.
const EDGE: usize = 48;
/// Distance of the samples between the ends.
const STRIDE: usize = 509;

/// Writes the pattern of `seed` to a block of `size` bytes that the caller owns.
pub(in crate::testing) fn fill(block: NonNull<u8>, size: usize, seed: u8) {
    for offset in offsets(size) {
        // SAFETY: the caller owns the block, and the offset is below its size.
        unsafe { at(block, offset).write(byte(offset, seed)) };
    }
}

/// Compares the first `kept` bytes of a block with the pattern that was filled into `filled` bytes.
pub(in crate::testing) fn check(block: NonNull<u8>, kept: usize, filled: usize, seed: u8) {
    for offset in offsets(filled).filter(|&offset| offset < kept) {
        // SAFETY: the caller owns the block, and the offset is below its size; the byte was written.
        let found = unsafe { at(block, offset).read() };
        assert_eq!(found, byte(offset, seed), "byte {offset} of {block:?}");
    }
}

/// Compares all `size` bytes of a block with 0.
pub(in crate::testing) fn check_zero(block: NonNull<u8>, size: usize) {
    for offset in 0..size {
        // SAFETY: the caller owns the block, and the offset is below its size; the heap wrote it.
        let found = unsafe { at(block, offset).read() };
        assert_eq!(found, 0, "byte {offset} of {block:?}");
    }
}

fn at(block: NonNull<u8>, offset: usize) -> NonNull<u8> {
    block.map_addr(|address| address.saturating_add(offset))
}

fn offsets(size: usize) -> impl Iterator<Item = usize> {
    let tail = size.saturating_sub(EDGE).max(EDGE.min(size));
    (0..EDGE.min(size)).chain((0..size).step_by(STRIDE)).chain(tail..size)
}

fn byte(offset: usize, seed: u8) -> u8 {
    let [low, high, ..] = offset.to_le_bytes();
    low ^ high.rotate_left(3) ^ seed
}

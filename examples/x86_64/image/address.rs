//! Numbers as pointers.

use core::ptr::with_exposed_provenance_mut;

/// The pointer with this address, to memory that no Rust value stands for: device registers, the direct map, stacks.
#[expect(clippy::cast_possible_truncation, reason = "the image is 64-bit code: addresses are 64 bits")]
pub(crate) fn pointer<T>(address: u64) -> *mut T {
    with_exposed_provenance_mut(address as usize)
}

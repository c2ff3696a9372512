//! The word with which every free block begins: its *seal*, a secret mixed with the block's own address.
//!
//! Invariant: a block of a slab has its seal from [`Slab::format`](super::Slab::format) until it is handed out, and again
//! from its free on, wherever it rests meanwhile. A seal on what is freed is a double free; a block to be handed out
//! whose seal is broken was written to while it was free. Its owner cannot make it by chance, and an attacker not without
//! the secret.

use core::ptr::NonNull;

/// The seal of `block`.
#[inline]
fn seal_of(block: NonNull<u8>, secret: u64) -> u64 {
    secret ^ block.addr().get() as u64
}

/// Writes the seal.
///
/// # Safety
///
/// `block` is the address of a block of a slab, which belongs to the heap.
#[inline]
pub(crate) unsafe fn seal(block: NonNull<u8>, secret: u64) {
    // SAFETY: every block has at least eight bytes and is aligned to eight; the caller lends them.
    unsafe { block.cast::<u64>().write(seal_of(block, secret)) };
}

/// Whether the block bears its seal.
///
/// # Safety
///
/// `block` is the address of a block of a slab, live or free.
#[inline]
pub(crate) unsafe fn is_sealed(block: NonNull<u8>, secret: u64) -> bool {
    // SAFETY: every block has at least eight bytes, is aligned to eight, and was written by `format`.
    let word = unsafe { block.cast::<u64>().read() };
    word == seal_of(block, secret)
}

/// Takes the seal off; false, and nothing is written, if it is broken.
///
/// # Safety
///
/// As for [`seal`].
#[inline]
pub(crate) unsafe fn unseal(block: NonNull<u8>, secret: u64) -> bool {
    // SAFETY: passed on from the caller.
    let whole = unsafe { is_sealed(block, secret) };
    if whole {
        // SAFETY: as in `seal`.
        unsafe { block.cast::<u64>().write(0) };
    }
    whole
}

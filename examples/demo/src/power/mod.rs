//! Power cuts between any two writes: [`log`] reads what QEMU wrote down of a disk, [`cut`] is the disk as a cut left it, [`replay`]
//! chooses the cuts and looks at each.
//!
//! QEMU writes a request down when it has ended. A write that ends while a flush is on its way stands before that flush, and is
//! taken as flushed: such a write is never lost here, though a disk might lose it. What is lost here, a disk may lose.

pub mod cut;
pub mod log;
pub mod replay;

/// Files that the kernel makes durable while its writes are written down.
pub const FILES: u64 = 300;
/// They have numbers above this one: of six digits, which nothing else on the disk looks like.
pub const FLOOR: u64 = 100_000;

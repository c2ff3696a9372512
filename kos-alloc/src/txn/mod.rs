//! All-or-nothing allocation: [`Transaction`] and [`Reservation`], over any [`BlockAlloc`](crate::BlockAlloc).
//!
//! To make a process takes a dozen allocations, and each may fail. By hand that is a dozen ways out, each of which must undo
//! another set of steps, and which are hardly ever run. Here it is one:
//!
//! ```
//! # use core::alloc::Layout;
//! # use core::ptr::NonNull;
//! # use kos_alloc::txn::BlockBox;
//! # use kos_alloc::{AllocError, FrameRange, FrameRequest, Transaction};
//! # use kos_alloc::testing::FakeHeap as Heap;
//! # const FILES: Layout = Layout::new::<[usize; 64]>();
//! struct Process {
//!     table: FrameRange,
//!     stack: FrameRange,
//!     files: NonNull<u8>,
//! }
//!
//! fn create(heap: &Heap) -> Result<BlockBox<'_, Heap, Process>, AllocError> {
//!     let tx = Transaction::begin::<8>(heap); // on a `KernelHeap`: `heap.begin::<8>()`
//!     let table = tx.allocate_frames(&FrameRequest::new(1))?; // each `?` leaves nothing behind
//!     let stack = tx.allocate_frames(&FrameRequest::new(4))?;
//!     let files = tx.allocate(FILES)?;
//!     let process = tx.new_box(Process { table, stack, files })?.keep();
//!     tx.commit();
//!     Ok(process)
//! }
//! # let heap = Heap::new();
//! # let process = create(&heap)?;
//! # assert_eq!((process.table.count(), process.stack.count()), (1, 4));
//! # assert_eq!(heap.live_blocks(), 2);
//! # Ok::<(), AllocError>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | undo everything | drop the transaction, or [`rollback`](Transaction::rollback) to hear how it went |
//! | undo a part of it | [`savepoint`](Transaction::savepoint), [`rollback_to`](Transaction::rollback_to) |
//! | let a function do its own all or nothing | [`nested`](Transaction::nested) |
//! | replace: free the old when the new one stands | [`defer_free`](Transaction::defer_free) |
//! | undo a value, not only its memory | [`new_box`](Transaction::new_box): dropped on rollback |
//! | write it as a block | [`with_transaction!`](crate::with_transaction), [`try_allocate!`](crate::try_allocate) |
//! | not be able to fail | [`Reservation`]: reserve (may fail), then take (cannot) |
//!
//! A rollback is a remedy, not a promise: whoever cannot bear a failure half-way, because interrupts are masked or a device
//! has been told already, reserves first.
//!
//! # What does not compile
//!
//! Use after the end:
//! ```compile_fail,E0382
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let tx = kos_alloc::Transaction::begin::<8>(&heap);
//! tx.commit();
//! tx.new_box(1)?; // borrow of moved value
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//! ```compile_fail,E0382
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let tx = kos_alloc::Transaction::begin::<8>(&heap);
//! tx.rollback().unwrap();
//! tx.new_box(1)?; // borrow of moved value
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//! A box that outlives its transaction, its commit, or the return to a savepoint:
//! ```compile_fail,E0597
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let number = {
//!     let tx = kos_alloc::Transaction::begin::<8>(&heap);
//!     tx.new_box(1)? // `tx` does not live long enough
//! };
//! # drop(number);
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//! ```compile_fail,E0505
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let tx = kos_alloc::Transaction::begin::<8>(&heap);
//! let mut number = tx.new_box(1)?;
//! tx.commit(); // cannot move out of `tx`: it is borrowed; `number.keep()` first
//! *number = 2;
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//! ```compile_fail,E0502
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let mut tx = kos_alloc::Transaction::begin::<8>(&heap);
//! let start = tx.savepoint();
//! let mut number = tx.new_box(1)?;
//! tx.rollback_to(start).unwrap(); // cannot borrow `tx` as mutable
//! *number = 2;
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//! The parent while a nested transaction lives:
//! ```compile_fail,E0502
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let mut tx = kos_alloc::Transaction::begin::<8>(&heap);
//! let nested = tx.nested();
//! tx.new_box(1)?; // cannot borrow `tx` as immutable
//! nested.commit();
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//! A value that borrows from what dies before the transaction, given at once or put in later:
//! ```compile_fail,E0597
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let tx = kos_alloc::Transaction::begin::<8>(&heap);
//! let short = String::from("short");
//! tx.new_box(short.as_str())?; // `short` does not live long enough: the rollback drops the value later
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//! ```compile_fail,E0597
//! # let heap = kos_alloc::testing::FakeHeap::new();
//! let tx = kos_alloc::Transaction::begin::<8>(&heap);
//! let mut text = tx.new_box("long")?;
//! let short = String::from("short");
//! *text = short.as_str();
//! # Ok::<(), kos_alloc::AllocError>(())
//! ```
//!
//! # Parts
//!
//! | file | what |
//! |---|---|
//! | `transaction`, `savepoint` | the faces |
//! | `log`, `journal` | the entries and where they are kept; all that is done by them |
//! | `boxed` | values in blocks |
//! | `reservation`, `table` | pieces held for later, and the list of them |
//! | `macros`, `heap` | both as macros, and as methods of [`KernelHeap`](crate::KernelHeap) |

#[expect(unsafe_code, reason = "reads and drops the values in blocks that it owns")]
mod boxed;
mod error;
mod heap;
#[expect(unsafe_code, reason = "frees and drops what its entries name")]
mod journal;
#[expect(unsafe_code, reason = "knows which slots were written")]
mod log;
mod macros;
#[expect(unsafe_code, reason = "frees the pieces that were not taken")]
mod reservation;
mod savepoint;
#[expect(unsafe_code, reason = "lays its list out in a block")]
mod table;
#[cfg(test)]
#[expect(unsafe_code, reason = "frees what transactions left, and promises what they rely on")]
mod tests;
mod transaction;

pub use boxed::{BlockBox, TxBox};
pub use error::{Refused, RefusedFree, SavepointError};
pub use log::{Inline, Lent, Log, LogEntry, Nested};
pub use reservation::{Reservation, TakeError};
pub use savepoint::Savepoint;
pub use transaction::Transaction;

/// What the macros' expansions call.
#[doc(hidden)]
pub mod for_macros {
    pub use super::macros::{BeginForMacro, attempt, layout};
}

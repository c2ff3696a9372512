//! [`with_transaction!`](crate::with_transaction) and [`try_allocate!`](crate::try_allocate).
//!
//! Both are hygienic: of the caller's names they touch only the identifier that they are given, and what they use of this
//! crate they name in full.

use core::alloc::Layout;

use super::{Inline, Lent, Log, LogEntry, Nested, Transaction};
use crate::error::AllocError;
use crate::ports::BlockAlloc;

/// Runs a block as a transaction on a heap: `Ok` commits, `Err` and `?` roll back. Gives the block's value, a `Result`.
///
/// Inside the block the identifier names the transaction instead of the heap, so that
/// [`try_allocate!`](crate::try_allocate) there is the transaction's. In a block inside the block it names a nested one.
///
/// ```
/// # use core::ptr::NonNull;
/// # use kos_alloc::{AllocError, FrameRange, FrameRequest, Transaction, try_allocate, with_transaction};
/// # let heap = kos_alloc::testing::FakeHeap::new();
/// struct Thread {
///     stack: FrameRange,
///     queue: NonNull<u8>,
/// }
///
/// let thread = with_transaction!(heap, {
///     let stack = heap.allocate_frames(&FrameRequest::new(4))?;
///     let queue = try_allocate!(heap, 512, 64)?;
///     let thread = heap.new_box(Thread { stack, queue })?;
///     Ok::<_, AllocError>(thread.keep())
/// })?;
/// # assert_eq!(heap.live_blocks(), 2);
/// # Ok::<(), AllocError>(())
/// ```
///
/// The log has 16 entries, or `with_transaction!(heap, entries = 40, { … })`, or is lent:
/// `with_transaction!(heap, log = &mut log, { … })`; a nested transaction goes on in its parent's. The block is run as a
/// closure, so that `return` in it ends it alone. Where nothing else tells the compiler the type of the error, the block
/// says `Ok::<_, E>(…)`. What a commit's deferred frees were refused is not reported; who must know uses
/// [`Transaction::commit`](crate::Transaction::commit).
#[macro_export]
macro_rules! with_transaction {
    ($a:ident, $body:block) => {
        $crate::with_transaction!($a, entries = 16, $body)
    };
    ($a:ident, entries = $entries:expr, $body:block) => {
        $crate::with_transaction!(@run $a, begin_for_macro::<{ $entries }>(), $body)
    };
    ($a:ident, log = $log:expr, $body:block) => {
        $crate::with_transaction!(@run $a, begin_in_for_macro($log), $body)
    };
    (@run $a:ident, $($begin:ident)? $(::<$entries:block>)? ($($log:expr)?), $body:block) => {{
        #[allow(unused_imports, reason = "a transaction has a method of its own")]
        use $crate::txn::for_macros::BeginForMacro as _;
        let mut transaction = $a.$($begin)? $(::<$entries>)? ($($log)?);
        let result = {
            #[allow(unused_variables, reason = "the block may allocate nothing")]
            let $a = &mut transaction;
            $crate::txn::for_macros::attempt(|| $body)
        };
        if result.is_ok() {
            transaction.commit();
        } else {
            drop(transaction);
        }
        result
    }};
}

/// A block of `size` bytes of a heap or a transaction: `try_allocate!(a, size)` aligned to 16, or
/// `try_allocate!(a, size, align)`. Gives `Result<NonNull<u8>, AllocError>`.
///
/// The same as `a.allocate(layout)`, without the making of a layout: what cannot be one is
/// [`AllocError::BadRequest`].
///
/// ```
/// # use kos_alloc::{AllocError, try_allocate};
/// # let heap = kos_alloc::testing::FakeHeap::new();
/// let buffer = try_allocate!(heap, 1500)?;
/// let ring = try_allocate!(heap, 4096, 4096)?;
/// assert_eq!(try_allocate!(heap, 64, 3), Err(AllocError::BadRequest { size: 64, align: 3 }));
/// # assert_eq!(ring.addr().get() % 4096, 0);
/// # assert_eq!(buffer.addr().get() % 16, 0);
/// # Ok::<(), AllocError>(())
/// ```
#[macro_export]
macro_rules! try_allocate {
    ($a:expr, $size:expr $(,)?) => {
        $crate::try_allocate!($a, $size, 16)
    };
    ($a:expr, $size:expr, $align:expr $(,)?) => {
        match $crate::txn::for_macros::layout($size, $align) {
            ::core::result::Result::Ok(layout) => {
                #[allow(unused_imports, reason = "a transaction has a method of its own")]
                use $crate::BlockAlloc as _;
                $a.allocate(layout)
            }
            ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
        }
    };
}

/// How [`with_transaction!`](crate::with_transaction) begins, on whatever its identifier names.
#[doc(hidden)]
pub trait BeginForMacro: BlockAlloc + Sized {
    fn begin_for_macro<const N: usize>(&self) -> Transaction<'_, Self, Inline<N>> {
        Transaction::begin(self)
    }

    fn begin_in_for_macro<'l>(&self, log: &'l mut [LogEntry]) -> Transaction<'_, Self, Lent<'l>> {
        Transaction::begin_in(self, log)
    }
}

impl<A: BlockAlloc> BeginForMacro for A {}

impl<'a, A: BlockAlloc, L: Log> Transaction<'a, A, L> {
    /// A block inside a block: its log is the parent's, whatever `N` is.
    #[doc(hidden)]
    pub fn begin_for_macro<const N: usize>(&mut self) -> Transaction<'a, A, Nested<'_>> {
        self.nested()
    }
}

/// Runs the block of a [`with_transaction!`](crate::with_transaction).
///
/// # Errors
///
/// Those of the block.
#[doc(hidden)]
#[inline]
pub fn attempt<T, E>(body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    body()
}

/// The layout that a [`try_allocate!`](crate::try_allocate) asks for.
///
/// # Errors
///
/// [`AllocError::BadRequest`] if there is none.
#[doc(hidden)]
#[inline]
pub fn layout(size: usize, align: usize) -> Result<Layout, AllocError> {
    Layout::from_size_align(size, align).map_err(|_| AllocError::BadRequest { size, align })
}

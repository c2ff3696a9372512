//! What an integrator implements: frames for tables, a way to see them, and TLB invalidation.
//!
//! One type usually implements [`FrameSource`] and [`PhysMapper`] (the kernel's frame allocator with its direct map);
//! [`TlbFlush`] is passed where a flush is due. All three also work through `&T`. None may call back into the table
//! that calls it.
#![expect(
    unsafe_code,
    reason = "two ports can break memory safety: their traits say so; no code here acts on it"
)]

use core::fmt;
use core::ptr::NonNull;

use crate::addr::PhysAddr;
use crate::cpus::CpuSet;
use crate::flush::FlushSet;

/// A block of `4096 << order` bytes of physical memory, owned by who holds this value. Losing it loses the frame.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a frame that is dropped is lost"]
pub struct Frame {
    address: PhysAddr,
    order: u8,
}

impl Frame {
    /// Claims the 4 KiB at `address`.
    ///
    /// # Safety
    ///
    /// The 4 KiB at `address`, a multiple of 4096, are memory that nobody else uses until this value is given up.
    pub const unsafe fn new(address: PhysAddr) -> Self {
        Self { address, order: 0 }
    }

    /// Claims the `4096 << order` bytes at `address`.
    ///
    /// # Safety
    ///
    /// The bytes at `address`, a multiple of their number, are memory that nobody else uses until this value is given up.
    pub const unsafe fn of_order(address: PhysAddr, order: u8) -> Self {
        Self { address, order }
    }

    /// Where the frame is.
    #[must_use]
    pub const fn address(&self) -> PhysAddr {
        self.address
    }

    /// log2 of its length in units of 4 KiB.
    #[must_use]
    pub const fn order(&self) -> u8 {
        self.order
    }
}

/// What a table asks of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FrameRequest {
    /// The highest address that the frame's last byte may have: an MMU reaches tables below its own limit only.
    pub highest: PhysAddr,
    /// log2 of its length in units of 4 KiB: 0 on x86 and RISC-V, 2 and 4 for the tables of larger granules. The frame
    /// is aligned to its length.
    pub order: u8,
}

impl FrameRequest {
    /// A frame of 4 KiB that ends at or below `highest`.
    #[must_use]
    pub const fn below(highest: PhysAddr) -> Self {
        Self { highest, order: 0 }
    }

    /// The same, `4096 << order` bytes long.
    #[must_use]
    pub const fn of_order(self, order: u8) -> Self {
        Self { order, ..self }
    }

    /// Length of the frame.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        4096 << self.order
    }
}

/// No frame answers the request now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfFrames;

impl fmt::Display for OutOfFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no free frame answers the request")
    }
}

impl core::error::Error for OutOfFrames {}

/// Gives frames for tables and takes them back.
///
/// Called under whatever lock guards the table, once a table frame; must not block. The content of a frame does not
/// matter. A source that ignores `highest` or `order` is noticed: the frame goes back and the operation fails. One that
/// serves x86 and RISC-V alone may refuse every order but 0.
/// A safe trait: who makes a [`Frame`] has made the claim that counts.
pub trait FrameSource {
    /// Hands out one frame.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`]; the operation that asked then changes nothing.
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames>;

    /// Takes back a frame that [`allocate`](Self::allocate) gave, as long as it was.
    fn free(&self, frame: Frame);
}

/// Shows the frames that hold tables to this CPU: a direct map, an identity map, an arena.
///
/// May be called in interrupt context ([`walk::translate`](crate::walk::translate)); O(1), no lock.
///
/// # Safety
///
/// For every answer `Some(pointer)` the `bytes` bytes from `pointer`, aligned to 4096, stay valid for atomic loads as long
/// as the mapper lives and, for a frame that the paired [`FrameSource`] gave, for stores and plain loads, too; nobody
/// reads or writes them but by atomics or an MMU while they hold tables. Different frames have disjoint bytes. The answer for a frame
/// never changes while a table uses it. `None` for whatever is not memory, in part or whole: a walk over hostile tables
/// asks for any number.
///
/// Where [`WINDOW`](Self::WINDOW) is set, an answer holds only until the mapper is asked for the next frame.
pub unsafe trait PhysMapper {
    /// Whether the mapper has one place for all frames, such as a [`Window`](crate::Window): it is asked again before
    /// each access to an entry. Address spaces need a mapper that shows several frames at once.
    const WINDOW: bool = false;

    /// Where the `bytes` bytes at `frame`, a multiple of `bytes`, can be read; `None` if any of them is no memory.
    /// `bytes` is a power of two from 4096 to 65536; 4096 on x86 and RISC-V.
    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>>;
}

/// Makes translations vanish from every TLB that may hold them, and waits until that is done.
///
/// What a kernel of one CPU implements. One of several implements [`TlbControl`] and takes its
/// [`Shootdown`](crate::Shootdown).
///
/// # Safety
///
/// When [`flush`](Self::flush) returns `Ok`, no CPU that has loaded the table uses a translation of `set` that it read
/// before the call, nor, if [`FlushSet::tables`] says so, a cached entry above a leaf; and no
/// [`WalkGuard`](crate::WalkGuard) is held that was there at the call. A wrong implementation lets programs use freed
/// frames.
pub unsafe trait TlbFlush {
    /// Why a flush failed: a CPU that does not answer.
    type Error: core::error::Error;

    /// Invalidates `set` and waits until that is done. Not called for an empty set.
    ///
    /// # Errors
    ///
    /// Some CPU may still hold a translation of the set; what was unmapped stays out of reach and can be flushed again.
    fn flush(&self, set: &FlushSet) -> Result<(), Self::Error>;
}

/// Makes translations vanish from the TLBs of given CPUs, of up to `64 * WORDS`: a shootdown.
///
/// The calling CPU may be among them; it invalidates between [`submit`](Self::submit) and [`wait`](Self::wait), while
/// the others do. Both are called with interrupts enabled, under whatever lock guards the table: who waits with them
/// masked waits for ever for a CPU that does the same.
///
/// # Safety
///
/// When [`wait`](Self::wait) returns `Ok`, none of the CPUs uses a translation of the set, or a cached entry above one if
/// [`FlushSet::tables`] says so, that it read before the submission; and no [`WalkGuard`](crate::WalkGuard) is held that
/// was there then. A wrong implementation lets programs use freed frames.
pub unsafe trait TlbControl<const WORDS: usize = 4> {
    /// A request that is under way. Dropping it is no error: the CPUs answer all the same.
    type Ticket: fmt::Debug;

    /// Asks the CPUs `to`, no others, to invalidate `set`. The set may be empty of CPUs: then the walks alone are waited for.
    fn submit(&self, set: &FlushSet, to: &CpuSet<WORDS>) -> Self::Ticket;

    /// Waits until all have answered.
    ///
    /// # Errors
    ///
    /// [`Stuck`] names a CPU that does not answer, and has the ticket, to wait again.
    fn wait(&self, ticket: Self::Ticket) -> Result<(), Stuck<Self::Ticket>>;
}

/// A CPU does not answer a shootdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stuck<T> {
    /// The CPU.
    pub cpu: usize,
    /// The request.
    pub ticket: T,
}

impl<T> fmt::Display for Stuck<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {} does not answer", self.cpu)
    }
}

impl<T: fmt::Debug> core::error::Error for Stuck<T> {}

impl<T: FrameSource + ?Sized> FrameSource for &T {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        (**self).allocate(request)
    }

    fn free(&self, frame: Frame) {
        (**self).free(frame);
    }
}

// SAFETY: the answers are those of `T`, whose implementor ensures them.
unsafe impl<T: PhysMapper + ?Sized> PhysMapper for &T {
    const WINDOW: bool = T::WINDOW;

    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        (**self).table(frame, bytes)
    }
}

// SAFETY: the flush is that of `T`, whose implementor ensures it.
unsafe impl<T: TlbFlush + ?Sized> TlbFlush for &T {
    type Error = T::Error;

    fn flush(&self, set: &FlushSet) -> Result<(), Self::Error> {
        (**self).flush(set)
    }
}

// SAFETY: tickets and answers are those of `T`, whose implementor ensures them.
unsafe impl<const WORDS: usize, T: TlbControl<WORDS> + ?Sized> TlbControl<WORDS> for &T {
    type Ticket = T::Ticket;

    fn submit(&self, set: &FlushSet, to: &CpuSet<WORDS>) -> T::Ticket {
        (**self).submit(set, to)
    }

    fn wait(&self, ticket: T::Ticket) -> Result<(), Stuck<T::Ticket>> {
        (**self).wait(ticket)
    }
}

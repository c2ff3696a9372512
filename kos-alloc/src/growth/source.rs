//! The chunks as a frame source, and the way from and to the source below: [`Growing`].

use core::fmt;

use super::books::{Books, Step};
use super::config::{Config, Storage};
use super::error::{InitError, InitFailed};
use super::stats::GrowthStats;
use crate::error::{Corruption, FrameError, FreeError};
use crate::frame::validate;
use crate::ports::{Env, FrameAlloc};
use crate::sync::Locked;
use crate::types::{FrameFlags, FrameRange, FrameRequest};

/// A [`FrameAlloc`] that holds an initial piece of `F`, takes more in steps up to a limit, and gives back what is not
/// used: what a heap of 1 MiB that may become 8 MiB stands on.
///
/// - A request that no chunk serves takes a chunk of a step, or of its own size if that is more, or of what the limit
///   leaves. Where a whole step is not to be had, half of it is tried, down to the request's own size; only for that the
///   request's own flags hold, all larger tries ask nobody to reclaim.
/// - At the limit it is [`FrameError::LimitReached`]. Frames on their way to or from `F` count, so a CPU that comes while
///   another one fetches the last step is told so too.
/// - Of the chunks of which nothing is handed out one stays, so that a pair at the edge of a chunk does not fetch and give
///   back all the time. A second one goes back, one larger than a step at once, the initial one never. The last goes by
///   [`shrink`](Self::shrink), or when it is in the way of the limit.
/// - A request for certain zones is served from chunks that were asked from no others.
///
/// Frames are never touched, so [`ZEROED`](FrameFlags::ZEROED) is ignored.
///
/// Any method may be called in interrupt context. The search is first fit, linear in the number of chunks and in the words
/// of the bitmaps of those that might do; to take or give back a chunk moves the entries behind it. Made for some hundred
/// chunks.
///
/// ```no_run
/// # use core::ptr::NonNull;
/// # use kos_alloc::{CpuIndex, DirectMap, Env};
/// use kos_alloc::growth::{Chunk, Config, Storage};
/// use kos_alloc::{Frames, Growing, HeapConfig, KernelHeap};
/// # struct Machine;
/// # // SAFETY: never runs.
/// # unsafe impl Env for Machine {
/// #     type Lock = spin::Mutex<()>;
/// #     type Irq = ();
/// #     fn irq_save(&self) {}
/// #     fn cpu(&self) -> Option<CpuIndex> { None }
/// #     fn direct_map(&self) -> DirectMap { unimplemented!() }
/// #     fn secret(&self) -> u64 { 1 }
/// # }
///
/// /// From 1 MiB to 8 MiB in steps of 1 MiB.
/// const SIZES: Config = Config { initial: 256, step: 256, max: 2048 };
///
/// static FRAMES: Frames<Machine> = Frames::new(Machine);
/// static HEAP: KernelHeap<Machine, Growing<'static, Machine, &Frames<Machine>>> =
///     KernelHeap::new(Machine, Growing::new(Machine, &FRAMES));
///
/// fn start(chunks: &'static mut [Chunk; SIZES.chunks()], bits: &'static mut [u64; SIZES.words()]) {
///     HEAP.frames().init(SIZES, Storage { chunks, bits }).expect("the first MiB");
///     HEAP.init(HeapConfig::default()).expect("frames for the page map");
/// }
/// ```
pub struct Growing<'m, E: Env, F> {
    books: Locked<E, Option<Books<'m>>>,
    frames: F,
}

impl<'m, E: Env, F: FrameAlloc> Growing<'m, E, F> {
    /// Over `frames`, without any yet.
    pub const fn new(env: E, frames: F) -> Self {
        Self { books: Locked::new(env, None), frames }
    }

    /// Takes the initial frames; hands out from now on.
    ///
    /// # Errors
    ///
    /// [`InitFailed`] with the storage; nothing is held then and `init` may be called again.
    pub fn init(&self, config: Config, storage: Storage<'m>) -> Result<(), InitFailed<'m>> {
        let mut books = Books::new(config, storage);
        let range = match config.validate().and_then(|()| self.initial(config)) {
            Ok(range) => range,
            Err(error) => return Err(InitFailed { error, storage: books.into_storage() }),
        };
        let admitted = books.admit_initial(range);
        let refused = self.books.with(|slot| match slot {
            Some(_) => Some((books, InitError::AlreadyInitialised)),
            None if !admitted => Some((books, InitError::Storage)),
            None => {
                *slot = Some(books);
                None
            }
        });
        let Some((books, error)) = refused else { return Ok(()) };
        self.return_to_source(range);
        Err(InitFailed { error, storage: books.into_storage() })
    }

    fn initial(&self, config: Config) -> Result<FrameRange, InitError> {
        if config.initial == 0 {
            return Ok(FrameRange::EMPTY);
        }
        self.frames.allocate(&FrameRequest::new(config.initial)).map_err(InitError::Frames)
    }

    /// The source below.
    pub const fn frames(&self) -> &F {
        &self.frames
    }

    /// Gives back every chunk but the initial one of which nothing is handed out; says how many frames that were.
    pub fn shrink(&self) -> usize {
        let mut frames = 0;
        while let Some(chunk) = self.books.with(|slot| slot.as_mut()?.release_spare()) {
            frames += chunk.count();
            self.give_back(chunk);
        }
        frames
    }

    /// The counters, all of one moment; zero before initialisation.
    pub fn stats(&self) -> GrowthStats {
        self.books.with(|slot| slot.as_ref().map_or(GrowthStats::default(), Books::stats))
    }

    /// Walks every invariant with the lock held: for tests and self-tests.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        self.books.with(|slot| slot.as_ref().map_or(Ok(()), Books::check))
    }

    /// Runs `work` on the books, if there are any.
    fn with<R>(&self, work: impl FnOnce(&mut Books<'m>) -> R) -> Option<R> {
        self.books.with(|slot| slot.as_mut().map(work))
    }

    /// Serves `request` from a new chunk, of `wanted` frames if it can be had.
    fn grow(&self, request: &FrameRequest, wanted: usize) -> Result<FrameRange, FrameError> {
        let chunk = self.fetch(request, wanted).inspect_err(|_| {
            self.with(|books| books.give_up(wanted));
        })?;
        let admitted = self.with(|books| books.admit(chunk, wanted, request)).flatten();
        if admitted.is_none() {
            self.return_to_source(chunk);
            self.with(|books| books.give_up(wanted));
        }
        admitted.flatten().ok_or(FrameError::NoMemory { requested: request.count, largest_free: 0 })
    }

    /// Frames for a chunk from the source: `wanted`, or less where they are not to be had.
    fn fetch(&self, request: &FrameRequest, wanted: usize) -> Result<FrameRange, FrameError> {
        let ask = |count| {
            let chunk = FrameRequest { count, flags: request.flags - FrameFlags::ZEROED, ..*request };
            self.frames.allocate(&chunk.with(FrameFlags::NO_RECLAIM))
        };
        let mut count = wanted;
        let refused = loop {
            match ask(count) {
                Err(FrameError::NoMemory { .. }) if count > request.count => {
                    count = (count / 2).max(request.count);
                }
                Err(error @ FrameError::NoMemory { .. }) => break error,
                result => return result,
            }
        };
        // What the source gets back from here may be what is missing.
        if self.shrink() == 0 && request.flags.contains(FrameFlags::NO_RECLAIM) {
            return Err(refused);
        }
        self.frames.allocate(&FrameRequest { flags: request.flags - FrameFlags::ZEROED, ..*request })
    }

    /// Gives a released chunk back.
    fn give_back(&self, chunk: FrameRange) {
        let taken_back = self.return_to_source(chunk);
        self.with(|books| books.returned(chunk.count(), taken_back));
    }

    fn return_to_source(&self, chunk: FrameRange) -> bool {
        // SAFETY: the frames were handed out to this value, which handed none of them on, or got all of them back.
        chunk.is_empty() || unsafe { self.frames.free(chunk) }.is_ok()
    }
}

impl<E: Env, F> fmt::Debug for Growing<'_, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Growing").finish_non_exhaustive()
    }
}

// SAFETY: a frame is handed out while its bit says that it is free, which clears it, under the lock; chunks are the
// source's, each in the books once, and go back when all their bits are set.
unsafe impl<E: Env, F: FrameAlloc> FrameAlloc for Growing<'_, E, F> {
    fn span(&self) -> FrameRange {
        self.frames.span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        validate(request)?;
        if request.count > self.frames.span().count() {
            // Not for want of leave to grow: the source's own error is the better one.
            return self.frames.allocate(request);
        }
        loop {
            match self.with(|books| books.next(request)).ok_or(FrameError::NotReady)?? {
                Step::Taken(range) => return Ok(range),
                Step::Release(chunk) => self.give_back(chunk),
                Step::Fetch(wanted) => return self.grow(request, wanted),
            }
        }
    }

    /// Frames outside of the chunks count as in use.
    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        if range.is_empty() || !self.frames.span().contains_range(&range) {
            return Err(FrameError::NotManaged(range));
        }
        self.with(|books| books.claim(range)).ok_or(FrameError::NotReady)?
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let surplus = self.with(|books| books.put(range)).ok_or(FreeError::NotReady(range))??;
        if let Some(chunk) = surplus {
            self.give_back(chunk);
        }
        Ok(())
    }
}

//! Memory that is added to an allocator in use, or reserved; frames that nobody may touch.

use alloc::vec;
use core::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::{drain, range, with_both};
use crate::error::{FrameError, FreeError};
use crate::frame::{Bitmap, Buddy, Config, Frames, Grow, InitError, NotAdded, ReserveError};
use crate::ports::Env;
use crate::testing::{HostEnv, HostIrq, HostLock, check_frame_alloc};
use crate::types::{CpuIndex, DirectMap, FrameRange, FrameRequest};

/// Adds `range` to a backend with frames 100 to 600, of which 200 to 300 are live.
fn add_to_a_live_one<'m>(backend: &mut impl Grow<'m>, storage: &'m mut [u64]) {
    backend.allocate_at(range(200, 300)).unwrap();
    let overlap = InitError::Overlap { existing: range(100, 600), added: range(599, 700) };
    let (few, storage) = storage.split_at_mut(1);
    let few = backend.add(few, range(599, 700)).unwrap_err();
    assert_eq!((few.reason, few.storage.len()), (overlap, 1), "the storage comes back");
    let few = backend.add(few.storage, range(600, 1124)).unwrap_err();
    assert!(matches!(few.reason, InitError::Storage { given: 1, .. }), "{few}");
    assert_eq!(backend.stats().managed, 500, "nothing changed");

    let words = backend.words_with(range(600, 1124)).unwrap();
    let (used, rest) = storage.split_at_mut(words);
    let before = backend.add(used, range(600, 1124)).unwrap();
    assert!(before.iter().all(|part| !part.is_empty()), "the storage used before is free for something else");
    let stats = backend.stats();
    assert_eq!((stats.managed, stats.free, stats.allocations), (1024, 924, 1));
    assert_eq!(backend.free(range(199, 201)), Err(FreeError::DoubleFree(range(199, 201))));
    backend.free(range(200, 300)).unwrap();
    let across = backend.allocate(&FrameRequest::new(512).aligned(512)).unwrap();
    assert_eq!(across, range(512, 1024), "what is adjacent coalesces");
    backend.free(across).unwrap();
    let below = backend.add(rest, range(1 << 30, (1 << 30) + 7)).unwrap();
    assert_eq!(below.map(|part| part.len()).iter().sum::<usize>(), words, "all of what was lent");
    assert_eq!(backend.span(), range(100, (1 << 30) + 7));
    backend.check().unwrap();
}

#[test]
fn memory_is_added_to_a_live_allocator() {
    let usable = [range(100, 600)];
    let mut storage = vec![!0; 8000];
    let (first, rest) = storage.split_at_mut(1000);
    add_to_a_live_one(&mut Buddy::new(first, Config::default(), &usable, &[]).unwrap(), rest);
    let (first, rest) = storage.split_at_mut(1000);
    add_to_a_live_one(&mut Bitmap::new(first, &usable, &[]).unwrap(), rest);
}

#[test]
fn reserved_frames_are_gone_for_good() {
    with_both(&[range(0, 1000)], &[], |backend| {
        backend.allocate_at(range(0, 4)).unwrap();
        assert_eq!(backend.reserve(range(3, 5)), Err(ReserveError::InUse(range(3, 5))));
        assert_eq!(backend.reserve(range(999, 1001)), Err(ReserveError::NotManaged(range(999, 1001))));
        backend.reserve(range(500, 510)).unwrap();
        let full = backend.reserve(range(700, 710));
        assert!(matches!(full, Err(ReserveError::Storage { .. })), "one region more had room: {full:?}");
        backend.reserve(range(990, 1000)).unwrap();
        backend.reserve(range(510, 520)).unwrap();
        let stats = backend.stats();
        assert_eq!((stats.managed, stats.reserved, stats.free), (970, 30, 966));
        let gone = range(505, 506);
        assert_eq!(backend.free(gone), Err(FreeError::NotManaged(gone)));
        assert_eq!(backend.allocate_at(gone), Err(FrameError::NotManaged(gone)));
        assert_eq!(drain(backend).len(), 966, "none of them is handed out");
        assert_eq!(backend.span(), range(0, 990));
        backend.check().unwrap();
    });
}

#[test]
fn the_largest_run_is_had_at_once() {
    with_both(&[range(0, 64)], &[], |backend| {
        let middle = backend.allocate_at(range(20, 21)).unwrap();
        let largest = backend.largest_free();
        assert_eq!(backend.allocate_largest(5).unwrap().count(), 5);
        assert_eq!(backend.allocate_largest(usize::MAX).unwrap().count(), largest);
        assert_eq!(
            backend.allocate_largest(0),
            Err(FrameError::BadRequest { count: 0, align: 1 }),
            "no frame was asked for"
        );
        drain(backend);
        let none = FrameError::NoMemory { requested: 1, largest_free: 0 };
        assert_eq!(backend.allocate_largest(9), Err(none));
        backend.free(middle).unwrap();
        assert_eq!(backend.allocate_largest(9), Ok(middle));
    });
}

/// An environment whose memory faults when it is touched.
struct NoAccess {
    host: HostEnv,
    map: DirectMap,
    bytes: usize,
}

impl NoAccess {
    #[expect(unsafe_code, reason = "maps memory")]
    fn new(frames: FrameRange) -> Self {
        let (bytes, flags) = (frames.count() << Self::PAGE_SHIFT, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: a new mapping at an address that the system chooses.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }.unwrap();
        let map = DirectMap::new(NonNull::new(base).unwrap().cast(), frames);
        Self { host: HostEnv::without_memory(), map, bytes }
    }
}

impl Drop for NoAccess {
    #[expect(unsafe_code, reason = "unmaps memory")]
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; nobody can have touched it.
        unsafe { munmap(self.map.base().as_ptr().cast(), self.bytes) }.unwrap();
    }
}

#[expect(unsafe_code, reason = "only shared for its address")]
// SAFETY: the mapping is never touched.
unsafe impl Sync for NoAccess {}

#[expect(unsafe_code, reason = "implements the port")]
// SAFETY: the host's lock and mask; the memory is not readable, but whoever finds out faults.
unsafe impl Env for NoAccess {
    type Lock = HostLock;
    type Irq = HostIrq;

    fn irq_save(&self) -> HostIrq {
        self.host.irq_save()
    }

    fn cpu(&self) -> Option<CpuIndex> {
        self.host.cpu()
    }

    fn direct_map(&self) -> DirectMap {
        self.map
    }

    fn secret(&self) -> u64 {
        self.host.secret()
    }
}

/// Frames may be unmapped, a guest's, or device memory: their books lie elsewhere.
#[test]
fn frames_are_never_touched() {
    let span = range(0x123, 0x123 + (1 << 16));
    let env = NoAccess::new(span);
    let mut storage = vec![!0; 1 << 16];
    let (first, rest) = storage.split_at_mut(1 << 15);
    #[expect(unsafe_code, reason = "initialises with frames that are nobody else's")]
    fn contract<'m, T: Grow<'m> + Send>(
        env: &NoAccess,
        backend: T,
        storage: &'m mut [u64],
        added: FrameRange,
    ) {
        let frames = Frames::new(env);
        let early = frames.reserve(added);
        assert_eq!(early, Err(ReserveError::NotReady));
        // SAFETY: the mapping is the test's.
        assert!(unsafe { frames.init(backend) }.is_ok());
        check_frame_alloc(&frames);
        let words = frames.words_with(added).unwrap();
        assert!(words <= storage.len());
        // SAFETY: the mapping is the test's.
        let old = unsafe { frames.add(storage, added) }.map_err(|NotAdded { reason, .. }| reason);
        assert!(old.is_ok(), "{old:?}");
        check_frame_alloc(&frames);
        let all = frames.allocate_largest(usize::MAX).unwrap();
        assert!(all.count() >= 1 << 15, "{all:?}");
        frames.check().unwrap();
    }
    let usable = [range(span.start().0, span.end().0 - 5000)];
    let added = range(span.end().0 - 5000, span.end().0);
    contract(&env, Buddy::new(first, Config::default(), &usable, &[]).unwrap(), rest, added);
    let (first, rest) = storage.split_at_mut(1 << 15);
    contract(&env, Bitmap::new(first, &usable, &[]).unwrap(), rest, added);
}

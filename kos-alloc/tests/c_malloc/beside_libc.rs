//! Each operation on both; what comes back must agree: null or not, errno, alignment, size, content.

use core::ffi::{c_int, c_void};
use core::{ptr, slice};
use std::sync::Mutex;
use std::thread;

use libloading::os::unix::Library;

use super::preloaded::library;

/// Operations of all threads together.
const OPERATIONS: usize = 1_000_000;
const THREADS: usize = 8;
/// Blocks that a thread has at most.
const LIVE: usize = 64;
/// Sizes that nobody can have.
const IMPOSSIBLE: [usize; 3] = [usize::MAX, usize::MAX - 4096, 1 << 63];

/// One malloc.
struct Face {
    malloc: unsafe extern "C" fn(usize) -> *mut c_void,
    calloc: unsafe extern "C" fn(usize, usize) -> *mut c_void,
    realloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    aligned_alloc: unsafe extern "C" fn(usize, usize) -> *mut c_void,
    posix_memalign: unsafe extern "C" fn(*mut *mut c_void, usize, usize) -> c_int,
    malloc_usable_size: unsafe extern "C" fn(*mut c_void) -> usize,
}

macro_rules! face {
    ($library:expr, $($name:ident)*) => {
        // SAFETY: C's library functions of these names have these types.
        unsafe { Face { $($name: *$library.get(concat!(stringify!($name), "\0").as_bytes()).unwrap(),)* } }
    };
}

impl Face {
    fn of(library: &Library) -> Self {
        face!(library, malloc calloc realloc free aligned_alloc posix_memalign malloc_usable_size)
    }
}

/// The two, ours first.
struct Both([Face; 2]);

/// A block of each.
struct Pair {
    blocks: [*mut u8; 2],
    size: usize,
    /// First byte of what was written to both.
    seed: u8,
}
// SAFETY: the blocks are handed over whole.
unsafe impl Send for Pair {}

/// What one call did: the block, and the error number if there is none.
fn called(call: impl FnOnce() -> *mut c_void) -> (*mut u8, c_int) {
    // SAFETY: no conditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: errno is this thread's own.
    unsafe { errno.write(0) };
    let block = call();
    // SAFETY: as above.
    let error = unsafe { errno.read() };
    (block.cast(), if block.is_null() { error } else { 0 })
}

impl Pair {
    /// Takes what both gave for the same call; `None` if both refused for the same reason.
    fn new(size: usize, align: usize, results: [(*mut u8, c_int); 2]) -> Option<Self> {
        let [ours, theirs] = results;
        assert_eq!(
            (ours.0.is_null(), ours.1),
            (theirs.0.is_null(), theirs.1),
            "{size} bytes aligned {align}"
        );
        assert!(
            results.iter().all(|(block, _)| block.addr().is_multiple_of(align)),
            "{size} aligned {align}"
        );
        (!ours.0.is_null()).then_some(Self { blocks: [ours.0, theirs.0], size, seed: 0 })
    }

    fn fill(mut self, seed: u8) -> Self {
        self.seed = seed;
        // SAFETY: both blocks are live and have `size` bytes.
        self.blocks.iter().for_each(|block| unsafe { block.write_bytes(seed, self.size) });
        self
    }

    /// Whether both ends of the first `size` bytes are what was written.
    fn assert_kept(&self, size: usize) {
        for &block in &self.blocks {
            // SAFETY: the block is live and so many of its bytes were written.
            let bytes = unsafe { slice::from_raw_parts(block, size) };
            let (head, tail) = (&bytes[..size.min(64)], &bytes[size.saturating_sub(64)..]);
            assert!(head.iter().chain(tail).all(|byte| *byte == self.seed), "{size} of {} bytes", self.size);
        }
    }
}

impl Both {
    /// Both stay loaded to the end of the process.
    fn load() -> Self {
        // SAFETY: loading runs no code that has conditions.
        let ours = unsafe { Library::open(Some(library()), libc::RTLD_NOW | libc::RTLD_NODELETE) }.unwrap();
        Self([Face::of(&ours), Face::of(&Library::this())])
    }

    /// The same call to both.
    fn call(&self, size: usize, align: usize, call: impl Fn(&Face) -> *mut c_void) -> Option<Pair> {
        Pair::new(size, align, self.0.each_ref().map(|face| called(|| call(face))))
    }

    fn malloc(&self, size: usize) -> Option<Pair> {
        // SAFETY: no conditions.
        let pair = self.call(size, 16, |face| unsafe { (face.malloc)(size) })?;
        self.assert_usable(&pair);
        Some(pair)
    }

    fn calloc(&self, count: usize, size: usize) -> Option<Pair> {
        // SAFETY: no conditions.
        let pair = self.call(count.wrapping_mul(size), 16, |face| unsafe { (face.calloc)(count, size) })?;
        pair.assert_kept(pair.size);
        Some(pair)
    }

    fn aligned_alloc(&self, align: usize, size: usize) -> Option<Pair> {
        // SAFETY: no conditions.
        self.call(size, align, |face| unsafe { (face.aligned_alloc)(align, size) })
    }

    /// Failure is what it returns; it leaves the caller's pointer, and need not set errno.
    fn posix_memalign(&self, align: usize, size: usize) -> Option<Pair> {
        let results = self.0.each_ref().map(|face| {
            let mut block = ptr::dangling_mut();
            // SAFETY: the place for the pointer is this function's.
            let code = unsafe { (face.posix_memalign)(&raw mut block, align, size) };
            assert!(code == 0 || block == ptr::dangling_mut());
            (if code == 0 { block.cast() } else { ptr::null_mut() }, code)
        });
        Pair::new(size, if results[0].1 == 0 { align } else { 1 }, results)
    }

    /// `None` if both freed the block; the same pair if both refused.
    fn realloc(&self, pair: Pair, size: usize) -> Option<Pair> {
        let [ours, theirs] = &self.0;
        let [first, second] = pair.blocks;
        // SAFETY: the block is ours and live.
        let first = called(|| unsafe { (ours.realloc)(first.cast(), size) });
        // SAFETY: the block is libc's and live.
        let second = called(|| unsafe { (theirs.realloc)(second.cast(), size) });
        match Pair::new(size, 16, [first, second]) {
            None if size == 0 => None,
            None => Some(pair),
            Some(new) => {
                let new = Pair { seed: pair.seed, ..new };
                new.assert_kept(pair.size.min(size));
                self.assert_usable(&new);
                Some(new)
            }
        }
    }

    fn free(&self, pair: &Pair) {
        pair.assert_kept(pair.size);
        for (face, &block) in self.0.iter().zip(&pair.blocks) {
            // SAFETY: the block is of this malloc, and live.
            unsafe { (face.free)(block.cast()) };
        }
    }

    fn assert_usable(&self, pair: &Pair) {
        for (face, &block) in self.0.iter().zip(&pair.blocks) {
            // SAFETY: the block is of this malloc, and live.
            let usable = unsafe { (face.malloc_usable_size)(block.cast()) };
            assert!(usable >= pair.size, "{usable} of {} bytes usable", pair.size);
        }
    }
}

/// Numbers from a xorshift, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }

    /// 0 to 64 KiB, each doubling as likely as the others; rarely up to 1 MiB.
    fn size(&mut self) -> usize {
        let bits = if self.below(64) == 0 { 21 } else { 17 };
        let power = self.below(bits);
        self.below(1 << power)
    }
}

/// One operation of a thread; `post` carries blocks to other threads.
fn step(both: &Both, random: &mut Random, live: &mut Vec<Pair>, post: &Mutex<Vec<Pair>>) {
    let (size, align) = (random.size(), 1 << random.below(13));
    let fresh = match random.below(16) {
        0..4 => both.malloc(size),
        4 => both.calloc(random.below(20), size / 16),
        5 => both.aligned_alloc(align, size),
        6 => both.posix_memalign(random.below(align + 2), size),
        7 => post.lock().unwrap().pop(),
        8 => impossible(both, random),
        9..12 if !live.is_empty() => {
            let pair = live.swap_remove(random.below(live.len()));
            both.realloc(pair, if random.below(20) == 0 { 0 } else { size })
        }
        12 if !live.is_empty() => {
            post.lock().unwrap().push(live.swap_remove(random.below(live.len())));
            None
        }
        _ => None,
    };
    if let Some(pair) = fresh {
        live.push(pair.fill(u8::try_from(random.below(256)).unwrap()));
    }
    if live.len() > random.below(LIVE) {
        both.free(&live.swap_remove(random.below(live.len())));
    }
}

/// What both must refuse; the same again on a block that stays as it is.
fn impossible(both: &Both, random: &mut Random) -> Option<Pair> {
    let size = IMPOSSIBLE[random.below(3)];
    assert!(both.malloc(size).is_none());
    assert!(both.calloc(size / 3, 7).is_none());
    assert!(both.aligned_alloc(64, size).is_none());
    assert!(both.posix_memalign(64, size).is_none());
    let kept = both.malloc(100)?.fill(0xc3);
    both.realloc(kept, size)
}

#[test]
fn a_million_random_operations_answer_like_libc() {
    let both = Both::load();
    let post = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seed in 1..=THREADS as u64 {
            let (both, post) = (&both, &post);
            scope.spawn(move || {
                let (mut random, mut live) = (Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), Vec::new());
                (0..OPERATIONS / THREADS).for_each(|_| step(both, &mut random, &mut live, post));
                live.iter().for_each(|pair| both.free(pair));
            });
        }
    });
    post.into_inner().unwrap().iter().for_each(|pair| both.free(pair));
}

/// What C leaves open, and glibc decides.
#[test]
fn corner_cases_are_those_of_glibc() {
    let both = Both::load();
    // Nothing is a block of its own.
    let (one, other) = (both.malloc(0).unwrap(), both.malloc(0).unwrap());
    assert!(one.blocks[0] != other.blocks[0] && one.blocks[1] != other.blocks[1]);
    // To nothing means to free; from nothing means to allocate.
    assert!(both.realloc(one, 0).is_none() && both.realloc(other, 0).is_none());
    let nothing = Pair { blocks: [ptr::null_mut(); 2], size: 0, seed: 0 };
    let grown = both.realloc(nothing, 40).unwrap();
    both.free(&grown.fill(7));
    for face in &both.0 {
        // SAFETY: null is allowed in both.
        let size = unsafe { (face.malloc_usable_size)(ptr::null_mut()) };
        // SAFETY: as above.
        unsafe { (face.free)(ptr::null_mut()) };
        assert_eq!(size, 0);
    }
    for align in [0, 1, 2, 4, 24, 48, 4097] {
        assert!(both.posix_memalign(align, 8).is_none(), "aligned {align}");
    }
    // Here glibc changed its mind in 2.38; C17 says that such an alignment fails.
    let [ours, _] = &both.0;
    // SAFETY: no conditions.
    assert_eq!(called(|| unsafe { (ours.aligned_alloc)(24, 48) }), (ptr::null_mut(), libc::EINVAL));
}

//! Pools of every size beside a naive model; wrong frees; two CPUs.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::thread;

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::{InitError, MAX_BLOCK, Pool, PoolEmpty, PoolStats, SharedPool};
use crate::error::FreeError;
use crate::testing::{Bytes, HostEnv, cases};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn buffer(bytes: usize) -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::new(0xa5); bytes]
}

fn free(pool: &mut Pool<'_>, block: NonNull<u8>) -> Result<(), FreeError<NonNull<u8>>> {
    // SAFETY: the test uses no block after its free; a wrong one is refused.
    unsafe { pool.free(block) }
}

/// The naive pool: which pattern stands in which live block.
struct Model<'a, 'm> {
    pool: &'a mut Pool<'m>,
    live: BTreeMap<NonNull<u8>, u8>,
    freed: Option<NonNull<u8>>,
    expected: PoolStats,
    align: usize,
}

impl Model<'_, '_> {
    fn allocate(&mut self, pattern: u8) {
        let capacity = self.expected.capacity;
        let block = self.pool.allocate();
        if self.live.len() == capacity {
            self.expected.failed += 1;
            assert_eq!(block, Err(PoolEmpty { capacity }));
            return;
        }
        let block = block.unwrap();
        assert_eq!(block.addr().get() % self.align, 0);
        // SAFETY: the pool gave so many bytes; whom else they belong to shows when his pattern is looked at.
        unsafe { block.write_bytes(pattern, self.expected.block) };
        assert_eq!(self.live.insert(block, pattern), None, "handed out twice");
        self.freed = self.freed.filter(|freed| *freed != block);
        self.expected.live += 1;
        self.expected.peak = self.expected.peak.max(self.expected.live);
    }

    fn pick(&self, number: usize) -> Option<(NonNull<u8>, u8)> {
        let index = number.checked_rem(self.live.len())?;
        self.live.iter().nth(index).map(|(block, pattern)| (*block, *pattern))
    }

    fn free(&mut self, number: usize) {
        let Some((block, pattern)) = self.pick(number) else { return };
        self.assert_pattern(block, pattern);
        assert_eq!(free(self.pool, block), Ok(()));
        self.live.remove(&block);
        self.freed = Some(block);
        self.expected.live -= 1;
    }

    fn assert_pattern(&self, block: NonNull<u8>, pattern: u8) {
        for offset in [0, self.expected.block / 2, self.expected.block - 1] {
            // SAFETY: the block is live and was written.
            let byte = unsafe { block.add(offset) };
            // SAFETY: as above.
            assert_eq!(unsafe { byte.read() }, pattern, "byte {offset} of {block:?}");
        }
    }

    fn refuse(&mut self, at: NonNull<u8>, error: FreeError<NonNull<u8>>) {
        self.expected.refused += 1;
        assert_eq!(free(self.pool, at), Err(error));
    }

    fn bad_free(&mut self, kind: u8, number: usize) {
        match (kind % 3, self.pick(number)) {
            (0, Some((block, _))) => {
                let at =
                    block.map_addr(|address| address.saturating_add(1 + number % (self.expected.block - 1)));
                self.refuse(at, FreeError::Interior { at, block });
            }
            (1, Some((block, _))) => {
                let far = self.expected.block * self.expected.capacity;
                for at in [block.map_addr(|address| address.saturating_add(far)), NonNull::dangling()] {
                    self.refuse(at, FreeError::NotManaged(at));
                }
            }
            _ => {
                if let Some(freed) = self.freed {
                    self.refuse(freed, FreeError::DoubleFree(freed));
                }
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.pool.stats(), self.expected);
        assert_eq!(self.pool.check(), Ok(()));
    }
}

fn pool_ops(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let size = 16 + bytes.below(120);
    let align = 1 << (bytes.u8() % 9);
    let block = layout(size, align);
    let mut memory = buffer(Pool::bytes_for(block, 1) + bytes.below(6000));
    let mut pool = Pool::new(&mut memory, block).unwrap();
    let expected = pool.stats();
    let mut model = Model { pool: &mut pool, live: BTreeMap::new(), freed: None, expected, align };
    while !bytes.is_empty() {
        match bytes.u8() {
            op @ 0..=119 => model.allocate(op),
            120..=219 => model.free(usize::from(bytes.u8())),
            op => model.bad_free(op, usize::from(bytes.u8())),
        }
        assert_eq!(model.pool.stats(), model.expected);
    }
    model.check();
    while !model.live.is_empty() {
        model.free(0);
    }
    model.check();
    (0..expected.capacity).for_each(|_| model.allocate(1));
    model.check();
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(cases())
    })]

    #[test]
    fn pools_equal_the_model(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        pool_ops(&data);
    }
}

#[test]
fn a_buffer_holds_what_was_counted_wherever_it_lies() {
    for (size, align) in [(16, 1), (17, 1), (24, 8), (100, 64), (4096, 4096), (MAX_BLOCK, 16)] {
        for capacity in [1, 2, 63, 64, 65, 300] {
            if size * capacity > 8 << 20 {
                continue;
            }
            let (block, bytes) = (layout(size, align), Pool::bytes_for(layout(size, align), capacity));
            let mut memory = buffer(bytes + 9);
            for offset in 0..9 {
                let pool = Pool::new(&mut memory[offset..][..bytes], block).unwrap();
                let stats = pool.stats();
                assert!(stats.capacity >= capacity, "{stats:?} of {capacity}");
                assert!(stats.capacity - capacity <= 1 + (align + 16) / size, "{stats:?} of {capacity}");
            }
        }
    }
}

#[test]
fn impossible_pools_are_errors() {
    let mut memory = buffer(3 << 20);
    for (size, align) in
        [(0, 1), (15, 1), (15, 16), (MAX_BLOCK + 1, 1), (16, 2 << 20), (MAX_BLOCK - 1, 1 << 21)]
    {
        assert_eq!(Pool::new(&mut memory, layout(size, align)).unwrap_err(), InitError::BlockSize { size });
    }
    for given in [0, 1, 15, 24] {
        let error = Pool::new(&mut memory[..given], layout(24, 8)).unwrap_err();
        assert_eq!(error, InitError::Memory { needed: 7 + 8 + 7 + 24, given });
    }
    assert!(Pool::new(&mut memory, layout(MAX_BLOCK, 1 << 20)).is_ok());
}

/// 10,000 wrong frees of each kind in a release build too: all refused, none touches a block.
#[test]
fn wrong_frees_change_nothing() {
    let block = layout(48, 16);
    let mut memory = buffer(Pool::bytes_for(block, 100));
    let mut pool = Pool::new(&mut memory, block).unwrap();
    let blocks: Vec<_> = core::iter::from_fn(|| pool.allocate().ok()).collect();
    blocks.iter().for_each(|block| {
        // SAFETY: the block is live and has 48 bytes.
        unsafe { block.write_bytes(0x11, 48) };
    });
    for freed in blocks.iter().step_by(2) {
        assert_eq!(free(&mut pool, *freed), Ok(()));
    }
    let before = pool.stats();
    for round in 0..10_000 {
        let freed = blocks[round * 2 % blocks.len()];
        assert_eq!(free(&mut pool, freed), Err(FreeError::DoubleFree(freed)));
        let start = blocks[round % blocks.len()];
        let at = start.map_addr(|address| address.saturating_add(1 + round % 47));
        assert_eq!(free(&mut pool, at), Err(FreeError::Interior { at, block: start }));
        let outside = blocks[0].map_addr(|address| address.saturating_add(usize::MAX / 3 + round));
        assert_eq!(free(&mut pool, outside), Err(FreeError::NotManaged(outside)));
    }
    assert_eq!(pool.stats(), PoolStats { refused: 30_000, ..before });
    assert_eq!(pool.check(), Ok(()));
    assert!(blocks.iter().all(|block| {
        // SAFETY: the block lies in the buffer and was written as a whole.
        unsafe { block.cast::<[u8; 48]>().read() == [0x11; 48] }
    }));
}

/// Takes some blocks, looks that nobody else writes to them, and gives them back.
fn take_and_give(pool: &SharedPool<'_, HostEnv>, count: usize, pattern: u64) {
    let blocks: Vec<_> = (0..count).map(|_| pool.allocate().unwrap().cast::<u64>()).collect();
    for block in &blocks {
        // SAFETY: the block is this thread's and large enough.
        unsafe { block.write(pattern) };
    }
    for block in blocks {
        // SAFETY: as above.
        assert_eq!(unsafe { block.read() }, pattern);
        // SAFETY: the block is not used any more.
        assert_eq!(unsafe { pool.free(block.cast()) }, Ok(()));
    }
}

#[test]
fn cpus_share_a_pool() {
    let block = layout(64, 64);
    let mut memory = buffer(Pool::bytes_for(block, 40));
    let shared = SharedPool::new(HostEnv::without_memory());
    assert_eq!(shared.allocate(), Err(PoolEmpty { capacity: 0 }));
    let dangling = NonNull::dangling();
    // SAFETY: nothing was handed out; the free is refused.
    assert_eq!(unsafe { shared.free(dangling) }, Err(FreeError::NotReady(dangling)));
    assert_eq!(shared.init(Pool::new(&mut memory, block).unwrap()), Ok(()));
    let mut other = buffer(1000);
    assert_eq!(shared.init(Pool::new(&mut other, block).unwrap()), Err(InitError::AlreadyInitialised));
    thread::scope(|scope| {
        for pattern in 0..4 {
            let shared = &shared;
            scope.spawn(move || (0..500).for_each(|round| take_and_give(shared, round % 10, pattern)));
        }
    });
    let stats = shared.stats();
    assert_eq!((stats.live, stats.failed, stats.refused, shared.check()), (0, 0, 0, Ok(())));
    assert!(stats.peak >= 9);
}

//! [`QueuedRam`]: a device with requests in flight, which come back in an order that a seed chooses. And
//! [`check_queued_device`].

use alloc::vec;
use alloc::vec::Vec;
use std::sync::{Mutex, PoisonError};

use super::RamDisk;
use crate::block::{
    Bio, BioKind, BlockDevice, Completion, Done, Geometry, QueuedDevice, Refusal, Refused, WriteMode,
};
use crate::error::DeviceError;

/// A [`RamDisk`] that works on several requests at a time. Nothing is done before it is reaped.
#[derive(Debug)]
pub struct QueuedRam {
    disk: RamDisk,
    depth: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: Vec<Bio<Vec<u8>>>,
    random: u64,
    most: usize,
    /// Requests from now on that fail.
    failing: usize,
    silent: bool,
    given_up: bool,
}

impl QueuedRam {
    /// An empty disk that works on `depth` requests at a time.
    pub fn new(geometry: Geometry, depth: usize, seed: u64) -> Self {
        let state = State {
            waiting: Vec::new(),
            random: seed | 1,
            most: 0,
            failing: 0,
            silent: false,
            given_up: false,
        };
        Self { disk: RamDisk::new(geometry), depth, state: Mutex::new(state) }
    }

    /// The most requests that it had at a time.
    pub fn most_in_flight(&self) -> usize {
        self.with(|state| state.most)
    }

    /// Lets the next `count` requests fail.
    pub fn fail(&self, count: usize) {
        self.with(|state| state.failing = count);
    }

    /// Lets it finish nothing any more.
    pub fn fall_silent(&self) {
        self.with(|state| state.silent = true);
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn perform(&self, bio: &mut Bio<Vec<u8>>) -> Result<(), DeviceError> {
        match bio.kind {
            BioKind::Read => self.disk.read(bio.sector, &mut bio.buffer[..bio.length]),
            BioKind::Write(mode) => self.disk.write(bio.sector, &bio.buffer[..bio.length], mode),
            BioKind::Flush => self.disk.flush(),
            BioKind::Discard { sectors } => self.disk.discard(bio.sector, sectors),
        }
    }
}

impl QueuedDevice for QueuedRam {
    type Buffer = Vec<u8>;

    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn depth(&self) -> usize {
        self.depth
    }

    fn submit(&self, bio: Bio<Vec<u8>>) -> Result<(), Refused<Vec<u8>>> {
        if let Err(error) = bio.check(&self.geometry()) {
            return Err(Refused { bio, why: Refusal::Device(error) });
        }
        self.with(|state| {
            if state.given_up {
                return Err(Refused { bio, why: Refusal::Device(DeviceError::Gone) });
            }
            if state.waiting.len() >= self.depth {
                return Err(Refused { bio, why: Refusal::Full });
            }
            state.waiting.push(bio);
            state.most = state.most.max(state.waiting.len());
            Ok(())
        })
    }

    fn reap(&self, take: &mut dyn FnMut(Done<Vec<u8>>)) {
        let mut ready = Vec::new();
        self.with(|state| {
            if state.given_up {
                state.waiting.drain(..).for_each(|bio| take(Done { bio, result: Err(DeviceError::Gone) }));
            }
            while !state.silent && !state.waiting.is_empty() {
                state.random ^= state.random << 13;
                state.random ^= state.random >> 7;
                state.random ^= state.random << 17;
                let index = state.random as usize % state.waiting.len();
                let fails = state.failing > 0;
                state.failing -= usize::from(fails);
                ready.push((state.waiting.swap_remove(index), fails));
                if state.random.is_multiple_of(3) {
                    break;
                }
            }
        });
        for (mut bio, fails) in ready {
            let result = if fails { Err(bio.failure()) } else { self.perform(&mut bio) };
            take(Done { bio, result });
        }
    }

    fn give_up(&self) {
        self.with(|state| state.given_up = true);
    }
}

/// Looks of a [`Yielding`] caller before it takes the device for silent: seconds.
const PATIENCE: u32 = 1 << 24;

/// Callers who look again until it is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Yielding;

impl Completion for Yielding {
    type Lock = spin::Mutex<()>;
    type Irq = ();

    fn mask(&self) {}

    fn wait_until(&self, ready: &mut dyn FnMut() -> bool) -> bool {
        (0..PATIENCE).any(|_| {
            ready() || {
                std::thread::yield_now();
                false
            }
        })
    }

    fn wake(&self) {}
}

/// Checks a device against the contract of [`QueuedDevice`]. What was on its first sectors is lost. `buffer` makes memory for it, of
/// at least a sector; `attend` lets it work, where something must.
///
/// # Panics
/// If the device breaks the contract.
pub fn check_queued_device<D: QueuedDevice>(
    device: &D,
    mut buffer: impl FnMut() -> D::Buffer,
    mut attend: impl FnMut(),
) {
    let geometry = device.geometry();
    let (size, depth) = (geometry.sector_size(), device.depth());
    assert!(depth >= 1 && geometry.sectors() > depth as u64, "a depth that can be checked");
    let mut finish = |wanted: usize| {
        let mut back = Vec::new();
        while back.len() < wanted {
            attend();
            device.reap(&mut |done| back.push(done));
        }
        assert_eq!(back.len(), wanted, "each comes back once");
        back.sort_by_key(|done| done.bio.tag);
        back
    };
    let mut bio = |kind, sector: u64, fill: u8, tag| {
        let mut buffer = buffer();
        buffer.as_mut().fill(fill);
        Bio { kind, sector, buffer, length: size, tag }
    };
    for (sector, length) in [(geometry.sectors(), size), (u64::MAX, size), (0, size - 1)] {
        let bad = Bio { length, ..bio(BioKind::Read, sector, 7, 99) };
        let refused = device.submit(bad).expect_err("it cannot be done");
        assert!(matches!(refused.why, Refusal::Device(_)), "{:?}", refused.why);
        assert_eq!((refused.bio.sector, refused.bio.length, refused.bio.tag), (sector, length, 99));
    }
    for tag in 0..depth {
        let write = bio(BioKind::Write(WriteMode::Cached), tag as u64, tag as u8 + 1, tag);
        let refused = device.submit(write).err().map(|refused| refused.why);
        assert_eq!(refused, None, "request {tag} of {depth}");
    }
    let written = finish(depth);
    assert!(written.iter().enumerate().all(|(tag, done)| done.bio.tag == tag && done.result.is_ok()));
    for tag in 0..depth {
        assert!(device.submit(bio(BioKind::Read, tag as u64, 0, tag)).is_ok());
    }
    for done in finish(depth) {
        let expected = vec![done.bio.tag as u8 + 1; size];
        assert!(done.result.is_ok() && done.bio.buffer.as_ref()[..size] == expected, "tag {}", done.bio.tag);
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::block::{DeviceFeatures, QueuedBlock};
    use crate::testing::check_block_device;

    const SECTORS: u64 = 4096;

    fn device(depth: usize, seed: u64) -> QueuedRam {
        let features = DeviceFeatures::FLUSH;
        QueuedRam::new(Geometry::new(512, SECTORS, features).unwrap(), depth, seed)
    }

    fn block(depth: usize, buffers: usize, seed: u64) -> QueuedBlock<QueuedRam, Yielding> {
        QueuedBlock::new(device(depth, seed), Yielding, vec![vec![0; 4096]; buffers]).unwrap()
    }

    /// Does `work` while another thread plays the interrupts.
    fn attended<R>(block: &QueuedBlock<QueuedRam, Yielding>, work: impl FnOnce() -> R) -> R {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    block.complete();
                    thread::yield_now();
                }
            });
            let result = work();
            over.store(true, Ordering::Relaxed);
            result
        })
    }

    #[test]
    fn the_fake_keeps_the_contract() {
        for seed in 0..8 {
            check_queued_device(&device(5, seed), || vec![0; 512], || ());
        }
    }

    #[test]
    fn a_queued_device_is_a_block_device() {
        for (depth, buffers) in [(1, 1), (1, 8), (8, 1), (4, 4), (32, 64)] {
            let block = block(depth, buffers, 3);
            attended(&block, || check_block_device(&block));
            let stats = block.stats();
            assert!(stats.submitted == stats.completed && stats.failed == 0, "{stats:?}");
        }
    }

    #[test]
    fn many_requests_are_in_flight() {
        let block = block(8, 8, 5);
        let bytes: Vec<u8> = (0..256 << 10).map(|at: u32| (at >> 5) as u8).collect();
        attended(&block, || block.write(8, &bytes, WriteMode::Cached)).unwrap();
        let mut back = vec![0; bytes.len()];
        attended(&block, || block.read(8, &mut back)).unwrap();
        assert!(back == bytes);
        assert_eq!((block.device().most_in_flight(), block.stats().most_in_flight), (8, 8));
    }

    #[test]
    fn callers_share_the_queue() {
        let block = block(4, 6, 9);
        let turns = |thread: u8| {
            let (from, bytes) = (u64::from(thread) * 512, vec![thread + 1; 96 << 10]);
            let mut back = vec![0; bytes.len()];
            for _ in 0..4 {
                block.write(from, &bytes, WriteMode::Through).unwrap();
                block.read(from, &mut back).unwrap();
                assert!(back == bytes, "thread {thread}");
            }
        };
        attended(&block, || {
            thread::scope(|scope| {
                let turns = &turns;
                (0..4).for_each(|thread| drop(scope.spawn(move || turns(thread))));
            });
        });
        assert!(block.stats().submitted == block.stats().completed);
    }

    #[test]
    fn an_error_reaches_its_caller_and_no_buffer_is_lost() {
        let block = block(4, 4, 1);
        for count in 1..6 {
            block.device().fail(count);
            let mut out = vec![0; 16 << 10];
            let error = attended(&block, || block.read(0, &mut out)).unwrap_err();
            assert!(matches!(error, DeviceError::Failed { .. }), "{error}");
            block.device().fail(0);
        }
        attended(&block, || check_block_device(&block));
    }

    /// Gives back requests that nobody sent, too.
    #[derive(Debug)]
    struct Liar(QueuedRam);

    impl QueuedDevice for Liar {
        type Buffer = Vec<u8>;

        fn geometry(&self) -> Geometry {
            self.0.geometry()
        }

        fn depth(&self) -> usize {
            1000
        }

        fn submit(&self, bio: Bio<Vec<u8>>) -> Result<(), Refused<Vec<u8>>> {
            self.0.submit(bio)
        }

        fn reap(&self, take: &mut dyn FnMut(Done<Vec<u8>>)) {
            self.0.reap(&mut |done| {
                let bio =
                    Bio { kind: BioKind::Flush, sector: 0, buffer: vec![9], length: 1, tag: usize::MAX };
                take(Done { bio, result: Ok(()) });
                take(done);
            });
        }

        fn give_up(&self) {
            self.0.give_up();
        }
    }

    /// Callers who look ten times.
    struct Hasty;

    impl Completion for Hasty {
        type Lock = spin::Mutex<()>;
        type Irq = ();

        fn mask(&self) {}

        fn wait_until(&self, ready: &mut dyn FnMut() -> bool) -> bool {
            (0..10).any(|_| ready())
        }

        fn wake(&self) {}
    }

    #[test]
    fn a_silent_device_is_given_up_and_nobody_hangs() {
        let device = device(2, 7);
        let block = QueuedBlock::new(device, Hasty, vec![vec![0; 512]; 4]).unwrap();
        // Without an interrupt it is looked at before it is given up.
        block.write(0, &[7; 4096], WriteMode::Cached).unwrap();
        assert_eq!(block.stats().silences, 0);
        block.device().fall_silent();
        let mut out = [0; 4096];
        assert_eq!(block.read(0, &mut out), Err(DeviceError::Gone));
        assert_eq!(block.write(0, &out, WriteMode::Through), Err(DeviceError::Gone));
        assert_eq!(block.flush(), Err(DeviceError::Gone));
        let stats = block.stats();
        assert_eq!((stats.silences, stats.submitted), (1, stats.completed));
    }

    #[test]
    fn a_device_that_lies_breaks_nothing() {
        let block = QueuedBlock::new(Liar(device(2, 7)), Yielding, vec![vec![0; 1024]; 8]).unwrap();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    block.complete();
                    thread::yield_now();
                }
            });
            check_block_device(&block);
            over.store(true, Ordering::Relaxed);
        });
    }
}

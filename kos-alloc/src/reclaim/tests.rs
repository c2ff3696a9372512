//! Who is asked, when, how often and in which state.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, OnceLock};
use std::thread;

use super::{ReclaimStats, Reclaiming};
use crate::error::{FrameError, FreeError};
use crate::ports::{Env, FrameAlloc, Reclaim};
use crate::testing::{HostEnv, HostIrq, HostLock, PlainFrames, check_frame_alloc};
use crate::types::{CpuIndex, DirectMap, FrameFlags, FrameRange, FrameRequest, Pfn};

const SPAN: FrameRange = FrameRange::between(Pfn(0x100), Pfn(0x120));

std::thread_local! {
    static CPU: Cell<Option<usize>> = const { Cell::new(Some(0)) };
}

/// An environment whose CPU is the thread's own.
struct Cpus {
    host: HostEnv,
    nmi: Cell<bool>,
}

// SAFETY: the flag is set before threads start.
unsafe impl Sync for Cpus {}

// SAFETY: passed on to the host's, but for numbers that no safety rests on.
unsafe impl Env for Cpus {
    type Lock = HostLock;
    type Irq = HostIrq;
    fn irq_save(&self) -> HostIrq {
        self.host.irq_save()
    }
    fn cpus(&self) -> usize {
        1024
    }
    fn cpu(&self) -> Option<CpuIndex> {
        CPU.get().map(CpuIndex)
    }
    fn in_nmi(&self) -> bool {
        self.nmi.get()
    }
    fn direct_map(&self) -> DirectMap {
        self.host.direct_map()
    }
    fn secret(&self) -> u64 {
        self.host.secret()
    }
}

fn env() -> Cpus {
    Cpus { host: HostEnv::without_memory(), nmi: Cell::new(false) }
}

/// What a [`Cache`] does when it is asked for so many frames.
type Answer<'a> = Box<dyn Fn(usize) -> usize + Send + Sync + 'a>;

/// Keeps frames and gives them back one by one; notes how it was asked.
struct Cache<'a> {
    frames: &'a PlainFrames,
    kept: Mutex<Vec<FrameRange>>,
    asked: Mutex<Vec<usize>>,
    answer: Answer<'a>,
}

impl<'a> Cache<'a> {
    /// Takes all of `frames`.
    fn of_all(frames: &'a PlainFrames) -> Self {
        let kept = core::iter::from_fn(|| frames.allocate(&FrameRequest::new(1)).ok()).collect();
        let answer = Box::new(|wanted| wanted);
        Self { frames, kept: Mutex::new(kept), asked: Mutex::default(), answer }
    }

    /// All of `frames` and an answer: how many of the frames asked for to give.
    fn answering(frames: &'a PlainFrames, answer: impl Fn(usize) -> usize + Send + Sync + 'a) -> Self {
        Self { answer: Box::new(answer), ..Self::of_all(frames) }
    }

    fn kept(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }
}

impl Reclaim for Cache<'_> {
    fn count(&self) -> usize {
        self.kept()
    }

    fn reclaim(&self, wanted: usize) -> usize {
        self.asked.lock().unwrap().push(wanted);
        let give = (self.answer)(wanted);
        let mut kept = self.kept.lock().unwrap();
        let rest = kept.len().saturating_sub(give);
        let given = kept.split_off(rest);
        drop(kept);
        for range in &given {
            // SAFETY: the cache owns the frame and forgets it.
            unsafe { self.frames.free(*range) }.unwrap();
        }
        given.len()
    }
}

fn one() -> FrameRequest {
    FrameRequest::new(1)
}

fn is_no_memory(result: Result<FrameRange, FrameError>) -> bool {
    matches!(result, Err(FrameError::NoMemory { .. }))
}

#[test]
fn it_is_a_frame_allocator() {
    let frames = PlainFrames::new(SPAN);
    check_frame_alloc(&Reclaiming::new(env(), &frames, ()));
    let cache = Cache::of_all(&frames);
    cache.reclaim(usize::MAX);
    check_frame_alloc(&Reclaiming::new(env(), &frames, &cache));
    assert_eq!(frames.used(), 0);
}

/// talc#43: who may not wait for others, or has something better to try, must be able to say so.
#[test]
fn no_reclaim_calls_nothing() {
    let frames = PlainFrames::new(SPAN);
    let cache = Cache::of_all(&frames);
    let source = Reclaiming::new(env(), &frames, &cache);
    assert!(is_no_memory(source.allocate(&one().with(FrameFlags::NO_RECLAIM))));
    assert!(is_no_memory(source.allocate(&FrameRequest::new(SPAN.count() + 1))), "more than there is");
    assert!(matches!(source.allocate(&FrameRequest::new(0)), Err(FrameError::BadRequest { .. })));
    assert_eq!(source.allocate_at(SPAN), Err(FrameError::InUse(SPAN)), "exact frames");
    source.env.nmi.set(true);
    assert!(is_no_memory(source.allocate(&one())), "not in an NMI");
    assert_eq!((cache.asked(), source.stats()), (Vec::new(), ReclaimStats::default()));
    source.env.nmi.set(false);
    assert!(source.allocate(&one()).is_ok());
    assert_eq!(cache.asked(), [1]);
}

/// k23#737: a reclaimer called with the allocator's lock held deadlocks as soon as it frees; one that frees nothing must
/// not be asked for ever.
#[test]
fn reclaimer_runs_unlocked_and_must_progress() {
    let (frames, host) = (PlainFrames::new(SPAN), env());
    let cache = Cache::answering(&frames, |_| {
        assert!(!HostEnv::is_masked(), "interrupts are as the caller has them");
        0
    });
    let source = Reclaiming::new(&host, &frames, &cache);
    assert!(is_no_memory(source.allocate(&one())));
    assert_eq!(cache.asked(), [1], "a round without progress is the last");
    assert_eq!(source.stats(), ReclaimStats { rounds: 1, failed: 1, ..ReclaimStats::default() });

    // A caller that masks has the reclaimer masked.
    let saw_mask = AtomicUsize::new(0);
    let noting = |wanted| {
        saw_mask.store(usize::from(HostEnv::is_masked()), Ordering::Relaxed);
        wanted
    };
    cache.reclaim(0);
    let masked = host.irq_save();
    let other = PlainFrames::new(SPAN);
    let cache = Cache::answering(&other, noting);
    assert!(Reclaiming::new(&host, &other, &cache).allocate(&one()).is_ok());
    drop(masked);
    assert_eq!(saw_mask.load(Ordering::Relaxed), 1);
}

/// Frames that come back one at a time may never be adjacent: three rounds, each for twice as many, and an end.
#[test]
fn there_are_three_rounds_of_growing_size() {
    let frames = PlainFrames::new(SPAN);
    let cache = Cache::answering(&frames, |_| 1);
    let source = Reclaiming::new(env(), &frames, &cache);
    assert!(is_no_memory(source.allocate(&FrameRequest::new(5))));
    assert_eq!(cache.asked(), [5, 10, 20]);
    assert_eq!(source.stats(), ReclaimStats { rounds: 3, freed: 3, served: 0, failed: 1 });

    // The kept frames are the upper ones now; three rounds of two give six adjacent ones.
    let frames = PlainFrames::new(SPAN);
    let cache = Cache::answering(&frames, |_| 2);
    let source = Reclaiming::new(env(), &frames, &cache);
    assert_eq!(source.allocate(&FrameRequest::new(6)).map(|range| range.count()), Ok(6));
    assert_eq!(source.stats(), ReclaimStats { rounds: 3, freed: 6, served: 1, failed: 0 });
}

/// A reclaimer that allocates refers to what contains it.
fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// An allocation made by the reclaimer, or by an interrupt handler that finds it at work, asks nobody.
#[test]
fn the_reclaimer_is_not_entered_twice_on_a_cpu() {
    for cpu in [None, Some(0), Some(64), Some(700)] {
        CPU.set(cpu);
        let (frames, source) = (leak(PlainFrames::new(SPAN)), leak(OnceLock::<&dyn FrameAlloc>::new()));
        let nested = leak(Mutex::new(Vec::new()));
        let cache = Cache::answering(frames, |wanted| {
            nested.lock().unwrap().push(source.get().unwrap().allocate(&one()));
            wanted
        });
        let reclaiming = leak(Reclaiming::new(env(), frames, cache));
        assert!(source.set(reclaiming).is_ok());
        assert!(reclaiming.allocate(&one()).is_ok());
        assert!(reclaiming.allocate(&one()).is_ok(), "the mark is gone");
        assert_eq!(reclaiming.reclaimer().asked(), [1, 1]);
        assert!(nested.lock().unwrap().iter().all(|result| is_no_memory(*result)));
        assert_eq!(reclaiming.stats(), ReclaimStats { rounds: 2, freed: 2, served: 2, failed: 2 });
    }
    CPU.set(Some(0));
}

/// While one CPU is in the reclaimer for as long as it likes, another one that runs short asks too and is served.
#[test]
fn a_second_cpu_asks_for_itself() {
    let (frames, entered, served) = (PlainFrames::new(SPAN), Barrier::new(2), Barrier::new(2));
    let cache = Cache::answering(&frames, |wanted| {
        if CPU.get() == Some(0) {
            entered.wait();
            served.wait();
        }
        wanted
    });
    let source = Reclaiming::new(env(), &frames, &cache);
    thread::scope(|scope| {
        let first = scope.spawn(|| source.allocate(&one()));
        CPU.set(Some(1));
        entered.wait();
        assert!(source.allocate(&one()).is_ok());
        served.wait();
        assert!(first.join().unwrap().is_ok());
    });
    CPU.set(Some(0));
    assert_eq!(source.stats(), ReclaimStats { rounds: 2, freed: 2, served: 2, failed: 0 });
}

/// For every k: the k-th call of the reclaimer frees nothing. What is then short is an error, and nothing is lost.
#[test]
fn every_reclaim_may_fail() {
    for k in 0.. {
        let (frames, calls) = (PlainFrames::new(SPAN), AtomicUsize::new(0));
        let cache =
            Cache::answering(
                &frames,
                |wanted| {
                    if calls.fetch_add(1, Ordering::Relaxed) == k { 0 } else { wanted }
                },
            );
        let source = Reclaiming::new(env(), &frames, &cache);
        let requests = [1, 2, 3, 1, 4, 2].map(FrameRequest::new);
        let results = requests.map(|request| source.allocate(&request));
        let failed = results.iter().filter(|result| result.is_err()).count();
        let live: usize = results.iter().flatten().map(|range| range.count()).sum();
        assert_eq!(failed, usize::from(k < calls.load(Ordering::Relaxed)), "call {k}");
        assert_eq!(cache.kept() + live, frames.used(), "call {k}");
        for range in results.into_iter().flatten() {
            // SAFETY: the frames were handed out above and are not used.
            assert_eq!(unsafe { source.free(range) }, Ok(()));
            // SAFETY: as above; the second free is refused.
            assert_eq!(unsafe { source.free(range) }, Err(FreeError::DoubleFree(range)));
        }
        assert_eq!(cache.kept(), frames.used());
        if calls.load(Ordering::Relaxed) <= k {
            assert!(k > 4, "the story asks often");
            return;
        }
    }
}

//! Inheritance beside a naive model, what others shipped broken, and the locks over threads of the host.

use core::array;
use core::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use alloc::vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::graph::{DEPTH, Graph, Standing};
use super::{PiDomain, PiLock, PiMutex, PiTask};
use crate::error::LockError;
use crate::ports::{BlockReason, CriticalSection, Park, PriorityInheritance, Resume};
use crate::testing::{HostIrq, HostPark, HostTask, MaskedLock, cases};
use crate::time::Instant;

const TASKS: usize = 80;

/// Tasks with an urgency, that write down what they inherit. Threads take the numbers in the order in which they join.
struct Urgent {
    host: HostPark,
    own: [AtomicU32; TASKS],
    inherited: [AtomicU32; TASKS],
    /// Masked sections begun, and in which of them somebody inherited first.
    sections: AtomicU32,
    boosted_in: AtomicU32,
    threads: std::sync::Mutex<vec::Vec<HostTask>>,
}

impl Urgent {
    fn new() -> Self {
        let numbers = || array::from_fn(|_| AtomicU32::new(0));
        Self {
            host: HostPark::new(),
            own: numbers(),
            inherited: numbers(),
            sections: AtomicU32::new(0),
            boosted_in: AtomicU32::new(0),
            threads: std::sync::Mutex::default(),
        }
    }

    fn inherited(&self, task: usize) -> u32 {
        self.inherited[task].load(Ordering::Relaxed)
    }

    /// Makes the calling thread the next task.
    fn join(&self, urgency: u32) {
        let mut threads = self.threads.lock().unwrap();
        self.own[threads.len()].store(urgency, Ordering::Relaxed);
        threads.push(self.host.current());
    }
}

impl CriticalSection for Urgent {
    type Lock = MaskedLock;
    type Irq = HostIrq;

    fn irq_save(&self) -> HostIrq {
        self.sections.fetch_add(1, Ordering::Relaxed);
        self.host.irq_save()
    }
}

impl Park for Urgent {
    type Task = HostTask;

    fn current(&self) -> HostTask {
        self.host.current()
    }

    fn park(&self, until: Option<Instant>, why: BlockReason) -> Resume {
        self.host.park(until, why)
    }

    fn unpark(&self, task: HostTask) {
        self.host.unpark(task);
    }
}

impl PriorityInheritance for Urgent {
    type Key = u32;

    fn index(&self, task: HostTask) -> usize {
        self.threads.lock().unwrap().iter().position(|&other| other == task).unwrap()
    }

    fn key(&self, task: HostTask) -> u32 {
        self.own[self.index(task)].load(Ordering::Relaxed)
    }

    fn inherit(&self, task: HostTask, key: Option<u32>) {
        assert!(self.host.is_masked(), "a boost outside of the books");
        let section = self.sections.load(Ordering::Relaxed);
        let _ = self.boosted_in.compare_exchange(0, section, Ordering::Relaxed, Ordering::Relaxed);
        self.inherited[self.index(task)].store(key.unwrap_or(0), Ordering::Relaxed);
    }
}

/// Tasks that are their own numbers, for the graph alone.
struct Numbers(Urgent);

impl Numbers {
    fn new(own: &[u32]) -> Self {
        let numbers = Self(Urgent::new());
        numbers.0.own.iter().zip(own).for_each(|(place, &own)| place.store(own, Ordering::Relaxed));
        numbers
    }
}

impl CriticalSection for Numbers {
    type Lock = MaskedLock;
    type Irq = HostIrq;

    fn irq_save(&self) -> HostIrq {
        self.0.irq_save()
    }
}

impl Park for Numbers {
    type Task = usize;

    fn current(&self) -> usize {
        unreachable!()
    }

    fn park(&self, _until: Option<Instant>, _why: BlockReason) -> Resume {
        unreachable!()
    }

    fn unpark(&self, _task: usize) {
        unreachable!()
    }
}

impl PriorityInheritance for Numbers {
    type Key = u32;

    fn index(&self, task: usize) -> usize {
        task
    }

    fn key(&self, task: usize) -> u32 {
        self.0.own[task].load(Ordering::Relaxed)
    }

    fn inherit(&self, task: usize, key: Option<u32>) {
        self.0.inherited[task].store(key.unwrap_or(0), Ordering::Relaxed);
    }
}

/// Runs `test` on a graph with a lock for each number up to `locks`.
fn with_graph(own: &[u32], locks: usize, test: impl FnOnce(&Numbers, &mut Graph<'_, usize, u32>)) {
    let (mut tasks, mut slots) = ([PiTask::EMPTY; TASKS], vec![PiLock::EMPTY; locks]);
    let mut graph = Graph::new(&mut tasks, &mut slots);
    (0..locks).for_each(|lock| assert_eq!(graph.create(), Some(lock)));
    assert_eq!(graph.create(), None);
    let numbers = Numbers::new(own);
    test(&numbers, &mut graph);
    assert_eq!(graph.check(&numbers), Ok(()));
}

fn take(graph: &mut Graph<'_, usize, u32>, port: &Numbers, lock: usize, task: usize) -> Standing {
    let standing = graph.acquire(port, lock, task, true).unwrap();
    assert_eq!(graph.check(port), Ok(()));
    standing
}

#[test]
fn regress_zephyr_89331_a_boosted_waiter_moves_up_in_the_list() {
    with_graph(&[0, 1, 2, 9], 2, |port, graph| {
        assert_eq!(take(graph, port, 0, 0), Standing::Owner);
        assert_eq!(take(graph, port, 1, 1), Standing::Owner);
        take(graph, port, 0, 2);
        take(graph, port, 0, 1);
        take(graph, port, 1, 3); // boosts 1, which waits behind 2
        assert_eq!((port.0.inherited(1), port.0.inherited(0)), (9, 9));
        assert_eq!(graph.release(port, 0), Some(1), "the boost did not reach the list");
    });
}

#[test]
fn regress_zephyr_113440_unlocking_one_mutex_keeps_the_boost_of_another() {
    with_graph(&[0, 5, 9, 1], 3, |port, graph| {
        for lock in [0, 1] {
            take(graph, port, lock, 0);
        }
        take(graph, port, 2, 3);
        take(graph, port, 2, 0); // the chain goes on to 3
        take(graph, port, 0, 1);
        take(graph, port, 1, 2);
        assert_eq!((port.0.inherited(0), port.0.inherited(3)), (9, 9));
        assert_eq!(graph.release(port, 2), Some(0));
        assert_eq!(graph.release(port, 1), Some(2));
        assert_eq!((port.0.inherited(0), port.0.inherited(3)), (5, 0));
    });
}

#[test]
fn regress_phoenix_rtos_1626_boost_and_entry_are_one_step() {
    let port = Urgent::new();
    let (mut tasks, mut locks) = ([PiTask::EMPTY; 2], [PiLock::EMPTY; 1]);
    let domain = PiDomain::new(&port, &mut tasks, &mut locks);
    let mutex = PiMutex::new(&domain, 0).unwrap();
    port.join(1);
    thread::scope(|scope| {
        let guard = mutex.lock().unwrap();
        let before = port.sections.load(Ordering::Relaxed);
        scope.spawn(|| {
            port.join(7);
            *mutex.lock().unwrap() += 1;
        });
        port.host.until_parked(1);
        let boosted_in = port.boosted_in.load(Ordering::Relaxed);
        let (inherited, check) = (port.inherited(0), domain.check());
        drop(guard);
        assert_eq!((inherited, check), (7, Ok(())));
        assert_eq!(boosted_in, before + 1, "a boost after the step that enters the list");
        assert_eq!(port.inherited(0), 0);
    });
    assert_eq!(*mutex.lock().unwrap(), 1);
}

#[test]
fn regress_zephyr_47906_a_wait_that_times_out_takes_its_boost_back() {
    with_graph(&[0, 3, 9, 1], 2, |port, graph| {
        take(graph, port, 0, 0);
        take(graph, port, 1, 3);
        take(graph, port, 1, 0);
        take(graph, port, 0, 1);
        take(graph, port, 0, 2);
        assert_eq!((port.0.inherited(0), port.0.inherited(3)), (9, 9));
        graph.give_up(port, 2);
        assert_eq!((port.0.inherited(0), port.0.inherited(3)), (3, 3), "along the whole chain");
    });
}

#[test]
fn regress_cheriot_rtos_72_a_short_wait_does_not_end_a_long_ones_boost() {
    with_graph(&[0, 9, 3], 1, |port, graph| {
        take(graph, port, 0, 0);
        take(graph, port, 0, 1);
        take(graph, port, 0, 2);
        graph.give_up(port, 2);
        assert_eq!(port.0.inherited(0), 9);
    });
}

#[test]
fn a_cycle_is_a_deadlock_and_changes_nothing() {
    with_graph(&[1, 2, 3], 3, |port, graph| {
        (0..3).for_each(|task| _ = take(graph, port, task, task));
        take(graph, port, 1, 0);
        take(graph, port, 2, 1);
        assert_eq!(graph.acquire(port, 0, 2, true), Err(LockError::Deadlock));
        assert_eq!(graph.acquire(port, 2, 2, true), Err(LockError::Deadlock));
        assert_eq!((port.0.inherited(0), port.0.inherited(2)), (0, 2));
    });
}

#[test]
fn a_chain_has_sixty_four_owners() {
    with_graph(&[0; TASKS], TASKS, |port, graph| {
        (0..TASKS).for_each(|task| _ = take(graph, port, task, task));
        (1..DEPTH).for_each(|task| _ = take(graph, port, task - 1, task));
        let last = DEPTH;
        port.0.own[last].store(7, Ordering::Relaxed);
        take(graph, port, last - 1, last);
        assert!((0..last).all(|task| port.0.inherited(task) == 7), "the boost reaches the end");
        assert_eq!(graph.acquire(port, last, last + 1, true), Err(LockError::ChainTooLong));
    });
}

#[test]
fn who_waits_for_the_dead_is_told() {
    let port = Urgent::new();
    let (mut tasks, mut locks) = ([PiTask::EMPTY; 2], [PiLock::EMPTY; 1]);
    let domain = PiDomain::new(&port, &mut tasks, &mut locks);
    let mutex = PiMutex::new(&domain, 5).unwrap();
    assert_eq!(PiMutex::new(&domain, 5).unwrap_err(), LockError::NoSlot);
    port.join(1);
    // A dead owner's guard is never dropped.
    let _guard = core::mem::ManuallyDrop::new(mutex.lock().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            port.join(2);
            assert_eq!(mutex.lock().unwrap_err(), LockError::OwnerDied);
            assert_eq!(mutex.try_lock().unwrap_err(), LockError::OwnerDied);
            #[expect(unsafe_code, reason = "declares the owner dead")]
            // SAFETY: the other thread forgot its guard.
            let guard = unsafe { mutex.recover() };
            assert_eq!(*guard.unwrap(), 5);
        });
        port.host.until_parked(1);
        domain.task_died(port.host.current());
    });
    assert_eq!(domain.check(), Ok(()));
    assert!(mutex.try_lock().unwrap().is_some());
}

/// Who was woken first recovers the lock before the burial has come to its end, and gives it back.
#[test]
fn a_lock_recovered_during_the_burial_of_its_owner_is_lost_to_nobody() {
    with_graph(&[1, 2, 3], 1, |port, graph| {
        assert_eq!(graph.acquire(port, 0, 0, true), Ok(Standing::Owner));
        for waiter in [1, 2] {
            assert_ne!(graph.acquire(port, 0, waiter, true), Ok(Standing::Owner));
        }
        assert!(graph.bury(port, 0).is_some(), "the most urgent is told");
        assert!(graph.recover(port, 0, 2));
        assert_eq!(graph.check(port), Ok(()));
        assert_eq!(graph.bury(port, 0), None, "the other waits for the new owner");
        assert_eq!(graph.check(port), Ok(()));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), rng_seed: RngSeed::Fixed(64), failure_persistence: None, ..ProptestConfig::default() })]

    /// Beside maps of who has and who waits, and urgencies found by repeating until nothing changes.
    #[test]
    fn urgency_is_what_a_fixed_point_says(steps in vec_of((0..6_u8, 0..8_usize, 0..5_usize, 1..9_u32), 0..120)) {
        with_graph(&[1, 2, 3, 4, 5, 6, 7, 8], 5, |port, graph| {
            let (mut owner, mut waits) = ([None; 5], [None; 8]);
            for (kind, task, lock, own) in steps {
                match kind {
                    0..=2 if waits[task].is_none() => match graph.acquire(port, lock, task, true) {
                        Ok(Standing::Owner) => assert_eq!(owner[lock].replace(task), None),
                        Ok(_) => waits[task] = Some(lock),
                        Err(error) => assert!(error == LockError::Deadlock && owner[lock].is_some()),
                    },
                    3 if owner[lock].is_some_and(|owner| waits[owner].is_none()) => {
                        owner[lock] = graph.release(port, lock);
                        owner[lock].into_iter().for_each(|next| assert_eq!(waits[next].take(), Some(lock)));
                    }
                    4 => {
                        graph.give_up(port, task);
                        waits[task] = None;
                    }
                    5 => {
                        port.0.own[task].store(own, Ordering::Relaxed);
                        graph.rekey(port, task);
                    }
                    _ => {}
                }
                let mut effective: [u32; 8] = array::from_fn(|task| port.key(task));
                for _ in 0..8 {
                    for task in 0..8 {
                        if let Some(owner) = waits[task].and_then(|lock: usize| owner[lock]) {
                            effective[owner] = effective[owner].max(effective[task]);
                        }
                    }
                }
                let found = array::from_fn(|task| port.key(task).max(port.0.inherited(task)));
                assert_eq!(found, effective);
                assert_eq!(graph.check(port), Ok(()));
            }
        });
    }
}

//! Priority inheritance between tasks with stacks, on CPUs that are threads of the host. Who waits for what he cannot get while
//! others run for ever hangs, and what hangs fails.
#![cfg(all(target_arch = "x86_64", unix))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::OnceLock;

use common::cpus::{Host, boot, spawn, spawn_on};
use kos_sched::core::TaskState;
use kos_sched::runtime::Runtime;
use kos_sched::sync::{PiDomain, PiLock, PiMutex, PiTask};
use kos_sched::{
    BlockReason, CpuId, CpuMask, CpuSet, Duration, LockError, Park, Policy, Resume, RtPriority, TaskId,
    Urgency,
};

type Kernel = &'static Runtime<Host>;
type Domain = PiDomain<'static, Kernel>;
type Lock = PiMutex<'static, 'static, Kernel, u32>;

fn fifo(priority: u8) -> Policy {
    Policy::Fifo(RtPriority::new(priority).unwrap())
}

/// Room for what happens, in order.
struct Log([AtomicUsize; 16], AtomicUsize);

impl Log {
    const fn new() -> Self {
        Self([const { AtomicUsize::new(0) }; 16], AtomicUsize::new(0))
    }

    fn say(&self, what: usize) {
        self.0[self.1.fetch_add(1, SeqCst)].store(what, SeqCst);
    }

    fn read(&self) -> Vec<usize> {
        self.0.iter().take(self.1.load(SeqCst)).map(|entry| entry.load(SeqCst)).collect()
    }
}

/// A domain for `kernel` with room for 16 tasks, and `N` locks.
fn locks<const N: usize>(kernel: Kernel) -> (&'static Domain, [Lock; N]) {
    let tasks = Box::leak(Box::new([const { PiTask::EMPTY }; 16]));
    let locks = Box::leak(Box::new([const { PiLock::EMPTY }; 8]));
    let domain: &'static Domain = Box::leak(Box::new(PiDomain::new(kernel, tasks, locks)));
    (domain, core::array::from_fn(|_| PiMutex::new(domain, 0).unwrap()))
}

fn urgency(kernel: Kernel, task: TaskId) -> Option<Urgency> {
    kernel.scheduler().urgency(task)
}

fn is(kernel: Kernel, task: TaskId, policy: Policy) -> bool {
    urgency(kernel, task) == Some(Urgency::of(&policy))
}

mod inversion {
    use super::*;

    static LOCK: OnceLock<Lock> = OnceLock::new();
    static LOG: Log = Log::new();

    fn high(_: Kernel, _: usize) {
        LOG.say(2);
        let guard = LOCK.get().unwrap().lock().unwrap();
        LOG.say(4);
        drop(guard);
    }

    fn mid(_: Kernel, _: usize) {
        LOG.say(5);
    }

    fn low(kernel: Kernel, _: usize) {
        let guard = LOCK.get().unwrap().lock().unwrap();
        LOG.say(1);
        // It goes first, up to the lock.
        let high = spawn(kernel, fifo(30), high, 0);
        assert!(is(kernel, kernel.current(), fifo(30)));
        // Would go first, if it were not for who waits.
        let mid = spawn(kernel, fifo(20), mid, 0);
        LOG.say(3);
        drop(guard);
        LOG.say(6);
        assert!(is(kernel, kernel.current(), fifo(10)));
        [high, mid].into_iter().for_each(|task| drop(kernel.join(task).unwrap()));
        kernel.scheduler().platform().finish();
    }

    fn main(kernel: Kernel, _: usize) {
        let (_, [lock]) = locks(kernel);
        assert!(LOCK.set(lock).is_ok());
        spawn(kernel, fifo(10), low, 0);
    }

    #[test]
    fn the_most_urgent_does_not_wait_for_the_middle() {
        boot(1, 8, main);
        assert_eq!(LOG.read(), [1, 2, 3, 4, 5, 6]);
    }
}

mod chain {
    use super::*;

    static LOCKS: OnceLock<[Lock; 3]> = OnceLock::new();
    static READY: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);

    /// Spins on `cpu` until the most urgent one has what it wants: nobody below runs there.
    fn spinner(kernel: Kernel, _: usize) {
        READY.fetch_add(1, SeqCst);
        while !DONE.load(SeqCst) {
            // Looks at the clock, so that time passes and interrupts arrive.
            drop(kernel.no_preempt());
        }
    }

    /// Has lock `me`, and wants lock `me - 1`.
    fn link(kernel: Kernel, me: usize) {
        let locks = LOCKS.get().unwrap();
        let mut own = locks[me].lock().unwrap();
        READY.fetch_add(1, SeqCst);
        while READY.load(SeqCst) < if me == 0 { 6 } else { 3 } {
            kernel.yield_now();
        }
        if let Some(below) = me.checked_sub(1) {
            *own = *locks[below].lock().unwrap() + 1;
        }
    }

    fn top(kernel: Kernel, _: usize) {
        while READY.load(SeqCst) < 6 {
            kernel.yield_now();
        }
        let most = LOCKS.get().unwrap()[2].lock().unwrap();
        assert_eq!(*most, 2, "each got the lock below");
        DONE.store(true, SeqCst);
    }

    fn main(kernel: Kernel, _: usize) {
        let (domain, three) = locks(kernel);
        assert!(LOCKS.set(three).is_ok());
        let last = CpuMask::only(CpuId::new(3));
        kernel.scheduler().set_affinity(kernel.current(), &last, kernel.now()).unwrap();
        kernel.yield_now();
        let links = [0, 1, 2].map(|me| spawn_on(kernel, me, Policy::NORMAL, link, me as usize));
        let waits = |task| {
            let sched = kernel.scheduler();
            sched.state(task) == Some(TaskState::Blocked) && sched.reason(task) == Some(BlockReason::Lock)
        };
        while !waits(links[1]) || !waits(links[2]) {
            kernel.yield_now();
        }
        // One on each of their CPUs, which leaves them nothing.
        let spinners = [0, 1, 2].map(|cpu| spawn_on(kernel, cpu, fifo(20), spinner, 0));
        let top = spawn_on(kernel, 3, fifo(30), top, 0);
        for task in links.into_iter().chain(spinners).chain([top]) {
            drop(kernel.join(task).unwrap());
        }
        domain.check().unwrap();
        assert_eq!(kernel.scheduler().check(), Ok(()));
        kernel.scheduler().platform().finish();
    }

    #[test]
    fn a_chain_of_owners_on_three_cpus_overtakes_who_spins_there() {
        let kernel = boot(4, 16, main);
        assert!(DONE.load(SeqCst) && kernel.scheduler().stats().ipis_sent > 0);
    }
}

mod end_of_a_wait {
    use super::*;

    static LOCK: OnceLock<Lock> = OnceLock::new();

    fn impatient(kernel: Kernel, _: usize) {
        let until = kernel.now().checked_add_duration(Duration::from_ticks(200_000));
        assert_eq!(LOCK.get().unwrap().lock_until(until).map(drop), Err(LockError::TimedOut));
    }

    fn killed(_: Kernel, _: usize) {
        assert_eq!(LOCK.get().unwrap().lock().map(drop), Err(LockError::Interrupted));
    }

    fn owner(kernel: Kernel, _: usize) {
        let guard = LOCK.get().unwrap().lock().unwrap();
        let me = kernel.current();
        let first = spawn(kernel, fifo(30), impatient, 0);
        let second = spawn(kernel, fifo(20), killed, 0);
        assert!(is(kernel, me, fifo(30)));
        let until = kernel.now().checked_add_duration(Duration::from_ticks(1_000_000));
        assert_eq!(kernel.park(until, BlockReason::Sleep), Resume::TimedOut);
        assert!(is(kernel, me, fifo(20)), "the first gave up");
        kernel.interrupt_for_test(second);
        drop(kernel.join(second).unwrap());
        assert!(is(kernel, me, fifo(10)), "the second was killed");
        drop(guard);
        drop(kernel.join(first).unwrap());
        kernel.scheduler().platform().finish();
    }

    fn main(kernel: Kernel, _: usize) {
        let (_, [lock]) = locks(kernel);
        assert!(LOCK.set(lock).is_ok());
        spawn(kernel, fifo(10), owner, 0);
    }

    trait Kill {
        fn interrupt_for_test(&self, task: TaskId);
    }

    impl Kill for Runtime<Host> {
        #[cfg(feature = "process")]
        fn interrupt_for_test(&self, task: TaskId) {
            kos_sched::Interrupt::interrupt(self, task);
        }

        #[cfg(not(feature = "process"))]
        fn interrupt_for_test(&self, task: TaskId) {
            self.scheduler().interrupt(task, self.now());
            self.yield_now();
        }
    }

    #[test]
    fn who_times_out_or_is_killed_lends_no_more() {
        boot(1, 8, main);
    }
}

mod donation {
    use super::*;

    static DOMAIN: OnceLock<&'static Domain> = OnceLock::new();
    static SERVED: AtomicUsize = AtomicUsize::new(0);
    static CLIENT: OnceLock<TaskId> = OnceLock::new();
    const CALLS: usize = 1_000;

    fn server(kernel: Kernel, _: usize) {
        while SERVED.load(SeqCst) < CALLS {
            let Some(&client) = CLIENT.get() else {
                let _ = kernel.park(None, BlockReason::Wait);
                continue;
            };
            assert!(is(kernel, kernel.current(), fifo(30)), "on the client's time");
            SERVED.fetch_add(1, SeqCst);
            let _ = kernel.hand_off(client, None, BlockReason::Wait);
        }
    }

    fn client(kernel: Kernel, server: usize) {
        let server = common::cpus::unpacked(server);
        assert!(CLIENT.set(kernel.current()).is_ok());
        for call in 1..=CALLS {
            let donation = DOMAIN.get().unwrap().donate(server).unwrap();
            while SERVED.load(SeqCst) < call {
                let _ = kernel.hand_off(server, None, BlockReason::Wait);
            }
            drop(donation);
            assert!(is(kernel, server, Policy::NORMAL));
        }
    }

    fn hog(_: Kernel, _: usize) {
        assert_eq!(SERVED.load(SeqCst), CALLS, "it goes behind the client and whom he called");
    }

    fn main(kernel: Kernel, _: usize) {
        let (domain, [own]) = locks(kernel);
        assert!(DOMAIN.set(domain).is_ok());
        let server = spawn(kernel, Policy::NORMAL, server, 0);
        kernel.yield_now();
        let guard = kernel.no_preempt();
        let client = spawn(kernel, fifo(30), client, common::cpus::packed(server));
        let hog = spawn(kernel, fifo(20), hog, 0);
        drop(guard);
        assert_eq!(domain.donate(kernel.current()).map(drop), Err(LockError::Deadlock));
        let donation = domain.donate(server).unwrap();
        let _held = own.try_lock().unwrap();
        assert_eq!(domain.donate(server).map(drop), Err(LockError::Deadlock), "one at a time");
        drop(donation);
        for task in [client, hog] {
            drop(kernel.join(task).unwrap());
        }
        kernel.unpark(server);
        drop(kernel.join(server).unwrap());
        domain.check().unwrap();
        kernel.scheduler().platform().finish();
    }

    #[test]
    fn a_server_runs_on_the_urgency_of_its_client_and_gives_it_back() {
        boot(1, 8, main);
        assert_eq!(SERVED.load(SeqCst), CALLS);
    }
}

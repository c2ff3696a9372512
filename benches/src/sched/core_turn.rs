//! What does it cost to wake a task, to sleep and to run the next, through the whole core?

use core::cell::{Cell, UnsafeCell};
use core::hint::black_box;

use corosensei::stack::{DefaultStack, Stack};
use kos_sched::arch::x86_64::{KernelSwitch, SavedContext};
use kos_sched::class::{Deadline, Fair, Idle, Rt, Stop};
use kos_sched::core::{Config, CpuSlot, TaskSlot};
use kos_sched::task::{Arena, Slot};
use kos_sched::{
    BlockReason, ContextSwitch, CpuId, CpuMask, Instant, IpiError, Platform, Policy, RtPriority, Scheduler,
    Setup, SpawnArgs, System, TaskId,
};

use super::linux;
use super::policy::{Classes, Turns, subject};
use crate::harness::must;
use crate::harness::question::{Question, Shape};
use crate::lock::Spin;

const FIFO: Policy = Policy::Fifo(RtPriority::MIN);

/// What both questions leave out.
const NOTE: &str = "lock taken; interrupt mask and clock cost nothing here";

/// The decisions alone.
pub(crate) fn decisions(name: &'static str) -> Question {
    Question {
        name,
        what: "Two tasks of one CPU: the running one wakes the other, announces its sleep, looks, sleeps; the other is picked and \
               asks why it runs. No stack is switched."
            .to_owned(),
        operation: "wake, sleep and pick",
        operations: 2,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject("kos-sched, FIFO".to_owned(), NOTE, || Decisions(pair(FIFO))),
            subject("kos-sched, fair".to_owned(), NOTE, || Decisions(pair(Policy::NORMAL))),
        ],
    }
}

/// The same, carried out.
pub(crate) fn ping_pong(name: &'static str) -> Question {
    let mut subjects = vec![subject("kos-sched, KernelSwitch".to_owned(), NOTE, || Switches::new(FIFO))];
    subjects.extend(linux::subjects());
    Question {
        name,
        what: "Two tasks of one CPU wake each other in turn and sleep; each time the stack is switched."
            .to_owned(),
        operation: "wake, sleep and switch",
        operations: 2,
        shape: Shape::Repeated { counted: 1000 },
        subjects,
    }
}

/// A machine of one CPU without interrupts.
struct Machine;

impl Platform for Machine {
    type Irq = ();

    #[inline]
    fn irq_save(&self) {}

    #[inline]
    fn cpu(&self) -> CpuId {
        CpuId::new(0)
    }

    #[inline]
    fn arm_timer(&self, at: Option<Instant>) {
        black_box(at);
    }

    fn kick(&self, cpu: CpuId) -> Result<(), IpiError> {
        Err(IpiError { cpu })
    }

    fn idle(&self, (): ()) {}
}

/// Where a task left its stack.
struct Context(UnsafeCell<SavedContext>);

// SAFETY: one thread measures.
unsafe impl Sync for Context {}
// SAFETY: as above.
unsafe impl Send for Context {}

enum Bench {}

impl System for Bench {
    type Classes = Classes;
    type Mask = CpuMask<1>;
    type Platform = Machine;
    type Lock = Spin;
    type Trace = ();
    type Payload = Context;
}

/// Two tasks, of which the thread that measures is the first.
struct Pair {
    sched: Scheduler<'static, Bench>,
    tasks: Cell<[TaskId; 2]>,
    now: Cell<u64>,
    visits: Cell<usize>,
}

impl Pair {
    #[inline]
    fn now(&self) -> Instant {
        self.now.set(self.now.get() + 1000);
        Instant::from_ticks(self.now.get())
    }

    /// The running task wakes `other` and sleeps; `switch` leaves its stack.
    #[inline]
    fn pass_to(&self, other: TaskId, switch: impl FnOnce(Option<&Context>, Option<&Context>)) {
        let _ = black_box(self.sched.wake(other, self.now()));
        self.sleep(switch);
    }

    #[inline]
    fn sleep(&self, switch: impl FnOnce(Option<&Context>, Option<&Context>)) {
        must(self.sched.prepare(BlockReason::Wait).ok());
        self.sched.block(None, self.now()).carry_out(switch);
    }

    fn spawn(&self, policy: Policy, context: SavedContext) -> TaskId {
        let args = SpawnArgs::new(policy, Context(UnsafeCell::new(context)));
        must(self.sched.try_spawn(args, self.now()).ok())
    }
}

fn new_pair() -> &'static Pair {
    let (arena, free) = Arena::new(vec![Slot::new(), Slot::new()].leak());
    let classes = (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))));
    let cpus = vec![CpuSlot::new(must(arena.queue()), classes)].leak();
    let tasks = vec![TaskSlot::new(), TaskSlot::new()].leak();
    let setup = Setup { arena, free, tasks, cpus, platform: Machine, trace: (), config: Config::default() };
    let sched = must(Scheduler::new(setup).ok());
    must(sched.online(CpuId::new(0), Instant::from_ticks(0)).ok());
    let tasks = Cell::new([TaskId::NOBODY; 2]);
    Box::leak(Box::new(Pair { sched, tasks, now: Cell::new(0), visits: Cell::new(0) }))
}

/// Both are there; the first runs, the second sleeps.
fn pair(policy: Policy) -> &'static Pair {
    let pair = new_pair();
    let second = pair.spawn(policy, SavedContext::new());
    pair.sched.reschedule(pair.now()).carry_out(|_, _| {});
    let first = pair.spawn(policy, SavedContext::new());
    pair.sleep(|_, _| {});
    pair.tasks.set([first, second]);
    pair
}

struct Decisions(&'static Pair);

impl Turns for Decisions {
    #[inline]
    fn turn(&mut self) {
        let [first, second] = self.0.tasks.get();
        for other in [second, first] {
            self.0.pass_to(other, |_, _| {});
            let _ = black_box(self.0.sched.resume());
        }
    }
}

struct Switches {
    pair: &'static Pair,
    expected: usize,
    _stack: DefaultStack,
}

fn switch(from: Option<&Context>, to: Option<&Context>) {
    let (from, to) = (must(from), must(to));
    // SAFETY: this runs on `from`; `to` was prepared or left here. Both live as long as their tasks, that is for ever.
    unsafe { KernelSwitch::switch(from.0.get(), to.0.get()) };
}

/// Where the second task begins.
unsafe extern "C" fn entry(pair: *mut ()) -> ! {
    // SAFETY: `Switches::new` passes it, and it lives for ever.
    let pair = unsafe { &*pair.cast_const().cast::<Pair>() };
    pair.sched.finish_switch();
    pair.sleep(switch);
    loop {
        let _ = black_box(pair.sched.resume());
        pair.visits.set(pair.visits.get() + 1);
        let [first, _] = pair.tasks.get();
        pair.pass_to(first, switch);
    }
}

impl Switches {
    fn new(policy: Policy) -> Self {
        let pair = new_pair();
        let stack = must(DefaultStack::new(64 << 10).ok());
        let bounds = stack.limit().get()..stack.base().get();
        let mut context = SavedContext::new();
        let arg = core::ptr::from_ref(pair).cast_mut().cast();
        // SAFETY: the stack is mapped and ours, corosensei exposes its address, and the pair lives for ever.
        unsafe { KernelSwitch::prepare(&mut context, bounds, entry, arg) };
        let first = pair.spawn(policy, SavedContext::new());
        pair.sched.reschedule(pair.now()).carry_out(|_, _| {});
        let second = pair.spawn(policy, context);
        pair.tasks.set([first, second]);
        // The second begins, and sleeps at once.
        pair.sched.yield_now(pair.now()).carry_out(switch);
        Self { pair, expected: 0, _stack: stack }
    }
}

impl Turns for Switches {
    #[inline]
    fn turn(&mut self) {
        self.expected += 1;
        let [_, second] = self.pair.tasks.get();
        self.pair.pass_to(second, switch);
        let _ = black_box(self.pair.sched.resume());
        assert_eq!(self.pair.visits.get(), self.expected, "each turn visits the other task");
    }
}

//! What does it cost to leave a stack, run on another and come back?

use alloc::rc::Rc;
use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::Relaxed;

use corosensei::Coroutine;
use corosensei::stack::{DefaultStack, Stack};
use generator::{Gn, LocalGenerator};
use kos_sched::ContextSwitch;
use kos_sched::arch::x86_64::{KernelSwitch, SavedContext, StackSwitch};

use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::peers::peer;

/// Bytes of each stack, its guard page not counted.
const STACK: usize = 32 << 10;

/// What the first row has in common with the peers.
const SHARED_CONTROL: &str = "floating-point control words are shared";

/// What the peers do besides.
const PEERS: &str = "control words are shared; catches panics";

/// The question for a thread that visits `stacks` stacks in turn.
pub(crate) fn question(name: &'static str, stacks: usize) -> Question {
    let mut subjects = vec![
        subject::<Ours<KernelSwitch>>(stacks, "kos-sched KernelSwitch".to_owned(), SHARED_CONTROL),
        subject::<Corosensei>(stacks, peer("corosensei"), PEERS),
        subject::<Generators>(stacks, peer("generator"), PEERS),
    ];
    // Linux allows 65530 mappings, and each stack takes two.
    if stacks < 10_000 {
        let name = "kos-sched StackSwitch".to_owned();
        subjects.insert(1, subject::<Ours<StackSwitch>>(stacks, name, "keeps control words, too"));
    }
    Question {
        name,
        what: format!("From the thread to a stack and back; {stacks} stack(s), each in turn."),
        operation: "round trip, two switches",
        operations: stacks,
        shape: Shape::Repeated { counted: 10 },
        subjects,
    }
}

fn subject<V: Visits>(stacks: usize, name: String, note: &'static str) -> Subject {
    let make = move || -> Box<dyn Body> {
        let visits = Rc::new(Cell::new(0));
        let stacks = (0..stacks).map(|_| V::new(Rc::clone(&visits))).collect();
        Box::new(Tour { stacks, visits, expected: 0 })
    };
    Subject { name, promise: Promise::Exclusive, note, counted: true, make: Box::new(make) }
}

/// A stack that counts how often it was entered.
trait Visits: 'static {
    fn new(visits: Rc<Cell<usize>>) -> Self;

    /// Enters it and comes back.
    fn visit(&mut self);
}

/// Visits its stacks one after another.
struct Tour<V> {
    stacks: Vec<V>,
    visits: Rc<Cell<usize>>,
    expected: usize,
}

impl<V: Visits> Body for Tour<V> {
    fn run(&mut self, steps: usize) {
        self.expected += steps * self.stacks.len();
        for _ in 0..steps {
            self.stacks.iter_mut().for_each(V::visit);
        }
    }

    fn verify(&mut self) {
        assert_eq!(self.visits.get(), self.expected, "each step enters each stack once");
    }
}

/// The area of our CPU: who goes back to the thread needs nothing from his own stack, which may have left the cache.
static CPU: PerCpu =
    PerCpu { thread: UnsafeCell::new(SavedContext::new()), current: AtomicPtr::new(core::ptr::null_mut()) };

struct PerCpu {
    thread: UnsafeCell<SavedContext>,
    /// The stack that runs.
    current: AtomicPtr<SavedContext>,
}

// SAFETY: one thread measures.
unsafe impl Sync for PerCpu {}

/// One of our switches.
trait Switch: ContextSwitch<Context = SavedContext> + 'static {}
impl Switch for KernelSwitch {}
impl Switch for StackSwitch {}

struct Ours<S> {
    context: Box<SavedContext>,
    _visits: Rc<Cell<usize>>,
    _stack: DefaultStack,
    switch: PhantomData<S>,
}

/// Where our stacks begin.
unsafe extern "C" fn entry<S: Switch>(visits: *mut ()) -> ! {
    // SAFETY: `Ours::new` passes it, and keeps it as long as the stack.
    let visits = unsafe { &*visits.cast_const().cast::<Cell<usize>>() };
    loop {
        visits.set(visits.get() + 1);
        // SAFETY: this runs on `current`; the thread waits in `visit`.
        unsafe { S::switch(CPU.current.load(Relaxed), CPU.thread.get()) };
    }
}

impl<S: Switch> Visits for Ours<S> {
    fn new(visits: Rc<Cell<usize>>) -> Self {
        let stack = must(DefaultStack::new(STACK).ok());
        let bounds = stack.limit().get()..stack.base().get();
        let mut context = Box::new(SavedContext::new());
        let arg = Rc::as_ptr(&visits).cast_mut().cast();
        // SAFETY: the stack is mapped and ours, corosensei exposes its address, and the counter lives as long as it.
        unsafe { S::prepare(&mut context, bounds, entry::<S>, arg) };
        Self { context, _visits: visits, _stack: stack, switch: PhantomData }
    }

    #[inline]
    fn visit(&mut self) {
        let context = &raw mut *self.context;
        CPU.current.store(context, Relaxed);
        // SAFETY: this runs on the thread; the stack was prepared, or waits in `entry`.
        unsafe { S::switch(CPU.thread.get(), context) };
    }
}

struct Corosensei(Coroutine<(), (), (), DefaultStack>);

impl Visits for Corosensei {
    fn new(visits: Rc<Cell<usize>>) -> Self {
        let stack = must(DefaultStack::new(STACK).ok());
        Self(Coroutine::with_stack(stack, move |yielder, ()| {
            loop {
                visits.set(visits.get() + 1);
                yielder.suspend(());
            }
        }))
    }

    #[inline]
    fn visit(&mut self) {
        let _ = self.0.resume(());
    }
}

struct Generators(LocalGenerator<'static, (), ()>);

impl Visits for Generators {
    fn new(visits: Rc<Cell<usize>>) -> Self {
        Self(Gn::new_scoped_opt_local(STACK / size_of::<usize>(), move |mut scope| {
            loop {
                visits.set(visits.get() + 1);
                scope.yield_with(());
            }
        }))
    }

    #[inline]
    fn visit(&mut self) {
        self.0.resume();
    }
}

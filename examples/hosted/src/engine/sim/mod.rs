//! [`Simulation`]: many CPUs in one thread of the host, under a virtual clock: what happens follows from the seed.
//!
//! Every CPU has a stack of its own, and the thread goes from one to the other at the points that [`turns`] describes; the
//! kernel's own context switches happen in between, as on metal. Nothing runs in parallel, so cells suffice: none is borrowed
//! across a switch.
//!
//! Invariant: a context belongs to the CPU of its index, `host` to who called [`Simulation::resume`]. The one that has the turn
//! runs; the others were left by [`Simulation::leave_for`] or prepared by [`Simulation::start`].

#![expect(unsafe_code, reason = "keeps the stacks of CPUs that do not run, and switches to them")]

mod turns;

use alloc::sync::Arc;
use core::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use core::fmt;
use core::ptr;
use std::io;

use kos_sched::arch::x86_64::{SavedContext, StackSwitch};
use kos_sched::{ContextSwitch, KernelStack};
use turns::{Turn, Turns};

use super::stack::{CPU_STACK, HostStack};
use super::{Death, Interrupt, Software};

/// The simulated CPUs of one machine.
pub(crate) struct Simulation {
    turns: RefCell<Turns>,
    cpus: Box<[Cpu]>,
    host: UnsafeCell<SavedContext>,
    /// It is about to die: no more turns, no more interrupts.
    doomed: Cell<bool>,
    dead: Cell<bool>,
    software: Arc<dyn Software>,
}

/// A CPU that can be left and continued.
#[derive(Debug, Default)]
struct Cpu {
    masked: Cell<bool>,
    context: UnsafeCell<SavedContext>,
    stack: OnceCell<HostStack>,
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("turns", &self.turns).finish_non_exhaustive()
    }
}

impl Simulation {
    /// `cpus` CPUs of which only the first is on. It has not begun.
    ///
    /// # Errors
    /// The host has no memory for its stack.
    pub(crate) fn new(cpus: usize, seed: u64, software: Arc<dyn Software>) -> io::Result<Box<Self>> {
        let this = Box::new(Self {
            turns: RefCell::new(Turns::new(cpus, seed)),
            cpus: (0..cpus.max(1)).map(|_| Cpu::default()).collect(),
            host: UnsafeCell::default(),
            doomed: Cell::new(false),
            dead: Cell::new(false),
            software,
        });
        this.start(0)?;
        Ok(this)
    }

    /// Lets the CPUs go on where they were, until one [pauses](Self::pause). False: the machine died, and what lies on its
    /// stacks is not dropped.
    pub(crate) fn resume(&self) -> bool {
        let current = self.turns.borrow().current();
        if let Some(cpu) = self.cpus.get(current) {
            // SAFETY: nobody of this simulation runs, so the CPU that has the turn was left or prepared (the invariant), and
            // `host` is the caller's.
            unsafe { StackSwitch::switch(self.host.get(), cpu.context.get()) };
        }
        !self.dead.get()
    }

    /// Goes back to who called [`resume`](Self::resume). Returns at the next.
    pub(crate) fn pause(&self) {
        self.leave_for(self.current(), self.host.get());
    }

    /// The machine is about to die: what runs keeps the turn until it [does](Self::die).
    pub(crate) fn doom(&self, death: Death) {
        self.doomed.set(true);
        self.software.died(death);
    }

    /// Ends the doomed machine.
    pub(crate) fn die(&self) -> ! {
        self.dead.set(true);
        loop {
            self.pause();
        }
    }

    /// Turns `cpu` on: it begins when it gets the turn, interrupts masked.
    ///
    /// # Errors
    /// There is no such CPU, or it is on, or the host has no memory for its stack.
    pub(crate) fn start(&self, cpu: usize) -> io::Result<()> {
        let Some(started) = self.cpus.get(cpu) else { return Err(io::ErrorKind::NotFound.into()) };
        started.stack.set(HostStack::new(CPU_STACK)?).map_err(|_| io::ErrorKind::AlreadyExists)?;
        let Some(stack) = started.stack.get() else { return Ok(()) };
        started.masked.set(true);
        // SAFETY: the CPU was off until now, so nobody else uses its context, and this thread alone runs.
        let context = unsafe { &mut *started.context.get() };
        let this = ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the stack is new, this CPU's alone, and kept until the simulation ends; `begin` gets the simulation, which
        // is boxed and lives as long as any of its CPUs has the turn.
        unsafe { StackSwitch::prepare(context, stack.bounds(), begin, this) };
        self.turns.borrow_mut().start(cpu);
        Ok(())
    }

    /// The CPU that has the turn.
    pub(crate) fn current(&self) -> usize {
        self.turns.borrow().current()
    }

    /// Whether its interrupts are masked.
    pub(crate) fn is_masked(&self) -> bool {
        self.cpus.get(self.current()).is_some_and(|cpu| cpu.masked.get())
    }

    /// Masks the interrupts of the current CPU; whether they were masked before.
    pub(crate) fn mask(&self) -> bool {
        self.set_masked(true)
    }

    fn set_masked(&self, masked: bool) -> bool {
        self.cpus.get(self.current()).is_some_and(|cpu| cpu.masked.replace(masked))
    }

    /// Unmasks: time passes, others may get the turn, and what is due is served.
    pub(crate) fn unmask(&self) {
        self.set_masked(false);
        if !self.doomed.get() {
            self.yield_turn(Turns::point);
            self.serve();
        }
    }

    /// Unmasks and sleeps until an interrupt was served.
    pub(crate) fn idle(&self) {
        self.set_masked(false);
        self.yield_turn(Turns::idle);
        self.serve();
    }

    /// The virtual time in nanoseconds. Who waits for a time by looking at the clock lets others go on meanwhile.
    pub(crate) fn now(&self) -> u64 {
        if !self.is_masked() {
            self.unmask();
        }
        self.turns.borrow_mut().glance()
    }

    /// See [`Turns::arm`].
    pub(crate) fn arm(&self, at: Option<u64>) {
        self.turns.borrow_mut().arm(at);
    }

    /// See [`Turns::interrupt`].
    pub(crate) fn interrupt(&self, cpu: usize, what: Interrupt) -> bool {
        self.turns.borrow_mut().interrupt(cpu, what)
    }

    /// See [`Turns::chance`].
    pub(crate) fn chance(&self, bound: u64) -> u64 {
        self.turns.borrow_mut().chance(bound)
    }

    /// See [`Turns::history`].
    pub(crate) fn history(&self) -> u64 {
        self.turns.borrow().history()
    }

    /// Serves what is due on the current CPU, masked, and leaves it unmasked. The handler may switch stacks: which CPU is the
    /// current one is asked each time.
    fn serve(&self) {
        loop {
            let due = self.turns.borrow_mut().take();
            let Some(interrupt) = due else { return };
            self.set_masked(true);
            self.software.interrupt(interrupt);
            self.set_masked(false);
        }
    }

    /// Lets the seed choose who goes on. Returns when this CPU has the turn again.
    fn yield_turn(&self, choose: fn(&mut Turns) -> Turn) {
        let (from, turn, now) = {
            let mut turns = self.turns.borrow_mut();
            (turns.current(), choose(&mut turns), turns.now())
        };
        match turn {
            Turn::Nobody => {
                self.doom(Death::Deadlock { after_ns: now });
                self.die();
            }
            Turn::Cpu(to) if to == from => {}
            Turn::Cpu(to) => {
                if let Some(next) = self.cpus.get(to) {
                    self.leave_for(from, next.context.get());
                }
            }
        }
    }

    /// Leaves the CPU `from`, which runs, for `next`.
    fn leave_for(&self, from: usize, next: *const SavedContext) {
        let Some(prev) = self.cpus.get(from) else { return };
        // SAFETY: `prev` is the running CPU's own. `next` is the host's, left by `resume`, or that of a CPU which is on and does
        // not run: it was prepared or left here (the invariant), and its stack is kept. No signal handler switches stacks.
        unsafe { StackSwitch::switch(prev.context.get(), next) };
    }
}

/// Where a CPU begins.
///
/// # Safety
/// `simulation` is a `&Simulation` that lives as long as one of its CPUs has the turn.
unsafe extern "C" fn begin(simulation: *mut ()) -> ! {
    // SAFETY: the caller's promise.
    let simulation = unsafe { &*simulation.cast_const().cast::<Simulation>() };
    super::catch(|| simulation.software.run(simulation.current()));
    simulation.die()
}

#[cfg(test)]
mod tests;

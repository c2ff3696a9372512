//! Registers wider than SSE: kept at the switch for the threads that say that they use them.
//!
//! The kernel's own code uses SSE at most, which trap entry saves together with x87. The upper halves of the AVX registers are
//! nobody's, until a thread enters [`keep`]: from then on the switch takes them along, and a thread without pays nothing.
//!
//! Invariant: [`Wide::area`] of a CPU is null or the area of the thread that runs there; that of a thread which does not run is
//! in its [`Context`]. An area lies on the stack of its thread, in `keep`, so both are there as long as the other.

use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use kos_sched::arch::x86_64::fpu::{FpuArea, FpuLayout, FpuUnit, SaveAt};
use kos_sched::arch::x86_64::{KernelSwitch, SavedContext};
use kos_sched::{ContextSwitch, CpuId, Entry};
use spin::Once;

use crate::cpu;
use crate::env::IrqGuard;
use crate::percpu;

/// Bytes of an area: the most that the CPU needs for what [`cpu::enable_avx`] enables.
const BYTES: usize = 512 + 64 + 256;

/// The state beyond SSE that this machine has, if any; asked once, as all its CPUs are alike.
static LAYOUT: Once<Option<FpuLayout>> = Once::new();

/// What a CPU has for it. Used by that CPU only, with interrupts masked.
#[derive(Debug)]
pub(crate) struct Wide {
    area: AtomicPtr<FpuArea<'static>>,
    unit: UnsafeCell<FpuUnit>,
}

// SAFETY: the unit is used by its CPU only, in `move_state`, with interrupts masked: never by two at once.
unsafe impl Sync for Wide {}

impl Wide {
    /// That of the CPU with this number, whose thread uses none.
    pub(crate) const fn new(number: u32) -> Self {
        let unit = FpuUnit::new(CpuId::new(number), SaveAt::Switch);
        Self { area: AtomicPtr::new(ptr::null_mut()), unit: UnsafeCell::new(unit) }
    }

    /// The registers, which are those of `leaving`, become those of `entering`; null uses none.
    ///
    /// # Safety
    /// It is the calling CPU's, with interrupts masked, and each is null or an area that nobody else uses now.
    unsafe fn move_state(&self, leaving: *mut FpuArea<'static>, entering: *mut FpuArea<'static>) {
        self.area.store(entering, Relaxed);
        // SAFETY: the caller's promise; this is the only place that uses it, and it does not call itself.
        let unit = unsafe { &mut *self.unit.get() };
        // SAFETY: the caller's promise.
        let leaving = unsafe { leaving.as_mut() };
        // SAFETY: the caller's promise; the two differ, as a thread is not left for itself.
        let entering = unsafe { entering.as_mut() };
        // SAFETY: on this CPU, masked; the areas are of a layout beyond SSE, and the kernel's code uses SSE at most.
        unsafe { unit.switch(leaving, entering) };
    }
}

/// Runs `work` in the calling thread, which may use AVX in it wherever it is run.
pub(crate) fn keep<R>(work: impl FnOnce() -> R) -> R {
    #[repr(align(64))]
    struct Memory([u8; BYTES]);
    let layout = LAYOUT.call_once(|| FpuLayout::detect().beyond_sse().filter(|_| cpu::has_avx()));
    let mut memory = Memory([0; BYTES]);
    let Some(Ok(mut area)) = layout.map(|layout| FpuArea::new(&mut memory.0, layout)) else {
        return work();
    };
    let area = (&raw mut area).cast();
    let outer = exchange(area);
    let result = work();
    exchange(outer);
    result
}

/// Makes `area` that of the calling thread, in place of the one that is returned.
fn exchange(area: *mut FpuArea<'static>) -> *mut FpuArea<'static> {
    let _masked = IrqGuard::new();
    let wide = &percpu::this().wide;
    let before = wide.area.load(Relaxed);
    // SAFETY: this CPU's, masked; `before` is the running thread's, by the invariant, and so is `area`, which `keep` makes or
    // had before.
    unsafe { wide.move_state(before, area) };
    before
}

/// Where a thread that does not run goes on, and what it has in the wide registers.
#[derive(Debug)]
pub(crate) struct Context {
    stack: SavedContext,
    area: *mut FpuArea<'static>,
}

// SAFETY: the area is the thread's own, and goes where it goes.
unsafe impl Send for Context {}

impl Default for Context {
    fn default() -> Self {
        Self { stack: SavedContext::new(), area: ptr::null_mut() }
    }
}

/// From one thread to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WideSwitch;

// SAFETY: the stacks are switched by `KernelSwitch`, whose promise it is: the kernel's code does not change control words. What
// happens before is an ordinary call.
unsafe impl ContextSwitch for WideSwitch {
    type Context = Context;

    unsafe fn prepare(context: &mut Context, stack: Range<usize>, entry: Entry, arg: *mut ()) {
        context.area = ptr::null_mut();
        // SAFETY: the caller's promise.
        unsafe { KernelSwitch::prepare(&mut context.stack, stack, entry, arg) };
    }

    #[inline(always)]
    unsafe fn switch(prev: *mut Context, next: *const Context) {
        let wide = &percpu::this().wide;
        let leaving = wide.area.load(Relaxed);
        // SAFETY: both are valid and nobody else's, by the caller's promise.
        unsafe { (*prev).area = leaving };
        // SAFETY: as above.
        let entering = unsafe { (*next).area };
        if !leaving.is_null() || !entering.is_null() {
            // SAFETY: this CPU's, masked by the caller's promise; the areas are those of the two threads, by the invariant.
            unsafe { wide.move_state(leaving, entering) };
        }
        // SAFETY: a field of a valid context, by the caller's promise; likewise below.
        let prev = unsafe { &raw mut (*prev).stack };
        // SAFETY: as above.
        let next = unsafe { &raw const (*next).stack };
        // SAFETY: the caller's promise.
        unsafe { KernelSwitch::switch(prev, next) };
    }
}

//! The start of the other CPUs, all at once: INIT, start signals, and the answers.
//!
//! A CPU that does not answer is given up, and parks itself should it come later ([`Roster`]). The code that they run first is
//! `ap.s`; [`ap_main`] is where Rust begins.
//!
//! Source: Intel SDM volume 3, section 10.4.4, "MP Initialization Example" (10 ms after INIT, 200 us between two start signals).

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::Release};
use core::{ptr, slice};

use kos_alloc::CpuIndex;
use kos_x86_64::layout::{DIRECT_MAP, PAGE};
use kos_x86_64::roster::{Roster, State};
use kos_x86_64::shootdown::{self, Cpus, Slot, Stale};
use x86_64::instructions::interrupts;
use x86_64::registers::control::Cr3;

use crate::address::pointer;
use crate::apic::{CALL_VECTOR, Ipi, LocalApic};
use crate::metal::Metal;
use crate::percpu::{self, Local};
use crate::{cpu, exit, mmu, stacks};

/// Nanoseconds after INIT and between two start signals.
const AFTER_INIT: u64 = 10_000_000;
const BETWEEN_SIGNALS: u64 = 200_000;
/// Nanoseconds without any answer after which those that have not answered are given up.
const SILENCE: u64 = 100_000_000;
/// Looks for an answer that are made at least: an emulator that gives this CPU no time gives the others none either.
const LOOKS: u32 = 20_000;

unsafe extern "C" {
    static ap_trampoline: u8;
    static ap_trampoline_end: u8;
    safe static ap_root: AtomicU64;
    safe static ap_numbers: [AtomicU8; 256];
}

/// What a start needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'m> {
    pub(crate) metal: &'m Metal,
    pub(crate) roster: &'m Roster,
    pub(crate) apic: LocalApic,
    /// A page of usable memory below 1 MiB that nobody else uses.
    pub(crate) page: u64,
    /// A CPU that gets no start signal, to see it left out.
    pub(crate) silent: Option<u32>,
}

impl Start<'_> {
    /// Starts CPUs 1 to `prepared` - 1, whose areas are mapped, and waits for them.
    ///
    /// # Safety
    /// They are, [`Start::page`] is as it says, and this is the first start.
    pub(crate) unsafe fn run(self, prepared: u32) {
        // SAFETY: the caller's promise.
        unsafe { self.copy_trampoline() };
        ap_root.store(Cr3::read().0.start_address().as_u64(), Relaxed);
        for number in (1..prepared).filter(|&number| self.roster.expect(number)) {
            // SAFETY: the area was mapped for this CPU and is not in use yet.
            unsafe { self.prepare(number) };
        }
        self.send_all(Ipi::Init);
        self.wait(AFTER_INIT);
        self.signal();
        self.wait(BETWEEN_SIGNALS);
        self.signal();
        self.wait_for_answers();
        for number in self.roster.all_in(State::Starting) {
            self.roster.give_up(number);
        }
    }

    /// # Safety
    /// As for [`run`](Self::run).
    unsafe fn copy_trampoline(&self) {
        let (from, end) = (&raw const ap_trampoline, &raw const ap_trampoline_end);
        // SAFETY: the linker put the bytes between the two symbols, and nobody writes there.
        let code = unsafe { slice::from_raw_parts(from, end.addr() - from.addr()) };
        debug_assert!(code.len() as u64 <= PAGE, "the trampoline fits its page");
        // SAFETY: the page is usable memory, so the direct map shows it, and nobody else uses it.
        unsafe { ptr::copy_nonoverlapping(from, pointer(DIRECT_MAP + self.page), code.len()) };
    }

    /// # Safety
    /// The area of CPU `number` is mapped and not used by anybody.
    unsafe fn prepare(&self, number: u32) {
        let local = pointer::<Local>(stacks::area(number));
        // SAFETY: the area begins with a page for it, which is nobody else's.
        unsafe { local.write(Local::new(number)) };
        self.metal.add_local(number, local);
        let id = self.roster.id(number).and_then(|id| ap_numbers.get(usize::from(id)));
        if let (Some(slot), Ok(number)) = (id, u8::try_from(number)) {
            slot.store(number, Release);
        }
    }

    /// Sends to all that have not answered.
    fn send_all(&self, what: Ipi) {
        for number in self.roster.all_in(State::Starting) {
            if let Some(id) = self.roster.id(number) {
                self.apic.send(id, what);
            }
        }
    }

    fn signal(&self) {
        let page = u8::try_from(self.page / PAGE).unwrap_or(0);
        for number in self.roster.all_in(State::Starting).filter(|&number| Some(number) != self.silent) {
            if let Some(id) = self.roster.id(number) {
                self.apic.send(id, Ipi::Start { page });
            }
        }
    }

    fn wait(&self, nanoseconds: u64) {
        let start = self.metal.nanoseconds();
        while self.metal.nanoseconds().saturating_sub(start) < nanoseconds {
            core::hint::spin_loop();
        }
    }

    /// Waits until all have answered, or none has for [`SILENCE`].
    fn wait_for_answers(&self) {
        let waiting = || self.roster.all_in(State::Starting).count();
        let (mut left, mut since, mut looks) = (waiting(), self.metal.nanoseconds(), 0_u32);
        while left > 0 && (looks < LOOKS || self.metal.nanoseconds().saturating_sub(since) < SILENCE) {
            core::hint::spin_loop();
            looks = looks.saturating_add(1);
            let now = waiting();
            if now < left {
                (left, since, looks) = (now, self.metal.nanoseconds(), 0);
            }
        }
    }
}

/// Called by `ap.s` on the boot stack of CPU `number`, with the kernel's tables loaded.
#[unsafe(no_mangle)]
extern "C" fn ap_main(number: u32) -> ! {
    let metal = crate::metal();
    let Some(local) = metal.local(number) else { exit::stop() };
    local.load();
    cpu::enable_avx();
    cpu::protect();
    // Who reached his registers otherwise than the first could not use what is shared.
    if LocalApic::start() != metal.apic.get().copied() || !metal.come_online(number) {
        exit::stop();
    }
    interrupts::enable();
    loop {
        if let Some(kernel) = crate::kernel() {
            kernel.run_cpu();
        }
        metal.sleep_unless(|| crate::kernel().is_some());
    }
}

impl Cpus for Metal {
    fn slot(&self, cpu: u32) -> Option<&Slot> {
        self.local(cpu).map(|local| &local.shootdown)
    }

    fn interrupt(&self, cpu: u32) {
        self.send(cpu, CALL_VECTOR);
    }

    fn invalidate(&self, stale: Stale) {
        mmu::invalidate(stale);
    }

    fn pause(&self) {
        pause(self);
    }
}

/// What an interrupt at [`CALL_VECTOR`] asks for.
pub(crate) fn serve(metal: &Metal) {
    let local = percpu::this();
    shootdown::serve(metal, percpu::number());
    if local.asked_to_drain.swap(false, Relaxed)
        && let Some(kernel) = crate::kernel()
    {
        kernel.drain_local();
    }
}

/// A moment of waiting for another CPU, which may wait for this one.
pub(crate) fn wait() {
    let metal = crate::metal();
    shootdown::serve(metal, percpu::number());
    pause(metal);
}

/// A moment of waiting; not survived if another CPU reports the end.
fn pause(metal: &Metal) {
    if metal.dying_elsewhere() {
        stop(metal);
    }
    core::hint::spin_loop();
}

/// Stops this CPU for good, because another one reports the end.
pub(crate) fn stop(metal: &Metal) -> ! {
    metal.online().remove(percpu::number());
    exit::stop()
}

/// The calling CPU.
pub(crate) fn index() -> CpuIndex {
    CpuIndex(percpu::number() as usize)
}

//! What happens at each vector: counted, then survived, served or fatal.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_demo_kernel::Kernel;
use kos_demo_kernel::platform::{InterruptCount, TIMER};
use kos_x86_64::trap::{self, Frame, exception_name};

use crate::dice::Dice;
use crate::disk::Disk;
use crate::metal::Metal;
use crate::serial::COM1;
use crate::tables::VECTORS;
use crate::{apic, fault, keyboard, percpu, pic, probe, smp};

/// How often each vector was taken.
#[derive(Debug)]
pub(crate) struct Counts([AtomicU64; VECTORS as usize]);

impl Counts {
    /// None taken.
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; VECTORS as usize])
    }

    /// How often `vector` was taken.
    pub(crate) fn of(&self, vector: u64) -> u64 {
        self.counter(vector).map_or(0, |count| count.load(Relaxed))
    }

    /// Every vector that was taken.
    pub(crate) fn taken(&self) -> impl Iterator<Item = InterruptCount> {
        let counts = (0u16..).zip(&self.0).map(|(vector, count)| (vector, count.load(Relaxed)));
        counts.filter(|&(_, count)| count > 0).map(|(vector, count)| InterruptCount {
            vector,
            name: name(vector),
            count,
        })
    }

    fn counter(&self, vector: u64) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(vector).ok()?)
    }
}

/// Every vector that was taken, summed over all CPUs.
pub(crate) fn sums<'c>(
    all: impl Iterator<Item = &'c Counts> + Clone,
) -> impl Iterator<Item = InterruptCount> {
    let counts =
        (0..VECTORS).map(move |vector| (vector, all.clone().map(|counts| counts.of(vector.into())).sum()));
    counts.filter(|&(_, count)| count > 0).map(|(vector, count)| InterruptCount {
        vector,
        name: name(vector),
        count,
    })
}

fn name(vector: u16) -> &'static str {
    const TIMER_VECTOR: u16 = apic::TIMER_VECTOR as u16;
    const SPURIOUS_VECTOR: u16 = apic::SPURIOUS_VECTOR as u16;
    const FIRST_PIC: u16 = pic::FIRST_VECTOR as u16;
    const LAST_PIC: u16 = FIRST_PIC + 15;
    const RESCHEDULE_VECTOR: u16 = apic::RESCHEDULE_VECTOR as u16;
    const CALL_VECTOR: u16 = apic::CALL_VECTOR as u16;
    const DISK_VECTOR: u16 = apic::DISK_VECTOR as u16;
    const NET_VECTOR: u16 = apic::NET_VECTOR as u16;
    const DICE_VECTOR: u16 = apic::DICE_VECTOR as u16;
    const HVC_VECTOR: u16 = apic::HVC_VECTOR as u16;
    const COM1_VECTOR: u16 = (apic::FIRST_LINE_VECTOR + COM1.line()) as u16;
    const KEYBOARD_VECTOR: u16 = (apic::FIRST_LINE_VECTOR + keyboard::LINE) as u16;
    match vector {
        TIMER_VECTOR => TIMER,
        COM1_VECTOR => "serial input",
        KEYBOARD_VECTOR => "keyboard",
        DISK_VECTOR => "disk",
        NET_VECTOR => "network",
        DICE_VECTOR => "random numbers",
        HVC_VECTOR => "line to the host",
        RESCHEDULE_VECTOR => "wake-up",
        CALL_VECTOR => "call",
        SPURIOUS_VECTOR => "spurious",
        FIRST_PIC..=LAST_PIC => "spurious of the 8259A",
        _ => exception_name(u64::from(vector)).unwrap_or("unexpected"),
    }
}

/// Called by `trap.s` with the saved registers, interrupts off; what it leaves in them is restored.
#[unsafe(no_mangle)]
extern "C" fn trap_handle(frame: &mut Frame) {
    match frame.vector {
        trap::EXCEPTIONS.. => interrupt(frame.vector),
        vector => {
            count(vector);
            match vector {
                trap::BREAKPOINT => {}
                trap::PAGE_FAULT | trap::GENERAL_PROTECTION if probe::refuse(frame) => {}
                _ => fault::fatal(frame),
            }
        }
    }
}

/// One more was taken.
pub(crate) fn count(vector: u64) {
    if let Some(count) = percpu::this().counts.counter(vector) {
        count.fetch_add(1, Relaxed);
    }
}

/// Serves an interrupt, interrupts masked, on the stack of what was interrupted; another thread may have run when it returns.
pub(crate) fn interrupt(vector: u64) {
    const TIMER_VECTOR: u64 = apic::TIMER_VECTOR as u64;
    const SPURIOUS_VECTOR: u64 = apic::SPURIOUS_VECTOR as u64;
    const FIRST_PIC: u64 = pic::FIRST_VECTOR as u64;
    const LAST_PIC: u64 = FIRST_PIC + 15;
    const CALL_VECTOR: u64 = apic::CALL_VECTOR as u64;
    const STOP_VECTOR: u64 = apic::STOP_VECTOR as u64;
    const RESCHEDULE_VECTOR: u64 = apic::RESCHEDULE_VECTOR as u64;
    const COM1_VECTOR: u64 = (apic::FIRST_LINE_VECTOR + COM1.line()) as u64;
    const DISK_VECTOR: u64 = apic::DISK_VECTOR as u64;
    const NET_VECTOR: u64 = apic::NET_VECTOR as u64;
    const DICE_VECTOR: u64 = apic::DICE_VECTOR as u64;
    const HVC_VECTOR: u64 = apic::HVC_VECTOR as u64;
    const KEYBOARD_VECTOR: u64 = (apic::FIRST_LINE_VECTOR + keyboard::LINE) as u64;
    let metal = crate::metal();
    count(vector);
    match vector {
        TIMER_VECTOR => {
            metal.end_of_interrupt();
            time_is_up(metal);
        }
        RESCHEDULE_VECTOR => {
            metal.end_of_interrupt();
            crate::kernel().map(Kernel::kicked).unwrap_or_default();
        }
        COM1_VECTOR | KEYBOARD_VECTOR => {
            if vector == COM1_VECTOR {
                COM1.hush();
            }
            metal.end_of_interrupt();
            crate::kernel().map(Kernel::input).unwrap_or_default();
        }
        DISK_VECTOR => {
            metal.end_of_interrupt();
            metal.disk.get().map(Disk::complete).unwrap_or_default();
        }
        NET_VECTOR => {
            metal.end_of_interrupt();
            crate::kernel().map(Kernel::frames_came).unwrap_or_default();
        }
        DICE_VECTOR => {
            metal.end_of_interrupt();
            metal.dice.get().map(Dice::complete).unwrap_or_default();
        }
        HVC_VECTOR => {
            metal.end_of_interrupt();
            crate::kernel().map(Kernel::hvc_news).unwrap_or_default();
        }
        CALL_VECTOR => {
            smp::serve(metal);
            metal.end_of_interrupt();
        }
        STOP_VECTOR => smp::stop(metal),
        // Spurious ones need no end.
        SPURIOUS_VECTOR | FIRST_PIC..=LAST_PIC => {}
        _ => metal.end_of_interrupt(),
    }
    // Exceptions do not come here: they run on a stack of their own, which is no place to be left.
    crate::kernel().map(Kernel::preempt).unwrap_or_default();
}

/// Does what is due on the calling CPU, interrupts masked, and sets its timer for what comes next.
pub(crate) fn time_is_up(metal: &Metal) {
    let timers = &percpu::this().timers;
    let due = timers.take_due(metal.nanoseconds());
    if let Some(kernel) = crate::kernel() {
        if due.tick {
            kernel.tick();
        }
        if due.event {
            kernel.timer();
        }
    }
    timers.set(metal.counter(), metal.nanoseconds());
}

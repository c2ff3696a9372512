//! The tables that the CPU reads: segments, task state with its stacks, interrupt gates.
//!
//! Every vector enters on a stack of the interrupt stack table: interrupts on one that they leave at once, exceptions on one,
//! and each of those that can strike inside another handler on its own.

use kos_x86_64::gate::Gate;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::{lidt, load_tss};
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

use crate::stacks::{self, IstStack};
use crate::user;

/// Number of vectors, each with a gate.
pub(crate) const VECTORS: u16 = 256;
const GATES: usize = VECTORS as usize;
/// Bytes of one stub in `trap.s`.
const STUB: u64 = 16;

unsafe extern "C" {
    /// The first of [`VECTORS`] stubs of [`STUB`] bytes.
    static trap_stubs: u8;
}

/// The tables of one CPU. The gates are the same for all: each finds its own stacks through its task state.
#[derive(Debug)]
pub(crate) struct Tables {
    task_state: Once<TaskStateSegment>,
    segments: Once<GlobalDescriptorTable>,
}

/// The gates of all CPUs.
#[derive(Debug)]
pub(crate) struct Gates(Once<[Gate; GATES]>);

impl Tables {
    /// Tables that are not built yet.
    pub(crate) const fn new() -> Self {
        Self { task_state: Once::new(), segments: Once::new() }
    }

    /// Builds the tables of CPU `number` and makes this CPU, which has that number, use them.
    pub(crate) fn load(&'static self, number: u32) {
        let task_state = self.task_state.call_once(|| task_state(number));
        let mut selectors = None;
        let segments = self.segments.call_once(|| {
            let mut segments = GlobalDescriptorTable::new();
            let code = segments.append(Descriptor::kernel_code_segment());
            let data = segments.append(Descriptor::kernel_data_segment());
            // In the order in which SYSRET counts on them, behind `data`.
            segments.append(Descriptor::user_data_segment());
            segments.append(Descriptor::user_code_segment());
            let task = segments.append(Descriptor::tss_segment(task_state));
            selectors = Some((code, data, task));
            segments
        });
        let Some((code, data, task)) = selectors else { return };
        segments.load();
        // SAFETY: `code` is a 64-bit code segment of the table just loaded.
        unsafe { CS::set_reg(code) };
        // SAFETY: `data` is a writable data segment of that table; likewise below.
        unsafe { SS::set_reg(data) };
        // SAFETY: as above.
        unsafe { DS::set_reg(data) };
        // SAFETY: as above.
        unsafe { ES::set_reg(data) };
        // SAFETY: `task` is the task state segment of that table, not busy, loaded once.
        unsafe { load_tss(task) };
        crate::metal().gates.load(code.0);
        user::accept_calls(code.0, data.0);
    }
}

impl Gates {
    /// Gates that are not built yet.
    pub(crate) const fn new() -> Self {
        Self(Once::new())
    }

    /// Makes this CPU use the gates, which lead into the code segment `code`, the same on all CPUs.
    fn load(&'static self, code: u16) {
        let gates = self.0.call_once(|| gates(code));
        let limit = u16::try_from(size_of_val(gates) - 1).unwrap_or(u16::MAX);
        let pointer = DescriptorTablePointer { limit, base: VirtAddr::from_ptr(gates.as_ptr()) };
        // SAFETY: the gates live for ever, never change, and each leads to a stub that saves and restores all state.
        unsafe { lidt(&pointer) };
    }
}

fn task_state(cpu: u32) -> TaskStateSegment {
    let mut task_state = TaskStateSegment::new();
    let [a, b, c, d, e, f] =
        IstStack::ALL.map(|stack| VirtAddr::new_truncate(stacks::ist_stack(cpu, stack).top));
    task_state.interrupt_stack_table = [a, b, c, d, e, f, VirtAddr::zero()];
    task_state
}

fn gates(code: u16) -> [Gate; GATES] {
    let stubs = (&raw const trap_stubs).expose_provenance() as u64;
    let mut gates = [Gate::MISSING; GATES];
    for (vector, gate) in (0..).zip(&mut gates) {
        *gate = Gate::interrupt(stubs + vector * STUB, code, IstStack::of_vector(vector).number());
    }
    gates
}

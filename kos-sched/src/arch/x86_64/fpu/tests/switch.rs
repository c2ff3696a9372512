//! Tasks with distinct registers take turns on units, by each instruction that this machine offers to user mode.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::iter;

use super::registers::Registers;
use crate::arch::x86_64::fpu::{FpuArea, FpuLayout, FpuMethod, FpuUnit, SaveAt};
use crate::cpu::CpuId;

#[repr(align(64))]
struct Memory([u8; 4096]);

/// CPUs and the states of tasks. What a running task has in its registers is put there for the moment of a call.
struct Machine {
    units: Vec<FpuUnit>,
    tasks: Vec<FpuArea<'static>>,
    /// What each task should find.
    expected: Vec<Registers>,
}

/// One call of a unit.
struct Call<'a> {
    unit: &'a mut FpuUnit,
    prev: Option<&'a mut FpuArea<'static>>,
    next: Option<&'a mut FpuArea<'static>>,
}

unsafe extern "C" fn switch(call: &mut Call<'_>) {
    // SAFETY: the registers are those of `prev`, and the caller looks at those of `next`; neither function uses others.
    unsafe { call.unit.switch(call.prev.as_deref_mut(), call.next.as_deref_mut()) };
}

unsafe extern "C" fn trap(call: &mut Call<'_>) {
    if let Some(prev) = call.prev.as_deref_mut() {
        call.unit.trap_entry(prev);
    }
    if let Some(next) = call.next.as_deref_mut() {
        // SAFETY: as in `switch`.
        unsafe { call.unit.trap_exit(next) };
    }
}

fn leaked() -> &'static mut [u8] {
    &mut Box::leak(Box::new(Memory([0xee; 4096]))).0
}

/// The layouts by which this machine can save its state in user mode.
fn layouts() -> Vec<FpuLayout> {
    let best = FpuLayout::detect();
    let methods = [FpuMethod::Xsave, FpuMethod::Xsaveopt, FpuMethod::Xsavec];
    let usable = methods.into_iter().filter(|&method| method <= best.method());
    usable.map(|method| best.by(method)).collect()
}

impl Machine {
    fn new(cpus: u32, tasks: usize, save_at: SaveAt, layout: FpuLayout) -> Self {
        Self {
            units: (0..cpus).map(|cpu| FpuUnit::new(CpuId::new(cpu), save_at)).collect(),
            tasks: iter::repeat_with(|| FpuArea::new(leaked(), layout).unwrap()).take(tasks).collect(),
            expected: iter::repeat_with(Registers::initial).take(tasks).collect(),
        }
    }

    /// Lets the running task `prev` fill its registers with `pattern`, switches on `cpu` and checks what `next` finds. Without
    /// `prev` the registers hold rubbish.
    fn switch(&mut self, cpu: usize, prev: Option<(usize, u8)>, next: usize) {
        let mut registers = Registers::pattern(99);
        if let Some((task, pattern)) = prev {
            registers = Registers::pattern(pattern);
            self.expected[task] = registers;
        }
        let found = self.call(cpu, &registers, prev.map(|(task, _)| task), Some(next), switch);
        assert!(*found == self.expected[next], "task {next}: {found:x?}");
    }

    fn call(
        &mut self,
        cpu: usize,
        registers: &Registers,
        prev: Option<usize>,
        next: Option<usize>,
        call: for<'a, 'b> unsafe extern "C" fn(&'a mut Call<'b>),
    ) -> Box<Registers> {
        let unit = &mut self.units[cpu];
        let mut tasks: Vec<_> = self.tasks.iter_mut().map(Some).collect();
        let prev = prev.map(|task| tasks[task].take().unwrap());
        let next = next.map(|task| tasks[task].take().unwrap());
        // SAFETY: the functions above move the registers and use none.
        unsafe { registers.around(call, &mut Call { unit, prev, next }) }
    }
}

#[test]
fn regress_hubris_139_fpu_state_is_each_tasks_own() {
    for layout in layouts() {
        let mut machine = Machine::new(1, 4, SaveAt::Switch, layout);
        machine.switch(0, None, 0);
        for turn in 0..40_u8 {
            let (prev, next) = (usize::from(turn % 4), usize::from((turn + 1) % 4));
            machine.switch(0, Some((prev, turn)), next);
        }
    }
}

#[test]
fn state_moves_between_cpus_with_its_task() {
    for layout in layouts() {
        let mut machine = Machine::new(2, 3, SaveAt::Switch, layout);
        machine.switch(0, None, 0);
        machine.switch(0, Some((0, 1)), 1);
        machine.switch(1, None, 0);
        machine.switch(1, Some((0, 2)), 2);
        machine.switch(1, Some((2, 3)), 0);
        machine.switch(0, Some((1, 4)), 2);
    }
}

#[test]
fn a_task_that_returns_after_idle_is_not_loaded_again() {
    let mut machine = Machine::new(2, 2, SaveAt::Switch, FpuLayout::detect());
    machine.switch(0, None, 0);
    let pattern = Registers::pattern(7);
    let idle = machine.call(0, &pattern, Some(0), None, switch);
    assert_eq!((machine.units[0].loads, &*idle), (1, &pattern));
    let found = machine.call(0, &pattern, None, Some(0), switch);
    assert_eq!((machine.units[0].loads, &*found), (1, &pattern), "its registers are still there");
    let _ = machine.call(0, &pattern, Some(0), None, switch);
    let found = machine.call(1, &Registers::pattern(99), None, Some(0), switch);
    assert_eq!((machine.units[1].loads, &*found), (1, &pattern), "on another CPU they are not");
    let other = Registers::pattern(8);
    let _ = machine.call(1, &other, Some(0), None, switch);
    let found = machine.call(0, &Registers::pattern(99), None, Some(0), switch);
    assert_eq!((machine.units[0].loads, &*found), (2, &other), "what the first CPU holds is old");
}

#[test]
fn regress_genode_1855_an_owner_that_is_gone_owns_nothing() {
    let layout = FpuLayout::detect();
    let memory = &raw mut *Box::leak(Box::new(Memory([0; 4096])));
    let mut machine = Machine::new(1, 0, SaveAt::Switch, layout);
    for pattern in 0..3 {
        // SAFETY: the area of the round before is gone.
        machine.tasks = Vec::from([FpuArea::new(unsafe { &mut (*memory).0 }, layout).unwrap()]);
        let found = machine.call(0, &Registers::pattern(50 + pattern), None, Some(0), switch);
        assert!(*found == Registers::initial(), "a new task in the memory of a dead one: {found:x?}");
        let _ = machine.call(0, &Registers::pattern(pattern), Some(0), None, switch);
        machine.tasks.clear();
    }
}

#[test]
fn a_reset_area_is_that_of_a_new_task() {
    for layout in layouts() {
        let mut machine = Machine::new(1, 1, SaveAt::Switch, layout);
        machine.switch(0, None, 0);
        let _ = machine.call(0, &Registers::pattern(5), Some(0), None, switch);
        machine.tasks[0].reset();
        let found = machine.call(0, &Registers::pattern(5), None, Some(0), switch);
        assert!(*found == Registers::initial(), "{found:x?}");
    }
}

#[test]
fn saved_at_entry_the_switch_leaves_the_registers_to_the_kernel() {
    for layout in layouts() {
        let mut machine = Machine::new(1, 2, SaveAt::Entry, layout);
        let (mine, kernel) = (Registers::pattern(1), Registers::pattern(2));
        let _ = machine.call(0, &mine, Some(0), None, trap);
        let during = machine.call(0, &kernel, Some(0), Some(1), switch);
        assert!(*during == kernel, "{during:x?}");
        let fresh = machine.call(0, &kernel, None, Some(1), trap);
        assert!(*fresh == Registers::initial(), "{fresh:x?}");
        let back = machine.call(0, &kernel, None, Some(0), trap);
        assert!(*back == mine, "{back:x?}");
    }
}

/// Trap entry saves x87 and SSE, and the kernel uses them on its way through the switch.
#[test]
fn beyond_sse_the_kernel_uses_what_it_likes() {
    for layout in layouts().into_iter().filter_map(FpuLayout::beyond_sse) {
        let mut machine = Machine::new(1, 2, SaveAt::Switch, layout);
        // Equal control words: MXCSR comes along with AVX.
        let [first, second, kernel] = [4, 8, 12].map(Registers::pattern);
        let _ = machine.call(0, &first, Some(0), None, switch);
        let _ = machine.call(0, &second, Some(1), None, switch);
        for task in [first, second] {
            let next = usize::from(task == second);
            let found = machine.call(0, &kernel, None, Some(next), switch);
            assert!(*found == task.with_sse_of(&kernel), "{found:x?}");
        }
    }
}

#[test]
fn fxsave_keeps_x87_and_sse() {
    let layout = FpuLayout::from_cpuid(raw_cpuid::CpuIdReaderNative, None, false);
    let mut machine = Machine::new(1, 2, SaveAt::Switch, layout);
    let [first, second] = [3, 4].map(|seed| Registers::pattern(seed).without_avx());
    let found = machine.call(0, &first, Some(0), Some(1), switch);
    assert!(*found == Registers::initial(), "{found:x?}");
    let found = machine.call(0, &second, Some(1), Some(0), switch);
    assert!(*found == first, "{found:x?}");
    let found = machine.call(0, &first, Some(0), Some(1), switch);
    assert!(*found == second, "{found:x?}");
}

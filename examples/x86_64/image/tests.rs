//! In-kernel tests of the machine itself.

use core::arch::asm;

use kos_demo_kernel::platform::{Access, Rights, TIMER};
use kos_demo_kernel::selftest::{Failure, Test};
use kos_demo_kernel::{Kernel, Platform, ensure};

use crate::metal::Metal;

type Machine = &'static Metal;

/// All of them.
pub(crate) const TESTS: &[Test<Machine>] = &[
    Test { name: "metal::every_section_has_its_rights", run: every_section_has_its_rights },
    Test { name: "metal::every_guard_page_is_a_hole", run: every_guard_page_is_a_hole },
    Test { name: "metal::wild_addresses_are_refused", run: wild_addresses_are_refused },
    Test { name: "metal::a_trap_restores_floating_point_state", run: a_trap_restores_floating_point_state },
    Test {
        name: "metal::the_timer_ticks_and_the_clock_advances",
        run: the_timer_ticks_and_the_clock_advances,
    },
];

fn every_section_has_its_rights(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let machine = kernel.platform();
    for section in machine.mappings().filter(|section| section.rights != Rights::Guard) {
        if section.rights == Rights::Device {
            continue;
        }
        let last = section.virt + section.length - 1;
        for address in [section.virt, last] {
            let name = section.name;
            ensure!(machine.probe(address, Access::Read).is_ok(), "{name}: {address:#x} is not readable");
            let writable = machine.probe(address, Access::Write).is_ok();
            ensure!(
                writable == (section.rights == Rights::ReadWrite),
                "{name}: {address:#x} writable: {writable}"
            );
        }
    }
    Ok(())
}

fn every_guard_page_is_a_hole(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let machine = kernel.platform();
    let mut guards = machine.mappings().filter(|section| section.rights == Rights::Guard);
    guards.try_for_each(|guard| {
        for address in [guard.virt, guard.virt + guard.length - 1] {
            let refused = machine.probe(address, Access::Write);
            ensure!(refused.is_err_and(|refused| !refused.present), "{address:#x} is mapped");
        }
        Ok(())
    })
}

fn wild_addresses_are_refused(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    // Null, the boot tables' identity map, not canonical, the end of the address space.
    for address in [0, 0x10_0000, 0x8000_0000_0000, 0xdead_beef_dead_beef, u64::MAX] {
        for access in [Access::Read, Access::Write] {
            ensure!(kernel.platform().probe(address, access).is_err(), "{access:?} of {address:#x} succeeds");
        }
    }
    Ok(())
}

/// Trap handlers get a fresh floating-point environment; the interrupted one must come back.
fn a_trap_restores_floating_point_state(_: &Kernel<Machine>) -> Result<(), Failure> {
    const TOWARD_ZERO: u32 = 0x7f80;
    let (before, mut changed, mut after) = (0u32, TOWARD_ZERO, 0u32);
    // SAFETY: the rounding mode is set back before any other code runs.
    unsafe {
        asm!(
            "stmxcsr [{before}]", "ldmxcsr [{changed}]", "int3", "stmxcsr [{after}]", "ldmxcsr [{before}]",
            before = in(reg) &raw const before, changed = in(reg) &raw mut changed, after = in(reg) &raw mut after,
        );
    }
    ensure!(after == TOWARD_ZERO, "MXCSR is {after:#x}, was {TOWARD_ZERO:#x}");
    Ok(())
}

fn the_timer_ticks_and_the_clock_advances(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    /// Input may wake the machine too, but not for ever.
    const MOST_WAKES: usize = 10_000;
    let machine = kernel.platform();
    let ticks = || machine.interrupts().find(|entry| entry.name == TIMER).map_or(0, |entry| entry.count);
    let (ticks_before, time_before) = (ticks(), machine.now());
    let ticked = (0..MOST_WAKES).any(|_| {
        machine.wait_for_input();
        ticks() >= ticks_before + 2
    });
    ensure!(ticked, "no two ticks in {MOST_WAKES} wakes");
    ensure!(machine.now() > time_before, "the clock stands still");
    Ok(())
}

//! In-kernel tests of this machine, beside the kernel's own that hold on every machine.

use core::arch::asm;

use kos_demo_kernel::platform::{Access, Mapping, Rights};
use kos_demo_kernel::selftest::{Failure, Test};
use kos_demo_kernel::{Kernel, Platform, ensure};

use crate::metal::Metal;

type Machine = &'static Metal;

/// All of them.
pub(crate) const TESTS: &[Test<Machine>] = &[
    Test { name: "metal::every_section_has_its_rights", run: every_section_has_its_rights },
    Test { name: "metal::wild_addresses_are_refused", run: wild_addresses_are_refused },
    Test { name: "metal::a_trap_restores_floating_point_state", run: a_trap_restores_floating_point_state },
];

fn every_section_has_its_rights(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let machine = kernel.platform();
    let memory = |section: &Mapping| !matches!(section.rights, Rights::Guard | Rights::Device);
    for section in machine.mappings().filter(memory) {
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

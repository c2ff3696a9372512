//! In-kernel tests of this machine, beside the kernel's own that hold on every machine.

use core::arch::asm;

use kos_demo_kernel::platform::{Access, CpuState, Mapping, Rights};
use kos_demo_kernel::selftest::{Failure, Test};
use kos_demo_kernel::{Kernel, Platform, ensure};

use kos_x86_64::screen::Size;
use kos_x86_64::screen::font::GLYPH_HEIGHT;
use kos_x86_64::screen::pixels::Pixels;
use raw_cpuid::CpuId;

use crate::display::{Display, PIXEL_BYTES};
use crate::metal::Metal;
use crate::registers::Registers;
use crate::shown::Shown;
use crate::vga::Vga;
use crate::{cpu, image, keyboard, stacks};

type Machine = &'static Metal;

/// All of them.
pub(crate) const TESTS: &[Test<Machine>] = &[
    Test { name: "metal::every_section_has_its_rights", run: every_section_has_its_rights },
    Test { name: "metal::wild_addresses_are_refused", run: wild_addresses_are_refused },
    Test { name: "metal::a_trap_restores_floating_point_state", run: a_trap_restores_floating_point_state },
    Test { name: "metal::interrupts_leave_every_register_alone", run: interrupts_leave_every_register_alone },
    Test { name: "metal::stacks_of_every_cpu_have_guard_pages", run: stacks_of_every_cpu_have_guard_pages },
    Test { name: "metal::the_boot_left_a_part_of_its_stack", run: the_boot_left_a_part_of_its_stack },
    Test { name: "metal::the_local_apic_is_in_its_newest_mode", run: the_local_apic_is_in_its_newest_mode },
    Test { name: "metal::a_key_interrupts_and_is_read", run: a_key_interrupts_and_is_read },
    Test { name: "metal::the_screen_shows_what_is_written", run: the_screen_shows_what_is_written },
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

/// Interrupts come at 10 kHz while every x87, SSE and AVX register holds something.
fn interrupts_leave_every_register_alone(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    const ROUNDS: u64 = 100;
    const SPINS: u64 = 20_000;
    let (machine, avx) = (kernel.platform(), cpu::has_avx());
    let usual = machine.set_tick_rate(10_000);
    let broken = (0..ROUNDS).find(|&seed| {
        let registers = Registers::of(seed, avx);
        // SAFETY: AVX is enabled where the CPU has it.
        let after = unsafe { registers.hold(SPINS, avx) };
        after != registers
    });
    if usual.is_ok() {
        machine.set_tick_rate(0)?;
    }
    ensure!(broken.is_none(), "pattern {broken:?} was changed");
    Ok(())
}

fn stacks_of_every_cpu_have_guard_pages(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let machine = kernel.platform();
    for cpu in machine.cpus().filter(|cpu| cpu.state == CpuState::Online) {
        let number = u32::try_from(cpu.number.0)?;
        for stack in stacks::of(number) {
            let name = stack.name;
            for address in [stack.bottom, stack.top - 1] {
                ensure!(machine.probe(address, Access::Write).is_ok(), "{name} of cpu {number}: no memory");
            }
            let guard = machine.probe(stack.bottom - 1, Access::Read);
            ensure!(guard.is_err(), "{name} of cpu {number} has no guard page");
        }
    }
    Ok(())
}

/// The guard of the boot stack is none until the final tables are loaded: what ran into it before was seen by nobody. Its memory was
/// zeroed at entry, so that what was used is seen now.
fn the_boot_left_a_part_of_its_stack(_: &Kernel<Machine>) -> Result<(), Failure> {
    const LEFT: usize = 16 << 10;
    let bottom = usize::try_from(image::boot_stack().start)?;
    // SAFETY: the image maps it, read and write; the first CPU, whose stack it still is, runs no deeper than the boot did, so far
    // above, or this test has failed already: nobody writes there now.
    let lowest =
        unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<u8>(bottom), LEFT) };
    let unused = lowest.iter().take_while(|&&byte| byte == 0).count();
    ensure!(unused == LEFT, "only {unused} bytes of it were never used");
    Ok(())
}

/// Where the CPU has x2APIC mode, no page of registers is mapped: other tests show that interrupts come all the same.
fn the_local_apic_is_in_its_newest_mode(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let machine = kernel.platform();
    let Some(apic) = machine.apic.get() else { return Err(Failure::skip(format_args!("no local APIC"))) };
    if !CpuId::new().get_feature_info().is_some_and(|features| features.has_x2apic()) {
        return Err(Failure::skip(format_args!("the CPU has no x2APIC mode")));
    }
    ensure!(apic.name() == "local x2APIC", "it is a {}", apic.name());
    ensure!(!machine.mappings().any(|mapping| mapping.name == "local apic"), "its page is mapped");
    Ok(())
}

/// The keyboard's controller plays a key, as if it were pressed and released.
fn a_key_interrupts_and_is_read(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    const PRESS_Q: u8 = 0x10;
    const RELEASE_Q: u8 = 0x90;
    const LOOKS: u32 = 1_000_000;
    let machine = kernel.platform();
    if !machine.console.has_keyboard() {
        return Err(Failure::skip(format_args!("no keyboard")));
    }
    let count = || machine.interrupts().filter(|s| s.name == "keyboard").map(|s| s.count).sum::<u64>();
    let before = count();
    ensure!(keyboard::pretend(PRESS_Q), "the controller does not listen");
    let typed = (0..LOOKS).find_map(|_| machine.console.read());
    ensure!(keyboard::pretend(RELEASE_Q), "the controller does not listen any more");
    ensure!(typed == Some(b'q'), "the key types {typed:?}");
    ensure!((0..LOOKS).any(|_| count() > before), "the keyboard does not interrupt");
    Ok(())
}

/// A comment in the report of the tests.
fn the_screen_shows_what_is_written(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    const TEXT: &[u8] = b"# screen";
    let machine = kernel.platform();
    if !machine.console.has_screen() {
        return Err(Failure::skip(format_args!("no screen")));
    }
    machine.write_log(TEXT);
    machine.write_log(b"\n");
    let shown = machine.console.with_screen(|screen| {
        let Size { columns, rows, .. } = screen.size();
        let there = (0..rows).find(|&row| {
            TEXT.iter().copied().eq(screen.row(row).map(|cell| cell.to_le_bytes()[0]).take(TEXT.len()))
        });
        let first = Vga::first_row();
        there.map(|row| match screen.memory() {
            Some(Shown::Text(_)) => {
                screen.row(row).zip(0..).all(|(cell, column)| Vga::cell(first + row, column) == cell)
            }
            Some(Shown::Pixels(pixels)) => screen.row(row).zip(0..columns).all(|(cell, column)| {
                pixels.drawn(cell).zip(0..).all(|(words, line)| shows(pixels, row, column, line, words))
            }),
            None => false,
        })
    });
    ensure!(shown == Some(true), "no row shows it: {shown:?}");
    Ok(())
}

/// Whether eight pixels are seen in that line of that cell.
fn shows(pixels: &Pixels<'_, Display>, row: usize, column: usize, line: usize, words: [u64; 4]) -> bool {
    let display = pixels.memory();
    let mut seen = [0; 8 * PIXEL_BYTES];
    display.read((row * GLYPH_HEIGHT + line) * display.shape().stride + column * seen.len(), &mut seen);
    seen.as_chunks().0.iter().zip(words).all(|(seen, word)| *seen == word.to_le_bytes())
}

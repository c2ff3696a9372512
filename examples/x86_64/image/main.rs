//! The demo kernel on bare x86_64: from the PVH entry to `kos_demo_kernel`, and to the end of the machine.
//!
//! | module | idea |
//! |---|---|
//! | `boot.s`, [`image`], [`stacks`], `link.ld` | entry, and where everything lies |
//! | [`acpi`], [`smp`], `ap.s`, [`percpu`] | the other CPUs: found, started, what each has for itself |
//! | [`metal`], [`platform`] | the machine, and how the kernel sees it |
//! | [`boot_info`], [`cpu`], [`env`](self::env), [`lock`], [`mmu`] | memory map, CPU features, ports of the libraries |
//! | [`tables`], `trap.s`, [`trap`], [`probe`], [`fault`] | traps: entry, dispatch, survived faults, fatal ones |
//! | [`user`](self::user), `user.s`, [`space`] | programs: into ring 3 and back; which space a CPU has loaded |
//! | [`pic`], [`pit`], [`apic`], [`io_apic`], [`timer`] | interrupts and time |
//! | [`cmos`] | the time of day |
//! | [`pci`], [`virtio`] | what is on the buses; what virtio devices share |
//! | [`disk`], [`net`] | a virtio disk, finished by interrupt; a virtio network card, which tells by interrupt |
//! | [`console`], [`serial`], [`keyboard`], [`vga`] | log and shell |
//! | [`shown`], [`display`], [`font`] | the screen: of text or of pixels, and the shapes of characters there |
//! | [`wide`], [`registers`] | AVX for threads; what no thread may notice of interrupts and switches |
//! | [`sched`] | what the scheduler needs |
//! | [`exit`] | the way out |
//!
//! The image is built in the profile `image`, which aborts on panic. Where the profile unwinds, it can only be checked (a
//! plain `cargo clippy --all-features` does that): `std` then lends its panic handler.
#![no_std]
#![no_main]

extern crate alloc;
#[cfg(not(panic = "abort"))]
extern crate std;

mod acpi;
mod address;
mod apic;
mod boot_info;
mod cmos;
mod console;
mod cpu;
mod dice;
mod disk;
mod display;
mod env;
mod exit;
mod fault;
mod font;
mod heap;
mod hpet;
mod hvc;
mod image;
mod io_apic;
mod keyboard;
mod lock;
mod metal;
mod mmu;
mod net;
mod pci;
mod percpu;
mod pic;
mod pit;
mod platform;
mod probe;
mod reference;
mod registers;
mod sched;
mod serial;
mod shown;
mod smp;
mod space;
mod stacks;
mod tables;
mod tests;
mod timer;
mod trap;
mod user;
mod user_tests;
mod vga;
mod virtio;
mod wide;

use core::arch::global_asm;
use core::fmt::{self, Write};
use core::mem::offset_of;

use kos_demo_kernel::{Config, End, Kernel};
use kos_x86_64::layout;
use kos_x86_64::user::UserFrame;
use spin::Once;

use crate::exit::Status;
use crate::metal::Metal;
use crate::percpu::Local;
use crate::serial::COM1;

global_asm!(include_str!("boot.s"), ".text");
global_asm!(
    include_str!("ap.s"), ".text",
    AREA_SHIFT = const layout::CPU_AREA.trailing_zeros(),
    FIRST_STACK_TOP = const layout::CPU_AREAS + stacks::BOOT_STACK_TOP,
);
global_asm!(include_str!("trap.s"), ".text");
global_asm!(
    include_str!("user.s"), ".text",
    KERNEL_STACK = const offset_of!(Local, user.kernel_stack),
    SCRATCH = const offset_of!(Local, user.scratch),
    FRAME = const offset_of!(Local, user.frame),
    COMPONENTS = const offset_of!(UserFrame, components),
    WIDE = const offset_of!(UserFrame, wide),
    CALLED = const offset_of!(UserFrame, called),
    FAULT_ADDRESS = const offset_of!(UserFrame, fault_address),
    SYSTEM_CALL = const UserFrame::SYSTEM_CALL,
);
global_asm!(include_str!("mem.s"), ".text");

/// The one static: the machine, and the kernel on it.
static IMAGE: Image = Image { metal: Metal::new(), kernel: Once::new() };

struct Image {
    metal: Metal,
    kernel: Once<Kernel<&'static Metal>>,
}

/// The machine.
fn metal() -> &'static Metal {
    &IMAGE.metal
}

/// The kernel, once it has booted.
fn kernel() -> Option<&'static Kernel<&'static Metal>> {
    IMAGE.kernel.get()
}

/// Called by `boot.s` on the boot stack, with the physical address of the start information.
#[unsafe(no_mangle)]
extern "C" fn kmain(start_info: u64) -> ! {
    if let Err(error) = metal().start(start_info) {
        boot_failed(format_args!("start information: {error}"));
    }
    let kernel = match IMAGE.kernel.try_call_once(|| Kernel::boot(metal(), Config::default())) {
        Ok(kernel) => kernel,
        Err(error) => boot_failed(format_args!("{error}")),
    };
    metal().wake_others();
    match kernel.run_and(|end| match end {
        End::Success => exit::exit(Status::Success),
        End::Failed => exit::exit(Status::Failed),
        End::Reboot => exit::reset(),
    }) {}
}

fn boot_failed(why: fmt::Arguments<'_>) -> ! {
    // Writing to the serial port cannot fail.
    let _ = writeln!({ COM1 }, "kos: boot failed: {why}");
    exit::exit(Status::Panicked)
}

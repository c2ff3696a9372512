//! Links every crate without `std`: see `Cargo.toml`.
#![no_std]

use kos_alloc as _;
use kos_paging as _;
use kos_sched as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

//! Links every crate without `std`: see `Cargo.toml`.
#![no_std]

use kos_alloc as _;
use kos_ipc as _;
use kos_net as _;
use kos_paging as _;
use kos_sched as _;
use kos_vfs as _;

/// kos-vfs takes `alloc`: an image must have a heap to link.
#[global_allocator]
static HEAP: kos_alloc::compat::linked_list::LockedHeap = kos_alloc::compat::linked_list::LockedHeap::empty();

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

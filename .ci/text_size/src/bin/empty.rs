//! Nothing: what the others are compared with.
#![no_std]
#![no_main]

use kos_text_size as _;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {}
}

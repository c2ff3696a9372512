//! The two 8259A interrupt controllers, silenced: moved away from the exception vectors and masked.
//!
//! A masked 8259A can still raise its spurious interrupt; at the vectors below it meets a handler that only counts.

use x86_64::instructions::port::Port;

/// First vector of the two controllers, 8 each.
pub(crate) const FIRST_VECTOR: u8 = 0x20;

/// Initialises and masks both.
pub(crate) fn mask() {
    // Command port, data port, first vector, wiring of the cascade.
    for (command, data, vector, cascade) in [(0x20, 0x21, FIRST_VECTOR, 4), (0xa0, 0xa1, FIRST_VECTOR + 8, 2)]
    {
        write(command, 0x11); // ICW1: initialise, ICW4 follows
        write(data, vector);
        write(data, cascade);
        write(data, 0x01); // ICW4: 8086 mode
        write(data, 0xff); // OCW1: all masked
    }
}

fn write(port: u16, value: u8) {
    // SAFETY: the ports are those of the 8259As, which raise interrupts and touch no memory; interrupts are off.
    unsafe { Port::new(port).write(value) }
}

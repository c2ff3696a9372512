//! Channel 0 of the 8254 interval timer as a stopwatch of known rate.
//!
//! Source: Intel 8254 data sheet, mode 0 (output rises when the count ends) and the read-back command.

use x86_64::instructions::port::Port;

const CHANNEL_0: u16 = 0x40;
const COMMAND: u16 = 0x43;
/// Channel 0, low byte then high byte, mode 0, binary.
const ONE_SHOT: u8 = 0x30;
/// Latch status and count of channel 0.
const READ_BACK: u8 = 0xc2;
/// In the status: the count has ended; the mode as programmed.
const OUTPUT: u8 = 0x80;
const MODE: u8 = 0x3f;

/// Starts to count from 0 to 65535: 55 ms.
pub(crate) fn start() {
    write(COMMAND, ONE_SHOT);
    write(CHANNEL_0, 0xff);
    write(CHANNEL_0, 0xff);
}

/// Ticks since [`start`]. `None` if they were too many, or if there is no such timer.
pub(crate) fn ticks() -> Option<u16> {
    write(COMMAND, READ_BACK);
    let [status, low, high] = [(); 3].map(|()| read(CHANNEL_0));
    let counting = status & (OUTPUT | MODE) == ONE_SHOT;
    counting.then(|| u16::MAX - u16::from_le_bytes([low, high]))
}

fn read(port: u16) -> u8 {
    // SAFETY: reading the timer touches no memory.
    unsafe { Port::new(port).read() }
}

fn write(port: u16, value: u8) {
    // SAFETY: the timer touches no memory, and its interrupt line is masked.
    unsafe { Port::new(port).write(value) }
}

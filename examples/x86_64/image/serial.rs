//! Serial ports (16550). Stateless: usable from the first line, in a fault and in a panic. Output is polled; input interrupts
//! whoever sleeps until there is some ([`Serial::listen`]), and is then read by him, so nothing is lost between the two.
//!
//! An absent port reads as all ones: its output is dropped and it has no input, so nothing waits for it.
//! Source: National Semiconductor PC16550D data sheet.

use core::fmt;

use x86_64::instructions::port::Port;

/// A serial port, by its first I/O port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serial(u16);

/// The log and the interactive shell.
pub(crate) const COM1: Serial = Serial(0x3f8);
/// The records.
pub(crate) const COM2: Serial = Serial(0x2f8);

const DATA: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;

const ABSENT: u8 = 0xff;
const RECEIVED: u8 = 1;
/// The port takes a byte.
const TAKES: u8 = 1 << 5;
/// The last byte is on the line.
const IDLE: u8 = 1 << 6;
/// Looks at a port that does not get rid of its last bytes: some ten seconds under emulation, where whoever reads may be slow. A real
/// line needs 2 ms.
const LOOKS: u32 = 100_000_000;

impl Serial {
    /// 115200 baud, 8 bits, no parity, no interrupts. The FIFOs stay as they are: switching them drops what was typed before
    /// entry.
    pub(crate) fn start(self) {
        self.write_register(INTERRUPT_ENABLE, 0);
        self.write_register(LINE_CONTROL, 0x80); // divisor latch
        self.write_register(DATA, 1);
        self.write_register(INTERRUPT_ENABLE, 0);
        self.write_register(LINE_CONTROL, 0x03);
        self.write_register(MODEM_CONTROL, 0x0b); // DTR, RTS, interrupts reach the line
    }

    /// Sends all bytes; waits for the port.
    pub(crate) fn write(self, bytes: &[u8]) {
        for &byte in bytes {
            while self.read_register(LINE_STATUS) & TAKES == 0 {
                core::hint::spin_loop();
            }
            self.write_register(DATA, byte);
        }
    }

    /// Waits until what was sent has left: the port keeps up to two bytes for a line that is slow, and takes them with it when the
    /// machine ends.
    pub(crate) fn drain(self) {
        let _ = (0..LOOKS).any(|_| self.read_register(LINE_STATUS) & IDLE != 0);
    }

    /// Its interrupt line on the ISA bus.
    pub(crate) const fn line(self) -> u8 {
        if self.0 == COM2.0 { 3 } else { 4 }
    }

    /// From now on a byte that has arrived, or arrives, interrupts.
    pub(crate) fn listen(self) {
        self.write_register(INTERRUPT_ENABLE, 1);
    }

    /// No more interrupts: the one that came has done its work.
    pub(crate) fn hush(self) {
        self.write_register(INTERRUPT_ENABLE, 0);
    }

    /// Whether a byte has arrived.
    pub(crate) fn has_input(self) -> bool {
        let status = self.read_register(LINE_STATUS);
        status != ABSENT && status & RECEIVED != 0
    }

    /// The byte that arrived first, if there is one.
    pub(crate) fn read(self) -> Option<u8> {
        self.has_input().then(|| self.read_register(DATA))
    }

    fn read_register(self, register: u16) -> u8 {
        // SAFETY: reading a register of a serial port touches no memory; where no port is, it reads as ones.
        unsafe { Port::new(self.0 + register).read() }
    }

    fn write_register(self, register: u16, value: u8) {
        // SAFETY: these registers make the port send or change its line settings; it has no access to memory.
        unsafe { Port::new(self.0 + register).write(value) }
    }
}

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

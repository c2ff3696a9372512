//! A PS/2 keyboard behind an 8042. Its interrupt only wakes; whoever wakes reads the scan codes.
//!
//! Source: IBM PS/2 hardware interface technical reference, "Keyboard and auxiliary device controller".

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_x86_64::keys::{Bytes, Keys};
use x86_64::instructions::port::Port;

/// Its line on the ISA bus.
pub(crate) const LINE: u8 = 1;

const DATA: u16 = 0x60;
/// Reads the status, writes a command.
const COMMAND: u16 = 0x64;

const ABSENT: u8 = 0xff;
const OUTPUT_FULL: u8 = 1;
const INPUT_FULL: u8 = 1 << 1;
const FROM_MOUSE: u8 = 1 << 5;

const READ_CONFIGURATION: u8 = 0x20;
const WRITE_CONFIGURATION: u8 = 0x60;
const DISABLE_MOUSE: u8 = 0xa7;
const DISABLE_KEYBOARD: u8 = 0xad;
const ENABLE_KEYBOARD: u8 = 0xae;
/// The next byte comes back as if it were a scan code.
const ECHO_OUTPUT: u8 = 0xd2;

const INTERRUPT: u8 = 1;
const MOUSE_INTERRUPT: u8 = 1 << 1;
const CLOCK_OFF: u8 = 1 << 4;
const TRANSLATE: u8 = 1 << 6;

/// To the keyboard: send scan codes. Its answer.
const ENABLE_SCANNING: u8 = 0xf4;
const ACKNOWLEDGED: u8 = 0xfa;

/// Looks at the status before a device is given up.
const LOOKS: u32 = 20_000;
/// More bytes than any controller keeps.
const KEPT: usize = 64;

/// The keyboard.
#[derive(Debug)]
pub(crate) struct Keyboard {
    keys: Keys,
    typed: Bytes,
}

impl Keyboard {
    /// Finds it, drops what was typed before, and lets it interrupt.
    pub(crate) fn start() -> Result<Self, DeviceError> {
        let error = |fault| DeviceError { device: "PS/2 keyboard", fault };
        if status() == ABSENT {
            return Err(error(DeviceFault::Absent));
        }
        let silent = error(DeviceFault::Silent);
        command(DISABLE_KEYBOARD).ok_or(silent)?;
        command(DISABLE_MOUSE).ok_or(silent)?;
        drop_output();
        command(READ_CONFIGURATION).ok_or(silent)?;
        let configuration = answer().ok_or(silent)? & !(MOUSE_INTERRUPT | CLOCK_OFF) | INTERRUPT | TRANSLATE;
        command(WRITE_CONFIGURATION).ok_or(silent)?;
        send(configuration).ok_or(silent)?;
        command(ENABLE_KEYBOARD).ok_or(silent)?;
        send(ENABLE_SCANNING).ok_or(silent)?;
        if answer() != Some(ACKNOWLEDGED) {
            return Err(silent);
        }
        Ok(Self { keys: Keys::new(), typed: Bytes::default() })
    }

    /// Whether something was typed.
    pub(crate) fn has_input(&self) -> bool {
        !self.typed.is_empty() || status() & OUTPUT_FULL != 0
    }

    /// The next byte that was typed.
    pub(crate) fn read(&mut self) -> Option<u8> {
        for _ in 0..KEPT {
            if let Some(byte) = self.typed.next() {
                return Some(byte);
            }
            let status = status();
            if status & OUTPUT_FULL == 0 {
                return None;
            }
            let code = read(DATA);
            if status & FROM_MOUSE == 0 {
                self.typed = self.keys.feed(code);
            }
        }
        None
    }
}

/// Lets the controller say that this scan code came; false if it does not listen.
pub(crate) fn pretend(code: u8) -> bool {
    command(ECHO_OUTPUT).and_then(|()| send(code)).is_some()
}

fn drop_output() {
    for _ in 0..KEPT {
        if status() & OUTPUT_FULL == 0 {
            return;
        }
        read(DATA);
    }
}

fn status() -> u8 {
    read(COMMAND)
}

fn command(command: u8) -> Option<()> {
    ready_to_send()?;
    write(COMMAND, command);
    Some(())
}

fn send(byte: u8) -> Option<()> {
    ready_to_send()?;
    write(DATA, byte);
    Some(())
}

fn ready_to_send() -> Option<()> {
    (0..LOOKS).find(|_| status() & INPUT_FULL == 0).map(drop)
}

fn answer() -> Option<u8> {
    (0..LOOKS).find(|_| status() & OUTPUT_FULL != 0).map(|_| read(DATA))
}

fn read(port: u16) -> u8 {
    // SAFETY: reading the controller touches no memory; where none is, it reads as ones.
    unsafe { Port::new(port).read() }
}

fn write(port: u16, value: u8) {
    // SAFETY: the commands of this module set up the keyboard; none resets the machine or touches memory.
    unsafe { Port::new(port).write(value) }
}

//! The Bochs display interface, by which emulated VGAs show more than a VGA: [`start`] sets a mode and believes no answer.
//!
//! What a display says of its version, its memory and the mode that it was given is checked before and after the mode is on; where
//! anything is not as it should be the mode is off again.
//!
//! Source: QEMU, docs/specs/standard-vga.rst; Bochs, "VBE Display API Technical Document".

use core::error::Error;
use core::fmt;

/// The registers, by number.
pub trait Registers {
    /// What is in one.
    fn read(&self, register: u16) -> u16;
    /// Sets it.
    fn write(&self, register: u16, value: u16);
}

/// Pixels in a line.
pub const WIDTH: u16 = 1024;
/// Lines that are seen.
pub const HEIGHT: u16 = 768;
/// Bytes of a pixel: blue, green, red, nothing.
pub const PIXEL: u16 = 4;

const ID: u16 = 0;
const X: u16 = 1;
const Y: u16 = 2;
const BITS: u16 = 3;
const ENABLE: u16 = 4;
const VIRTUAL_WIDTH: u16 = 6;
const X_OFFSET: u16 = 8;
const Y_OFFSET: u16 = 9;
const MEMORY: u16 = 10;

/// In [`ENABLE`]: the mode is on, its memory is in one piece, and stays as it is.
const ON: u16 = 0x01;
const LINEAR: u16 = 0x40;
const KEEP: u16 = 0x80;

/// The first version with pixels of 32 bits in one piece, and the last that is known, the only one that says how much memory it has.
const FIRST_ID: u16 = 0xb0c2;
const LAST_ID: u16 = 0xb0c5;

/// A mode that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Pixels in a line.
    pub width: usize,
    /// Lines that are seen.
    pub height: usize,
    /// Bytes from one line to the next.
    pub stride: usize,
    /// Lines that there is memory for: any [`Mode::height`] of them in a row can be seen.
    pub lines: usize,
}

/// Most lines that are used, so that each has a number which [`show_from`] can set.
const MOST_LINES: u64 = 4096;

/// Shows [`WIDTH`] by [`HEIGHT`] pixels of the memory, of which `bytes` can be reached.
///
/// # Errors
/// What is not as it should be. The mode is off then, but registers of the VGA may have changed with it.
pub fn start<R: Registers>(registers: &R, bytes: u64) -> Result<Mode, DispiError> {
    let id = registers.read(ID);
    if !(FIRST_ID..=LAST_ID).contains(&id) {
        return Err(DispiError::Version { id });
    }
    let own = if id == LAST_ID { u64::from(registers.read(MEMORY)) << 16 } else { u64::MAX };
    let stride = u64::from(WIDTH) * u64::from(PIXEL);
    let lines = (bytes.min(own) / stride).min(MOST_LINES);
    if lines < u64::from(HEIGHT) {
        return Err(DispiError::Memory { bytes: bytes.min(own), needed: stride * u64::from(HEIGHT) });
    }
    registers.write(ENABLE, 0);
    let set = || {
        for (register, value) in [(X, WIDTH), (Y, HEIGHT), (BITS, 8 * PIXEL)] {
            write_and_check(registers, register, value)?;
        }
        registers.write(ENABLE, ON | LINEAR | KEEP);
        for (register, value) in [(VIRTUAL_WIDTH, WIDTH), (X_OFFSET, 0), (Y_OFFSET, 0)] {
            write_and_check(registers, register, value)?;
        }
        // What was accepted before may be something else now.
        for (register, value) in [(X, WIDTH), (Y, HEIGHT), (BITS, 8 * PIXEL)] {
            check(register, value, registers.read(register))?;
        }
        check(ENABLE, ON | LINEAR, registers.read(ENABLE) & (ON | LINEAR))
    };
    set().inspect_err(|_| registers.write(ENABLE, 0))?;
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Mode { width: WIDTH.into(), height: HEIGHT.into(), stride: size(stride), lines: size(lines) })
}

/// Shows the lines of the memory from this one on.
pub fn show_from<R: Registers>(registers: &R, line: usize) {
    registers.write(Y_OFFSET, u16::try_from(line).unwrap_or(0));
}

/// The line of the memory that is shown first.
pub fn shown_from<R: Registers>(registers: &R) -> usize {
    registers.read(Y_OFFSET).into()
}

fn write_and_check<R: Registers>(registers: &R, register: u16, value: u16) -> Result<(), DispiError> {
    registers.write(register, value);
    check(register, value, registers.read(register))
}

const fn check(register: u16, value: u16, read: u16) -> Result<(), DispiError> {
    if read == value { Ok(()) } else { Err(DispiError::Refused { register, value, read }) }
}

/// Why a display does not show pixels.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DispiError {
    /// It is no such display, or one of a version that is not known.
    Version {
        /// What it says that it is.
        id: u16,
    },
    /// Its memory does not hold one picture.
    Memory {
        /// The bytes that it has and that can be reached.
        bytes: u64,
        /// Those of a picture.
        needed: u64,
    },
    /// A register does not take what is written to it.
    Refused {
        /// Which.
        register: u16,
        /// What was written.
        value: u16,
        /// What was read then.
        read: u16,
    },
}

impl fmt::Display for DispiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { id } => write!(f, "display of unknown version {id:#x}"),
            Self::Memory { bytes, needed } => write!(f, "display of {bytes} bytes, {needed} needed"),
            Self::Refused { register, value, read } => {
                write!(f, "display keeps {read:#x} for {value:#x} in register {register}")
            }
        }
    }
}

impl Error for DispiError {}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;
    use proptest::prelude::*;

    /// A display that keeps what is written, but says something else of one register, always or once the mode is on.
    struct Fake {
        registers: RefCell<[u16; 11]>,
        lie: Option<(u16, u16, bool)>,
    }

    impl Registers for Fake {
        fn read(&self, register: u16) -> u16 {
            let registers = self.registers.borrow();
            match self.lie {
                Some((which, value, late)) if which == register && (!late || registers[4] & ON != 0) => value,
                _ => registers[usize::from(register)],
            }
        }

        fn write(&self, register: u16, value: u16) {
            self.registers.borrow_mut()[usize::from(register)] = value;
        }
    }

    fn fake(lie: Option<(u16, u16, bool)>) -> Fake {
        Fake { registers: RefCell::new([LAST_ID, 0, 0, 0, 0, 0, 0, 0, 7, 7, 256]), lie }
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn an_honest_display_is_started() {
        let display = fake(None);
        let mode = start(&display, 16 * MIB).unwrap();
        assert_eq!(mode, Mode { width: 1024, height: 768, stride: 4096, lines: 4096 });
        let registers = *display.registers.borrow();
        assert_eq!(registers[1..5], [1024, 768, 32, ON | LINEAR | KEEP]);
        assert_eq!(registers[6..10], [1024, 0, 0, 0]);
        show_from(&display, 768);
        assert_eq!(shown_from(&display), 768);
    }

    #[test]
    fn lines_are_those_that_can_be_reached_and_are_there() {
        let lines = |bytes, memory| {
            let display = fake(None);
            display.registers.borrow_mut()[10] = memory;
            start(&display, bytes).map(|mode| mode.lines)
        };
        assert_eq!(lines(4 * MIB, 256), Ok(1024));
        assert_eq!(lines(16 * MIB, 64), Ok(1024));
        assert_eq!(lines(u64::MAX, u16::MAX), Ok(4096));
        assert_eq!(lines(3 * MIB, 256), Ok(768));
        let needed = 3 * MIB;
        assert_eq!(lines(3 * MIB - 1, 256), Err(DispiError::Memory { bytes: needed - 1, needed }));
        assert_eq!(lines(16 * MIB, 47), Err(DispiError::Memory { bytes: 47 << 16, needed }));
        assert_eq!(lines(16 * MIB, 0), Err(DispiError::Memory { bytes: 0, needed }));
    }

    #[test]
    fn versions_are_known_or_refused_untouched() {
        for (id, known) in [(0xb0c1, false), (0xb0c2, true), (0xb0c4, true), (0xb0c6, false), (0xffff, false)]
        {
            let display = fake(Some((ID, id, false)));
            assert_eq!(start(&display, 16 * MIB).is_ok(), known, "{id:#x}");
            assert_eq!(display.registers.borrow()[1] == 0, !known, "{id:#x}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..ProptestConfig::with_cases(crate::testing::cases())
        })]

        /// Whatever a register says that is not so is noticed, and then the mode is off.
        #[test]
        fn a_display_that_lies_is_off(register in 1_u16..10, value in any::<u16>(), late in any::<bool>()) {
            // Two that are not asked for.
            prop_assume!(register != 5 && register != 7);
            let right = match register {
                X | VIRTUAL_WIDTH => value == WIDTH,
                Y => value == HEIGHT,
                BITS => value == 32,
                ENABLE => value & (ON | LINEAR) == ON | LINEAR,
                _ => value == 0,
            };
            let display = fake(Some((register, value, late)));
            prop_assert_eq!(start(&display, 16 * MIB).is_ok(), right);
            prop_assert_eq!(display.registers.borrow()[4] & ON != 0, right);
        }
    }
}

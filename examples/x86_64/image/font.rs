//! The VGA's registers of text mode: the font in plane 2 read, and what a mode of pixels changes put back.
//!
//! Source: IBM VGA technical reference; QEMU changes these registers when a mode of pixels is turned on.

use kos_x86_64::layout::DEVICES;
use kos_x86_64::screen::font::{Font, FontError, GLYPH_HEIGHT};
use x86_64::instructions::port::Port;

use crate::address::pointer;

/// Where the planes appear while the font is read.
const WINDOW: u64 = 0xa_0000;
const WINDOW_LENGTH: usize = 0x1_0000;

const SEQUENCER: u16 = 0x3c4;
const GRAPHICS: u16 = 0x3ce;
const CRT: u16 = 0x3d4;

/// Of the sequencer: which font is used, and whether even addresses are one plane and odd ones another.
const FONT_SELECT: u8 = 3;
const MEMORY_MODE: u8 = 4;
/// Of the graphics controller: the plane that is read, how, and where it appears.
const READ_PLANE: u8 = 4;
const MODE: u8 = 5;
const MISCELLANEOUS: u8 = 6;
/// Of the CRT controller: in the low bits the lines of a character less one; in the highest bit of the other, whether registers 0 to 7
/// refuse to be written.
const LINES: u8 = 9;
const PROTECT: u8 = 0x11;

/// The font of the text that is shown now. Nobody draws meanwhile.
///
/// # Errors
/// There is none that can be used.
pub(crate) fn read() -> Result<Font, FontError> {
    if usize::from(get(CRT, LINES) & 0x1f) + 1 != GLYPH_HEIGHT || get(SEQUENCER, FONT_SELECT) & 0x3f != 0 {
        return Err(FontError::Empty);
    }
    // Plane 2, byte by byte, at the window; all else stays as it is.
    let wanted = [
        (SEQUENCER, MEMORY_MODE, 0b0110),
        (GRAPHICS, READ_PLANE, 2),
        (GRAPHICS, MODE, 0),
        (GRAPHICS, MISCELLANEOUS, 0b0100),
    ];
    let before = wanted.map(|(port, register, _)| (port, register, get(port, register)));
    wanted.into_iter().for_each(set);
    let font = Font::read(|offset| {
        let place: *const u8 = pointer(DEVICES + WINDOW + (offset % WINDOW_LENGTH) as u64);
        // SAFETY: the boot tables map the first 4 GiB; the planes appear there now, and nowhere does a Rust value.
        unsafe { place.read_volatile() }
    });
    before.into_iter().for_each(set);
    font
}

/// The registers that a mode of pixels changes, as text mode has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextMode([(u16, u8, u8); 12]);

impl TextMode {
    /// As it is now.
    pub(crate) fn save() -> Self {
        let of = |port: u16, register: u8| (port, register, get(port, register));
        Self([
            of(SEQUENCER, 1),
            of(SEQUENCER, 2),
            of(SEQUENCER, MEMORY_MODE),
            of(GRAPHICS, MODE),
            of(GRAPHICS, MISCELLANEOUS),
            of(CRT, 0x01),
            of(CRT, 0x07),
            of(CRT, LINES),
            of(CRT, 0x12),
            of(CRT, 0x13),
            of(CRT, 0x17),
            of(CRT, 0x18),
        ])
    }

    /// As it was then. The mode of pixels is off.
    pub(crate) fn restore(self) {
        let protect = get(CRT, PROTECT);
        set((CRT, PROTECT, protect & 0x7f));
        self.0.into_iter().for_each(set);
        set((CRT, PROTECT, protect));
    }
}

/// Reads a register: of two ports the first says which, the second what.
fn get(port: u16, register: u8) -> u8 {
    // SAFETY: saying which register is meant changes nothing else.
    unsafe { Port::new(port).write(register) };
    // SAFETY: reading these registers touches no memory.
    unsafe { Port::new(port + 1).read() }
}

fn set((port, register, value): (u16, u8, u8)) {
    // SAFETY: as above.
    unsafe { Port::new(port).write(register) };
    // SAFETY: the registers that this module writes say what of its own memory the VGA shows, and how.
    unsafe { Port::new(port + 1).write(value) }
}

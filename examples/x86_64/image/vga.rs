//! The memory and the registers of a VGA in text mode, if firmware left one so.
//!
//! Source: IBM VGA technical reference; the registers are those of the CRT controller and of the graphics controller.

use kos_demo_kernel::platform::{Mapping, Rights};
use kos_x86_64::layout::DEVICES;
use kos_x86_64::screen::{Size, TextMemory};
use x86_64::instructions::port::Port;

use crate::address::pointer;

/// Where the text stands: 32 KiB.
const PHYSICAL: u64 = 0xb_8000;
const LENGTH: u64 = 0x8000;

const COLUMNS: usize = 80;
const ROWS: usize = 25;
const MEMORY_ROWS: usize = 204;

const CRT: u16 = 0x3d4;
const GRAPHICS: u16 = 0x3ce;
const START_HIGH: u8 = 0x0c;
const CURSOR_HIGH: u8 = 0x0e;
/// Of the graphics controller: bit 0 graphics mode, bits 2 and 3 where the memory appears.
const MISCELLANEOUS: u8 = 6;
const TEXT_AT_B8000: u8 = 0b1110;
/// The output register, which reads as ones where no VGA is.
const OUTPUT: u16 = 0x3cc;

/// The VGA.
#[derive(Debug)]
pub(crate) struct Vga(());

impl Vga {
    /// Finds it, if it shows text.
    pub(crate) fn find() -> Option<Self> {
        if read(OUTPUT) == 0xff {
            return None;
        }
        write(GRAPHICS, MISCELLANEOUS);
        (read(GRAPHICS + 1) & 0x0f == TEXT_AT_B8000).then_some(Self(()))
    }

    /// Where its memory must be mapped.
    pub(crate) fn mapping() -> Mapping {
        let virt = DEVICES + PHYSICAL;
        Mapping { name: "text screen", virt, phys: PHYSICAL, length: LENGTH, rights: Rights::Device }
    }

    /// The cell at this place of the memory, as it is shown.
    pub(crate) fn cell(row: usize, column: usize) -> u16 {
        // SAFETY: `place` is in the memory of the VGA, which is mapped as long as there is one.
        unsafe { place(row, column).read_volatile() }
    }

    /// The first row of the memory that is shown.
    pub(crate) fn first_row() -> usize {
        let [high, low] = [0, 1].map(|step| {
            write(CRT, START_HIGH + step);
            read(CRT + 1)
        });
        usize::from(u16::from_be_bytes([high, low])) / COLUMNS
    }
}

impl TextMemory for Vga {
    fn size(&self) -> Size {
        Size { columns: COLUMNS, rows: ROWS, memory_rows: MEMORY_ROWS }
    }

    fn put(&mut self, row: usize, column: usize, cell: u16) {
        // The highest bit of the colours makes a character blink.
        // SAFETY: `place` is in the memory of the VGA, which is mapped as long as there is one.
        unsafe { place(row, column).write_volatile(cell & 0x7fff) }
    }

    fn show_from(&mut self, row: usize) {
        set(START_HIGH, row * COLUMNS);
    }

    fn put_cursor(&mut self, row: usize, column: usize, _: u16) {
        set(CURSOR_HIGH, row * COLUMNS + column);
    }
}

/// Any place stays in the memory: beyond its end it is the last cell's.
fn place(row: usize, column: usize) -> *mut u16 {
    let cell = row.min(MEMORY_ROWS - 1) * COLUMNS + column.min(COLUMNS - 1);
    pointer(DEVICES + PHYSICAL + 2 * cell as u64)
}

/// Sets a register of two bytes of the CRT controller, the high one first.
fn set(register: u8, value: usize) {
    let [low, high, ..] = value.to_le_bytes();
    for (register, byte) in [(register, high), (register + 1, low)] {
        write(CRT, register);
        write(CRT + 1, byte);
    }
}

fn read(port: u16) -> u8 {
    // SAFETY: reading these registers touches no memory.
    unsafe { Port::new(port).read() }
}

fn write(port: u16, value: u8) {
    // SAFETY: the registers that this module writes say where text and cursor are shown, or which register is meant.
    unsafe { Port::new(port).write(value) }
}

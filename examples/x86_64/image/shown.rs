//! What shows the cells of the screen: text mode or pixels.

use kos_x86_64::screen::pixels::Pixels;
use kos_x86_64::screen::{Size, TextMemory};

use crate::display::Display;
use crate::vga::Vga;

/// What shows the cells of the screen.
#[derive(Debug)]
pub(crate) enum Shown {
    Text(Vga),
    Pixels(Pixels<'static, Display>),
}

impl TextMemory for Shown {
    fn size(&self) -> Size {
        match self {
            Self::Text(vga) => vga.size(),
            Self::Pixels(pixels) => pixels.size(),
        }
    }

    fn put(&mut self, row: usize, column: usize, cell: u16) {
        match self {
            Self::Text(vga) => vga.put(row, column, cell),
            Self::Pixels(pixels) => pixels.put(row, column, cell),
        }
    }

    fn show_from(&mut self, row: usize) {
        match self {
            Self::Text(vga) => vga.show_from(row),
            Self::Pixels(pixels) => pixels.show_from(row),
        }
    }

    fn put_cursor(&mut self, row: usize, column: usize, cell: u16) {
        match self {
            Self::Text(vga) => vga.put_cursor(row, column, cell),
            Self::Pixels(pixels) => pixels.put_cursor(row, column, cell),
        }
    }
}

//! Cells as pixels: [`Pixels`] draws the characters of a [`Font`] into a [`PixelMemory`], and never asks what is there.
//!
//! As in text mode, a scroll draws one row and moves the window over the memory.

use core::fmt;

use super::font::{Font, GLYPH_HEIGHT, GLYPH_WIDTH};
use super::{Size, TextMemory};

/// The colours of a VGA, as red, green and blue. Source: IBM VGA technical reference, the palette of mode 3.
const PALETTE: [u32; 16] = [
    0x00_00_00, 0x00_00_aa, 0x00_aa_00, 0x00_aa_aa, 0xaa_00_00, 0xaa_00_aa, 0xaa_55_00, 0xaa_aa_aa,
    0x55_55_55, 0x55_55_ff, 0x55_ff_55, 0x55_ff_ff, 0xff_55_55, 0xff_55_ff, 0xff_ff_55, 0xff_ff_ff,
];

/// The lines of a cell that the cursor fills.
const CURSOR: usize = GLYPH_HEIGHT - 2;

/// Memory that is shown as pixels of 32 bits.
pub trait PixelMemory {
    /// Sets the pixels of a line of the memory from eight times `column` on: two in each word, the left one in its low half.
    /// Whatever is not in the memory is not set.
    fn put(&mut self, line: usize, column: usize, pixels: [u64; GLYPH_WIDTH / 2]);
    /// Shows the lines from this one on.
    fn show_from(&mut self, line: usize);
}

/// A screen of pixels that shows cells.
pub struct Pixels<'f, M> {
    memory: M,
    font: &'f Font,
    size: Size,
    /// Where the cursor was drawn: row and column of the memory, and the cell beneath it.
    cursor: Option<(usize, usize, u16)>,
}

impl<M> fmt::Debug for Pixels<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pixels").field(&self.size).finish()
    }
}

impl<'f, M: PixelMemory> Pixels<'f, M> {
    /// Characters of `font` on so many pixels of `memory`, which has `lines` of them.
    pub const fn new(memory: M, font: &'f Font, width: usize, height: usize, lines: usize) -> Self {
        let size = Size {
            columns: width / GLYPH_WIDTH,
            rows: height / GLYPH_HEIGHT,
            memory_rows: lines / GLYPH_HEIGHT,
        };
        Self { memory, font, size, cursor: None }
    }

    /// The memory.
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// The memory, to change pixels.
    pub const fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }

    /// The lines of a character, as they are drawn with these colours.
    pub fn drawn(&self, cell: u16) -> impl Iterator<Item = [u64; GLYPH_WIDTH / 2]> {
        lines(self.font.glyph(character(cell)).iter().copied(), cell)
    }

    fn draw_cursor(&mut self, row: usize, column: usize, cell: u16) {
        let glyph = self.font.glyph(character(cell)).iter().enumerate();
        let bits = glyph.map(|(line, &bits)| if line < CURSOR { bits } else { u8::MAX });
        draw(&mut self.memory, row, column, lines(bits, cell));
    }

    fn draw_cell(&mut self, row: usize, column: usize, cell: u16) {
        let glyph = self.font.glyph(character(cell)).iter().copied();
        draw(&mut self.memory, row, column, lines(glyph, cell));
    }
}

impl<M: PixelMemory> TextMemory for Pixels<'_, M> {
    fn size(&self) -> Size {
        self.size
    }

    fn put(&mut self, row: usize, column: usize, cell: u16) {
        if let Some((at, beneath, old)) = &mut self.cursor
            && (*at, *beneath) == (row, column)
        {
            *old = cell;
        }
        self.draw_cell(row, column, cell);
    }

    fn show_from(&mut self, row: usize) {
        self.memory.show_from(row * GLYPH_HEIGHT);
    }

    fn put_cursor(&mut self, row: usize, column: usize, cell: u16) {
        if let Some((row, column, cell)) = self.cursor.replace((row, column, cell)) {
            self.draw_cell(row, column, cell);
        }
        self.draw_cursor(row, column, cell);
    }
}

/// Lines of pixels at a cell of the memory.
fn draw<M: PixelMemory>(
    memory: &mut M,
    row: usize,
    column: usize,
    lines: impl Iterator<Item = [u64; GLYPH_WIDTH / 2]>,
) {
    for (line, pixels) in lines.enumerate() {
        memory.put(row * GLYPH_HEIGHT + line, column, pixels);
    }
}

/// Eight bits each as pixels in the colours of a cell.
fn lines(bits: impl Iterator<Item = u8>, cell: u16) -> impl Iterator<Item = [u64; GLYPH_WIDTH / 2]> {
    let [_, colours] = cell.to_le_bytes();
    let [ink, paper] = [colours & 0x0f, colours >> 4].map(|colour| {
        let colour = u64::from(PALETTE.get(usize::from(colour)).copied().unwrap_or(0));
        colour << 32 | colour
    });
    bits.map(move |bits| [6, 4, 2, 0].map(|shift| paper ^ (ink ^ paper) & mask(bits >> shift)))
}

/// The pixels of a word that have ink: the higher of two bits is the left one.
const fn mask(bits: u8) -> u64 {
    match bits & 3 {
        0 => 0,
        1 => 0xffff_ffff_0000_0000,
        2 => 0x0000_0000_ffff_ffff,
        _ => u64::MAX,
    }
}

const fn character(cell: u16) -> u8 {
    let [character, _] = cell.to_le_bytes();
    character
}

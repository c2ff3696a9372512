//! A screen that understands what terminals do: [`Screen`] turns a stream of bytes into cells, of text mode or of pixels.
//!
//! Cells are those of VGA text mode: a character of code page 437 and a byte of colours. The memory behind it holds more rows than
//! are seen, so a scroll writes one row and moves the window; only at the end of the memory is everything written again. What the
//! cells are is known without asking that memory. Unknown sequences do nothing.
//! Source: ECMA-48; what shows the cells is behind [`TextMemory`].

pub mod font;
mod page;
pub mod pixels;
#[cfg(test)]
mod pixels_tests;
#[cfg(test)]
mod tests;

use core::fmt;

use page::Page;

/// Most columns of a screen; what is beyond stays as it is.
pub const MOST_COLUMNS: usize = 128;
/// Most rows that are seen.
pub const MOST_ROWS: usize = 48;

/// How large a screen is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: usize,
    /// Rows that are seen.
    pub rows: usize,
    /// Rows of the memory; no fewer than are seen.
    pub memory_rows: usize,
}

/// The screen's memory and its two registers.
pub trait TextMemory {
    /// How large it is: the same each time.
    fn size(&self) -> Size;
    /// Writes a cell; `row` counts from the start of the memory.
    fn put(&mut self, row: usize, column: usize, cell: u16);
    /// Shows the rows from this one on.
    fn show_from(&mut self, row: usize);
    /// Puts the cursor there, where this cell stands; `row` counts from the start of the memory.
    fn put_cursor(&mut self, row: usize, column: usize, cell: u16);
}

/// The screen. Before [`Screen::show_on`] nothing is seen: what is written is lost.
pub struct Screen<M> {
    parser: Option<vte::Parser>,
    page: Page<M>,
}

impl<M> fmt::Debug for Screen<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

impl<M> Screen<M> {
    /// A screen that is not there yet; all its bytes are 0.
    pub const fn new() -> Self {
        Self { parser: None, page: Page::new() }
    }

    /// What shows the cells, if anything does.
    pub const fn memory(&self) -> Option<&M> {
        self.page.memory()
    }

    /// The same, to be changed.
    pub const fn memory_mut(&mut self) -> Option<&mut M> {
        self.page.memory_mut()
    }
}

impl<M> Default for Screen<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: TextMemory> Screen<M> {
    /// Shows an empty screen there.
    pub fn show_on(&mut self, memory: M) {
        self.parser = Some(vte::Parser::new());
        self.page.show_on(memory);
    }

    /// Shows these bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(parser) = &mut self.parser {
            parser.advance(&mut self.page, bytes);
            self.page.place_cursor();
        }
    }

    /// Columns and rows.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.page.size()
    }

    /// The cells of a row that is seen.
    pub fn row(&self, row: usize) -> impl Iterator<Item = u16> {
        self.page.row(row)
    }

    /// The row of the memory that is seen first.
    #[must_use]
    pub const fn top(&self) -> usize {
        self.page.top()
    }

    /// Row and column of the cursor on the screen.
    #[must_use]
    pub const fn cursor(&self) -> (usize, usize) {
        self.page.cursor()
    }
}

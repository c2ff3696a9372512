//! A text screen that understands what terminals do: [`Screen`] turns a stream of bytes into cells.
//!
//! Cells are those of VGA text mode: a character of code page 437 and a byte of colours. The memory behind it holds more rows than
//! are seen, so a scroll writes one row and moves the window; only at the end of the memory is everything written again.
//! Unknown sequences do nothing. Source: ECMA-48; the VGA's registers are behind [`TextMemory`].

mod page;
#[cfg(test)]
mod tests;

use core::fmt;

use page::Page;

/// Columns of the screen.
pub const COLUMNS: usize = 80;
/// Rows that are seen.
pub const ROWS: usize = 25;
/// Rows of the memory.
pub const MEMORY_ROWS: usize = 204;

/// The screen's memory and its two registers.
pub trait TextMemory {
    /// Writes a cell; `row` counts from the start of the memory, below [`MEMORY_ROWS`].
    fn put(&mut self, row: usize, column: usize, cell: u16);
    /// Shows the rows from this one on.
    fn show_from(&mut self, row: usize);
    /// Puts the cursor there; `row` counts from the start of the memory.
    fn put_cursor(&mut self, row: usize, column: usize);
}

/// The screen.
pub struct Screen<M> {
    parser: vte::Parser,
    page: Page<M>,
}

impl<M> fmt::Debug for Screen<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

impl<M: TextMemory> Screen<M> {
    /// An empty screen.
    pub fn new(memory: M) -> Self {
        let mut page = Page::new(memory);
        page.redraw();
        Self { parser: vte::Parser::new(), page }
    }

    /// Shows these bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.page, bytes);
        self.page.place_cursor();
    }

    /// What stands in a row that is seen, as bytes of code page 437.
    pub fn row(&self, row: usize) -> impl Iterator<Item = u8> {
        self.page.row(row)
    }

    /// Row and column of the cursor on the screen.
    #[must_use]
    pub fn cursor(&self) -> (usize, usize) {
        self.page.cursor()
    }
}

//! The cells, and what each control function does to them.

use super::{MOST_COLUMNS, MOST_ROWS, Size, TextMemory};

/// Light grey on black.
const PLAIN: u8 = 0x07;
/// What stands where a character has no place in code page 437.
const UNKNOWN: u8 = b'?';
const TAB: usize = 8;

/// What is seen, and where the memory shows it.
pub(super) struct Page<M> {
    memory: Option<M>,
    size: Size,
    cells: [[u16; MOST_COLUMNS]; MOST_ROWS],
    /// The row of the memory that is seen first.
    top: usize,
    row: usize,
    /// As many as there are after the last one: the next character goes to the next row.
    column: usize,
    colours: u8,
}

const fn cell(character: u8, colours: u8) -> u16 {
    (colours as u16) << 8 | character as u16
}

impl<M> Page<M> {
    /// A page of no size, nowhere.
    pub(super) const fn new() -> Self {
        let size = Size { columns: 0, rows: 0, memory_rows: 0 };
        let cells = [[0; MOST_COLUMNS]; MOST_ROWS];
        Self { memory: None, size, cells, top: 0, row: 0, column: 0, colours: 0 }
    }

    pub(super) const fn size(&self) -> Size {
        self.size
    }

    pub(super) const fn memory(&self) -> Option<&M> {
        self.memory.as_ref()
    }

    pub(super) const fn memory_mut(&mut self) -> Option<&mut M> {
        self.memory.as_mut()
    }

    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = u16> {
        self.rows().nth(row).into_iter().flatten().copied()
    }

    pub(super) const fn cursor(&self) -> (usize, usize) {
        (self.row, self.column)
    }

    pub(super) const fn top(&self) -> usize {
        self.top
    }

    /// The cells of the rows that are seen.
    fn rows(&self) -> impl Iterator<Item = &[u16]> {
        let columns = self.size.columns;
        self.cells.iter().take(self.size.rows).map(move |row| row.get(..columns).unwrap_or(row))
    }

    const fn last_column(&self) -> usize {
        self.size.columns.saturating_sub(1)
    }

    const fn last_row(&self) -> usize {
        self.size.rows.saturating_sub(1)
    }
}

impl<M: TextMemory> Page<M> {
    /// An empty page there, as large as fits both.
    pub(super) fn show_on(&mut self, memory: M) {
        let Size { columns, rows, memory_rows } = memory.size();
        let (columns, rows) = (columns.min(MOST_COLUMNS), rows.min(MOST_ROWS).min(memory_rows));
        self.size = Size { columns, rows, memory_rows };
        self.memory = Some(memory);
        self.cells.as_flattened_mut().fill(cell(b' ', PLAIN));
        (self.row, self.column, self.colours) = (0, 0, PLAIN);
        self.redraw();
    }

    /// Writes everything to the start of the memory.
    fn redraw(&mut self) {
        self.top = 0;
        let Some(memory) = &mut self.memory else { return };
        for (row, cells) in self.cells.iter().take(self.size.rows).enumerate() {
            for (column, &cell) in cells.iter().take(self.size.columns).enumerate() {
                memory.put(row, column, cell);
            }
        }
        memory.show_from(0);
    }

    pub(super) fn place_cursor(&mut self) {
        let column = self.column.min(self.last_column());
        let beneath = self.rows().nth(self.row).and_then(|cells| cells.get(column).copied());
        if let Some((memory, beneath)) = self.memory.as_mut().zip(beneath) {
            memory.put_cursor(self.top + self.row, column, beneath);
        }
    }

    fn put(&mut self, row: usize, column: usize, cell: u16) {
        if let Some(place) = self.cells.get_mut(row).and_then(|cells| cells.get_mut(column)) {
            *place = cell;
            if let Some(memory) = &mut self.memory {
                memory.put(self.top + row, column, cell);
            }
        }
    }

    /// Blanks the cells of a row from one column up to another.
    fn erase(&mut self, row: usize, from: usize, to: usize) {
        (from..to.min(self.size.columns)).for_each(|column| self.put(row, column, cell(b' ', self.colours)));
    }

    fn new_line(&mut self) {
        self.column = 0;
        if self.row < self.last_row() {
            self.row += 1;
            return;
        }
        let Some(seen) = self.cells.get_mut(..self.size.rows) else { return };
        seen.rotate_left(1);
        if self.top + self.size.rows < self.size.memory_rows {
            self.top += 1;
            self.erase(self.last_row(), 0, self.size.columns);
            if let Some(memory) = &mut self.memory {
                memory.show_from(self.top);
            }
        } else {
            if let Some(last) = seen.last_mut() {
                last.fill(cell(b' ', self.colours));
            }
            self.redraw();
        }
    }

    fn erase_screen(&mut self, how: u16) {
        let (before, after) = match how {
            0 => (false, true),
            1 => (true, false),
            2 => (true, true),
            _ => return,
        };
        for row in 0..self.size.rows {
            if (before && row < self.row) || (after && row > self.row) {
                self.erase(row, 0, self.size.columns);
            }
        }
        self.erase_line(how);
    }

    fn erase_line(&mut self, how: u16) {
        match how {
            0 => self.erase(self.row, self.column, self.size.columns),
            1 => self.erase(self.row, 0, self.column + 1),
            2 => self.erase(self.row, 0, self.size.columns),
            _ => {}
        }
    }

    fn colour(&mut self, number: u16) {
        // Terminals count blue as 4 and red as 1, the VGA the other way round.
        let vga = |colour: u16| (colour >> 2 & 1 | colour & 2 | colour << 2 & 4).to_le_bytes()[0];
        match number {
            0 => self.colours = PLAIN,
            1 => self.colours |= 0x08,
            7 => self.colours = self.colours.rotate_left(4),
            22 => self.colours &= !0x08,
            30..=37 => self.colours = self.colours & 0xf8 | vga(number - 30),
            39 => self.colours = self.colours & 0xf8 | PLAIN,
            40..=47 => self.colours = self.colours & 0x0f | vga(number - 40) << 4,
            49 => self.colours &= 0x0f,
            100..=107 => self.colours = self.colours & 0x0f | 0x80 | vga(number - 100) << 4,
            90..=97 => self.colours = self.colours & 0xf0 | 0x08 | vga(number - 90),
            _ => {}
        }
    }
}

impl<M: TextMemory> vte::Perform for Page<M> {
    fn print(&mut self, character: char) {
        if self.column >= self.size.columns {
            self.new_line();
        }
        let byte = match character {
            ' '..='~' => character as u8,
            '█' => 0xdb,
            '▓' => 0xb2,
            '▒' => 0xb1,
            '░' => 0xb0,
            '─' => 0xc4,
            '│' => 0xb3,
            '·' => 0xfa,
            _ => UNKNOWN,
        };
        self.put(self.row, self.column, cell(byte, self.colours));
        self.column += 1;
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            // The kernel ends lines with this alone.
            b'\n' => self.new_line(),
            b'\r' => self.column = 0,
            b'\t' => self.column = (self.column / TAB * TAB + TAB).min(self.last_column()),
            0x08 => self.column = self.column.min(self.size.columns).saturating_sub(1),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, parameters: &vte::Params, _: &[u8], ignore: bool, action: char) {
        let mut numbers = parameters.iter().map(|parameter| parameter.first().copied().unwrap_or(0));
        if ignore {
            return;
        }
        if action == 'm' {
            return numbers.for_each(|number| self.colour(number));
        }
        let first = numbers.next().unwrap_or(0);
        // Where a number says how far, none means 1.
        let far = usize::from(first.max(1));
        let (last_row, last) = (self.last_row(), self.last_column());
        match action {
            'A' => self.row = self.row.saturating_sub(far),
            'B' => self.row = (self.row + far).min(last_row),
            'C' => self.column = (self.column + far).min(last),
            'D' => self.column = self.column.min(last).saturating_sub(far),
            'G' => self.column = (far - 1).min(last),
            'H' | 'f' => {
                let column = usize::from(numbers.next().unwrap_or(0).max(1));
                (self.row, self.column) = ((far - 1).min(last_row), (column - 1).min(last));
            }
            'J' => self.erase_screen(first),
            'K' => self.erase_line(first),
            _ => {}
        }
    }
}

//! The cells, and what each control function does to them.

use super::{COLUMNS, MEMORY_ROWS, ROWS, TextMemory};

/// Light grey on black.
const PLAIN: u8 = 0x07;
/// What stands where a character has no place in code page 437.
const UNKNOWN: u8 = b'?';
const TAB: usize = 8;

/// What is seen, and where the memory shows it.
pub(super) struct Page<M> {
    memory: M,
    cells: [[u16; COLUMNS]; ROWS],
    /// The row of the memory that is seen first.
    top: usize,
    row: usize,
    /// [`COLUMNS`] after the last one: the next character goes to the next row.
    column: usize,
    colours: u8,
}

const fn cell(character: u8, colours: u8) -> u16 {
    (colours as u16) << 8 | character as u16
}

impl<M: TextMemory> Page<M> {
    pub(super) const fn new(memory: M) -> Self {
        let cells = [[cell(b' ', PLAIN); COLUMNS]; ROWS];
        Self { memory, cells, top: 0, row: 0, column: 0, colours: PLAIN }
    }

    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = u8> {
        self.cells.get(row).into_iter().flatten().map(|cell| cell.to_le_bytes()[0])
    }

    pub(super) const fn cursor(&self) -> (usize, usize) {
        (self.row, self.column)
    }

    /// Writes everything to the start of the memory.
    pub(super) fn redraw(&mut self) {
        self.top = 0;
        for (row, cells) in self.cells.iter().enumerate() {
            for (column, &cell) in cells.iter().enumerate() {
                self.memory.put(row, column, cell);
            }
        }
        self.memory.show_from(0);
    }

    pub(super) fn place_cursor(&mut self) {
        self.memory.put_cursor(self.top + self.row, self.column.min(COLUMNS - 1));
    }

    fn put(&mut self, row: usize, column: usize, cell: u16) {
        if let Some(place) = self.cells.get_mut(row).and_then(|cells| cells.get_mut(column)) {
            *place = cell;
            self.memory.put(self.top + row, column, cell);
        }
    }

    /// Blanks the cells of a row from one column up to another.
    fn erase(&mut self, row: usize, from: usize, to: usize) {
        (from..to.min(COLUMNS)).for_each(|column| self.put(row, column, cell(b' ', self.colours)));
    }

    fn new_line(&mut self) {
        self.column = 0;
        if self.row + 1 < ROWS {
            self.row += 1;
            return;
        }
        self.cells.rotate_left(1);
        if self.top + ROWS < MEMORY_ROWS {
            self.top += 1;
            self.erase(ROWS - 1, 0, COLUMNS);
            self.memory.show_from(self.top);
        } else {
            if let Some(last) = self.cells.last_mut() {
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
        for row in 0..ROWS {
            if (before && row < self.row) || (after && row > self.row) {
                self.erase(row, 0, COLUMNS);
            }
        }
        self.erase_line(how);
    }

    fn erase_line(&mut self, how: u16) {
        match how {
            0 => self.erase(self.row, self.column, COLUMNS),
            1 => self.erase(self.row, 0, self.column + 1),
            2 => self.erase(self.row, 0, COLUMNS),
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
            90..=97 => self.colours = self.colours & 0xf0 | 0x08 | vga(number - 90),
            _ => {}
        }
    }
}

impl<M: TextMemory> vte::Perform for Page<M> {
    fn print(&mut self, character: char) {
        if self.column >= COLUMNS {
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
            b'\t' => self.column = (self.column / TAB * TAB + TAB).min(COLUMNS - 1),
            0x08 => self.column = self.column.min(COLUMNS).saturating_sub(1),
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
        let last = COLUMNS - 1;
        match action {
            'A' => self.row = self.row.saturating_sub(far),
            'B' => self.row = (self.row + far).min(ROWS - 1),
            'C' => self.column = (self.column + far).min(last),
            'D' => self.column = self.column.min(last).saturating_sub(far),
            'G' => self.column = (far - 1).min(last),
            'H' | 'f' => {
                let column = usize::from(numbers.next().unwrap_or(0).max(1));
                (self.row, self.column) = ((far - 1).min(ROWS - 1), (column - 1).min(last));
            }
            'J' => self.erase_screen(first),
            'K' => self.erase_line(first),
            _ => {}
        }
    }
}

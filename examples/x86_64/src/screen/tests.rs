//! The screen beside a memory that remembers what it shows.

use alloc::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;

const TEXT: Size = Size { columns: 80, rows: 25, memory_rows: 204 };
const COLUMNS: usize = TEXT.columns;
const ROWS: usize = TEXT.rows;

#[derive(Debug)]
struct Memory {
    size: Size,
    cells: Vec<Vec<u16>>,
    first: usize,
    cursor: (usize, usize),
    beneath: u16,
}

impl Memory {
    fn new(size: Size) -> Self {
        let cells = vec![vec![0; size.columns]; size.memory_rows];
        Self { size, cells, first: 0, cursor: (0, 0), beneath: 0 }
    }
}

impl TextMemory for &mut Memory {
    fn size(&self) -> Size {
        self.size
    }

    fn put(&mut self, row: usize, column: usize, cell: u16) {
        self.cells[row][column] = cell;
    }

    fn show_from(&mut self, row: usize) {
        assert!(row + self.size.rows.min(MOST_ROWS) <= self.size.memory_rows);
        self.first = row;
    }

    fn put_cursor(&mut self, row: usize, column: usize, cell: u16) {
        (self.cursor, self.beneath) = ((row, column), cell);
    }
}

/// What is seen after these bytes: rows without the blanks at their ends; cursor; colours of the first cell.
fn show(bytes: &[u8]) -> (Vec<String>, (usize, usize), u8) {
    show_in(TEXT, bytes)
}

fn show_in(size: Size, bytes: &[u8]) -> (Vec<String>, (usize, usize), u8) {
    let mut memory = Memory::new(size);
    let mut screen = Screen::new();
    screen.show_on(&mut memory);
    screen.write(bytes);
    assert_eq!(screen.size(), size);
    let known: Vec<Vec<u16>> = (0..size.rows).map(|row| screen.row(row).collect()).collect();
    assert_eq!((screen.row(size.rows).count(), screen.top()), (0, screen.memory().unwrap().first));
    drop(screen);
    let seen = &memory.cells[memory.first..memory.first + size.rows];
    assert_eq!(seen, known, "memory and screen differ");
    if !bytes.is_empty() {
        assert_eq!(memory.beneath, memory.cells[memory.cursor.0][memory.cursor.1]);
    }
    let text = |row: &Vec<u16>| row.iter().map(|cell| cell.to_le_bytes()[0]).collect::<Vec<_>>();
    let row = |row: &Vec<u16>| String::from(String::from_utf8_lossy(&text(row)).trim_end());
    let cursor = (memory.cursor.0 - memory.first, memory.cursor.1);
    (seen.iter().map(row).collect(), cursor, seen[0][0].to_le_bytes()[1])
}

#[test]
fn lines_and_the_prompt() {
    let (rows, cursor, colours) = show(b"one\ntwo\r\n\rkos> fre\x1b[K\r\x1b[8C");
    assert_eq!(rows[..3], ["one", "two", "kos> fre"]);
    assert_eq!((cursor, colours), ((2, 8), 0x07));
}

#[test]
fn long_lines_wrap_and_long_texts_scroll() {
    let long = "x".repeat(COLUMNS + 2);
    assert_eq!(show(long.as_bytes()).0[..2], [&long[..COLUMNS], "xx"]);
    let full = "y".repeat(COLUMNS);
    assert_eq!(show(format!("{full}\nz").as_bytes()).0[..2], [full.as_str(), "z"], "no empty row between");
    for lines in [24, 25, 26, 180, 203, 204, 205, 1000] {
        let text: String = (0..lines).map(|line| format!("{line}\n")).collect();
        let (rows, cursor, _) = show(text.as_bytes());
        let first = (lines + 1_usize).saturating_sub(ROWS);
        assert_eq!(rows[0], format!("{first}"), "{lines} lines");
        assert_eq!(cursor.0, lines.min(ROWS - 1));
    }
}

#[test]
fn control_functions() {
    assert_eq!(show(b"abc\x1b[2J").0[0], "");
    assert_eq!(show(b"abc\x1b[H\x1b[2Jx").0[0], "x");
    assert_eq!(show(b"abcdef\x1b[3D\x1b[K").0[0], "abc");
    assert_eq!(show(b"abcdef\x1b[3D\x1b[1K").0[0], "    ef");
    assert_eq!(show(b"\x1b[3;5Hx\x1b[A\x1b[2Dy").0[1..3], ["   y", "    x"]);
    assert_eq!(show(b"a\tb\x08c").0[0], "a       c");
    assert_eq!(show(b"\x1b[999;999H").1, (ROWS - 1, COLUMNS - 1));
    assert_eq!(show("a█ä".as_bytes()).0[0], "a\u{fffd}?");
}

#[test]
fn colours() {
    assert_eq!(show(b"\x1b[1;31mx").2, 0x0c);
    assert_eq!(show(b"\x1b[34;42mx").2, 0x21);
    assert_eq!(show(b"\x1b[7mx").2, 0x70);
    assert_eq!(show(b"\x1b[90;103mx").2, 0xe8);
    assert_eq!(show(b"\x1b[31m\x1b[mx").2, 0x07);
}

#[test]
fn before_it_is_shown_anywhere_a_screen_takes_anything() {
    let mut screen = Screen::<&mut Memory>::new();
    screen.write(b"text\n\x1b[2J\x1b[99;99H");
    assert_eq!((screen.row(0).count(), screen.cursor(), screen.memory().is_none()), (0, (0, 0), true));
}

#[test]
fn a_screen_that_claims_too_much_shows_what_there_is_room_for() {
    let mut memory = Memory::new(Size { columns: 500, rows: 300, memory_rows: 300 });
    let mut screen = Screen::new();
    screen.show_on(&mut memory);
    (0..1000).for_each(|_| screen.write(b"text \x1b[999;999Hx\n"));
    assert_eq!(screen.size(), Size { columns: MOST_COLUMNS, rows: MOST_ROWS, memory_rows: 300 });
    drop(screen);
    assert!(memory.cells.iter().all(|row| row[MOST_COLUMNS..].iter().all(|&cell| cell == 0)));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(crate::testing::cases())
    })]

    /// Memory and screen agree, which `show` checks, and the cursor is on the screen.
    #[test]
    fn any_bytes_are_survived(pieces in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 1..20),
            "\x1b\\[[0-9]{0,3}(;[0-9]{0,3})?[A-KfmJ]".prop_map(String::into_bytes),
            "[a-z]{0,90}\n{0,30}".prop_map(String::into_bytes),
        ],
        0..30,
    ), small in any::<bool>()) {
        let size = if small { TEXT } else { Size { columns: 128, rows: 48, memory_rows: 64 } };
        let (_, (row, column), _) = show_in(size, &pieces.concat());
        prop_assert!(row < size.rows && column < size.columns);
    }
}

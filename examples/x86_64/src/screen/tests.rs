//! The screen beside a memory that remembers what it shows.

use alloc::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;

#[derive(Debug)]
struct Memory {
    cells: Vec<[u16; COLUMNS]>,
    first: usize,
    cursor: (usize, usize),
}

impl Memory {
    fn new() -> Self {
        Self { cells: vec![[0; COLUMNS]; MEMORY_ROWS], first: 0, cursor: (0, 0) }
    }
}

impl TextMemory for &mut Memory {
    fn put(&mut self, row: usize, column: usize, cell: u16) {
        self.cells[row][column] = cell;
    }

    fn show_from(&mut self, row: usize) {
        assert!(row + ROWS <= MEMORY_ROWS);
        self.first = row;
    }

    fn put_cursor(&mut self, row: usize, column: usize) {
        self.cursor = (row, column);
    }
}

/// What is seen after these bytes: rows without the blanks at their ends; cursor; colours of the first cell.
fn show(bytes: &[u8]) -> (Vec<String>, (usize, usize), u8) {
    let mut memory = Memory::new();
    let mut screen = Screen::new(&mut memory);
    screen.write(bytes);
    let known: Vec<Vec<u8>> = (0..ROWS).map(|row| screen.row(row).collect()).collect();
    drop(screen);
    let seen = &memory.cells[memory.first..memory.first + ROWS];
    let text = |row: &[u16; COLUMNS]| row.iter().map(|cell| cell.to_le_bytes()[0]).collect::<Vec<_>>();
    assert_eq!(seen.iter().map(text).collect::<Vec<_>>(), known, "memory and screen differ");
    let row = |row: &[u16; COLUMNS]| String::from(String::from_utf8_lossy(&text(row)).trim_end());
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
    assert_eq!(show(b"\x1b[31m\x1b[mx").2, 0x07);
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
    )) {
        let (_, (row, column), _) = show(&pieces.concat());
        prop_assert!(row < ROWS && column < COLUMNS);
    }
}

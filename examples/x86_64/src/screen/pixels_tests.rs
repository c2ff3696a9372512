//! The screen of pixels beside one that is drawn pixel by pixel from the cells.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::prelude::*;

use super::font::{Font, FontError};
use super::pixels::{PixelMemory, Pixels};
use super::*;

const WIDTH: usize = 1024;
const HEIGHT: usize = 768;

/// Pixels that remember what they show; nothing outside is ever set.
struct Memory {
    pixels: Vec<u32>,
    first: usize,
    puts: usize,
}

impl PixelMemory for Memory {
    fn put(&mut self, line: usize, column: usize, words: [u64; 4]) {
        self.puts += 1;
        let start = line * WIDTH + column * 8;
        assert!(column < WIDTH / 8, "column {column}");
        let bytes = words.map(u64::to_le_bytes);
        let pixels = bytes.as_flattened().as_chunks().0.iter().map(|pixel| u32::from_le_bytes(*pixel));
        self.pixels[start..start + 8].iter_mut().zip(pixels).for_each(|(to, pixel)| *to = pixel);
    }

    fn show_from(&mut self, line: usize) {
        assert!((line + HEIGHT) * WIDTH <= self.pixels.len(), "line {line}");
        self.first = line;
    }
}

/// What a VGA holds: every character looks different.
fn plane(offset: usize) -> u8 {
    let [[character, ..], [line, ..]] = [offset / 32, offset % 32].map(usize::to_le_bytes);
    match (character, line) {
        (32 | 0, _) | (_, 16..) => 0,
        (character, line) => character.rotate_left(line.into()) ^ line | 1,
    }
}

type Shown = Screen<Pixels<'static, Memory>>;

fn screen(lines: usize) -> Shown {
    let memory = Memory { pixels: vec![0x5a5a_5a5a; WIDTH * lines], first: 0, puts: 0 };
    let mut screen = Screen::new();
    screen.show_on(Pixels::new(
        memory,
        Box::leak(Box::new(Font::read(plane).unwrap())),
        WIDTH,
        HEIGHT,
        lines,
    ));
    screen
}

/// The pixel that is seen there.
fn seen(screen: &Shown, x: usize, y: usize) -> u32 {
    let memory = screen.memory().unwrap().memory();
    memory.pixels[(memory.first + y) * WIDTH + x]
}

const COLOURS: [u32; 16] = [
    0, 0xaa, 0xaa00, 0xaaaa, 0xaa_0000, 0xaa_00aa, 0xaa_5500, 0xaa_aaaa, 0x55_5555, 0x55_55ff, 0x55_ff55,
    0x55_ffff, 0xff_5555, 0xff_55ff, 0xff_ff55, 0xff_ffff,
];

/// Compares every pixel that is seen with what the cells say.
fn check(screen: &Shown) {
    let (cursor_row, cursor_column) = screen.cursor();
    let cursor = (cursor_row, cursor_column.min(127));
    for row in 0..48 {
        for (column, cell) in screen.row(row).enumerate() {
            let [ink, paper] = [cell >> 8 & 15, cell >> 12].map(|colour| COLOURS[usize::from(colour)]);
            for (x, y) in (0..16).flat_map(|y| (0..8).map(move |x| (x, y))) {
                let bits = plane(usize::from(cell & 0xff) * 32 + y);
                let is_ink = bits << x & 0x80 != 0 || (row, column) == cursor && y >= 14;
                let found = seen(screen, column * 8 + x, row * 16 + y);
                assert_eq!(found, if is_ink { ink } else { paper }, "({row}, {column}): {x}, {y}");
            }
        }
    }
}

#[test]
fn a_character_is_drawn_where_its_cell_is_in_its_colours() {
    let mut screen = screen(HEIGHT);
    screen.write(b"\x1b[3;5H\x1b[1;31;44mA\x1b[0m\x1b[H");
    assert_eq!(screen.size(), Size { columns: 128, rows: 48, memory_rows: 48 });
    check(&screen);
    // Bright red on blue, at column 4 of row 2.
    let is_ink = |x: usize, y: usize| plane(65 * 32 + y) << x & 0x80 != 0;
    for (x, y) in [(0, 0), (7, 0), (3, 9), (7, 15)] {
        let colour = if is_ink(x, y) { 0xff_5555 } else { 0xaa };
        assert_eq!(seen(&screen, 32 + x, 32 + y), colour, "{x}, {y}");
    }
    assert_eq!([seen(&screen, 31, 32), seen(&screen, 40, 32), seen(&screen, 32, 31)], [0; 3]);
    assert_eq!([seen(&screen, 0, 13), seen(&screen, 0, 14), seen(&screen, 7, 15)], [0, 0xaa_aaaa, 0xaa_aaaa]);
}

#[test]
fn the_cursor_leaves_what_was_beneath_it() {
    let mut screen = screen(HEIGHT);
    for bytes in [&b"abc\x1b[D"[..], b"\x1b[D", b"x", b"\x1b[A\x1b[99C", b"y", b"\n", b"\x1b[2J"] {
        screen.write(bytes);
        check(&screen);
    }
}

#[test]
fn a_scroll_draws_one_row_until_the_memory_ends() {
    let mut screen = screen(50 * 16);
    let mut draws = |lines: usize| {
        let puts = |screen: &Shown| screen.memory().unwrap().memory().puts;
        let before = puts(&screen);
        (0..lines).for_each(|line| screen.write(format!("{line}\n").as_bytes()));
        check(&screen);
        (puts(&screen) - before, screen.top())
    };
    assert_eq!(draws(47).1, 0);
    // A digit, the row that comes, the cursor at two places: the window moves twice.
    assert_eq!(draws(1), ((1 + 128 + 2) * 16, 1));
    assert_eq!(draws(1), ((1 + 128 + 2) * 16, 2));
    // Then everything is drawn.
    assert_eq!(draws(1), ((1 + 128 * 48 + 2) * 16, 0));
}

#[test]
fn fonts_that_show_no_text_are_refused() {
    assert_eq!(Font::read(|_| 0).err(), Some(FontError::Empty));
    assert_eq!(Font::read(|_| u8::MAX).err(), Some(FontError::Strange { character: b' ' }));
    let without = |offset: usize| if offset / 32 == 0x51 { 0 } else { plane(offset) };
    assert_eq!(Font::read(without).err(), Some(FontError::Strange { character: b'Q' }));
    let font = Font::read(plane).unwrap();
    assert!((0..=255).all(|character| {
        font.glyph(character)
            .iter()
            .enumerate()
            .all(|(line, &bits)| bits == plane(usize::from(character) * 32 + line))
    }));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        // Each looks at all pixels.
        ..ProptestConfig::with_cases(crate::testing::cases().min(16))
    })]

    #[test]
    fn pixels_are_what_the_cells_say(pieces in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 1..20),
            "\x1b\\[[0-9]{0,3}(;[0-9]{0,3})?[A-KfmJ]".prop_map(String::into_bytes),
            "\x1b\\[(3[0-7]|4[0-7]|9[0-7]|10[0-7]|1|7|0)m".prop_map(String::into_bytes),
            "[a-z]{0,140}\n{0,60}".prop_map(String::into_bytes),
        ],
        0..30,
    )) {
        let mut screen = screen(60 * 16);
        pieces.iter().for_each(|piece| screen.write(piece));
        if !pieces.is_empty() {
            check(&screen);
        }
    }
}

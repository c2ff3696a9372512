//! The editor, driven as a terminal drives it, against the line that comes out and the picture on the screen.

use super::*;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Feeds everything; returns the events (with the lines) and what a terminal would show on its last line, with the
/// cursor's column.
fn play(input: &[u8]) -> (Vec<(Event, Line)>, String, usize) {
    let (mut editor, mut out, mut events) = (Editor::new("> "), String::new(), Vec::new());
    editor.draw(&mut out).unwrap();
    for &byte in input {
        if let Some(event) = editor.feed(byte, &mut out).unwrap() {
            events.push((event, editor.take_line()));
            editor.draw(&mut out).unwrap();
        }
    }
    let (screen, column) = show(&out);
    (events, screen, column)
}

/// A terminal of one line that knows what the editor uses, and panics on anything else.
fn show(out: &str) -> (String, usize) {
    let (mut cells, mut column): (Vec<char>, usize) = (Vec::new(), 0);
    let mut chars = out.chars();
    while let Some(character) = chars.next() {
        match character {
            '\r' => column = 0,
            '\n' => (cells, column) = (Vec::new(), 0),
            '\x07' => {}
            '\x1b' => {
                assert_eq!(chars.next(), Some('['));
                let mut number = String::new();
                match chars.by_ref().find(|c| c.is_ascii_alphabetic() || !number_digit(&mut number, *c)) {
                    Some('K') => cells.truncate(column),
                    Some('C') => column += number.parse::<usize>().unwrap().max(1),
                    Some('H') => column = 0,
                    Some('J') => cells.clear(),
                    other => panic!("unknown sequence {other:?}"),
                }
            }
            _ => {
                if column == cells.len() {
                    cells.push(character);
                } else {
                    cells[column] = character;
                }
                column += 1;
            }
        }
        assert!(column < 80 && cells.len() < 80, "drawn beyond the terminal");
    }
    (cells.into_iter().collect(), column)
}

fn number_digit(number: &mut String, character: char) -> bool {
    number.push(character);
    character.is_ascii_digit()
}

fn line(input: &[u8]) -> String {
    match play(&[input, b"\r"].concat()).0.as_slice() {
        [(Event::Line, line)] => String::from(line.as_str()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn typed_text_comes_out() {
    assert_eq!(line(b"free -h"), "free -h");
    assert_eq!(play(b"free").1, "> free");
}

#[test]
fn cursor_keys_insert_in_the_middle() {
    assert_eq!(line(b"fre\x1b[D\x1b[De\x1b[C\x1b[Cx"), "ferex");
    assert_eq!(line(b"bc\x01a\x05d"), "abcd");
    assert_eq!(line(b"bc\x1b[Ha\x1b[Fd"), "abcd");
    assert_eq!(line(b"bc\x1b[1~a\x1b[4~d\x1bOHx\x1bOFy"), "xabcdy");
}

#[test]
fn removing_keys_remove() {
    assert_eq!(line(b"abc\x7f\x08d"), "ad");
    assert_eq!(line(b"abc\x01\x1b[3~\x04"), "c");
    assert_eq!(line(b"abc\x1b[D\x0b"), "ab");
    assert_eq!(line(b"abc\x1b[D\x15"), "c");
    assert_eq!(line(b"one two  \x17three"), "one three");
    assert_eq!(line(b"\x7f\x17\x15\x0b\x1b[3~ok"), "ok");
}

#[test]
fn history_goes_back_and_returns_the_draft() {
    let (events, screen, column) = play(b"one\rtwo\rthr\x1b[A\x1b[A\x1b[A\x1b[B\x1b[B");
    assert_eq!(events.len(), 2);
    assert_eq!((screen.as_str(), column), ("> thr", 5));
    assert_eq!(play(b"one\rtwo\r\x1b[A\x1b[A").1, "> one");
    assert_eq!(play(b"one\rone\r  \r\x1b[A\x1b[A").1, "> one");
}

#[test]
fn history_forgets_the_oldest() {
    let mut input = Vec::new();
    for n in 0..20 {
        input.extend_from_slice(alloc::format!("line {n}\r").as_bytes());
    }
    input.extend_from_slice(&b"\x1b[A".repeat(30));
    assert_eq!(play(&input).1, "> line 4");
}

#[test]
fn control_keys_end_lines() {
    assert_eq!(play(b"ab\x03").0, [(Event::Interrupted, Line::new())]);
    assert_eq!(play(b"\x04").0, [(Event::EndOfInput, Line::new())]);
    assert_eq!(play(b"a\x04").0, []);
    assert_eq!(play(b"one\r\n").0.len(), 1);
    assert_eq!(play(b"\n\n").0.len(), 2);
}

#[test]
fn clear_redraws_the_line() {
    assert_eq!(play(b"abc\x1b[D\x0c").1, "> abc");
}

#[test]
fn long_lines_scroll_and_stop_at_the_limit() {
    let long = b"x".repeat(LINE_MAX + 10);
    assert_eq!(line(&long).len(), LINE_MAX);
    let (_, screen, column) = play(&[&long[..], b"\x01"].concat());
    assert_eq!((screen.len(), column), (COLUMNS, 2));
}

#[test]
fn foreign_bytes_ring_and_change_nothing() {
    assert_eq!(line("aäb\x1b[99zc\x1bx\0".as_bytes()), "abc");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]
    /// Whatever is typed, the screen shows the window of the line around the cursor, and nothing panics.
    #[test]
    fn any_bytes_keep_the_picture_true(input in prop::collection::vec(prop_oneof![
        4 => b' '..=b'~', 2 => 0u8..32, 1 => Just(0x7f), 1 => any::<u8>()], 0..400)) {
        let (mut editor, mut out) = (Editor::new("> "), String::new());
        editor.draw(&mut out).unwrap();
        for byte in input {
            if editor.feed(byte, &mut out).unwrap().is_some() {
                editor.take_line();
                editor.draw(&mut out).unwrap();
            }
            prop_assert!(editor.cursor <= editor.line.len());
            let (screen, column) = show(&out);
            let from = (editor.cursor + 1).saturating_sub(COLUMNS - 2);
            prop_assert_eq!(column, 2 + editor.cursor - from);
            let text: String = editor.line.chars().skip(from).take(COLUMNS - 2).collect();
            prop_assert_eq!(screen, alloc::format!("> {text}"));
        }
    }
}

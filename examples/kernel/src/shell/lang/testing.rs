//! For tests and fuzzing: scripts that say the same, whatever their quotes look like.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Piece, Problem, Script, Word, parse};

/// A word without how its text is cut into pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text { text: String, quoted: bool },
    Variable { name: String, quoted: bool },
}

fn parts(word: &Word<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for piece in &word.pieces {
        let (more, is_quoted) = match piece {
            Piece::Bare(more) => (more, false),
            Piece::Quoted(more) => (more, true),
            Piece::Variable { name, quoted } => {
                parts.push(Part::Variable { name: (*name).into(), quoted: *quoted });
                continue;
            }
        };
        match parts.last_mut() {
            Some(Part::Text { text, quoted }) if *quoted == is_quoted => text.push_str(more),
            _ => parts.push(Part::Text { text: (*more).into(), quoted: is_quoted }),
        }
    }
    parts
}

/// What a script says, to be compared.
fn meaning(script: &Script<'_>) -> String {
    let mut said = String::new();
    for list in &script.lists {
        said.push_str(&format!("list {}\n", list.background));
        for (index, (join, pipeline)) in list.pipelines.iter().enumerate() {
            said.push_str(&format!("{:?}\n", (index > 0).then_some(join)));
            for command in &pipeline.commands {
                let words: Vec<_> = command.words.iter().map(parts).collect();
                let set: Vec<_> =
                    command.assignments.iter().map(|set| (set.name, parts(&set.value))).collect();
                let led = command.redirections.iter().map(|led| (led.stream, led.append, parts(&led.target)));
                said.push_str(&format!("{set:?} {words:?} {:?}\n", led.collect::<Vec<_>>()));
            }
        }
    }
    said
}

/// Parses any bytes. What is accepted, printed, parses to the same; what is refused is refused inside of the text.
///
/// # Panics
/// If it is not so.
pub fn parse_and_print(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let script = match parse(&text) {
        Ok(script) => script,
        Err(error) => {
            let line = text.split('\n').nth(error.place.line - 1);
            let columns = line.map_or(0, |line| line.chars().count());
            assert!(error.problem == Problem::TooLong || error.place.column <= columns + 1, "{error:?}");
            return;
        }
    };
    let printed = script.to_string();
    match parse(&printed) {
        Ok(again) => assert_eq!(meaning(&script), meaning(&again), "{text:?} printed {printed:?}"),
        // Quotes take room.
        Err(error) => assert_eq!(error.problem, Problem::TooLong, "{text:?} printed {printed:?}"),
    }
}

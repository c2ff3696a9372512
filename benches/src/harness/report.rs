//! The tables: the same rows for a terminal and for Markdown.

use std::env;
use std::io::{self, Write};
use std::process::Command;

use super::instructions::Counts;
use super::measure::{Times, ratios};
use super::question::{Promise, Question};
use super::statistics::Spread;
use crate::peers::LEFT_OUT;

const HEADINGS: [&str; 8] =
    ["subject", "ns", "least ns", "instructions", "ratio to kos", "p10..p90", "of least", "not alike"];

/// How a table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Columns padded with blanks.
    Text,
    /// Rows of a Markdown table.
    Markdown,
}

/// Prints how to read the figures, and where they come from.
pub(crate) fn print_preface(out: &mut dyn Write, style: Style, rounds: usize) -> io::Result<()> {
    let code = |text: &str| if style == Style::Markdown { format!("`{text}`") } else { text.to_owned() };
    let arguments: Vec<String> = env::args().skip(1).collect();
    let command = format!("cargo run --release -p kos-bench -- {}", arguments.join(" "));
    writeln!(out, "Command {}, commit {}, {}.", code(command.trim_end()), code(&commit()), machine())?;
    writeln!(
        out,
        "{rounds} interleaved rounds. Ratio: time of the subject by time of ours in the same round (the first row of \
         the table); above 1 the subject is slower. p10..p90: four fifths of the rounds. Least: of all rounds, for busy \
         machines; of least: the ratio of these. Instructions: counted by callgrind, exact."
    )
}

/// What was measured, as paths from the top of the repository.
const SOURCES: [&str; 6] = [
    ":/kos-alloc/src",
    ":/kos-paging/src",
    ":/kos-sched/src",
    ":/kos-vfs/src",
    ":/benches/src",
    ":/Cargo.lock",
];

/// The commit of the working directory, marked when what was measured differs from it.
fn commit() -> String {
    let git = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let text = git.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let Some(text) = text else { return "unknown".to_owned() };
    let changed = Command::new("git").args(["diff", "--quiet", "HEAD", "--"]).args(SOURCES).status();
    let mark = if changed.is_ok_and(|status| status.success()) { "" } else { " with changes" };
    String::from_utf8_lossy(&text).trim().to_owned() + mark
}

/// The class of the machine: no figure of another class may be compared.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores}-core {} {}", env::consts::ARCH, env::consts::OS)
}

/// Prints which crates are missing, and why.
pub(crate) fn print_left_out(out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "\n{}Left out\n", if style == Style::Markdown { "### " } else { "" })?;
    LEFT_OUT.iter().try_for_each(|(name, reason)| writeln!(out, "- {name}: {reason}."))
}

/// Prints the name of a question and what is asked.
pub(crate) fn print_heading(out: &mut dyn Write, style: Style, name: &str, what: &str) -> io::Result<()> {
    let heading = if style == Style::Markdown { "### " } else { "" };
    writeln!(out, "\n{heading}{name}\n\n{what}")
}

/// Prints the tables of one question: one for each promise that any subject gives.
pub(crate) fn print(
    out: &mut dyn Write,
    style: Style,
    question: &Question,
    times: &[Times],
    counts: &Counts,
) -> io::Result<()> {
    print_heading(out, style, question.name, &format!("{} Per {}.", question.what, question.operation))?;
    if let Err(reason) = counts {
        writeln!(out, "Instructions not measured: {reason}.")?;
    }
    for promise in Promise::ALL {
        let rows = rows(question, promise, times, counts);
        if !rows.is_empty() {
            writeln!(out, "\n{}:\n", promise.heading())?;
            print_table(out, style, HEADINGS, &rows)?;
        }
    }
    out.flush()
}

type Row = [String; HEADINGS.len()];

fn rows(question: &Question, promise: Promise, times: &[Times], counts: &Counts) -> Vec<Row> {
    let members = || {
        question.subjects.iter().enumerate().zip(times).filter(|((_, subject), _)| subject.promise == promise)
    };
    let Some((_, base)) = members().next() else { return Vec::new() };
    let least = |times: &Times| times.iter().copied().flatten().min_by(f64::total_cmp);
    let row = |((index, subject), times): ((usize, &super::question::Subject), &Times)| {
        let measured: Vec<f64> = times.iter().copied().flatten().collect();
        let time = Spread::of(&measured);
        let ratio = Spread::of(&ratios(times, base));
        let count = counts.as_ref().ok().and_then(|counts| counts.get(index).copied().flatten());
        [
            subject.name.clone(),
            time.map_or_else(String::new, |time| number(time.median)),
            least(times).map_or_else(String::new, number),
            count.map_or_else(|| "not measured".to_owned(), number),
            ratio.map_or_else(String::new, |ratio| factor(ratio.median)),
            ratio.map_or_else(String::new, |ratio| format!("{}..{}", factor(ratio.p10), factor(ratio.p90))),
            least(times).zip(least(base)).map_or_else(String::new, |(time, base)| factor(time / base)),
            note(subject.note, measured.len(), times.len()),
        ]
    };
    members().map(row).collect()
}

/// The note, and in how many rounds a slow subject took part.
fn note(note: &str, measured: usize, rounds: usize) -> String {
    match (measured < rounds, note.is_empty()) {
        (false, _) => note.to_owned(),
        (true, true) => format!("{measured} of {rounds} rounds"),
        (true, false) => format!("{note}; {measured} of {rounds} rounds"),
    }
}

/// Three digits or so: more would be noise.
fn number(value: f64) -> String {
    let decimals = if value < 100.0 { 2 } else { 0 };
    format!("{value:.decimals$}")
}

/// A ratio, with the digits that distinguish it from its neighbours.
fn factor(value: f64) -> String {
    let decimals = if value < 0.1 { 4 } else { 2 };
    format!("{value:.decimals$}")
}

/// Prints a table; the first and the last column are text, the others figures.
pub(crate) fn print_table<const N: usize>(
    out: &mut dyn Write,
    style: Style,
    headings: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let headings = headings.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&headings]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    print_row(out, style, &headings, &widths)?;
    let rule: [String; N] = core::array::from_fn(|column| {
        let dashes = "-".repeat(widths.get(column).copied().unwrap_or(1));
        let left = column == 0 || column == N - 1;
        if left { dashes } else { dashes.replacen('-', "", 1) + ":" }
    });
    if style == Style::Markdown {
        print_row(out, style, &rule, &widths)?;
    }
    rows.iter().try_for_each(|row| print_row(out, style, row, &widths))
}

fn print_row(out: &mut dyn Write, style: Style, row: &[String], widths: &[usize]) -> io::Result<()> {
    let last = row.len() - 1;
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
        if column == 0 || column == last { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    let cells: Vec<String> = row.iter().zip(widths).enumerate().map(cell).collect();
    match style {
        Style::Text => writeln!(out, "  {}", cells.join("  ").trim_end()),
        Style::Markdown => writeln!(out, "| {} |", cells.join(" | ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Style, note, number, print};
    use crate::harness::question::{Body, Promise, Question, Shape, Subject};

    struct Nothing;

    impl Body for Nothing {
        fn run(&mut self, _: usize) {}
    }

    fn question() -> Question {
        let subject = |name: &str| Subject {
            name: name.to_owned(),
            promise: Promise::Exclusive,
            note: "",
            counted: true,
            make: Box::new(|| Box::new(Nothing)),
        };
        Question {
            name: "nothing",
            what: "Does nothing.".to_owned(),
            operation: "nothing",
            operations: 1,
            shape: Shape::Once,
            subjects: vec![subject("kos"), subject("peer")],
        }
    }

    #[test]
    fn a_losing_row_is_printed_like_a_winning_one() {
        let times = vec![vec![Some(4.0), Some(4.0)], vec![Some(2.0), Some(2.0)]];
        let mut out = Vec::new();
        print(&mut out, Style::Markdown, &question(), &times, &Ok(vec![Some(40.0), Some(20.0)])).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains(
                "| kos     | 4.00 |     4.00 |        40.00 |         1.00 | 1.00..1.00 |     1.00 |"
            ),
            "{text}"
        );
        assert!(
            text.contains(
                "| peer    | 2.00 |     2.00 |        20.00 |         0.50 | 0.50..0.50 |     0.50 |"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_missing_counter_is_named() {
        let times = vec![vec![Some(4.0)], vec![None]];
        let mut out = Vec::new();
        print(&mut out, Style::Text, &question(), &times, &Err("valgrind is missing".to_owned())).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("Instructions not measured: valgrind is missing."), "{text}");
        assert!(text.contains("not measured"), "{text}");
    }

    #[test]
    fn numbers_and_notes() {
        assert_eq!(number(1.2345), "1.23");
        assert_eq!(number(12345.6), "12346");
        assert_eq!(note("", 3, 41), "3 of 41 rounds");
        assert_eq!(note("frees tables", 41, 41), "frees tables");
    }
}

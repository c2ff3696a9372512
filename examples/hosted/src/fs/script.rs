//! [`Script`]: reads lines, runs them, writes answers.

use std::io::{self, BufRead, Split, Write};

use kos_vfs::testing::script::{Backend, Engine, Outcome};

/// Why a script stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There are no more lines.
    Done,
    /// `crash`: what is not on the disk is lost, and the script goes on with what is.
    Crash,
}

/// Takes the words behind `inject`; whether they mean something.
pub(super) type Inject<'a> = dyn Fn(&[&str]) -> bool + 'a;

/// A script on its way, and how many of its lines were no calls, or were answered otherwise than expected.
pub(super) struct Script<I, O> {
    lines: Split<I>,
    output: O,
    line: u64,
    pub(super) failures: u64,
}

impl<I: BufRead, O: Write> Script<I, O> {
    pub(super) fn new(input: I, output: O) -> Self {
        Self { lines: input.split(b'\n'), output, line: 0, failures: 0 }
    }

    /// Runs lines on `backend`, until the end or a crash. `inject` is given the words of such a line, and answers whether they
    /// mean something; where there is nothing to lose and nothing that fails, there is none.
    pub(super) fn run(&mut self, backend: impl Backend, inject: Option<&Inject<'_>>) -> io::Result<End> {
        let mut engine = Engine::new(backend);
        while let Some(text) = self.lines.next() {
            let text = text?;
            self.line += 1;
            let words: Vec<&str> = str::from_utf8(&text).unwrap_or_default().split_whitespace().collect();
            match (words.as_slice(), inject) {
                (["crash"], Some(_)) => {
                    self.answer("0")?;
                    return Ok(End::Crash);
                }
                (["inject", rest @ ..], Some(inject)) if inject(rest) => self.answer("0")?,
                _ => self.call(&mut engine, &text)?,
            }
        }
        Ok(End::Done)
    }

    fn call(&mut self, engine: &mut Engine<impl Backend>, text: &[u8]) -> io::Result<()> {
        let answer = match engine.line(text) {
            Ok(Outcome::Nothing) => return Ok(()),
            Ok(Outcome::Answer(answer)) => answer,
            Ok(Outcome::Mismatch { expected, answer }) => {
                self.fail(&format!("expected {expected}, got {answer}"));
                answer
            }
            Err(error) => {
                self.fail(&error.to_string());
                return Ok(());
            }
        };
        self.answer(&answer.to_string())
    }

    fn answer(&mut self, answer: &str) -> io::Result<()> {
        writeln!(self.output, "{answer}")?;
        self.output.flush()
    }

    fn fail(&mut self, why: &str) {
        eprintln!("line {}: {why}", self.line);
        self.failures += 1;
    }
}

//! From characters to tokens: words, with their quotes resolved, and operators.

use super::list::push;
use super::{MAX_BYTES, Piece, Problem, Stream, Word, is_name};

/// A token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(Word<'a>),
    /// `<`, `>`, `>>`, with the digit before it.
    Redirect(Stream, bool),
    /// `|`, `&&`, `||`, `;`, `&`, or the end of a line.
    Operator(&'static str),
    End,
}

/// Reads tokens off a text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// Operators, longer ones before what they begin with.
const OPERATORS: [&str; 7] = ["&&", "||", "|", ";", "&", "\r\n", "\n"];
/// Redirections, likewise.
const REDIRECTIONS: [(&str, Stream, bool); 7] = [
    ("2>>", Stream::Errors, true),
    ("2>", Stream::Errors, false),
    ("1>>", Stream::Output, true),
    ("1>", Stream::Output, false),
    (">>", Stream::Output, true),
    (">", Stream::Output, false),
    ("<", Stream::Input, false),
];
/// What other shells know, and this one refuses.
const RESERVED: [&str; 4] = ["<<", "(", ")", "`"];

/// Ends a word, outside of quotes.
const fn ends_word(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`')
}

/// Ends bare text, beyond what ends a word.
const fn ends_text(character: char) -> bool {
    ends_word(character) || matches!(character, '\'' | '"' | '\\' | '$')
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The offset of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// Passes what the rest begins with, if it does so.
    fn pass(&mut self, what: &str) -> bool {
        let there = self.rest().starts_with(what);
        self.at += if there { what.len() } else { 0 };
        there
    }

    /// Passes everything up to the first character that `ends`, or to the end.
    fn pass_until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let part = rest.find(ends).and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.at += part.len();
        part
    }

    /// Passes blanks, joined lines and a comment; the next token begins here.
    pub(super) fn skip(&mut self) {
        while !self.pass_until(|c| !matches!(c, ' ' | '\t')).is_empty() || self.pass("\\\n") {}
        if self.rest().starts_with('#') {
            self.pass_until(|c| c == '\n');
        }
    }

    /// The next token, after [`skip`](Self::skip).
    pub(super) fn token(&mut self) -> Result<Token<'a>, Problem> {
        if self.rest().is_empty() {
            return Ok(Token::End);
        }
        if let Some(what) = RESERVED.iter().find(|what| self.rest().starts_with(**what)) {
            return Err(Problem::Reserved(what));
        }
        if let Some(&(_, stream, append)) = REDIRECTIONS.iter().find(|(what, ..)| self.pass(what)) {
            return Ok(Token::Redirect(stream, append));
        }
        match OPERATORS.iter().find(|operator| self.pass(operator)) {
            Some(operator) => Ok(Token::Operator(operator)),
            None => self.word().map(Token::Word),
        }
    }

    fn word(&mut self) -> Result<Word<'a>, Problem> {
        let mut word = Word::default();
        while let Some(next) = self.rest().chars().next().filter(|&next| !ends_word(next)) {
            match next {
                '\'' => {
                    self.pass("'");
                    let text = self.pass_until(|c| c == '\'');
                    self.close("'", "'")?;
                    add(&mut word, Piece::Quoted(text))?;
                }
                '"' => self.double(&mut word)?,
                '\\' if self.rest().starts_with("\\\n") => break,
                '\\' => {
                    self.pass("\\");
                    add(&mut word, Piece::Quoted(self.character("\\")?))?;
                }
                '$' => add(&mut word, self.variable(false)?)?,
                _ => add(&mut word, Piece::Bare(self.pass_until(ends_text)))?,
            }
        }
        if word.pieces.is_empty() {
            // A lone carriage return: what else ends a word is an operator or a blank.
            self.character("\r")?;
            return Err(Problem::Reserved("a carriage return"));
        }
        Ok(word)
    }

    /// The next character.
    fn character(&mut self, open: &'static str) -> Result<&'a str, Problem> {
        let rest = self.rest();
        let length = rest.chars().next().map(char::len_utf8).ok_or(Problem::Open(open))?;
        self.at += length;
        Ok(rest.get(..length).unwrap_or(""))
    }

    fn close(&mut self, with: &str, open: &'static str) -> Result<(), Problem> {
        if self.pass(with) { Ok(()) } else { Err(Problem::Open(open)) }
    }

    /// `"…"`: text, variables, and `\` before `"`, `\`, `$` and the end of a line.
    fn double(&mut self, word: &mut Word<'a>) -> Result<(), Problem> {
        self.pass("\"");
        let mut empty = true;
        loop {
            let text = self.pass_until(|c| matches!(c, '"' | '\\' | '$'));
            if !text.is_empty() {
                add(word, Piece::Quoted(text))?;
                empty = false;
            }
            let piece = match self.rest().as_bytes() {
                [b'"', ..] => break,
                [b'\\', b'\n', ..] => {
                    self.at += 2;
                    continue;
                }
                [b'\\', b'"' | b'\\' | b'$', ..] => {
                    self.pass("\\");
                    Piece::Quoted(self.character("\"")?)
                }
                [b'$', ..] => self.variable(true)?,
                _ => Piece::Quoted(self.character("\"")?),
            };
            add(word, piece)?;
            empty = false;
        }
        self.pass("\"");
        // Quotes count even around nothing: `n""1=A` is no assignment.
        if empty { add(word, Piece::Quoted("")) } else { Ok(()) }
    }

    /// `$NAME`, `${NAME}`, or a `$` that is text.
    fn variable(&mut self, quoted: bool) -> Result<Piece<'a>, Problem> {
        if self.rest().starts_with("$(") {
            return Err(Problem::Reserved("$("));
        }
        let dollar = self.character("$")?;
        if self.pass("{") {
            let name = self.pass_until(|c| matches!(c, '}' | '\n'));
            self.close("}", "${")?;
            return if is_variable(name) {
                Ok(Piece::Variable { name, quoted })
            } else {
                Err(Problem::BadName)
            };
        }
        let rest = self.rest();
        let special = rest.starts_with(|c: char| c == '?' || c.is_ascii_digit());
        let name = if special {
            rest.get(..1).unwrap_or("")
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            end.and_then(|end| rest.get(..end)).unwrap_or(rest)
        };
        self.at += name.len();
        Ok(if name.is_empty() { Piece::Quoted(dollar) } else { Piece::Variable { name, quoted } })
    }
}

/// Whether `$name` can be asked for.
fn is_variable(name: &str) -> bool {
    is_name(name) || name == "?" || matches!(name.as_bytes(), [b'0'..=b'9'])
}

fn add<'a>(word: &mut Word<'a>, piece: Piece<'a>) -> Result<(), Problem> {
    push(&mut word.pieces, piece, MAX_BYTES, Problem::TooLong)
}

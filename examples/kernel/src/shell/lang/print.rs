//! A script as text that parses to the same.

use core::fmt::{self, Display, Formatter};

use super::{Assignment, Command, Join, List, Piece, Pipeline, Redirection, Script, Stream, Word};

impl Display for Script<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, list) in self.lists.iter().enumerate() {
            let after_background = index.checked_sub(1).and_then(|before| self.lists.get(before));
            let gap = match after_background {
                None => "",
                Some(List { background: true, .. }) => " ",
                Some(_) => "; ",
            };
            write!(f, "{gap}{list}")?;
        }
        Ok(())
    }
}

impl Display for List<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (join, pipeline)) in self.pipelines.iter().enumerate() {
            let operator = match join {
                _ if index == 0 => "",
                Join::And => " && ",
                Join::Or => " || ",
            };
            write!(f, "{operator}{pipeline}")?;
        }
        f.write_str(if self.background { " &" } else { "" })
    }
}

impl Display for Pipeline<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        between(f, &self.commands, " | ")
    }
}

impl Display for Command<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        between(f, &self.assignments, " ")?;
        f.write_str(if self.assignments.is_empty() || self.words.is_empty() { "" } else { " " })?;
        between(f, &self.words, " ")?;
        let first = self.assignments.is_empty() && self.words.is_empty();
        f.write_str(if first || self.redirections.is_empty() { "" } else { " " })?;
        between(f, &self.redirections, " ")
    }
}

fn between<T: Display>(f: &mut Formatter<'_>, all: &[T], gap: &str) -> fmt::Result {
    for (index, item) in all.iter().enumerate() {
        write!(f, "{}{item}", if index == 0 { "" } else { gap })?;
    }
    Ok(())
}

impl Display for Assignment<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl Display for Redirection<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let operator = match (self.stream, self.append) {
            (Stream::Input, _) => "<",
            (Stream::Output, false) => ">",
            (Stream::Output, true) => ">>",
            (Stream::Errors, false) => "2>",
            (Stream::Errors, true) => "2>>",
        };
        // With a blank: what begins with `&`, `(` or `<` is another operator.
        write!(f, "{operator} {}", self.target)
    }
}

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        between(f, &self.pieces, "")
    }
}

impl Display for Piece<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(text) => f.write_str(text),
            Self::Quoted(text) if !text.contains('\'') => write!(f, "'{text}'"),
            Self::Quoted(text) => {
                f.write_str("\"")?;
                for character in text.chars() {
                    let escape = if matches!(character, '"' | '\\' | '$') { "\\" } else { "" };
                    write!(f, "{escape}{character}")?;
                }
                f.write_str("\"")
            }
            Self::Variable { name, quoted: true } => write!(f, "\"${{{name}}}\""),
            Self::Variable { name, quoted: false } => write!(f, "${{{name}}}"),
        }
    }
}

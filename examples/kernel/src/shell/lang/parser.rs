//! From tokens to a [`Script`]: one pass, nothing nests.

use alloc::vec::Vec;

use super::lexer::{Lexer, Token};
use super::list::push;
use super::{
    Assignment, Command, Expected, Join, List, MAX_BYTES, MAX_EACH, MAX_STAGES, MAX_WORDS, ParseError, Piece,
    Pipeline, Place, Problem, Redirection, Script, Stream, Word, is_name,
};

/// Reads a script.
///
/// # Errors
/// [`ParseError`]: the first thing that is wrong, and where.
pub fn parse(text: &str) -> Result<Script<'_>, ParseError> {
    let mut parser = Parser { text, lexer: Lexer::new(text), token: 0, end: 0 };
    parser.script().map_err(|problem| {
        // Where the token begins: what was opened, or what should not be there.
        ParseError { place: Place::of(text, parser.token), problem }
    })
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// Where the last token begins.
    token: usize,
    /// Where the last word ends.
    end: usize,
}

/// How a command ended.
enum After {
    Operator(&'static str),
    End,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<Token<'a>, Problem> {
        self.lexer.skip();
        self.token = self.lexer.at();
        let token = self.lexer.token()?;
        if matches!(token, Token::Word(_)) {
            self.end = self.lexer.at();
        }
        Ok(token)
    }

    fn script(&mut self) -> Result<Script<'a>, Problem> {
        if self.text.len() > MAX_BYTES {
            return Err(Problem::TooLong);
        }
        let mut script = Script::default();
        loop {
            self.lexer.skip();
            let from = self.lexer.at();
            let (list, after) = self.list()?;
            let text = self.text.get(from..self.end).unwrap_or("");
            match after {
                After::Operator(operator) if list.is_empty() && operator == "&" => {
                    return Err(Problem::Missing(Expected::Command(operator)));
                }
                _ if list.is_empty() => {}
                After::Operator(operator) => {
                    let list = List { text, pipelines: list, background: operator == "&" };
                    push(&mut script.lists, list, MAX_BYTES, Problem::TooLong)?;
                }
                After::End => {
                    let list = List { text, pipelines: list, background: false };
                    push(&mut script.lists, list, MAX_BYTES, Problem::TooLong)?;
                }
            }
            if matches!(after, After::End) {
                return Ok(script);
            }
        }
    }

    /// Pipelines up to what ends a list; none if it is empty.
    fn list(&mut self) -> Result<(Vec<(Join, Pipeline<'a>)>, After), Problem> {
        let (mut list, mut join, mut operator) = (Vec::new(), Join::And, "");
        loop {
            let (pipeline, after) = self.pipeline(operator)?;
            let next = match after {
                After::Operator(next @ ("&&" | "||")) => next,
                after => {
                    let missing = pipeline.commands.is_empty() && !operator.is_empty();
                    if missing {
                        return Err(Problem::Missing(Expected::Command(operator)));
                    }
                    if !pipeline.commands.is_empty() {
                        push(&mut list, (join, pipeline), MAX_BYTES, Problem::TooLong)?;
                    }
                    return Ok((list, after));
                }
            };
            if pipeline.commands.is_empty() {
                return Err(Problem::Missing(Expected::Command(next)));
            }
            push(&mut list, (join, pipeline), MAX_BYTES, Problem::TooLong)?;
            (operator, join) = (next, if next == "&&" { Join::And } else { Join::Or });
        }
    }

    /// Commands up to what ends a pipeline; none if it is empty. The line may end behind `before`.
    fn pipeline(&mut self, before: &'static str) -> Result<(Pipeline<'a>, After), Problem> {
        let (mut pipeline, mut joined) = (Pipeline::default(), !before.is_empty());
        loop {
            let (command, after) = self.command(joined)?;
            let empty = command.is_empty();
            let piped = matches!(after, After::Operator("|"));
            if empty && (piped || !pipeline.commands.is_empty()) {
                return Err(Problem::Missing(Expected::Command("|")));
            }
            if !empty {
                push(&mut pipeline.commands, command, MAX_STAGES, Problem::TooManyStages)?;
            }
            if !piped {
                return Ok((pipeline, after));
            }
            joined = true;
        }
    }

    /// One command up to what ends it. Ends of lines before its first word are passed if it is `joined` to what is before.
    fn command(&mut self, joined: bool) -> Result<(Command<'a>, After), Problem> {
        let mut command = Command::default();
        loop {
            match self.next()? {
                Token::End => return Ok((command, After::End)),
                Token::Operator("\n" | "\r\n") if joined && command.is_empty() => {}
                Token::Operator(operator) => return Ok((command, After::Operator(operator))),
                Token::Redirect(stream, append) => {
                    let redirection = self.redirection(stream, append)?;
                    push(&mut command.redirections, redirection, MAX_EACH, Problem::TooManyExtras)?;
                }
                Token::Word(word) => command.take(word)?,
            }
        }
    }

    fn redirection(&mut self, stream: Stream, append: bool) -> Result<Redirection<'a>, Problem> {
        let operator = match (stream, append) {
            (Stream::Input, _) => "<",
            (Stream::Output, false) => ">",
            (Stream::Output, true) => ">>",
            (Stream::Errors, false) => "2>",
            (Stream::Errors, true) => "2>>",
        };
        match self.next()? {
            Token::Word(target) => Ok(Redirection { stream, append, target }),
            _ => Err(Problem::Missing(Expected::File(operator))),
        }
    }
}

impl<'a> Command<'a> {
    const fn is_empty(&self) -> bool {
        self.words.is_empty() && self.redirections.is_empty() && self.assignments.is_empty()
    }

    /// A word is an assignment if it is one and no other word stands before it.
    fn take(&mut self, word: Word<'a>) -> Result<(), Problem> {
        let named = match word.pieces.first() {
            Some(Piece::Bare(text)) => text.split_once('=').filter(|(name, _)| is_name(name)),
            _ => None,
        };
        let Some((name, first)) = named.filter(|_| self.words.is_empty()) else {
            return push(&mut self.words, word, MAX_WORDS, Problem::TooManyWords);
        };
        let mut value = word;
        if first.is_empty() {
            value.pieces.remove(0);
        } else if let Some(piece) = value.pieces.first_mut() {
            *piece = Piece::Bare(first);
        }
        push(&mut self.assignments, Assignment { name, value }, MAX_EACH, Problem::TooManyExtras)
    }
}

//! A command line: commands, words, redirections; and sizes in words.
//!
//! Commands are separated by `;`, words by blanks. `'…'` takes everything as it is, `"…"` everything but `\"` and `\\`; outside of
//! both a `\` takes the next character as it is. `>`, `>>` and `<` lead output and input to the file named by the next word.

use core::fmt;

use crate::text::Text;

/// Most words of one command, its name included.
pub(super) const MAX_WORDS: usize = 32;
/// Most bytes of a command that holds quotes or redirections.
pub(super) const MAX_BYTES: usize = 1024;

/// The words of one command.
pub(crate) type Words<'a> = heapless::Vec<&'a str, MAX_WORDS>;

/// Where words are put together that do not stand so in the line.
pub(super) type Scratch = heapless::String<MAX_BYTES>;

/// One command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) words: Words<'a>,
    /// The file that is read.
    pub(super) input: Option<&'a str>,
    /// The file that is written.
    pub(super) output: Option<Target<'a>>,
}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) path: &'a str,
    /// Behind what is there.
    pub(super) append: bool,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParseError {
    TooManyWords,
    TooLong,
    OpenQuote(char),
    NoTarget(&'static str),
    Twice(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyWords => write!(f, "more than {MAX_WORDS} words: no command takes so many"),
            Self::TooLong => write!(f, "a command with quotes has {MAX_BYTES} bytes at most"),
            Self::OpenQuote(quote) => write!(f, "there is no second {quote}"),
            Self::NoTarget(operator) => write!(f, "no file behind {operator}"),
            Self::Twice(operator) => write!(f, "{operator} twice"),
        }
    }
}

/// Whether a character is taken as it is: the state of a reader who goes along a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Quoting {
    #[default]
    None,
    Single,
    Double,
    /// Behind a `\` outside of quotes, or within double ones.
    Escape,
    DoubleEscape,
}

impl Quoting {
    /// The state behind `character`, and whether it stands for itself.
    const fn step(self, character: char) -> (Self, bool) {
        match (self, character) {
            (Self::None, '\'') => (Self::Single, false),
            (Self::None, '"') => (Self::Double, false),
            (Self::None, '\\') => (Self::Escape, false),
            (Self::Single, '\'') | (Self::Double, '"') => (Self::None, false),
            (Self::Double, '\\') => (Self::DoubleEscape, false),
            (Self::Escape, _) => (Self::None, true),
            (Self::DoubleEscape, _) => (Self::Double, true),
            (state, _) => (state, true),
        }
    }
}

/// The commands of a script, without the blank ones.
pub fn commands(script: &str) -> impl Iterator<Item = &str> {
    let mut state = Quoting::None;
    let ends = move |character: char| {
        let outside = state == Quoting::None;
        state = state.step(character).0;
        outside && character == ';'
    };
    script.split(ends).map(str::trim).filter(|command| !command.is_empty())
}

/// What a command is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// A word: bytes of the scratch.
    Word {
        start: usize,
        end: usize,
    },
    Input,
    Output,
    Append,
}

type Tokens = heapless::Vec<Token, { MAX_WORDS + 6 }>;

/// The words and redirections of `command`. What is not in the line as it is meant lies in `scratch`.
pub(super) fn parse<'a>(command: &'a str, scratch: &'a mut Scratch) -> Result<Parsed<'a>, ParseError> {
    let mut parsed = Parsed::default();
    if command.contains(['\'', '"', '\\', '<', '>']) {
        let tokens = tokens(command, scratch)?;
        arrange(&tokens, scratch, &mut parsed)?;
        return Ok(parsed);
    }
    for word in command.split_ascii_whitespace() {
        parsed.words.push(word).map_err(|_| ParseError::TooManyWords)?;
    }
    Ok(parsed)
}

/// Takes quotes and blanks away.
fn tokens(command: &str, scratch: &mut Scratch) -> Result<Tokens, ParseError> {
    let (mut tokens, mut state, mut word) = (Tokens::new(), Quoting::None, None);
    let mut add = |token| tokens.push(token).map_err(|_| ParseError::TooManyWords);
    let mut rest = command.chars().peekable();
    while let Some(character) = rest.next() {
        let outside = state == Quoting::None;
        if outside && (character.is_ascii_whitespace() || matches!(character, '<' | '>')) {
            if let Some(start) = word.take() {
                add(Token::Word { start, end: scratch.len() })?;
            }
            match character {
                '<' => add(Token::Input)?,
                '>' if rest.next_if_eq(&'>').is_some() => add(Token::Append)?,
                '>' => add(Token::Output)?,
                _ => {}
            }
            continue;
        }
        word.get_or_insert(scratch.len());
        let (next, itself) = state.step(character);
        state = next;
        if itself {
            scratch.push(character).map_err(|_| ParseError::TooLong)?;
        }
    }
    if let Some(start) = word {
        add(Token::Word { start, end: scratch.len() })?;
    }
    match state {
        Quoting::None => Ok(tokens),
        Quoting::Single => Err(ParseError::OpenQuote('\'')),
        Quoting::Double | Quoting::DoubleEscape => Err(ParseError::OpenQuote('"')),
        Quoting::Escape => Err(ParseError::OpenQuote('\\')),
    }
}

/// Sorts tokens into words and redirections.
fn arrange<'a>(tokens: &[Token], text: &'a str, parsed: &mut Parsed<'a>) -> Result<(), ParseError> {
    let word = |token: Option<&Token>| match token {
        Some(&Token::Word { start, end }) => text.get(start..end),
        _ => None,
    };
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        if let Some(word) = word(Some(token)) {
            parsed.words.push(word).map_err(|_| ParseError::TooManyWords)?;
            continue;
        }
        let (operator, append) = match token {
            Token::Input => ("<", false),
            Token::Append => (">>", true),
            _ => (">", false),
        };
        let path = word(tokens.next()).ok_or(ParseError::NoTarget(operator))?;
        let twice = match token {
            Token::Input => parsed.input.replace(path).is_some(),
            _ => parsed.output.replace(Target { path, append }).is_some(),
        };
        if twice {
            return Err(ParseError::Twice(operator));
        }
    }
    Ok(())
}

/// A number of bytes: decimal or `0x…`, with `K`, `M`, `G` behind it for powers of 1024; `max` is the largest.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn size(word: &str) -> Result<usize, Text> {
    let bad = |what| {
        Text::new(format_args!("'{word}' is {what}: give bytes such as 4096, 0x1000, 64K, 2M, 1G or max"))
    };
    if word == "max" {
        return Ok(usize::MAX);
    }
    let (digits, shift) = match word.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (word.get(..at), 10),
        Some((at, 'm' | 'M')) => (word.get(..at), 20),
        Some((at, 'g' | 'G')) => (word.get(..at), 30),
        _ => (Some(word), 0),
    };
    let digits = digits.unwrap_or("");
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => digits.parse::<u128>(),
    };
    // A sign is no digit, though `parse` takes one.
    let number = number.ok().filter(|_| !digits.contains('+')).ok_or_else(|| bad("not a size"))?;
    number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| bad("more than this machine can count"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn scripts_split_at_semicolons() {
        assert_eq!(commands(" free;; alloc 12 ; ").collect::<Vec<_>>(), ["free", "alloc 12"]);
        assert_eq!(commands("").count(), 0);
    }

    fn words(command: &str) -> Result<Vec<String>, ParseError> {
        let mut scratch = Scratch::new();
        let parsed = parse(command, &mut scratch)?;
        assert_eq!((parsed.input, parsed.output), (None, None), "{command}");
        Ok(parsed.words.iter().map(|&word| word.into()).collect())
    }

    #[test]
    fn words_have_a_limit() {
        assert_eq!(words("alloc\t1  2").unwrap(), ["alloc", "1", "2"]);
        for quote in ["", "''"] {
            assert!(words(&["1"; MAX_WORDS].join(" ").replacen('1', &[quote, "1"].concat(), 1)).is_ok());
            let more = ["1"; MAX_WORDS + 1].join(" ").replacen('1', &[quote, "1"].concat(), 1);
            assert_eq!(words(&more), Err(ParseError::TooManyWords));
        }
        assert_eq!(words(&"\\x".repeat(MAX_BYTES + 1)), Err(ParseError::TooLong));
    }

    #[test]
    fn quotes_keep_blanks_and_semicolons() {
        assert_eq!(
            words(r#"echo 'a  b;' "c'\"\\" d\ e '' "#).unwrap(),
            ["echo", "a  b;", "c'\"\\", "d e", ""]
        );
        assert_eq!(words("a'b'c").unwrap(), ["abc"]);
        assert_eq!(words(r"'\'").unwrap(), ["\\"]);
        assert_eq!(commands(r#"echo ';' ";" \;; ls"#).collect::<Vec<_>>(), [r#"echo ';' ";" \;"#, "ls"]);
        for (line, quote) in [("a 'b", '\''), ("a \"b", '"'), ("a\\", '\\')] {
            assert_eq!(words(line), Err(ParseError::OpenQuote(quote)));
        }
    }

    #[test]
    fn redirections_need_no_blanks() {
        let mut scratch = Scratch::new();
        let parsed = parse("cat<in x>>'o u t'", &mut scratch).unwrap();
        assert_eq!(parsed.words, ["cat", "x"]);
        assert_eq!((parsed.input, parsed.output), (Some("in"), Some(Target { path: "o u t", append: true })));
        assert_eq!(words("echo '>' \\<").unwrap(), ["echo", ">", "<"]);
        let mut scratch = Scratch::new();
        assert_eq!(parse("echo > a > b", &mut scratch), Err(ParseError::Twice(">")));
        for (line, operator) in [("echo >", ">"), ("echo >> >", ">>"), ("cat <", "<")] {
            assert_eq!(parse(line, &mut Scratch::new()), Err(ParseError::NoTarget(operator)));
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("0x1f"), Ok(31));
        assert_eq!(size("64k"), Ok(65536));
        assert_eq!(size("2M"), Ok(2 << 20));
        assert_eq!(size("max"), Ok(usize::MAX));
        assert_eq!(size("18446744073709551615"), Ok(usize::MAX));
    }

    #[test]
    fn wrong_sizes_say_what_is_right() {
        for word in
            ["", "K", "-1", "+1", "12q", "0x", "1.5M", "ä", "1ä", "18446744073709551616", "99999999999G"]
        {
            assert!(size(word).unwrap_err().as_str().contains("give bytes"), "{word}");
        }
        assert!(size("340282366920938463463374607431768211456K").is_err());
    }
}

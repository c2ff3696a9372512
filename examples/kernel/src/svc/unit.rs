//! Unit files, `/etc/svc/NAME.svc`: lines `key = value`, what a service is.
//!
//! | key | value |
//! |---|---|
//! | `exec` | a program with its words, or a line of the shell; the only one that has to be there |
//! | `user` | a name, `UID` or `UID:GID`; 0 if it is not said |
//! | `after` | names of services that have to be ready first |
//! | `restart` | `no`, `on-failure` (if nothing is said) or `always` |
//! | `env` | `NAME=VALUE`, once for each variable |
//! | `mem` | most memory: `4M`, `512K` |
//! | `cpu` | most of one CPU: `20%` |
//! | `pids`, `fds` | most processes, most open files |
//! | `listen` | the name under which it offers an endpoint |
//! | `ready` | `no`: at once; `message`: when it says so; `listen`: when its name is there |
//!
//! A line that begins with `#` says nothing. What is printed is read the same again.

use core::error::Error;
use core::fmt::{self, Write};

use super::quota::Quota;
use crate::user::who::Who;

/// Bytes of a unit file.
pub const FILE_MAX: usize = 4096;
/// Bytes of the name of a service.
pub const NAME_MAX: usize = 24;
/// Bytes of `exec`.
pub const EXEC_MAX: usize = 160;
/// Services that one can come after.
pub const AFTER_MAX: usize = 8;
/// Variables of one service.
pub const ENV_MAX: usize = 8;
/// Bytes of one of them.
pub const VARIABLE_MAX: usize = 64;

/// The name of a service.
pub type Name = heapless::String<NAME_MAX>;

/// What a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// What it runs.
    pub exec: heapless::String<EXEC_MAX>,
    /// Whose it is.
    pub user: Who,
    /// Whom it comes after.
    pub after: heapless::Vec<Name, AFTER_MAX>,
    /// Whether it is started again.
    pub restart: Restart,
    /// Its variables, each `NAME=VALUE`.
    pub env: heapless::Vec<heapless::String<VARIABLE_MAX>, ENV_MAX>,
    /// What it may take.
    pub quota: Quota,
    /// The name that it offers.
    pub listen: Option<Name>,
    /// How it tells that it can be used.
    pub ready: Ready,
}

/// Whether a service that has ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    No,
    /// Unless it ended by itself with status 0.
    #[default]
    OnFailure,
    /// Whatever its end was.
    Always,
}

/// How a service tells that it can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ready {
    /// It does not: it is ready when it runs.
    #[default]
    No,
    /// By a message.
    Message,
    /// By offering its name.
    Listen,
}

/// What is wrong with a unit file, and where: line and column count from 1, columns in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// The line.
    pub line: u32,
    /// The byte in it.
    pub column: u32,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file has more than [`FILE_MAX`] bytes.
    FileTooLong,
    /// The byte begins no character.
    NotText,
    /// A line without `=`.
    NoEquals,
    /// No such key.
    UnknownKey(Name),
    /// The key was there before.
    Twice(&'static str),
    /// Nothing behind `=`.
    Empty(&'static str),
    /// No service or endpoint is called so.
    BadName,
    /// The value is none of this key.
    BadValue {
        /// The key.
        key: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// The value has more bytes, or is more often there, than may be.
    TooMuch(&'static str),
    /// Nothing is to be run.
    NoExec,
    /// It is to be ready when its name is there, and has none.
    NothingToListen,
}

const KEYS: [&str; 11] =
    ["exec", "user", "after", "restart", "env", "mem", "cpu", "pids", "fds", "listen", "ready"];
/// The key that can be there more than once.
const MANY: &str = "env";

/// Whether services and endpoints can be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(fine)
}

fn name(word: &str) -> Result<Name, Problem> {
    Some(word).filter(|word| is_name(word)).and_then(|word| Name::try_from(word).ok()).ok_or(Problem::BadName)
}

/// A place in a file.
#[derive(Clone, Copy)]
struct Place {
    line: u32,
    column: usize,
}

impl Place {
    fn error(self, problem: Problem) -> UnitError {
        let column = u32::try_from(self.column).unwrap_or(u32::MAX).saturating_add(1);
        UnitError { line: self.line, column, problem }
    }
}

impl Unit {
    /// Reads a unit file.
    ///
    /// # Errors
    /// [`UnitError`]: the first that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, UnitError> {
        let mut reader = Reader { unit: Self::default(), seen: [None; KEYS.len()] };
        let last = (1..)
            .zip(bytes.split(|&byte| byte == b'\n'))
            .try_fold(1, |_, (line, bytes)| reader.line(line, bytes).map(|()| line))?;
        if bytes.len() > FILE_MAX {
            return Err(Place { line: last, column: 0 }.error(Problem::FileTooLong));
        }
        reader.finish(last)
    }

    /// The words of `exec`.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.exec.split_ascii_whitespace()
    }
}

struct Reader {
    unit: Unit,
    /// In which line each key was.
    seen: [Option<u32>; KEYS.len()],
}

impl Reader {
    fn line(&mut self, line: u32, bytes: &[u8]) -> Result<(), UnitError> {
        let at = |column| Place { line, column };
        let text = core::str::from_utf8(bytes);
        let text = text.map_err(|error| at(error.valid_up_to()).error(Problem::NotText))?;
        let indent = text.len() - text.trim_ascii_start().len();
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Ok(());
        }
        let (key, value) = text.split_once('=').ok_or_else(|| at(indent).error(Problem::NoEquals))?;
        let column = key.len() + 1 + (value.len() - value.trim_ascii_start().len());
        let found = KEYS.iter().position(|known| *known == key.trim_ascii());
        let index = found.ok_or_else(|| at(indent).error(unknown(key.trim_ascii())))?;
        let (Some(&key), Some(seen)) = (KEYS.get(index), self.seen.get_mut(index)) else { return Ok(()) };
        if seen.replace(line).is_some() && key != MANY {
            return Err(at(indent).error(Problem::Twice(key)));
        }
        self.unit.set(key, value.trim_ascii()).map_err(|(offset, problem)| at(column + offset).error(problem))
    }

    fn finish(self, last: u32) -> Result<Unit, UnitError> {
        let line_of = |key| KEYS.iter().position(|known| *known == key).and_then(|at| *self.seen.get(at)?);
        if self.unit.exec.is_empty() {
            return Err(Place { line: last, column: 0 }.error(Problem::NoExec));
        }
        if self.unit.ready == Ready::Listen && self.unit.listen.is_none() {
            let line = line_of("ready").unwrap_or(last);
            return Err(Place { line, column: 0 }.error(Problem::NothingToListen));
        }
        Ok(self.unit)
    }
}

/// Names an unknown key, as far as there is room.
fn unknown(key: &str) -> Problem {
    let mut name = Name::new();
    // What is too long is cut.
    let _ = key.chars().try_for_each(|character| name.push(character));
    Problem::UnknownKey(name)
}

/// A problem, and how far behind the beginning of the value it is.
type Wrong = (usize, Problem);

impl Unit {
    fn set(&mut self, key: &'static str, value: &str) -> Result<(), Wrong> {
        let bad = |wanted| (0, Problem::BadValue { key, wanted });
        if value.is_empty() {
            return Err((0, Problem::Empty(key)));
        }
        if let Some(position) = value.find(|character: char| character.is_control() && character != '\t') {
            return Err((position, Problem::BadValue { key, wanted: "no control characters" }));
        }
        match key {
            "exec" => self.exec = value.try_into().map_err(|_| (EXEC_MAX, Problem::TooMuch(key)))?,
            "user" => self.user = Who::parse(value).ok_or_else(|| bad("a name, UID or UID:GID"))?,
            "after" => return self.set_after(value),
            "restart" => self.restart = Restart::of(value).ok_or_else(|| bad("no, on-failure or always"))?,
            "env" => return self.set_env(value),
            "listen" => self.listen = Some(name(value).map_err(|problem| (0, problem))?),
            "ready" => self.ready = Ready::of(value).ok_or_else(|| bad("no, message or listen"))?,
            key => self.quota.set(key, value).map_err(bad)?,
        }
        Ok(())
    }

    fn set_after(&mut self, value: &str) -> Result<(), Wrong> {
        for word in value.split_ascii_whitespace() {
            let offset = word.as_ptr().addr() - value.as_ptr().addr();
            let name = name(word).map_err(|problem| (offset, problem))?;
            if !self.after.contains(&name) {
                self.after.push(name).map_err(|_| (offset, Problem::TooMuch("after")))?;
            }
        }
        Ok(())
    }

    fn set_env(&mut self, value: &str) -> Result<(), Wrong> {
        let wanted = "NAME=VALUE";
        let named = value.split_once('=').is_some_and(|(name, _)| crate::shell::lang::is_name(name));
        if !named {
            return Err((0, Problem::BadValue { key: "env", wanted }));
        }
        let variable = value.try_into().map_err(|_| (VARIABLE_MAX, Problem::TooMuch("env")))?;
        self.env.push(variable).map_err(|_| (0, Problem::TooMuch("env")))
    }
}

impl Restart {
    const ALL: [(&str, Self); 3] =
        [("no", Self::No), ("on-failure", Self::OnFailure), ("always", Self::Always)];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, restart)| restart)
    }
}

impl Ready {
    const ALL: [(&str, Self); 3] = [("no", Self::No), ("message", Self::Message), ("listen", Self::Listen)];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, ready)| ready)
    }
}

fn word_of<T: PartialEq>(all: &[(&'static str, T)], value: &T) -> &'static str {
    all.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exec = {}", self.exec)?;
        writeln!(f, "user = {}", self.user)?;
        if !self.after.is_empty() {
            f.write_str("after =")?;
            self.after.iter().try_for_each(|name| write!(f, " {name}"))?;
            f.write_char('\n')?;
        }
        writeln!(f, "restart = {}", word_of(&Restart::ALL, &self.restart))?;
        self.env.iter().try_for_each(|variable| writeln!(f, "env = {variable}"))?;
        self.quota.lines(f)?;
        if let Some(name) = &self.listen {
            writeln!(f, "listen = {name}")?;
        }
        writeln!(f, "ready = {}", word_of(&Ready::ALL, &self.ready))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileTooLong => write!(f, "the file has more than {FILE_MAX} bytes"),
            Self::NotText => f.write_str("this is no text"),
            Self::NoEquals => f.write_str("no '=' behind a key"),
            Self::UnknownKey(key) => write!(f, "'{key}' is no key"),
            Self::Twice(key) => write!(f, "'{key}' was there before"),
            Self::Empty(key) => write!(f, "nothing behind '{key} ='"),
            Self::BadName => {
                write!(f, "a name is 1 to {NAME_MAX} letters, digits, '-' and '_'")
            }
            Self::BadValue { key, wanted } => write!(f, "'{key}' takes {wanted}"),
            Self::TooMuch(key) => write!(f, "more behind '{key}' than there is room for"),
            Self::NoExec => f.write_str("no 'exec': nothing is to be run"),
            Self::NothingToListen => f.write_str("'ready = listen' without 'listen'"),
        }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl Error for UnitError {}

/// For tests and fuzzing: what is read and printed is read the same again, and an error is somewhere in the file.
///
/// # Panics
/// It is not so.
#[cfg(any(test, feature = "testing"))]
pub fn parse_and_print(bytes: &[u8]) {
    match Unit::parse(bytes) {
        Ok(unit) => {
            let printed = alloc::format!("{unit}");
            assert_eq!(Unit::parse(printed.as_bytes()).as_ref(), Ok(&unit), "{printed}");
        }
        Err(UnitError { line, column, .. }) => {
            let mut lines = bytes.split(|&byte| byte == b'\n');
            let line = lines.nth(line as usize - 1).unwrap_or_default();
            assert!((1..=line.len() + 1).contains(&(column as usize)), "column {column} of {line:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    const WHOLE: &str = "# the first\n exec =  run me \nuser = 7:8\nafter = net disk net\nrestart = always\nenv = A=1\nenv = B=\nmem = 4M\ncpu = 20%\npids = 3\nfds = 9\nlisten = me\nready = listen\n";

    #[test]
    fn every_key_is_read() {
        let unit = Unit::parse(WHOLE.as_bytes()).unwrap();
        assert_eq!(unit.words().collect::<alloc::vec::Vec<_>>(), ["run", "me"]);
        assert_eq!((unit.user.clone(), unit.after.len(), unit.restart), (Who::Ids(7, 8), 2, Restart::Always));
        assert_eq!((unit.env.len(), unit.ready), (2, Ready::Listen));
        let Quota { mem, cpu, pids, fds } = unit.quota;
        assert_eq!((mem, cpu, pids, fds), (Some(4 << 20), Some(20), Some(3), Some(9)));
        assert_eq!(unit.listen.as_deref(), Some("me"));
        parse_and_print(WHOLE.as_bytes());
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_column() {
        for (text, said) in [
            ("", "line 1, column 1: no 'exec': nothing is to be run"),
            ("exec = a\nnonsense\n", "line 2, column 1: no '=' behind a key"),
            ("exec = a\n  colour = red", "line 2, column 3: 'colour' is no key"),
            ("exec = a\nexec = b", "line 2, column 1: 'exec' was there before"),
            ("exec =  ", "line 1, column 9: nothing behind 'exec ='"),
            ("exec = a\nuser = Root", "line 2, column 8: 'user' takes a name, UID or UID:GID"),
            ("exec = a\nafter = b c/d", "line 2, column 11: a name is 1 to 24 letters, digits, '-' and '_'"),
            ("exec = a\nrestart = perhaps", "line 2, column 11: 'restart' takes no, on-failure or always"),
            ("exec = a\nenv = 1A=2", "line 2, column 7: 'env' takes NAME=VALUE"),
            ("exec = a\nmem = much", "line 2, column 7: 'mem' takes bytes such as 4M, 4096 at least"),
            ("exec = a\ncpu = 0%", "line 2, column 7: 'cpu' takes a share such as 20%, 1% to 100%"),
            ("exec = a\npids = 0", "line 2, column 8: 'pids' takes a number from 1 on"),
            ("exec = a\n\nready = listen\n", "line 3, column 1: 'ready = listen' without 'listen'"),
            ("exec = a\x07", "line 1, column 9: 'exec' takes no control characters"),
        ] {
            assert_eq!(Unit::parse(text.as_bytes()).unwrap_err().to_string(), said, "{text}");
        }
        let bad = Unit::parse(b"exec = a\n#\xff").unwrap_err();
        assert_eq!((bad.line, bad.column, bad.problem), (2, 2, Problem::NotText));
        let long = alloc::format!("exec = a\n#{}", "x".repeat(FILE_MAX));
        assert_eq!(Unit::parse(long.as_bytes()).unwrap_err().problem, Problem::FileTooLong);
        let long = alloc::format!("exec = {}", "x".repeat(EXEC_MAX + 1));
        assert_eq!(Unit::parse(long.as_bytes()).unwrap_err().problem, Problem::TooMuch("exec"));
    }

    #[test]
    fn a_user_may_be_a_name() {
        let unit = Unit::parse(b"exec = a\nuser = alice\n").unwrap();
        assert_eq!(unit.user, Who::Named("alice".try_into().unwrap()));
        parse_and_print(b"exec = a\nuser = alice\n");
    }

    #[test]
    fn the_corpus_of_the_fuzz_target_is_read() {
        let seed = include_bytes!("../../../../fuzz/corpus/unit_file/whole");
        assert_eq!(Unit::parse(seed).unwrap().quota.cpu, Some(20));
        parse_and_print(seed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            parse_and_print(&bytes);
        }

        #[test]
        fn any_lines_are_read_or_refused(
            lines in prop::collection::vec((0..KEYS.len(), "[ -~]{0,30}"), 0..12),
        ) {
            let mut text = alloc::string::String::from("exec = x y\n");
            for (key, value) in lines {
                text.push_str(&alloc::format!("{} = {value}\n", KEYS[key]));
            }
            parse_and_print(text.as_bytes());
        }
    }
}

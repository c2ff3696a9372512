//! Files of records: a line each, its fields between colons. The way of `passwd` and `group`.
//!
//! They are read strictly: no comments, no empty lines, no blanks around a field, and the last line ends like every other. So what
//! was read and is printed is the same, byte for byte.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::roles::Role;

/// Bytes of a file.
pub const FILE_MAX: usize = 16 << 10;
/// Bytes of the name of a user or a group.
pub const NAME_MAX: usize = 24;
/// Lines of a file.
pub const LINES_MAX: usize = 64;
/// Members of a group, and holders of a role.
pub const MEMBERS_MAX: usize = 32;

/// The name of a user or a group.
pub type Name = heapless::String<NAME_MAX>;

/// What is wrong with a file, and in which line, from 1 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The line.
    pub line: u32,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file has more than [`FILE_MAX`] bytes.
    FileTooLong,
    /// It has more than [`LINES_MAX`] lines.
    TooManyLines,
    /// A byte begins no character.
    NotText,
    /// The last line does not end.
    NoEnd,
    /// It has not as many fields as it should.
    Fields {
        /// As many.
        wanted: usize,
    },
    /// Nobody is called so.
    BadName,
    /// This is no number of a user or a group.
    BadNumber,
    /// This is neither `!` nor a hash of a password that is taken.
    BadPassword,
    /// A home is an absolute path of printable characters.
    BadHome,
    /// There is no such role.
    UnknownRole,
    /// The name was there before.
    NameTwice,
    /// The number was there before.
    NumberTwice,
    /// More than [`MEMBERS_MAX`] names in a list.
    TooManyMembers,
    /// There is no memory to keep it.
    NoMemory,
}

/// Whether users and groups can be called so: small letters, digits, `_` and `-`, no digit or `-` in front.
#[must_use]
pub fn is_name(word: &str) -> bool {
    let first = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    let rest = |byte: u8| first(&byte) || byte.is_ascii_digit() || byte == b'-';
    word.len() <= NAME_MAX && word.as_bytes().first().is_some_and(first) && word.bytes().all(rest)
}

/// A name.
///
/// # Errors
/// [`Problem::BadName`]
pub fn name(word: &str) -> Result<Name, Problem> {
    Some(word).filter(|word| is_name(word)).and_then(|word| Name::try_from(word).ok()).ok_or(Problem::BadName)
}

/// The number of a user or a group, in the one way in which it is printed. The largest means nobody, to `chown`.
///
/// # Errors
/// [`Problem::BadNumber`]
pub fn number(word: &str) -> Result<u32, Problem> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word.len() == 1 || !word.starts_with('0'));
    word.parse().ok().filter(|&number| plain && number != u32::MAX).ok_or(Problem::BadNumber)
}

/// Names between commas, or none.
pub(super) fn names(field: &str) -> Result<Vec<Name>, Problem> {
    let mut names = Vec::new();
    for word in field.split(',').filter(|_| !field.is_empty()) {
        let new = name(word)?;
        if names.contains(&new) {
            return Err(Problem::NameTwice);
        }
        if names.len() >= MEMBERS_MAX {
            return Err(Problem::TooManyMembers);
        }
        push(&mut names, new)?;
    }
    Ok(names)
}

/// Prints names as [`names`] reads them.
pub(super) fn list(names: &[Name], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    names.iter().enumerate().try_for_each(|(place, name)| {
        f.write_str(if place == 0 { "" } else { "," })?;
        f.write_str(name)
    })
}

/// Puts one more behind; where there is no memory for it all is as before.
pub(super) fn push<T>(all: &mut Vec<T>, one: T) -> Result<(), Problem> {
    all.try_reserve(1).map_err(|_| Problem::NoMemory)?;
    all.push(one);
    Ok(())
}

/// Gives the fields of each line to `take`, in order, until there is a problem.
///
/// # Errors
/// [`FileError`]: the first.
pub(super) fn each<'b, const N: usize>(
    bytes: &'b [u8],
    mut take: impl FnMut([&'b str; N]) -> Result<(), Problem>,
) -> Result<(), FileError> {
    let mut read = 0;
    for (line, bytes) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
        read += bytes.len();
        let problem = if read > FILE_MAX {
            Err(Problem::FileTooLong)
        } else if line as usize > LINES_MAX {
            Err(Problem::TooManyLines)
        } else {
            fields(bytes).and_then(&mut take)
        };
        problem.map_err(|problem| FileError { line, problem })?;
    }
    Ok(())
}

/// The fields of a line.
fn fields<const N: usize>(line: &[u8]) -> Result<[&str; N], Problem> {
    let line = line.strip_suffix(b"\n").ok_or(Problem::NoEnd)?;
    let text = core::str::from_utf8(line).map_err(|_| Problem::NotText)?;
    let (mut found, mut count) = ([""; N], 0);
    for field in text.split(':') {
        *found.get_mut(count).ok_or(Problem::Fields { wanted: N })? = field;
        count += 1;
    }
    if count == N { Ok(found) } else { Err(Problem::Fields { wanted: N }) }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileTooLong => write!(f, "the file has more than {FILE_MAX} bytes"),
            Self::TooManyLines => write!(f, "the file has more than {LINES_MAX} lines"),
            Self::NotText => f.write_str("this is no text"),
            Self::NoEnd => f.write_str("the last line does not end"),
            Self::Fields { wanted } => write!(f, "not {wanted} fields between colons"),
            Self::BadName => {
                write!(f, "a name is 1 to {NAME_MAX} of a-z, 0-9, '_' and '-', a letter or '_' first")
            }
            Self::BadNumber => f.write_str("a number is 0 to 4294967294, in digits alone"),
            Self::BadPassword => f.write_str("a password is '!' or a hash of argon2id within 4 MiB"),
            Self::BadHome => f.write_str("a home is an absolute path of 64 printable bytes at most"),
            Self::UnknownRole => {
                f.write_str("the roles are")?;
                Role::ALL.iter().try_for_each(|role| write!(f, " {role}"))
            }
            Self::NameTwice => f.write_str("the name was there before"),
            Self::NumberTwice => f.write_str("the number was there before"),
            Self::TooManyMembers => write!(f, "more than {MEMBERS_MAX} names"),
            Self::NoMemory => f.write_str("no memory for it"),
        }
    }
}

impl Error for Problem {}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Error for FileError {}

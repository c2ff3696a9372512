//! [`WheelError`]: what is wrong with a wheel.

use core::fmt;

use crate::text::Text;

/// What is wrong with a wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WheelError {
    /// Its file is not called as wheels are.
    FileName(Text),
    /// It is for other systems; holds its tag.
    Tag(Text),
    /// It is no zip archive; holds what is wrong, and where.
    NoZip(&'static str, usize),
    /// An entry is compressed in a way that nobody else takes, or encrypted.
    Method(u16, Text),
    /// An entry does not unpack to what it should.
    Damaged(Text),
    /// It unpacks to too much, or has too many entries.
    TooLarge,
    /// It unpacks to far more than it is.
    Bomb,
    /// A path leads elsewhere.
    Path(Text),
    /// A file is missing.
    Lacks(Text),
    /// The format is of another time.
    Format(Text),
    /// It has parts of a system.
    NotPure,
    /// It says that it is something else.
    OtherName(Text),
    /// A line of `RECORD` is none.
    Record(Text),
    /// A file is not listed in `RECORD`, or twice.
    NotListed(Text),
    /// A file is not what `RECORD` says.
    OtherSum(Text),
    /// The heap has no room.
    NoMemory,
}

/// A name as it is shown.
pub(super) fn shown(name: &str) -> Text {
    Text::new(format_args!("{}", name.escape_debug()))
}

impl WheelError {
    pub(super) fn lacks(name: &str) -> Self {
        Self::Lacks(shown(name.trim_start_matches('/')))
    }
}

impl fmt::Display for WheelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileName(name) => write!(f, "'{name}' is not called as wheels are"),
            Self::Tag(tag) => write!(f, "it is for {tag}; only py3-none-any works here"),
            Self::NoZip(what, at) => write!(f, "no zip archive: {what} at {at}"),
            Self::Method(method, name) => write!(f, "{name}: packed in a way that is not known ({method})"),
            Self::Damaged(name) => write!(f, "{name}: damaged"),
            Self::TooLarge => f.write_str("it is too large"),
            Self::Bomb => f.write_str("it unpacks to more than 50 times its size"),
            Self::Path(path) => write!(f, "the path '{path}' is not one of a wheel"),
            Self::Lacks(name) => write!(f, "it has no {name}"),
            Self::Format(version) => write!(f, "a wheel of version '{version}'"),
            Self::NotPure => f.write_str("it is not of Python alone"),
            Self::OtherName(name) => write!(f, "it says that it is '{name}'"),
            Self::Record(line) => write!(f, "RECORD: '{line}' is no entry"),
            Self::NotListed(path) => write!(f, "{path}: not listed once in RECORD"),
            Self::OtherSum(path) => write!(f, "{path}: not what RECORD says"),
            Self::NoMemory => f.write_str("no memory"),
        }
    }
}

impl core::error::Error for WheelError {}

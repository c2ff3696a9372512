//! [`IndexError`]: why nothing of an index is taken.

use core::fmt;

use crate::net::url::UrlError;
use crate::text::Text;

/// Why nothing of an index is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IndexError {
    /// This is not asked for as `NAME` or `NAME==VERSION`.
    Wanted(Text),
    /// A line of `pip.conf` says something else; holds its number.
    Setting(usize),
    /// `pip.conf` names no index.
    NoSetting,
    /// The page is no text; holds where.
    NoText(usize),
    /// The page is no HTML; holds what is wrong, and where.
    NoPage(&'static str, usize),
    /// It has no file of it.
    NoFiles(Text),
    /// It has files of other versions only.
    NoVersion(Text),
    /// Its files are for other systems; holds one's tag.
    Tag(Text),
    /// There are sources only.
    Sources(Text),
    /// There is nothing but what comes before a release; holds one's name.
    Early(Text),
    /// All was withdrawn; holds one's name.
    Withdrawn(Text),
    /// The link to a file has no SHA-256, or none of 64 digits.
    NoSum(Text),
    /// The link to a file leads nowhere.
    Link(Text, UrlError),
    /// The heap has no room.
    NoMemory,
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted(text) => write!(f, "'{text}' is neither NAME nor NAME==VERSION"),
            Self::Setting(number) => {
                write!(f, "line {number}: not '[global]', and no 'index-url = http://HOST:PORT/'")
            }
            Self::NoSetting => f.write_str("no 'index-url = http://HOST:PORT/'"),
            Self::NoText(at) => write!(f, "the index: no UTF-8 at {at}"),
            Self::NoPage(what, at) => write!(f, "the index: {what} at {at}"),
            Self::NoFiles(name) => write!(f, "the index has no file of {name}"),
            Self::NoVersion(wanted) => write!(f, "the index has other versions, but not {wanted}"),
            Self::Tag(tag) => write!(f, "it is for {tag}; only py3-none-any works here"),
            Self::Sources(name) => write!(f, "{name}: sources; only wheels are installed here"),
            Self::Early(name) => write!(f, "{name} comes before a release; name its version to have it"),
            Self::Withdrawn(name) => write!(f, "{name} was withdrawn; name its version to have it"),
            Self::NoSum(name) => write!(f, "{name}: the index gives no SHA-256 for it"),
            Self::Link(name, why) => write!(f, "{name}: {why}"),
            Self::NoMemory => f.write_str("no memory"),
        }
    }
}

impl core::error::Error for IndexError {}

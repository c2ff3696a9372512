//! [`Wanted`]: what is asked for; and where, as `pip.conf` says it.

use alloc::string::String;
use core::fmt;

use super::IndexError;
use crate::text::Text;
use crate::wheel::error::shown;
use crate::wheel::name::FileName;
use crate::wheel::normal;
use crate::wheel::version::Version;

/// Most bytes of a name with its version.
const MOST: usize = 100;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'w> {
    /// As it is compared.
    pub(crate) name: String,
    version: Option<(&'w str, Version<'w>)>,
}

impl<'w> Wanted<'w> {
    /// Reads `NAME` or `NAME==VERSION`.
    ///
    /// # Errors
    /// It is neither; the heap has no room.
    pub(crate) fn parse(text: &'w str) -> Result<Self, IndexError> {
        let wrong = || IndexError::Wanted(shown(text));
        let (name, version) = match text.split_once("==") {
            Some((name, version)) => (name, Some((version, Version::parse(version).ok_or_else(wrong)?))),
            None => (text, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = |c: char| c.is_ascii_alphanumeric();
        if text.len() > MOST || !name.chars().all(plain) || !name.starts_with(end) || !name.ends_with(end) {
            return Err(wrong());
        }
        Ok(Self { name: normal(name).map_err(|_| IndexError::NoMemory)?, version })
    }

    /// Whether one version is meant.
    pub(crate) const fn is_exact(&self) -> bool {
        self.version.is_some()
    }

    /// Whether a file is one of it.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        normal_chars(name).eq(self.name.chars())
    }

    /// Whether `version` is what is meant.
    pub(crate) fn has_version(&self, version: &Version<'_>) -> bool {
        self.version.as_ref().is_none_or(|(_, wanted)| wanted.means(version))
    }

    /// Whether a wheel is what is meant.
    pub(crate) fn is(&self, file: &FileName<'_>) -> bool {
        let version = Version::parse(file.version);
        self.has_name(file.name) && version.is_some_and(|version| self.has_version(&version))
    }
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some((version, _)) => write!(f, "{}=={version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A name as it is compared, letter by letter.
fn normal_chars(name: &str) -> impl Iterator<Item = char> {
    let is_sign = |c: char| matches!(c, '-' | '_' | '.');
    let before = [None].into_iter().chain(name.chars().map(Some));
    let signs =
        name.chars().zip(before).filter(move |(c, before)| !(is_sign(*c) && before.is_some_and(is_sign)));
    signs.map(move |(c, _)| if is_sign(c) { '-' } else { c.to_ascii_lowercase() })
}

/// The index that a `pip.conf` names: below `[global]`, `index-url = URL`. Whole lines behind `#` or `;` say nothing.
///
/// # Errors
/// A line says something else; none names an index.
pub(crate) fn index_of(text: &str) -> Result<&str, IndexError> {
    let (mut index, mut inside) = (None, false);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("index-url", url)) if inside && index.is_none() && !url.is_empty() => index = Some(url),
            None if line == "[global]" => inside = true,
            _ if line.is_empty() || line.starts_with(['#', ';']) => {}
            _ => return Err(IndexError::Setting(number)),
        }
    }
    index.ok_or(IndexError::NoSetting)
}

/// A version for people, or the name if there is none.
pub(super) fn meant(wanted: &Wanted<'_>) -> Text {
    Text::new(format_args!("{wanted}"))
}

//! [`FileName`]: what the name of a wheel says.

use alloc::string::String;

use super::error::{WheelError, shown};

/// `{name}-{version}[-{build}]-{python}-{abi}-{platform}.whl`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileName<'n> {
    pub(crate) name: &'n str,
    pub(crate) version: &'n str,
}

/// Most bytes of the name of a wheel.
pub(super) const WHEEL: usize = 120;

/// What the name of a wheel says, and the tag of the systems that it is for; [`None`]: it is not called as wheels are.
pub(super) fn parts(file: &str) -> Option<(FileName<'_>, &str)> {
    let stem = file.strip_suffix(".whl").filter(|_| file.len() <= WHEEL)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
    let (tag, _) = stem.rmatch_indices('-').nth(2)?;
    let (rest, tag) = (stem.get(..tag)?, stem.get(tag + 1..)?);
    let mut front = rest.split('-');
    let (name, version, build) = (front.next()?, front.next()?, front.next());
    let odd_build = build.is_some_and(|build| !build.starts_with(|c: char| c.is_ascii_digit()));
    let begins = |part: &&str| part.starts_with(|c: char| c.is_ascii_alphanumeric());
    let good = stem.chars().all(plain) && !odd_build && front.next().is_none();
    (good && [name, version].iter().all(begins)).then_some((FileName { name, version }, tag))
}

impl<'n> FileName<'n> {
    /// Takes a name apart.
    ///
    /// # Errors
    /// It is not one of a wheel, or of one for other systems.
    pub(crate) fn parse(file: &'n str) -> Result<Self, WheelError> {
        let (name, tag) = parts(file).ok_or_else(|| WheelError::FileName(shown(file)))?;
        let mut tags = tag.split('-');
        let [python, abi, platform] = core::array::from_fn(|_| tags.next().unwrap_or(""));
        if platform != "any" || abi != "none" || !python.split('.').any(|tag| tag == "py3") {
            return Err(WheelError::Tag(shown(tag)));
        }
        Ok(name)
    }

    /// The directory with what is known of it.
    ///
    /// # Errors
    /// The heap has no room.
    pub(crate) fn info(&self) -> Result<String, WheelError> {
        let mut info = String::new();
        info.try_reserve(self.name.len() + self.version.len() + 11).map_err(|_| WheelError::NoMemory)?;
        for part in [self.name, "-", self.version, ".dist-info"] {
            info.push_str(part);
        }
        Ok(info)
    }
}

/// A name as it is compared: small letters, and one `-` for any run of `-`, `_` and `.`.
///
/// # Errors
/// The heap has no room.
pub(crate) fn normal(name: &str) -> Result<String, WheelError> {
    let mut normal = String::new();
    normal.try_reserve(name.len()).map_err(|_| WheelError::NoMemory)?;
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    Ok(normal)
}

//! [`FileName`]: what the name of a wheel says.

use alloc::string::String;

use super::error::{WheelError, shown};

/// `{name}-{version}[-{build}]-{python}-{abi}-{platform}.whl`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileName<'n> {
    pub(crate) name: &'n str,
    pub(crate) version: &'n str,
}

impl<'n> FileName<'n> {
    /// Takes a name apart.
    ///
    /// # Errors
    /// It is not one of a wheel, or of one for other systems.
    pub(crate) fn parse(file: &'n str) -> Result<Self, WheelError> {
        let wrong = || WheelError::FileName(shown(file));
        let stem = file.strip_suffix(".whl").ok_or_else(wrong)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
        let mut parts = stem.rsplitn(4, '-');
        let [platform, abi, python, rest] = core::array::from_fn(|_| parts.next().unwrap_or(""));
        let mut front = rest.split('-');
        let [name, version, build] = core::array::from_fn(|_| front.next());
        let (Some(name), Some(version)) = (name, version) else { return Err(wrong()) };
        let odd_build = build.is_some_and(|build| !build.starts_with(|c: char| c.is_ascii_digit()));
        if file.len() > 120 || !stem.chars().all(plain) || odd_build || front.next().is_some() {
            return Err(wrong());
        }
        if [name, version].iter().any(|part| !part.starts_with(|c: char| c.is_ascii_alphanumeric())) {
            return Err(wrong());
        }
        if platform != "any" || abi != "none" || !python.split('.').any(|tag| tag == "py3") {
            let start = stem.len() - (python.len() + abi.len() + platform.len() + 2);
            return Err(WheelError::Tag(shown(stem.get(start..).unwrap_or(stem))));
        }
        Ok(Self { name, version })
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

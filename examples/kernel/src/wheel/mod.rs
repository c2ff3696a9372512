//! Wheels: packages of Python as zip archives, of which nothing is believed before all of it is checked.
//!
//! `Wheel::read` wants a wheel of pure Python for any system (`py3-none-any`), with a name as its file says it, files below one
//! directory, and each of them listed in `RECORD` with its size and SHA-256. Entries are stored or deflated; sizes and CRC-32 are those
//! of the directory; the whole unpacks to 8 MiB at most, and to 50 times its own size.
//!
//! Source: PyPA, "Binary distribution format" and "Recording installed projects"; PKWARE's APPNOTE 6.3.10 for the archive.

mod error;
#[cfg(any(test, feature = "python", feature = "testing"))]
pub mod index;
mod inflate;
mod name;
mod record;
#[cfg(any(test, feature = "python"))]
mod requires;
#[cfg(any(test, feature = "python", feature = "testing"))]
mod sum;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(any(test, feature = "python", feature = "testing"))]
mod version;
mod zip;

use alloc::string::String;
use alloc::vec::Vec;

pub(crate) use error::WheelError;
use inflate::Inflater;
pub(crate) use name::{FileName, normal};
#[cfg(feature = "python")]
pub(crate) use requires::requirements;
#[cfg(feature = "python")]
pub(crate) use sum::Sum;
use zip::Zip;

/// Most bytes of a wheel that is fetched or read from a file.
#[cfg(feature = "python")]
pub(crate) const MOST: u64 = 4 << 20;

/// A wheel whose every file was checked.
#[derive(Debug)]
pub(crate) struct Wheel<'w> {
    /// What its file says it is.
    pub(crate) name: FileName<'w>,
    /// Its files: path and bytes, those of `RECORD` too.
    pub(crate) files: Vec<(&'w str, Vec<u8>)>,
}

impl<'w> Wheel<'w> {
    /// Reads the wheel in `bytes`, the file called `name`.
    ///
    /// # Errors
    /// The first that is wrong with it.
    pub(crate) fn read(name: &'w str, bytes: &'w [u8]) -> Result<Self, WheelError> {
        let name = FileName::parse(name)?;
        let zip = Zip::parse(bytes)?;
        let info = name.info()?;
        let mut files = Vec::new();
        let mut inflater = Inflater::new().map_err(|_| WheelError::NoMemory)?;
        files.try_reserve_exact(zip.entries().len()).map_err(|_| WheelError::NoMemory)?;
        for entry in zip.entries() {
            check_path(entry.name)?;
            if !entry.name.ends_with('/') {
                files.push((entry.name, entry.unpack(&mut inflater)?));
            }
        }
        let file = |last: &str| {
            let found = files.iter().find(|(path, _)| path.strip_prefix(info.as_str()) == Some(last));
            found.map(|(_, bytes)| bytes.as_slice()).ok_or_else(|| WheelError::lacks(last))
        };
        check_about(&name, file("/WHEEL")?, file("/METADATA")?)?;
        record::check(&info, file("/RECORD")?, &files)?;
        Ok(Self { name, files })
    }

    /// What its `METADATA` says.
    #[cfg(feature = "python")]
    pub(crate) fn metadata(&self) -> &[u8] {
        let FileName { name, version } = self.name;
        let own = |path: &str| {
            path.strip_suffix(".dist-info/METADATA")?.split_once('-').map(|is| is == (name, version))
        };
        let found = self.files.iter().find(|(path, _)| own(path) == Some(true));
        found.map_or(&[], |(_, bytes)| bytes)
    }

    /// The names that come into the directory of packages, each once, its own `.dist-info` first.
    ///
    /// # Errors
    /// The heap has no room.
    pub(crate) fn tops(&self) -> Result<Vec<String>, WheelError> {
        let mut tops = Vec::new();
        tops.push(self.name.info()?);
        for (path, _) in &self.files {
            let top = path.split('/').next().unwrap_or(path);
            if !tops.iter().any(|known| known == top) {
                tops.try_reserve(1).map_err(|_| WheelError::NoMemory)?;
                tops.push(String::from(top));
            }
        }
        Ok(tops)
    }
}

/// A path below a directory, with nothing in it that leads out of there.
fn check_path(path: &str) -> Result<(), WheelError> {
    let wrong = |part: &str| part.is_empty() || part == "." || part == ".." || part.starts_with(".pip");
    let parts = path.strip_suffix('/').unwrap_or(path);
    let odd = |c: char| c.is_control() || c == '\\' || c == ':';
    if path.len() > 200 || path.contains(odd) || parts.split('/').any(wrong) {
        return Err(WheelError::Path(error::shown(path)));
    }
    Ok(())
}

/// What `WHEEL` and `METADATA` say must fit the name.
fn check_about(name: &FileName<'_>, wheel: &[u8], metadata: &[u8]) -> Result<(), WheelError> {
    let version = field(wheel, "Wheel-Version").unwrap_or("");
    if !version.starts_with("1.") {
        return Err(WheelError::Format(error::shown(version)));
    }
    if field(wheel, "Root-Is-Purelib") != Some("true") {
        return Err(WheelError::NotPure);
    }
    let [said, version] = ["Name", "Version"].map(|key| field(metadata, key).unwrap_or(""));
    if normal(said)? != normal(name.name)? || version != name.version {
        return Err(WheelError::OtherName(error::shown(said)));
    }
    Ok(())
}

/// The value of a field of a text of fields, those before its first empty line.
pub(crate) fn field<'t>(text: &'t [u8], key: &str) -> Option<&'t str> {
    fields(text, key).next()
}

/// The values of all fields that are called so.
fn fields<'t>(text: &'t [u8], key: &str) -> impl Iterator<Item = &'t str> {
    let text = core::str::from_utf8(text).unwrap_or_default();
    let lines = text.lines().take_while(|line| !line.is_empty());
    let fields = lines.filter_map(|line| line.split_once(':'));
    fields.filter(move |(name, _)| *name == key).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests;

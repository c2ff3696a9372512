//! Wheels for tests, sound and not, and any bytes taken for one.

mod fuzz;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use miniz_oxide::deflate::compress_to_vec;

pub use fuzz::fuzz;

use super::record;
use super::zip::{DEFLATED, STORED, crc};

/// An entry of an archive: what the archive says of it, true or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path.
    pub name: String,
    /// How it is packed: 0 stored, 8 deflated.
    pub method: u16,
    /// Its CRC-32.
    pub sum: u32,
    /// How many bytes it unpacks to.
    pub size: usize,
    /// What it is packed to.
    pub packed: Vec<u8>,
}

impl Member {
    /// One that is as it is.
    #[must_use]
    pub fn stored(name: &str, bytes: &[u8]) -> Self {
        let (sum, size) = (crc(bytes), bytes.len());
        Self { name: String::from(name), method: STORED, sum, size, packed: bytes.to_vec() }
    }

    /// A deflated one.
    #[must_use]
    pub fn deflated(name: &str, bytes: &[u8]) -> Self {
        let packed = compress_to_vec(bytes, 6);
        Self { method: DEFLATED, packed, ..Self::stored(name, bytes) }
    }
}

/// A wheel with these files, called `name` in version `version`, its `RECORD` right. Nothing of it is compressed.
#[must_use]
pub fn wheel(name: &str, version: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    archive(&members(name, version, files, Member::stored))
}

/// The same, deflated, as those of PyPI are.
#[must_use]
pub fn deflated(name: &str, version: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    archive(&members(name, version, files, Member::deflated))
}

/// A wheel that needs others, as `Requires-Dist` says it.
#[must_use]
pub fn needing(name: &str, version: &str, needs: &[&str], files: &[(&str, &[u8])]) -> Vec<u8> {
    let needs: String = needs.iter().flat_map(|need| ["Requires-Dist: ", need, "\n"]).collect();
    archive(&described((name, version, &needs), files, Member::stored))
}

/// The entries of a wheel, `RECORD` the last.
#[must_use]
pub fn members(
    name: &str,
    version: &str,
    files: &[(&str, &[u8])],
    pack: fn(&str, &[u8]) -> Member,
) -> Vec<Member> {
    described((name, version, ""), files, pack)
}

/// The same, with more in `METADATA`.
fn described(
    (name, version, more): (&str, &str, &str),
    files: &[(&str, &[u8])],
    pack: fn(&str, &[u8]) -> Member,
) -> Vec<Member> {
    let info = alloc::format!("{name}-{version}.dist-info");
    let about = alloc::format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}");
    let format = "Wheel-Version: 1.0\nGenerator: kos\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let [metadata, wheel] = ["METADATA", "WHEEL"].map(|last| alloc::format!("{info}/{last}"));
    let about: [(&str, &[u8]); 2] = [(&metadata, about.as_bytes()), (&wheel, format.as_bytes())];
    let mut members = Vec::new();
    let mut record = String::new();
    for (path, bytes) in files.iter().chain(&about) {
        let sum = record::sum(bytes);
        let sum = String::from_utf8_lossy(&sum);
        // Writing to a String cannot fail.
        let _ = writeln!(record, "{path},sha256={sum},{}", bytes.len());
        members.push(pack(path, bytes));
    }
    let _ = writeln!(record, "{info}/RECORD,,");
    members.push(pack(&alloc::format!("{info}/RECORD"), record.as_bytes()));
    members
}

/// An archive with these entries.
#[must_use]
pub fn archive(members: &[Member]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let half = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes();
    for Member { name, method, sum, size, packed } in members {
        let start = bytes.len();
        let mut common = Vec::new();
        common.extend([20, 0, 0, 0]);
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(sum.to_le_bytes());
        common.extend(word(packed.len()));
        common.extend(word(*size));
        common.extend(half(name.len()));
        common.extend(half(0));
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(word(start));
        directory.extend(name.as_bytes());
    }
    let start = bytes.len();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(half(members.len()));
    bytes.extend(half(members.len()));
    bytes.extend(word(directory.len()));
    bytes.extend(word(start));
    bytes.extend(half(0));
    bytes
}

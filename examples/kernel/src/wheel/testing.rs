//! Wheels for tests, and any bytes taken for one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::zip::crc;
use super::{Wheel, record};

/// A wheel with these files, called `name` in version `version`, its `RECORD` right. Nothing of it is compressed.
#[must_use]
pub fn wheel(name: &str, version: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let info = alloc::format!("{name}-{version}.dist-info");
    let about = alloc::format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    let format = "Wheel-Version: 1.0\nGenerator: kos\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let mut all: Vec<(String, Vec<u8>)> =
        files.iter().map(|(path, bytes)| (String::from(*path), bytes.to_vec())).collect();
    all.push((alloc::format!("{info}/METADATA"), about.into_bytes()));
    all.push((alloc::format!("{info}/WHEEL"), Vec::from(format)));
    let mut record = String::new();
    for (path, bytes) in &all {
        let sum = record::sum(bytes);
        let sum = String::from_utf8_lossy(&sum);
        // Writing to a String cannot fail.
        let _ = writeln!(record, "{path},sha256={sum},{}", bytes.len());
    }
    let _ = writeln!(record, "{info}/RECORD,,");
    all.push((alloc::format!("{info}/RECORD"), record.into_bytes()));
    zip(&all)
}

/// An archive with these entries, stored.
#[must_use]
pub fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let half = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes();
    for (name, data) in files {
        let start = bytes.len();
        let mut common = Vec::new();
        common.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        common.extend(crc(data).to_le_bytes());
        common.extend(word(data.len()));
        common.extend(word(data.len()));
        common.extend(half(name.len()));
        common.extend(half(0));
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(word(start));
        directory.extend(name.as_bytes());
    }
    let start = bytes.len();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(half(files.len()));
    bytes.extend(half(files.len()));
    bytes.extend(word(directory.len()));
    bytes.extend(word(start));
    bytes.extend(half(0));
    bytes
}

/// Takes any bytes for a wheel. One that is taken has every promise kept: its paths stay below, its names are few.
///
/// # Panics
/// A promise is broken.
#[expect(clippy::panic, reason = "a fuzzer's finding")]
pub fn fuzz(data: &[u8]) {
    let Ok(wheel) = Wheel::read("a-1-py3-none-any.whl", data) else { return };
    for (path, _) in &wheel.files {
        if path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            panic!("the path {path:?} was taken");
        }
    }
    let tops = wheel.tops().unwrap_or_default();
    if tops.first().map(String::as_str) != Some("a-1.dist-info") {
        panic!("the names {tops:?}");
    }
}

//! `RECORD`: path, SHA-256 and size of each file of a wheel.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::error::{WheelError, shown};

/// The SHA-256 of `bytes` as `RECORD` has it: base64 for URLs, without its padding.
pub(super) fn sum(bytes: &[u8]) -> [u8; 43] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (digest, mut text) = (Sha256::digest(bytes), [0; 43]);
    for (index, digit) in text.iter_mut().enumerate() {
        // Six bits from `6 * index` on, of which some lie in the next byte.
        let [high, low] = [0, 1].map(|next| digest.get(index * 6 / 8 + next).copied().unwrap_or(0));
        let bits = u16::from_be_bytes([high, low]) >> (10 - index * 6 % 8);
        *digit = DIGITS.get(usize::from(bits & 63)).copied().unwrap_or(b'A');
    }
    text
}

/// One line: path, sum, size. A path in quotes has a comma in it.
fn line(text: &str) -> Option<(&str, &str, &str)> {
    let (path, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\",")?,
        None => text.split_once(',')?,
    };
    let (sum, size) = rest.split_once(',')?;
    Some((path, sum, size))
}

/// Checks each of `files` against `record`, but those that cannot be in it.
pub(super) fn check(info: &str, record: &[u8], files: &[(&str, Vec<u8>)]) -> Result<(), WheelError> {
    let text = core::str::from_utf8(record).map_err(|_| WheelError::Record(shown("…")))?;
    let lines = || text.lines().filter(|text| !text.is_empty());
    for text in lines() {
        let (path, ..) = line(text).ok_or_else(|| WheelError::Record(shown(text)))?;
        if !files.iter().any(|(name, _)| *name == path) {
            return Err(WheelError::lacks(path));
        }
    }
    for (path, bytes) in files {
        let mut listed = lines().filter_map(line).filter(|(name, ..)| name == path);
        let (first, second) = (listed.next(), listed.next());
        let exempt = path
            .strip_prefix(info)
            .is_some_and(|last| matches!(last, "/RECORD" | "/RECORD.jws" | "/RECORD.p7s"));
        match (first, second) {
            (Some((_, said, size)), None) if !exempt => {
                let right = said.strip_prefix("sha256=").is_some_and(|said| said.as_bytes() == sum(bytes));
                if !right || size.parse() != Ok(bytes.len()) {
                    return Err(WheelError::OtherSum(shown(path)));
                }
            }
            (_, None) if exempt => {}
            _ => return Err(WheelError::NotListed(shown(path))),
        }
    }
    Ok(())
}

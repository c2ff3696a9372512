//! Any bytes as a wheel, as deflated bytes, and as changes to a sound wheel.

use alloc::string::String;
use alloc::vec::Vec;

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::super::inflate::Inflater;
use super::super::{Wheel, record};
use super::{Member, archive, members};

const FILE: &str = "a-1-py3-none-any.whl";
/// Bytes that are changed are fewer.
const CHANGES: usize = 8;
/// Bytes of which even zeros make no bomb.
const SMALL: usize = 20_000;

/// Takes any bytes for a wheel, for deflated bytes and for changes to a wheel. A wheel that is taken has every promise kept: its
/// paths stay below, its files are what `RECORD` says; what is inflated is what another way of inflating makes of it.
///
/// # Panics
/// A promise is broken.
pub fn fuzz(data: &[u8]) {
    taken(data);
    match data.split_first() {
        Some((kind, rest)) if kind % 2 == 0 => inflated(rest),
        Some((_, rest)) => changed(rest),
        None => {}
    }
}

/// The files of a wheel that is taken.
#[expect(clippy::panic, reason = "a fuzzer's finding")]
fn taken(bytes: &[u8]) -> Option<Vec<(&str, Vec<u8>)>> {
    let wheel = Wheel::read(FILE, bytes).ok()?;
    for (path, _) in &wheel.files {
        if path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            panic!("the path {path:?} was taken");
        }
    }
    let tops = wheel.tops().unwrap_or_default();
    if tops.first().map(String::as_str) != Some("a-1.dist-info") {
        panic!("the names {tops:?}");
    }
    let unpacked: usize = wheel.files.iter().map(|(_, bytes)| bytes.len()).sum();
    if unpacked / 50 > bytes.len() || unpacked > 8 << 20 {
        panic!("{unpacked} bytes of {}", bytes.len());
    }
    Some(wheel.files)
}

/// Deflated bytes behind the size that they should have; and the same deflated.
#[expect(clippy::panic, reason = "a fuzzer's finding")]
fn inflated(data: &[u8]) {
    let (Ok(mut inflater), Some((size, packed))) = (Inflater::new(), data.split_first_chunk()) else {
        return;
    };
    let size = usize::from(u16::from_le_bytes(*size));
    let other = decompress_to_vec_with_limit(packed, usize::from(u16::MAX));
    if let Ok(bytes) = inflater.inflate(packed, size)
        && (bytes.len() != size || other.ok() != Some(bytes))
    {
        panic!("{size} bytes of {packed:?}");
    }
    let mut packed = compress_to_vec(data, 1);
    if inflater.inflate(&packed, data.len()).as_deref() != Ok(data) {
        panic!("{data:?} does not come back");
    }
    packed.push(0);
    if inflater.inflate(&packed, data.len()).is_ok() {
        panic!("a byte behind {data:?} is taken");
    }
}

/// A sound wheel with bytes changed: how many, as offset and byte each; then what its one file holds.
#[expect(clippy::panic, reason = "a fuzzer's finding")]
fn changed(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let pack = if count & 0x80 == 0 { Member::deflated } else { Member::stored };
    let (changes, text) = rest.split_at((usize::from(count) % CHANGES * 3).min(rest.len()));
    let members = members("a", "1", &[("a/b.py", text)], pack);
    let mut bytes = archive(&members);
    let mut whole = true;
    for change in changes.chunks_exact(3) {
        let [low, high, value] = [0, 1, 2].map(|at| change.get(at).copied().unwrap_or(0));
        let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            whole &= *byte == value;
            *byte = value;
        }
    }
    let files = taken(&bytes);
    // More of the same is a bomb.
    if whole && files.is_none() && text.len() < SMALL {
        panic!("the sound wheel with {text:?} is refused");
    }
    let sum = record::sum(text);
    for (path, bytes) in files.unwrap_or_default() {
        if !path.starts_with("a-1.dist-info/") && record::sum(&bytes) != sum {
            panic!("{path} was taken as {bytes:?}");
        }
    }
}

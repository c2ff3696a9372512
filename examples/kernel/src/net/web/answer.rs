//! What is answered: [`Answer`], and the pieces that it goes out in.

use alloc::string::String;

use kos_net::services::http::{Method, Status};

use crate::platform::Platform;
use crate::shell::File;

/// Bytes of a piece of an answer.
pub(super) const PIECE: usize = 8 << 10;
/// A byte of `/bytes` is its place modulo this: no power of two, so that a piece in the wrong place shows.
const MODULUS: u64 = 251;
const TEXT: &str = "text/plain; charset=utf-8";
const FIGURES: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// What is answered.
pub(super) enum Answer<'k, P: Platform> {
    Text(String),
    /// OpenMetrics.
    Figures(String),
    Json(Status, String),
    Bytes(u64),
    /// A file that has so many bytes.
    File(File<'k, P>, u64),
    /// That it is done, without a word.
    Done(Status),
    Refused(Status),
    /// These methods only.
    NotAllowed(heapless::Vec<Method, 7>),
}

impl<P: Platform> Answer<'_, P> {
    /// Status, what the body is, how long it is.
    pub(super) const fn head(&self) -> (Status, &'static str, u64) {
        match self {
            Self::Text(text) => (Status::OK, TEXT, text.len() as u64),
            Self::Figures(text) => (Status::OK, FIGURES, text.len() as u64),
            Self::Json(status, text) => (*status, JSON, text.len() as u64),
            Self::Bytes(count) => (Status::OK, BYTES, *count),
            Self::File(_, length) => (Status::OK, BYTES, *length),
            Self::Done(status) | Self::Refused(status) => (*status, "", 0),
            Self::NotAllowed(_) => (Status::METHOD_NOT_ALLOWED, "", 0),
        }
    }

    /// What comes at `place` of `length`; [`None`] if it is not there any more.
    pub(super) fn piece<'a>(
        &'a self,
        place: u64,
        length: u64,
        room: &'a mut [u8; PIECE],
    ) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) | Self::Figures(text) | Self::Json(_, text) => {
                text.as_bytes().get(usize::try_from(place).ok()?..)
            }
            Self::File(file, _) => {
                let count = file.pread(room, place).ok().filter(|&count| count > 0)?;
                room.get(..count)
            }
            _ => {
                for (at, byte) in (place..).zip(room.iter_mut()) {
                    *byte = (at % MODULUS).to_le_bytes()[0];
                }
                let count = length.saturating_sub(place).min(PIECE as u64);
                room.get(..usize::try_from(count).ok()?)
            }
        }
    }
}

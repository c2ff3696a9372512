//! Wheels by their names: from an index by plain HTTP, or from what was fetched before.
//!
//! One version that is named and was kept is taken without a question, as files of an index do not change; unless an index is
//! named, too. Whatever comes has to have the SHA-256 that the index says.

use alloc::vec::Vec;
use core::fmt::Write as _;

use kos_net::services::http::Status;
use kos_vfs::Errno;

use super::cache::{self, Kept};
use super::{failed, text_of};
use crate::cmds::net::http;
use crate::net::url::{MOST as URL, Url};
use crate::platform::Platform;
use crate::python::program::{ReadError, read};
use crate::shell::{CommandError, Session, Streams};
use crate::text::Bytes;
use crate::wheel::index::{PAGE, Wanted, choose, index_of};
use crate::wheel::{MOST, Sum};

/// Where the index is named.
const SETTINGS: &str = "/etc/pip.conf";
/// Most bytes of that.
const SETTINGS_BYTES: u64 = 4 << 10;

/// The wheel that is `wanted`.
pub(super) fn fetch<'k, P: Platform>(
    session: &mut Session<'k, P>,
    wanted: &Wanted<'_>,
    index: Option<&str>,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<Kept, CommandError> {
    if index.is_none()
        && wanted.is_exact()
        && let Some(kept) = cache::find(session, &|_, file, _| wanted.is(file), streams)?
    {
        return Ok(kept);
    }
    let settings = if index.is_none() { settings(session)? } else { Vec::new() };
    let index = match index {
        Some(index) => index,
        None => index_of(text_of(&settings)?).map_err(|why| failed(format_args!("{SETTINGS}: {why}")))?,
    };
    let mut page = heapless::String::<URL>::new();
    write!(page, "{}/{}/", index.trim_end_matches('/'), wanted.name)
        .map_err(|_| failed(format_args!("the URL of the index is too long")))?;
    let place = Url::parse(&page).map_err(|why| failed(format_args!("the index '{index}': {why}")))?;
    let links = match get(session, &page, PAGE)? {
        (Status(404), _) => return Err(failed(format_args!("the index has no {} (404)", wanted.name))),
        other => whole(&page, other)?,
    };
    let chosen = choose(&links, &place, wanted)?;
    drop(links);
    let same = |file: &str, sum: &Sum| *file == *chosen.file && *sum == chosen.sum;
    if let Some(kept) = cache::find(session, &|file, _, sum| same(file, sum), streams)? {
        return Ok(kept);
    }
    let got = get(session, &chosen.url, MOST)?;
    let bytes = whole(&chosen.url, got)?;
    if Sum::of(&bytes) != chosen.sum {
        return Err(failed(format_args!(
            "{}: what came has another SHA-256 than the index says",
            chosen.file
        )));
    }
    writeln!(streams, "{}: {} from {}", chosen.file, Bytes(bytes.len() as u64), place.place)?;
    cache::keep(session, &chosen.file, &chosen.sum, &bytes, streams)?;
    let long = |_| failed(format_args!("the name is too long"));
    Ok(Kept { file: heapless::String::try_from(chosen.file.as_str()).map_err(long)?, bytes })
}

fn settings<P: Platform>(session: &mut Session<'_, P>) -> Result<Vec<u8>, CommandError> {
    read(session, SETTINGS.as_bytes(), SETTINGS_BYTES).map_err(|why| match why {
        ReadError::Refused(Errno::ENOENT) => {
            failed(format_args!("which index? --index URL says it, or {SETTINGS}: index-url = URL"))
        }
        why => why.of(SETTINGS),
    })
}

/// How a server answers, and with what if that is well.
fn get<P: Platform>(
    session: &Session<'_, P>,
    url: &str,
    most: u64,
) -> Result<(Status, Vec<u8>), CommandError> {
    let mut bytes = Vec::new();
    let place = Url::parse(url)?;
    let status = http::get(session.kernel, &place, most, &mut |status, piece| {
        if status == Status::OK {
            bytes.try_reserve(piece.len()).map_err(|_| failed(format_args!("no memory for it")))?;
            bytes.extend_from_slice(piece);
        }
        Ok(())
    });
    Ok((status.map_err(|why| failed(format_args!("{url}: {why}")))?, bytes))
}

/// What came, if all of it did.
fn whole(url: &str, (status, bytes): (Status, Vec<u8>)) -> Result<Vec<u8>, CommandError> {
    match status.0 {
        200 => Ok(bytes),
        number @ 300..400 => {
            Err(failed(format_args!("{url}: the server sends elsewhere ({number}); that is not followed")))
        }
        number => Err(failed(format_args!("{url}: the server answers {number}"))),
    }
}

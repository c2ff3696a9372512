//! `wget`: what a server has under a name; with `-s` only how many bytes, and their hash.

use core::fmt::Write;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{failed, http, usage};
use crate::net::url::Url;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next, Output as _, Session, Streams};
use crate::text::Grouped;

const MOST: u64 = 1 << 32;

pub(in crate::cmds) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (sum, url) = match *arguments {
        [url] => (false, url),
        ["-s", url] => (true, url),
        _ => return Err(usage(format_args!("[-s] URL"))),
    };
    let url = Url::parse(url).map_err(|why| usage(format_args!("'{url}': {why}")))?;
    let (mut hash, mut count) = (SipHasher13::new(), 0);
    let status = http::get(session.kernel, &url, MOST, &mut |_, bytes| {
        count += bytes.len() as u64;
        hash.write(bytes);
        if sum { Ok(()) } else { Ok(streams.write_bytes(bytes)?) }
    })?;
    if sum {
        writeln!(streams, "{} bytes, hash {:016x}", Grouped(count), hash.finish())?;
    }
    match status.0 {
        200..300 => Ok(Next::Continue),
        number => Err(failed(format_args!("{} answers {number}", url.place))),
    }
}

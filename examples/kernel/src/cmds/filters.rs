//! `wc`, `head`, `grep`, `yes`, `sleep`: small commands for pipelines.

use core::fmt::Write;

use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Output, Session, Status, Streams};
use crate::text::Text;
use crate::time::Duration;

/// Bytes that are read at a time.
const CHUNK: usize = 512;
/// Bytes of a line that `grep` looks at.
const LINE: usize = 1024;

fn usage(what: core::fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

/// Gives the input to `take`, piece by piece, as long as that wants more.
fn pieces<P: Platform>(
    streams: &mut Streams<'_, '_, P>,
    mut take: impl FnMut(&[u8], &mut Streams<'_, '_, P>) -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    let mut buffer = [0; CHUNK];
    loop {
        let count = streams.read(&mut buffer)?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() || !take(piece, streams)? {
            return Ok(());
        }
    }
}

pub(super) fn wc<'k, P: Platform>(
    _: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    super::no_arguments(arguments)?;
    let (mut lines, mut words, mut bytes, mut inside) = (0_u64, 0_u64, 0_u64, false);
    pieces(streams, |piece, _| {
        bytes += piece.len() as u64;
        for byte in piece {
            lines += u64::from(*byte == b'\n');
            let blank = byte.is_ascii_whitespace();
            words += u64::from(inside && blank);
            inside = !blank;
        }
        Ok(true)
    })?;
    writeln!(streams, "{lines:>7} {:>7} {bytes:>7}", words + u64::from(inside))?;
    Ok(Next::Continue)
}

pub(super) fn head<'k, P: Platform>(
    _: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let mut left = match arguments {
        [] => 10,
        [count] => count
            .trim_start_matches('-')
            .parse::<u64>()
            .map_err(|_| usage(format_args!("'{count}' is no number of lines")))?,
        [_, word, ..] => return Err(usage(format_args!("unexpected '{word}'"))),
    };
    if left == 0 {
        return Ok(Next::Continue);
    }
    pieces(streams, |piece, streams| {
        for line in piece.split_inclusive(|&byte| byte == b'\n') {
            streams.write_bytes(line)?;
            left -= u64::from(line.ends_with(b"\n"));
            if left == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    Ok(Next::Continue)
}

pub(super) fn grep<'k, P: Platform>(
    _: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (without, text) = match arguments {
        ["-v", text] => (true, *text),
        [text] => (false, *text),
        _ => return Err(usage(format_args!("which text?"))),
    };
    let (mut line, mut any) = (heapless::Vec::<u8, LINE>::new(), false);
    let mut end = |line: &mut heapless::Vec<u8, LINE>, streams: &mut Streams<'_, '_, P>| {
        let there = text.is_empty() || line.windows(text.len()).any(|part| part == text.as_bytes());
        if there != without {
            any = true;
            streams.write_bytes(line)?;
            streams.write_bytes(b"\n")?;
        }
        line.clear();
        Ok::<_, CommandError>(())
    };
    pieces(streams, |piece, streams| {
        for &byte in piece {
            if byte == b'\n' {
                end(&mut line, streams)?;
            } else {
                line.push(byte).map_err(|_| {
                    CommandError::Failed(Text::new(format_args!("a line of more than {LINE} bytes")))
                })?;
            }
        }
        Ok(true)
    })?;
    if !line.is_empty() {
        end(&mut line, streams)?;
    }
    // As others do: nothing found is a status, not a failure.
    if any { Ok(Next::Continue) } else { Err(CommandError::Status(Status::FAILED)) }
}

pub(super) fn yes<'k, P: Platform>(
    _: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let words = if arguments.is_empty() { &["y"] } else { arguments };
    loop {
        for (index, word) in words.iter().enumerate() {
            write!(streams, "{}{word}", if index == 0 { "" } else { " " })?;
        }
        // Ends when nobody takes it any more.
        writeln!(streams)?;
    }
}

pub(super) fn sleep<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let [length] = arguments else { return Err(usage(format_args!("how long?"))) };
    let millis = length.split_once('.').map_or_else(
        || length.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1000)),
        |(seconds, rest)| {
            let digits = rest.bytes().all(|digit| digit.is_ascii_digit()) && (1..=3).contains(&rest.len());
            let scale = [100, 10, 1].get(rest.len().wrapping_sub(1)).filter(|_| digits)?;
            let rest = rest.parse::<u64>().ok()? * scale;
            seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(rest)
        },
    );
    let millis = millis.filter(|&millis| millis <= 1 << 40);
    let millis = millis.ok_or_else(|| usage(format_args!("'{length}' is no time such as 2 or 0.5")))?;
    match session.kernel.threads.sleep(Duration::from_millis(millis)) {
        kos_sched::Resume::Interrupted => Err(CommandError::Quiet),
        _ => Ok(Next::Continue),
    }
}

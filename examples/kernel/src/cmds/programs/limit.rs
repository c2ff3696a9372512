//! `limit`: a program that may take so much and no more.

use core::fmt::Write;

use super::run::ended;
use crate::platform::Platform;
use crate::process::job::Taken;
use crate::process::load::Words;
use crate::shell::{CommandError, CommandResult, Output, Session, Streams};
use crate::svc::quota::Quota;
use crate::text::{Bytes, Grouped, Text};

pub(in super::super) fn limit<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (quota, words) = quota(arguments)?;
    let (kernel, mut heard) = (session.kernel, Ok(()));
    let exported = session.environment.exported()?;
    let variables = super::run::texts(&exported)?;
    let words = Words { words: super::run::named(words)?, variables: &variables };
    let begun = kernel.begin_job(*session.ctx(), words, &quota)?;
    let (job, start) = (begun.job(), kernel.platform().now());
    let hear = |said: &[u8]| {
        if heard.is_ok() {
            heard = streams.write_bytes(said);
        }
    };
    let result = kernel.finish_job(begun, hear, |_| true, |_| ());
    heard?;
    let lived = kernel.platform().now().checked_duration_since(start).map_or(0, |lived| lived.as_micros());
    let Taken { bytes, files, cpu, waits, .. } = job.taken();
    writeln!(streams, "took {}, {} files at most", Bytes(bytes.1), files.1)?;
    if quota.cpu.is_some() {
        let (cpu, lived) = (Grouped(cpu / 1000), Grouped(lived));
        writeln!(streams, "took {cpu} us of CPU in {lived} us, waited {waits} times")?;
    }
    ended(result, streams)
}

/// The quota in front of the words of a program.
fn quota<'a, 'w>(arguments: &'a [&'w str]) -> Result<(Quota, &'a [&'w str]), CommandError> {
    let is_key = |word: &&str| word.split_once('=').is_some_and(|(key, _)| Quota::KEYS.contains(&key));
    let count = arguments.iter().take_while(|word| is_key(word)).count();
    let (keys, words) = arguments.split_at(count);
    let mut quota = Quota::default();
    for (key, value) in keys.iter().filter_map(|word| word.split_once('=')) {
        let wanted = |wanted| CommandError::Usage(Text::new(format_args!("'{key}' takes {wanted}")));
        quota.set(key, value).map_err(wanted)?;
    }
    Ok((quota, words))
}

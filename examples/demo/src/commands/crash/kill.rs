//! `cargo demo crash --kill N`: the machine is killed at random moments while it makes files durable; then its disk must hold them.
//!
//! SIGKILL takes QEMU away between two instructions of the guest: what the guest was told is durable has left QEMU for the host's
//! file, what was on its way may have or not. The disk goes on from kill to kill.

use core::time::Duration;
use std::fs;
use std::time::Instant;

use super::{WORD, numbers, step};
use crate::build;
use crate::commands::Session;
use crate::disk::{self, LOOKED_AT};
use crate::error::Error;
use crate::guest::{Boot, Ending, Event, Guest, Next, Run};
use crate::status::Status;

/// Longest time from the first durable file to the kill.
const LONGEST: u64 = 600;

/// One life of the machine.
struct Life {
    run: Run,
    /// The numbers of the files that it said were durable.
    durable: Vec<u64>,
}

pub(in crate::commands) fn execute(
    session: &mut Session<'_>,
    kills: u32,
    seed: u64,
) -> Result<Status, Error> {
    let mut boot = session.boot()?;
    let own = build::folder().join("crash.img");
    if boot.machine.disk.is_none() {
        let _ = fs::remove_file(&own);
        disk::make(&own).map_err(|cause| Error::Disk(own.clone(), cause))?;
    }
    let path = boot.machine.disk.get_or_insert(own).clone();
    let (mut random, mut files, started) = (seed | 1, 0, Instant::now());
    for kill in 1..=kills {
        random = step(random);
        let Life { run, durable } = live(session, &boot, Duration::from_millis(random % LONGEST))?;
        if run.ending != Ending::Stopped || durable.is_empty() {
            session.show_log(&run);
            session.report.say(&format!("cargo demo: the machine made no file durable before kill {kill}"));
            session.keep_evidence(&run, "no file was durable");
            return Ok(Status::Broken);
        }
        files += durable.len();
        let newest = durable.get(durable.len().saturating_sub(LOOKED_AT)..).unwrap_or_default();
        if let Err(cause) = disk::examine(&path, newest) {
            session.report.say(&format!("cargo demo: after kill {kill} of seed {seed}: {cause}"));
            session.keep_evidence(&run, &cause.to_string());
            return Ok(Status::Failed);
        }
        session.report.tick(&format!("{kill} of {kills} kills survived, {files} files durable"), started);
    }
    let line = format!("{kills} of {kills} kills survived: {files} files were durable, fsck found nothing\n");
    session.report.output(line.as_bytes()).map_err(Error::io("write to stdout"))?;
    Ok(Status::Success)
}

/// Boots, and kills so long after the first durable file.
fn live(session: &mut Session<'_>, boot: &Boot, after: Duration) -> Result<Life, Error> {
    let (mut said, mut first) = (Vec::new(), None);
    let run = Guest::start(boot)?.listen(session.interrupt, &mut |event| {
        if let Event::Log(bytes) = event {
            said.extend_from_slice(bytes);
        }
        if first.is_none() && said.windows(WORD.len()).any(|word| word == WORD.as_bytes()) {
            first = Some(Instant::now());
        }
        let over = first.is_some_and(|first: Instant| first.elapsed() >= after);
        Ok(if over { Next::Stop } else { Next::Continue })
    })?;
    Ok(Life { run, durable: numbers(&said) })
}

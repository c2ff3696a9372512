//! `cargo demo crash --errors N`: a request of the disk fails while the kernel makes files durable. The kernel must go on and name what
//! failed, and the disk must hold what was said to be durable.
//!
//! Each run has a disk of its own behind QEMU's driver `blkdebug`. Numbers of files begin above [`FLOOR`] on it: smaller ones are of a
//! kernel that could not mount the disk, and wrote into memory.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::{numbers, step};
use crate::build;
use crate::commands::Session;
use crate::commands::run::{Ended, Progress, listen_as};
use crate::disk::{self, LOOKED_AT};
use crate::error::Error;
use crate::faults::Fault;
use crate::machine::Between;
use crate::power::FLOOR;
use crate::status::Status;
use crate::verdict::Exit;

/// Bytes of the disk.
const BYTES: u64 = 16 << 20;
/// The last thing that the kernel is asked for: that it still answers.
const LAST: &[u8] = b"over\n";

/// What all runs came to.
#[derive(Default)]
struct Sum {
    /// Runs in which a command failed.
    named: u32,
    /// Runs in which the disk was not mounted.
    unmounted: u32,
    /// Runs that noticed nothing: what failed was not asked for, or asked for again.
    unnoticed: u32,
    /// Files that were durable.
    files: usize,
}

pub(in crate::commands) fn execute(session: &mut Session<'_>, runs: u32, seed: u64) -> Result<Status, Error> {
    let mut boot = session.boot()?;
    let folder = build::folder().join("crash");
    let (path, rules) = (folder.join("failing.img"), folder.join("faults.conf"));
    boot.machine.disk = Some(path.clone());
    boot.machine.between = Between::Faults(rules.clone());
    let (mut random, mut sum, started) = (seed | 1, Sum::default(), Instant::now());
    for run in 1..=runs {
        random = step(random);
        let fault = Fault::of(random);
        disk::make_begun(&path, BYTES, FLOOR).map_err(|cause| Error::Disk(path.clone(), cause))?;
        fs::write(&rules, fault.rules()).map_err(|cause| Error::Disk(rules.clone(), cause.into()))?;
        let mut said = Vec::new();
        let what = format!("{} of {runs} failing disks survived, {} files durable", run - 1, sum.files);
        let progress = Progress { what: &what, since: started };
        let ended = listen_as(&progress, session.interrupt, &mut session.report, &boot, &mut |bytes, _| {
            said.extend_from_slice(bytes);
            Ok(())
        })?;
        let Ok(exit) = ended.verdict else {
            session.report.say(&format!("cargo demo: run {run} of seed {seed}: {fault}"));
            return Ok(session.conclude(&ended.run, ended.verdict, &ended.failed));
        };
        if let Err(why) = sum.add(&ended, exit, &said, &path) {
            session.report.say(&format!("cargo demo: run {run} of seed {seed}: {fault}: {why}"));
            session.show_log(&ended.run);
            session.keep_evidence(&ended.run, &why);
            return Ok(Status::Failed);
        }
        session
            .report
            .tick(&format!("{run} of {runs} failing disks survived, {} files durable", sum.files), started);
    }
    session.report.output(sum.line(runs).as_bytes()).map_err(Error::io("write to stdout"))?;
    Ok(Status::Success)
}

impl Sum {
    fn add(&mut self, ended: &Ended, exit: Exit, said: &[u8], disk: &Path) -> Result<(), String> {
        if !said.ends_with(LAST) {
            return Err("the kernel did not answer to the end".into());
        }
        let log = ended.run.log.text();
        let (durable, elsewhere): (Vec<u64>, Vec<u64>) =
            numbers(log.as_bytes()).into_iter().partition(|&number| number > FLOOR);
        match (exit, elsewhere.is_empty()) {
            (_, false) if !log.contains("] vfs      warning   ") => {
                return Err("the disk was not mounted, and no stage says so".into());
            }
            (_, false) => self.unmounted += 1,
            (Exit::Failed, true) => self.named += 1,
            (Exit::Success, true) => self.unnoticed += 1,
        }
        self.files += durable.len();
        let newest = durable.get(durable.len().saturating_sub(LOOKED_AT)..).unwrap_or_default();
        disk::examine(disk, newest).map_err(|cause| cause.to_string())
    }

    fn line(&self, runs: u32) -> String {
        let Self { named, unmounted, unnoticed, files } = self;
        format!(
            "{runs} of {runs} failing disks survived: in {named} runs a command named the failure, in {unmounted} the stage of the \
             disk, in {unnoticed} nobody met it; {files} files were durable, fsck found nothing\n"
        )
    }
}

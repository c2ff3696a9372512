//! `cargo demo crash --points N`: the power is cut between any two writes.
//!
//! One run of the kernel makes files durable on a disk behind QEMU's driver `blklogwrites`, which writes each request down. Then the
//! disk is made anew on the host as each of N cuts left it; each must mount, be whole, and hold what was durable by then.
//! The disk before and the log stay in `target/demo/crash`, for `--replay`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::numbers;
use crate::build;
use crate::commands::Session;
use crate::commands::run::listen;
use crate::disk::{self, DiskError};
use crate::error::Error;
use crate::machine::Between;
use crate::power::replay::{Plan, Point, Replay};
use crate::power::{FILES, FLOOR, log};
use crate::status::Status;
use crate::verdict::Exit;

/// Bytes of the disk: little, so that what was given up is soon used again.
const BYTES: u64 = 16 << 20;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) struct Wanted {
    pub(in crate::commands) points: u32,
    pub(in crate::commands) seed: u64,
    /// The log of the last run serves once more.
    pub(in crate::commands) replay: bool,
}

/// The files of a run.
struct Kept {
    /// The disk before.
    before: PathBuf,
    /// The kernel's disk.
    disk: PathBuf,
    /// What was done to it.
    log: PathBuf,
}

impl Kept {
    fn here() -> Self {
        let folder = build::folder().join("crash");
        Self {
            before: folder.join("before.img"),
            disk: folder.join("disk.img"),
            log: folder.join("writes.log"),
        }
    }
}

pub(in crate::commands) fn execute(session: &mut Session<'_>, wanted: Wanted) -> Result<Status, Error> {
    let kept = Kept::here();
    let reported = if wanted.replay { None } else { Some(record(session, &kept)?) };
    let newest = match reported {
        Some(Err(status)) => return Ok(status),
        Some(Ok(newest)) => Some(newest),
        None => None,
    };
    let started = Instant::now();
    let read = |path: &Path| fs::read(path).map_err(|cause| Error::Disk(path.into(), cause.into()));
    let (before, written) = (read(&kept.before)?, read(&kept.log)?);
    let steps = log::parse(&written, before.len() as u64);
    let steps = steps.map_err(|cause| Error::WriteLog(kept.log.clone(), cause))?;
    let plan = Plan { points: wanted.points, seed: wanted.seed, floor: FLOOR };
    if let Some(newest) = newest {
        let replay = Replay::new(before.clone(), &steps, plan);
        let looked = match replay.newest() {
            found if found == newest => replay.end(newest),
            found => Err(DiskError::Unlogged { newest, found }),
        };
        if let Err(cause) = looked {
            return Ok(failed(session, &cause.to_string(), wanted));
        }
    }
    let mut sum = Sum::default();
    let replay = Replay::new(before, &steps, plan);
    let flushes = replay.flushes();
    for point in replay {
        match point {
            Ok(point) => sum.add(&point),
            Err(loss) => return Ok(failed(session, &loss.to_string(), wanted)),
        }
        if session.interrupt.came() {
            return Err(Error::Interrupted);
        }
        session.report.tick(&format!("{} of {} points survived", sum.points, wanted.points), started);
    }
    let line = sum.line(flushes, started.elapsed().as_secs_f64());
    session.report.output(line.as_bytes()).map_err(Error::io("write to stdout"))?;
    Ok(Status::Success)
}

/// Lets the kernel write; returns the newest file that it reported durable, or how the run failed.
fn record(session: &mut Session<'_>, kept: &Kept) -> Result<Result<u64, Status>, Error> {
    let mut boot = session.boot()?;
    let fresh = || -> Result<(), DiskError> {
        let _ = fs::remove_file(&kept.before);
        disk::make_of(&kept.before, BYTES)?;
        fs::copy(&kept.before, &kept.disk)?;
        Ok(File::create(&kept.log).map(drop)?)
    };
    fresh().map_err(|cause| Error::Disk(kept.disk.clone(), cause))?;
    boot.machine.disk = Some(kept.disk.clone());
    boot.machine.between = Between::Log(kept.log.clone());
    let ended = listen(session.interrupt, &mut session.report, &boot, &mut |_, _| Ok(()))?;
    if !matches!(ended.verdict, Ok(Exit::Success)) {
        return Ok(Err(session.conclude(&ended.run, ended.verdict, &ended.failed)));
    }
    match numbers(ended.run.log.text().as_bytes()).last() {
        Some(&newest) if newest == FLOOR + FILES => Ok(Ok(newest)),
        newest => {
            session.report.say(&format!("cargo demo: of {FILES} files the last durable one was {newest:?}"));
            session.keep_evidence(&ended.run, "files were not durable");
            Ok(Err(Status::Broken))
        }
    }
}

fn failed(session: &mut Session<'_>, what: &str, wanted: Wanted) -> Status {
    let Wanted { points, seed, .. } = wanted;
    session.report.say(&format!("cargo demo: {what}"));
    session
        .report
        .say(&format!("to see it again: cargo demo crash --points {points} --seed {seed} --replay"));
    Status::Failed
}

/// What all points came to.
#[derive(Default)]
struct Sum {
    points: u32,
    at_flushes: u32,
    torn: u64,
    lost: u64,
    files: usize,
}

impl Sum {
    fn add(&mut self, point: &Point) {
        self.points += 1;
        self.at_flushes += u32::from(point.kept + point.torn + point.lost == 0);
        self.torn += u64::from(point.torn);
        self.lost += u64::from(point.lost);
        self.files += point.files;
    }

    fn line(&self, flushes: usize, seconds: f64) -> String {
        let Self { points, at_flushes, torn, lost, files } = self;
        format!(
            "{points} of {points} points survived: {at_flushes} as one of {flushes} flushes had ended, the others between; {lost} \
             writes were lost, {torn} torn; {files} times a durable file had to be there and was; fsck found nothing; {seconds:.1} s\n"
        )
    }
}

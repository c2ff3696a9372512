//! One generated script on a file system of kos and on the host's: every answer must be the same, but for what
//! [`explained`] lists. `KOS_SCRIPT_LINES` and `KOS_SCRIPT_SEED` make it longer, or another.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

mod common;

use alloc::sync::Arc;
use std::fs;
use std::path::Path;

use common::{Scratch, answer, number};
use kos_hosted::fs::{HostBackend, on_tmpfs};
use kos_vfs::block::{DeviceFeatures, Geometry};
use kos_vfs::fs::kosfs::{KosFs, MkfsOptions, MountOptions, mkfs};
use kos_vfs::testing::script::{Answer, Backend, Engine, Generator, VfsBackend};
use kos_vfs::testing::{HostEnv, RamDisk, TestClock};
use kos_vfs::{Config, Env, MountFlags, Timestamp, Vfs};

/// Where the lines run beside the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    Tmpfs,
    KosFs,
}

/// Gives `work` a process on an empty kosfs of 64 MiB, with a small page cache.
fn on_kosfs<R>(work: impl FnOnce(VfsBackend<'_>) -> R) -> R {
    type Lock = <HostEnv as Env>::RwLock;
    let disk = RamDisk::new(Geometry::new(512, 128 << 10, DeviceFeatures::empty()).unwrap());
    let now = Timestamp::EPOCH;
    let options = MkfsOptions { uuid: [1; 16], label: [0; 64], now, uid: 0, gid: 0, hash_key: [2; 16] };
    mkfs::<_, Lock>(&disk, &options).unwrap();
    let fs = KosFs::<_, Lock>::mount(disk, MountOptions::default()).unwrap();
    let clock = TestClock::at(1 << 60);
    let config = Config { cache_bytes: 64 << 10, ..Config::default() };
    let vfs = Vfs::<HostEnv>::new(&config, clock.clone()).unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    work(VfsBackend::new(view, clock))
}

/// Answers without what backends may choose: the size of a directory.
fn comparable(answer: &Answer) -> String {
    let text = answer.to_string();
    match text.rsplit_once(',') {
        Some((rest, _)) if text.starts_with("dir,") => rest.to_string(),
        _ => text,
    }
}

fn is_about_holes(line: &str) -> bool {
    line.ends_with("SEEK_HOLE") || line.ends_with("SEEK_DATA")
}

/// Differences that are right on both sides.
fn explained(line: &str, ours: &str, host: &str) -> Option<&'static str> {
    let number = |answer: &str| answer.parse::<u64>().is_ok();
    let place = |answer: &str| number(answer) || answer == "ENXIO" && line.ends_with("SEEK_DATA");
    if is_about_holes(line) {
        return (place(ours) && place(host)).then_some(
            "which zeroes count as data: to Linux pages allocated ahead that were touched, to kosfs all of a short file",
        );
    }
    if line.contains("GETLK") && ours.contains("LCK,") && host.contains("LCK,") {
        return Some("which of several locks stands in the way first is nobody's to say");
    }
    let far = |answer: &str| answer.parse().is_ok_and(|at: u64| at >= 1 << 30);
    if line.starts_with("lseek ") && number(ours) && far(host) {
        return Some("behind the last name of a directory: the position is the file system's to choose");
    }
    None
}

/// Whether the host's file system keeps attributes of users (a tmpfs does since Linux 6.6).
fn has_attributes(dir: &Path) -> bool {
    let path = dir.join("probe");
    fs::write(&path, b"").unwrap();
    let set = rustix::fs::setxattr(&path, "user.probe", b"", rustix::fs::XattrFlags::empty());
    fs::remove_file(&path).unwrap();
    set.is_ok()
}

/// What differs in the answers to a line, if it should not. Where it may, positions go on from the start on both.
///
/// # Panics
///
/// If the bytes differ although only what counts as data or not may.
fn difference<A: Backend, B: Backend>(
    ours: &mut Engine<A>,
    host: &mut Engine<B>,
    line: &str,
) -> Option<String> {
    let (left, right) = (comparable(&answer(ours, line)), comparable(&answer(host, line)));
    if left == right {
        return None;
    }
    if explained(line, &left, &right).is_none() {
        return Some(format!("kos {left}, host {right}"));
    }
    let fd = line.split(' ').nth(1).unwrap_or_default();
    let mut same = |line: &str| assert_eq!(answer(ours, line), answer(host, line));
    same(&format!("lseek {fd} 0 SEEK_SET"));
    if is_about_holes(line) {
        same(&format!("fstat {fd} size"));
        same(&format!("pread {fd} 100000 0"));
    }
    None
}

/// Runs `lines` lines from `seed` on both; the differences, after at most ten.
fn compare(on: Ours, seed: u64, lines: u64) -> Vec<String> {
    // Every third is about locks, too.
    let plain = Generator::new(seed);
    let mut generator = if seed.is_multiple_of(3) { plain.with_locks() } else { plain };
    let scratch = Scratch::new(&format!("script-{on:?}-{seed}"));
    let dir = scratch.0.clone();
    let attributes = has_attributes(&dir);
    // A thread of its own: its root directory is another one afterwards.
    let thread = std::thread::spawn(move || {
        let mut host = match HostBackend::new(&dir) {
            Ok(host) => Engine::new(host),
            Err(error) => {
                eprintln!("not compared: {error}");
                return Vec::new();
            }
        };
        let work = |ours: VfsBackend<'_>| {
            let mut ours = Engine::new(ours);
            let mut differences = Vec::new();
            for index in 0..lines {
                let line = generator.line();
                if !attributes && line.contains("xattr") {
                    continue;
                }
                if let Some(difference) = difference(&mut ours, &mut host, &line) {
                    differences.push(format!("seed {seed} line {index}: {difference}:\n  {line}"));
                    break;
                }
            }
            differences
        };
        match on {
            Ours::Tmpfs => on_tmpfs(work),
            Ours::KosFs => on_kosfs(work),
        }
    });
    thread.join().unwrap()
}

fn differences(on: Ours) {
    let lines = number("KOS_SCRIPT_LINES", 2000);
    let first = number("KOS_SCRIPT_SEED", 1);
    let mut differences = Vec::new();
    for seed in first..first + lines.div_ceil(500) {
        differences.extend(compare(on, seed, 500.min(lines)));
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn generated_scripts_answer_as_linux_does() {
    differences(Ours::Tmpfs);
}

#[test]
fn generated_scripts_on_kosfs_answer_as_linux_does() {
    differences(Ours::KosFs);
}

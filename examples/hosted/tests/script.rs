//! One generated script on a file system of kos and on the host's: every answer must be the same, but for what
//! [`explained`] lists. `KOS_SCRIPT_LINES` and `KOS_SCRIPT_SEED` make it longer, or another.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic")]

use std::fs;
use std::path::{Path, PathBuf};

use kos_hosted::fs::{HostBackend, on_tmpfs};
use kos_vfs::testing::script::{Answer, Engine, Generator, Outcome};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A directory on the host's own tmpfs where there is one, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() };
        let dir = base.join(format!("kos-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::chown(&dir, Some(0), Some(0)).ok();
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers without what backends may choose: the size of a directory.
fn comparable(answer: &Answer) -> String {
    let text = answer.to_string();
    match text.rsplit_once(',') {
        Some((rest, _)) if text.starts_with("dir,") => rest.to_string(),
        _ => text,
    }
}

/// Differences that are right on both sides.
fn explained(line: &str, ours: &str, host: &str) -> Option<&'static str> {
    let number = |answer: &str| answer.parse::<u64>().is_ok();
    if line.ends_with("SEEK_HOLE") || line.ends_with("SEEK_DATA") {
        let both = number(ours) && number(host);
        return both.then_some(
            "pages allocated ahead become data to Linux when they are touched, to kos when written",
        );
    }
    let far = |answer: &str| answer.parse().is_ok_and(|at: u64| at >= 1 << 30);
    if line.starts_with("lseek ") && number(ours) && far(host) {
        return Some("behind the last name of a directory: the position is the file system's to choose");
    }
    None
}

fn answer(engine: &mut Engine<impl kos_vfs::testing::script::Backend>, line: &str) -> Answer {
    match engine.line(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}")) {
        Outcome::Answer(answer) => answer,
        other => panic!("{line}: {other:?}"),
    }
}

/// Whether the host's file system keeps attributes of users (a tmpfs does since Linux 6.6).
fn has_attributes(dir: &Path) -> bool {
    let path = dir.join("probe");
    fs::write(&path, b"").unwrap();
    let set = rustix::fs::setxattr(&path, "user.probe", b"", rustix::fs::XattrFlags::empty());
    fs::remove_file(&path).unwrap();
    set.is_ok()
}

/// Runs `lines` lines from `seed` on both; the differences, after at most ten.
fn compare(seed: u64, lines: u64) -> Vec<String> {
    let scratch = Scratch::new(&format!("script-{seed}"));
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
        on_tmpfs(|ours| {
            let mut ours = Engine::new(ours);
            let mut generator = Generator::new(seed);
            let mut differences = Vec::new();
            for index in 0..lines {
                let line = generator.line();
                if !attributes && line.contains("xattr") {
                    continue;
                }
                let (left, right) = (answer(&mut ours, &line), answer(&mut host, &line));
                let (left, right) = (comparable(&left), comparable(&right));
                if left == right {
                    continue;
                }
                if explained(&line, &left, &right).is_some() {
                    // Only positions are explained so far: both go on from the start.
                    let fd = line.split(' ').nth(1).unwrap_or_default();
                    let back = format!("lseek {fd} 0 SEEK_SET");
                    assert_eq!(answer(&mut ours, &back), answer(&mut host, &back));
                } else {
                    differences
                        .push(format!("seed {seed} line {index}: kos {left}, host {right}:\n  {line}"));
                    break;
                }
            }
            differences
        })
    });
    thread.join().unwrap()
}

#[test]
fn generated_scripts_answer_as_linux_does() {
    let lines = number("KOS_SCRIPT_LINES", 2000);
    let first = number("KOS_SCRIPT_SEED", 1);
    let mut differences = Vec::new();
    for seed in first..first + lines.div_ceil(500) {
        differences.extend(compare(seed, 500.min(lines)));
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

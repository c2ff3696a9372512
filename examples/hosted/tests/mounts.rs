//! Mounts that come, go and change places, in namespaces and copies of them: one generated script on kos and on the host, where
//! each answer must be the same. `KOS_MOUNT_LINES` and `KOS_SCRIPT_SEED` make it longer, or another.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panic")]

extern crate alloc;

mod common;

use alloc::sync::Arc;

use common::{Scratch, answer, number};
use kos_hosted::fs::HostBackend;
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::testing::script::{Answer, Engine, Generator, VfsBackend};
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{Config, MountFlags, Vfs};

const DIRS: [&str; 9] = ["a", "b", "c", "a/b", "b/a", "b/c", "c/a", "a/b/c", "c/c/c"];

/// Both begin on the root of a mount, as a process does; the host's own is not touched.
const BEGIN: [&str; 9] = [
    "mkdir /root 0755",
    "mount /root",
    "chroot /root",
    "chdir /",
    "mkdir a 0755",
    "mkdir b 0755",
    "mkdir c 0755",
    "mkdir a/b 0755",
    "mkdir c/a 0755",
];

fn dir(random: &mut Generator) -> String {
    let name = DIRS[usize::try_from(random.below(DIRS.len() as u64)).unwrap()];
    if random.below(3) == 0 { format!("/{name}") } else { name.to_owned() }
}

fn line(random: &mut Generator) -> String {
    let (one, two) = (dir(random), dir(random));
    match random.below(24) {
        0..6 => format!("mkdir {one} 0755"),
        6 => format!("mount {one}"),
        7..9 => format!("mount --bind {one} {two}"),
        9..12 => format!("mount --move {one} {two}"),
        12 => format!("umount {one}"),
        13 => format!("umount {one} lazy"),
        14 => format!("pivot_root {one} {two}"),
        15 => format!("pivot_root {one} {one}/{two}"),
        16 => format!("pivot_root . {two}"),
        17 => format!("chdir {one}"),
        18 => "chdir /".to_owned(),
        19 if random.below(8) == 0 => "unshare".to_owned(),
        20 => format!("proc p{}", random.below(3)),
        21 => format!("mkfifo {one} 0644"),
        _ => format!("stat {one} type"),
    }
}

/// Runs lines from `seed` on both; the first difference.
fn compare(seed: u64, lines: u64) -> Option<String> {
    let scratch = Scratch::new(&format!("mounts-{seed}"));
    let path = scratch.0.clone();
    // A thread of its own: its root directory is another one afterwards.
    let run = move || {
        let host = HostBackend::new(&path).map_err(|error| eprintln!("not compared: {error}")).ok()?;
        let (mut host, clock) = (Engine::new(host), TestClock::at(1 << 60));
        let config = Config { mounts: 2048, ..Config::default() };
        let vfs = Vfs::<HostEnv>::new(&config, clock.clone()).unwrap();
        let fs = Arc::new(Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap());
        let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
        let mut ours = Engine::new(VfsBackend::new(view, clock));
        let mut random = Generator::new(seed);
        let mut told = Vec::new();
        for index in 0..lines + BEGIN.len() as u64 {
            let begin = usize::try_from(index).ok().and_then(|index| BEGIN.get(index));
            let line = begin.map_or_else(|| line(&mut random), |line| (*line).to_owned());
            let (left, right) = (answer(&mut ours, &line), answer(&mut host, &line));
            told.push(format!("{line} => {right}"));
            if right == Answer::Skipped {
                eprintln!("not compared: the host allows no mounts");
                return None;
            }
            if left != right {
                return Some(format!("seed {seed}: kos {left}, host {right}:\n{}", told.join("\n")));
            }
        }
        // It takes time by the square of what is there.
        vfs.check().unwrap();
        drop(ours);
        vfs.check().unwrap();
        None
    };
    std::thread::spawn(run).join().unwrap()
}

#[test]
fn mounts_change_places_as_on_the_host() {
    let (lines, first) = (number("KOS_MOUNT_LINES", 1000), number("KOS_SCRIPT_SEED", 1));
    for seed in first..first + lines.div_ceil(200) {
        assert_eq!(compare(seed, 200), None);
    }
}

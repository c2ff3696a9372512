//! A `/proc` with processes that come and go, through a mounted file system.
#![expect(clippy::unwrap_used, reason = "what fails is the test")]

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use std::sync::Mutex;

use super::{Body, Content, Fixed, Identity, Listed, Procfs, Synthetic, SyntheticDir, SyntheticFile};
use crate::attr::{FileType, Mode, Timestamp};
use crate::name::Name;
use crate::testing::{HostEnv, TestClock};
use crate::{
    At, AtFlags, Call, Config, Ctx, Errno, How, Ino, MountFlags, OpenFile, OpenFlags, SeekFrom, Vfs,
};

/// Processes by number, each with how many had the number before.
#[derive(Debug, Default)]
struct Processes(Mutex<BTreeMap<u32, u32>>);

/// `/proc`.
#[derive(Debug)]
struct Pids(Arc<Processes>);

/// `/proc/PID`.
#[derive(Debug)]
struct Pid(Arc<Processes>, u32, u32);

impl SyntheticDir for Pids {
    fn find(&self, name: Name<'_>) -> Option<Synthetic> {
        let pid: u32 = core::str::from_utf8(name.as_bytes()).ok()?.parse().ok()?;
        let generation = *self.0.0.lock().unwrap().get(&pid)?;
        let dir = Pid(Arc::clone(&self.0), pid, generation);
        let identity = Identity { key: pid.into(), generation };
        Some(Synthetic { uid: pid, ..Synthetic::new(Body::Dir(Arc::new(dir)), identity) })
    }

    fn list(&self, from: u64, each: &mut dyn FnMut(Listed<'_>) -> bool) {
        let pids = self.0.0.lock().unwrap().clone();
        for (pid, generation) in pids.into_iter().filter(|(pid, _)| u64::from(*pid) >= from) {
            let name = pid.to_string();
            let identity = Identity { key: pid.into(), generation };
            let name = Name::new(name.as_bytes()).unwrap();
            if !each(Listed { name, identity, kind: FileType::Directory }) {
                return;
            }
        }
    }
}

impl SyntheticDir for Pid {
    fn find(&self, name: Name<'_>) -> Option<Synthetic> {
        let status = Status(Arc::clone(&self.0), self.1, self.2);
        let found = Synthetic::new(Body::File(Arc::new(status)), Identity { key: 0, generation: 0 });
        (name.as_bytes() == b"status").then_some(found)
    }

    fn list(&self, from: u64, each: &mut dyn FnMut(Listed<'_>) -> bool) {
        let identity = Identity { key: 0, generation: 0 };
        if from == 0 {
            each(Listed { name: Name::new(b"status").unwrap(), identity, kind: FileType::Regular });
        }
    }
}

#[derive(Debug)]
struct Status(Arc<Processes>, u32, u32);

impl SyntheticFile for Status {
    fn generate(&self, out: &mut Content) -> fmt::Result {
        if self.0.0.lock().unwrap().get(&self.1) != Some(&self.2) {
            return Err(out.fail(Errno::ESRCH));
        }
        write!(out, "pid {}", self.1)
    }
}

/// Says how often it was asked, or what was written to it last.
#[derive(Debug, Default)]
struct Knob(Mutex<(u32, Option<Vec<u8>>)>);

impl SyntheticFile for Knob {
    fn generate(&self, out: &mut Content) -> fmt::Result {
        let mut state = self.0.lock().unwrap();
        state.0 += 1;
        match &state.1 {
            Some(bytes) => out.push(bytes),
            None => write!(out, "asked {} times", state.0),
        }
    }

    fn limit(&self) -> usize {
        16
    }

    fn write(&self, _: u64, bytes: &[u8]) -> Result<usize, Errno> {
        self.0.lock().unwrap().1 = Some(bytes.to_vec());
        Ok(bytes.len())
    }
}

/// A symlink to the process 7.
#[derive(Debug)]
struct Myself;

impl SyntheticFile for Myself {
    fn generate(&self, out: &mut Content) -> fmt::Result {
        out.write_str("7")
    }
}

fn with_proc(test: impl for<'v> FnOnce(&Call<'_, 'v, HostEnv>, &Processes, &Procfs<HostEnv>)) {
    let processes = Arc::new(Processes::default());
    let root = Fixed::new()
        .with("knob", Mode::of(0o644), Body::File(Arc::new(Knob::default())))
        .and_then(|root| root.with("self", Mode::of(0o777), Body::Link(Arc::new(Myself))))
        .unwrap()
        .and(Arc::new(Pids(Arc::clone(&processes))));
    let fs = Arc::new(Procfs::<HostEnv>::new(Arc::new(root), Timestamp::EPOCH));
    let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
    let shown = Arc::clone(&fs) as Arc<dyn crate::fs::FileSystem>;
    let view = vfs.mount_root(shown, MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    test(&view.call(&ctx), &processes, &fs);
    vfs.shrink(0);
    vfs.check().unwrap();
    let kept = fs.nodes.lock().len();
    assert_eq!(kept, 0, "files in use that nobody uses");
}

fn set(processes: &Processes, pid: u32, generation: Option<u32>) {
    let mut all = processes.0.lock().unwrap();
    match generation {
        Some(generation) => all.insert(pid, generation),
        None => all.remove(&pid),
    };
}

fn open<'v>(call: &Call<'_, 'v, HostEnv>, path: &str) -> Result<OpenFile<'v, HostEnv>, Errno> {
    call.open(At::Cwd, path.as_bytes(), &How::default()).map_err(|error| error.errno())
}

fn read(file: &OpenFile<'_, HostEnv>, length: usize) -> Result<String, Errno> {
    let mut out = vec![0; length];
    let count = file.read(&mut out).map_err(|error| error.errno())?;
    out.truncate(count);
    Ok(String::from_utf8(out).unwrap())
}

fn ino(call: &Call<'_, '_, HostEnv>, path: &str) -> Result<Ino, Errno> {
    let stat = call.stat_at(At::Cwd, path.as_bytes(), AtFlags::NO_FOLLOW);
    stat.map(|stat| stat.attr.ino).map_err(|error| error.errno())
}

#[test]
fn a_snapshot_stays_until_the_file_is_read_from_its_beginning() {
    with_proc(|call, _, _| {
        let (first, second) = (open(call, "/knob").unwrap(), open(call, "/knob").unwrap());
        assert_eq!(read(&first, 7).unwrap(), "asked 1");
        assert_eq!(read(&second, 99).unwrap(), "asked 2 times");
        assert_eq!(read(&first, 99).unwrap(), " times", "of its own snapshot");
        assert_eq!(read(&first, 99).unwrap(), "");
        assert_eq!(first.seek(SeekFrom::Start(0)), Ok(0));
        assert_eq!(read(&first, 99).unwrap(), "asked 3 times");
        let dup = first.clone();
        assert_eq!(dup.seek(SeekFrom::Current(-6)), Ok(7));
        assert_eq!(read(&first, 99).unwrap(), " times");
        assert_eq!(first.seek(SeekFrom::End(0)).unwrap_err().errno(), Errno::EINVAL);
        let stat = call.stat_at(At::Cwd, b"/knob", AtFlags::empty()).unwrap();
        assert_eq!((stat.attr.size, stat.attr.kind), (0, FileType::Regular));
    });
}

#[test]
fn who_writes_asks_the_file() {
    with_proc(|call, processes, _| {
        let how = How::flags(OpenFlags::READ_WRITE | OpenFlags::TRUNCATE);
        let knob = call.open(At::Cwd, b"/knob", &how).unwrap();
        assert_eq!(call.write(&knob, b"on"), Ok(2));
        assert_eq!(read(&open(call, "/knob").unwrap(), 9).unwrap(), "on");
        assert_eq!(call.write(&knob, &[b'x'; 16]), Ok(16));
        assert_eq!(read(&open(call, "/knob").unwrap(), 99).unwrap().len(), 16);
        assert_eq!(call.write(&knob, &[b'x'; 17]), Ok(17));
        assert_eq!(read(&open(call, "/knob").unwrap(), 9), Err(Errno::EFBIG), "beyond its limit");
        set(processes, 7, Some(0));
        let status = call.open(At::Cwd, b"/7/status", &how).unwrap();
        assert_eq!(call.write(&status, b"x").unwrap_err().errno(), Errno::EINVAL);
        assert!(call.mkdir(At::Cwd, b"/dir", Mode::ALL_ACCESS).is_err());
        assert!(call.unlink(At::Cwd, b"/knob").is_err());
        assert!(call.rename(At::Cwd, b"/knob", At::Cwd, b"/x", crate::fs::RenameFlags::empty()).is_err());
        assert!(ino(call, "/knob").is_ok());
    });
}

#[test]
fn processes_come_and_go() {
    with_proc(|call, processes, _| {
        assert_eq!(ino(call, "/7"), Err(Errno::ENOENT));
        set(processes, 7, Some(0));
        let old = ino(call, "/7").unwrap();
        assert_eq!(call.stat_at(At::Cwd, b"/7", AtFlags::empty()).unwrap().attr.uid, 7);
        let status = open(call, "/self/status").unwrap();
        assert_eq!(read(&status, 3).unwrap(), "pid");
        let dir = open(call, "/7").unwrap();
        set(processes, 7, None);
        assert_eq!(ino(call, "/7"), Err(Errno::ENOENT));
        assert_eq!(read(&status, 9).unwrap(), " 7", "what was said stays");
        assert_eq!(status.seek(SeekFrom::Start(0)), Ok(0));
        assert_eq!(read(&status, 9), Err(Errno::ESRCH));
        // Another process gets the number.
        set(processes, 7, Some(1));
        assert_ne!(ino(call, "/7").unwrap(), old);
        let at = At::Place(dir.place());
        assert!(
            call.stat_at(at, b"status", AtFlags::empty()).is_err(),
            "the old directory shows the old process"
        );
        assert_eq!(read(&open(call, "/7/status").unwrap(), 9).unwrap(), "pid 7");
    });
}

#[test]
fn a_listing_meets_each_process_that_lives_once() {
    with_proc(|call, processes, _| {
        for pid in 0..100 {
            set(processes, pid * 2, Some(0));
        }
        let dir = open(call, "/").unwrap();
        let mut seen: Vec<String> = Vec::new();
        for round in 0..200 {
            let before = seen.len();
            dir.list(|entry| {
                let first = seen.len() == before;
                if first {
                    let name = String::from_utf8(entry.name.to_vec()).unwrap();
                    let path = alloc::format!("/{name}");
                    assert!(
                        matches!(&*name, "." | "..")
                            || ino(call, &path).is_ok_and(|ino| ino.number == entry.number)
                    );
                    seen.push(name);
                }
                first
            })
            .unwrap();
            // Odd ones are born, before and behind; every fourth dies.
            set(processes, (round * 37 % 200) | 1, Some(0));
            set(processes, round * 4, None);
        }
        let mut unique = seen.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), seen.len());
        assert_eq!(seen[..4], [".", "..", "knob", "self"]);
        for pid in (2..200).step_by(4) {
            assert!(seen.contains(&pid.to_string()), "{pid} lived all the time");
        }
    });
}

/// As Linux answers in `/proc`: EACCES to who would make a file by opening it, EPERM for everything else.
#[test]
fn nobody_makes_files_in_it() {
    with_proc(|call, _, _| {
        let how = How { flags: OpenFlags::READ_WRITE | OpenFlags::CREATE, ..How::default() };
        let opened = call.open(At::Cwd, b"/new", &how).map_err(|error| error.errno());
        assert_eq!(opened.err(), Some(Errno::EACCES));
        let made = call.mkdir(At::Cwd, b"/new", Mode::of(0o755));
        assert_eq!(made.map_err(|error| error.errno()), Err(Errno::EPERM));
        let opened = call.open(At::Cwd, b"/knob", &how);
        assert!(opened.is_ok(), "one that is there can be opened so");
    });
}

//! `cargo hosted mount`, as programs see it: on volumes of every kind, against the host's own file system, and killed.
//!
//! Needs root and `/dev/fuse`; where they lack, each test says that it was skipped. Mounts are in a namespace of the thread's
//! own and go with it. What takes minutes is in `drills/mount.sh`.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panic")]

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kos_hosted::fs::HostBackend;
use kos_vfs::testing::script::{Answer, Engine, Generator, Outcome};
use rustix::fs::{
    CWD, FallocateFlags, FileType, FlockOperation, Mode, RenameFlags, SeekFrom, Timespec, Timestamps,
};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::process::{Pid, Signal};
use rustix::thread::UnshareFlags;

const HOSTED: &str = env!("CARGO_BIN_EXE_kos-hosted");

/// Gives this thread a mount namespace of its own; false, and why, where that cannot be.
#[expect(unsafe_code, reason = "unshare: unsafe for the sake of FILES, which is not asked for")]
fn able(test: &str) -> bool {
    let lack = if !rustix::process::geteuid().is_root() {
        Some("needs root")
    } else if !Path::new("/dev/fuse").exists() {
        Some("needs /dev/fuse")
    } else {
        // SAFETY: the table of descriptors, whose ownership other code relies on, stays shared; only mounts are unshared.
        let own = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) };
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        own.and_then(|()| rustix::mount::mount_change("/", private)).err().map(|_| "needs a mount namespace")
    };
    if let Some(lack) = lack {
        eprintln!("SKIP {test}: {lack}");
    }
    lack.is_none()
}

/// A directory with an image and a place to mount it; gone when dropped, whatever is mounted there.
struct Bench {
    dir: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("kos-mount-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("mnt")).unwrap();
        Self { dir }
    }

    fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    fn mnt(&self) -> PathBuf {
        self.dir.join("mnt")
    }

    /// The exit status of `cargo hosted` with these words and the image.
    fn hosted(&self, words: &str) -> i32 {
        let words = words.split(' ');
        let status = Command::new(HOSTED).args(words).arg(self.image()).stdout(Stdio::null()).status();
        status.unwrap().code().unwrap()
    }

    fn fsck(&self) {
        assert_eq!(self.hosted("fsck --scrub"), 0);
    }

    /// Mounts what `words` end with.
    fn mount(&self, words: &[&OsStr]) -> Served {
        let mut child = Command::new(HOSTED)
            .arg("mount")
            .args(words)
            .arg(self.mnt())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(" on "), "{line}");
        Served { child, mnt: self.mnt() }
    }

    fn mount_image(&self) -> Served {
        self.mount(&["--sync-interval".as_ref(), "0".as_ref(), self.image().as_os_str()])
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.mnt(), UnmountFlags::DETACH);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A mount with its server.
struct Served {
    child: Child,
    mnt: PathBuf,
}

impl Served {
    fn unmount(mut self) {
        // Between its fork and its program the child of another test has copies of our descriptors.
        let busy = |_: &u32| {
            let done = rustix::mount::unmount(&self.mnt, UnmountFlags::empty());
            assert!(matches!(done, Ok(()) | Err(Errno::BUSY)), "{done:?}");
            std::thread::yield_now();
            done.is_err()
        };
        assert!((0..1_000_000).any(|tried| !busy(&tried)), "somebody has it open");
        assert!(self.child.wait().unwrap().success());
    }

    fn signal(mut self, signal: Signal) -> std::process::ExitStatus {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        let _ = rustix::mount::unmount(&self.mnt, UnmountFlags::DETACH);
        status
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Of one that has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn create(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap()
}

/// Every kind of file and call, and what is left of it.
fn use_names(mnt: &Path) {
    let at = |name: &str| mnt.join(name);
    fs::create_dir(at("dir")).unwrap();
    fs::write(at("dir/file"), "hello").unwrap();
    fs::hard_link(at("dir/file"), at("other")).unwrap();
    let (one, two) = (fs::metadata(at("dir/file")).unwrap(), fs::metadata(at("other")).unwrap());
    assert_eq!((one.ino(), one.nlink(), one.size()), (two.ino(), 2, 5));
    symlink("dir/file", at("link")).unwrap();
    assert_eq!(
        (fs::read_link(at("link")).unwrap(), fs::read(at("link")).unwrap()),
        ("dir/file".into(), b"hello".to_vec())
    );
    let bytes = mnt.join(OsStr::from_bytes(b"\xff\x01 \xc3("));
    fs::write(&bytes, "bytes").unwrap();
    for (name, kind) in
        [("fifo", FileType::Fifo), ("char", FileType::CharacterDevice), ("socket", FileType::Socket)]
    {
        let device = rustix::fs::makedev(240, 0x12345);
        rustix::fs::mknodat(CWD, at(name), kind, Mode::from_raw_mode(0o640), device).unwrap();
    }
    let char = fs::metadata(at("char")).unwrap();
    assert!(char.file_type().is_char_device());
    assert_eq!((rustix::fs::major(char.rdev()), rustix::fs::minor(char.rdev())), (240, 0x12345));
    fs::write(at("a"), "a").unwrap();
    let rename = |flags| rustix::fs::renameat_with(CWD, at("a"), CWD, at("other"), flags);
    assert_eq!(rename(RenameFlags::NOREPLACE), Err(Errno::EXIST));
    rename(RenameFlags::EXCHANGE).unwrap();
    assert_eq!(
        (fs::read(at("a")).unwrap(), fs::read(at("other")).unwrap()),
        (b"hello".to_vec(), b"a".to_vec())
    );
    for index in 0..1000 {
        fs::write(mnt.join(format!("dir/{index}")), "").unwrap();
    }
    for (seen, entry) in fs::read_dir(at("dir")).unwrap().enumerate() {
        // What is removed meanwhile keeps nobody else away.
        let path = entry.unwrap().path();
        if seen % 2 == 0 && path.file_name().unwrap() != "file" {
            fs::remove_file(path).unwrap();
        }
    }
    let left = fs::read_dir(at("dir")).unwrap().count();
    assert!((500..=502).contains(&left), "{left}");
    assert_eq!(fs::remove_dir(at("dir")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
}

fn use_bytes(mnt: &Path) {
    let file = create(&mnt.join("sparse"));
    file.write_all_at(b"end", 1 << 30).unwrap();
    file.write_all_at(&[7; 65536], 0).unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, punch, 4096, 8192).unwrap();
    let mut bytes = [1; 16384];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes[..4096].iter().all(|&byte| byte == 7) && bytes[4096..12288].iter().all(|&byte| byte == 0));
    assert_eq!(rustix::fs::seek(&file, SeekFrom::Hole(0)), Ok(4096));
    assert_eq!(rustix::fs::seek(&file, SeekFrom::Data(4096)), Ok(12288));
    assert_eq!(rustix::fs::seek(&file, SeekFrom::Data(65536)), Ok(1 << 30));
    assert!(file.metadata().unwrap().blocks() < 256, "the hole takes no room");
    fs::remove_file(mnt.join("sparse")).unwrap();
    file.read_exact_at(&mut bytes[..3], 1 << 30).unwrap();
    assert_eq!(&bytes[..3], b"end", "as long as it is open");

    // Appends of several writers never meet.
    let log = mnt.join("log");
    std::thread::scope(|scope| {
        for letter in b"abcd" {
            let log = &log;
            scope.spawn(move || {
                let mut file = OpenOptions::new().append(true).create(true).open(log).unwrap();
                (0..50).for_each(|_| file.write_all(&[*letter; 100]).unwrap());
            });
        }
    });
    let log = fs::read(log).unwrap();
    assert_eq!(log.len(), 20_000);
    assert!(log.chunks(100).all(|record| record.iter().all(|&byte| byte == record[0])));
}

fn use_times(mnt: &Path) {
    let file = create(&mnt.join("times"));
    let stamp = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let set = |last_access, last_modification| {
        rustix::fs::futimens(&file, &Timestamps { last_access, last_modification }).unwrap();
        let found = file.metadata().unwrap();
        ((found.atime(), found.atime_nsec()), (found.mtime(), found.mtime_nsec()))
    };
    assert_eq!(set(stamp(5, 999_999_999), stamp(-2, 750_000_000)), ((5, 999_999_999), (-2, 750_000_000)));
    let omit = stamp(0, rustix::fs::UTIME_OMIT);
    assert_eq!(set(stamp(7, 1), omit), ((7, 1), (-2, 750_000_000)));
    assert!(set(omit, stamp(0, rustix::fs::UTIME_NOW)).1.0 > 1_600_000_000);
    file.sync_all().unwrap();
    rustix::fs::fsync(File::open(mnt).unwrap()).unwrap();
    assert!(rustix::fs::statvfs(mnt).unwrap().f_bfree > 0);
}

#[test]
fn files_are_as_on_any_file_system_and_there_after_a_new_mount() {
    if !able("files_are_as_on_any_file_system_and_there_after_a_new_mount") {
        return;
    }
    let bench = Bench::new("basics");
    assert_eq!(bench.hosted("mkfs --size 64M"), 0);
    let served = bench.mount_image();
    use_names(&bench.mnt());
    use_bytes(&bench.mnt());
    use_times(&bench.mnt());
    served.unmount();
    bench.fsck();
    let served = bench.mount_image();
    let at = |name: &str| bench.mnt().join(name);
    assert_eq!(
        (fs::read(at("a")).unwrap(), fs::read(at("other")).unwrap()),
        (b"hello".to_vec(), b"a".to_vec())
    );
    assert_eq!(fs::metadata(at("a")).unwrap().nlink(), 2);
    assert!(
        !at("sparse").exists()
            && at("log").exists()
            && fs::metadata(at("fifo")).unwrap().file_type().is_fifo()
    );
    served.unmount();
}

/// Answers without what file systems may choose: sizes of directories.
fn comparable(answer: &Answer) -> String {
    let text = answer.to_string();
    match text.rsplit_once(',') {
        Some((rest, _)) if text.starts_with("dir,") => rest.to_string(),
        _ => text,
    }
}

/// Differences that are right on both sides: the call, what the mount answers and what the host does. `directory` says whether
/// the descriptor that the line begins with is one.
fn explained(line: &str, ours: &str, host: &str, directory: bool) -> Option<&'static str> {
    let number = |answer: &str| answer.parse::<u64>().is_ok();
    let mut steps = line.split([' ', '/', '"']);
    Some(match (line.split(' ').next()?, ours, host) {
        ("open" | "openat", "EOPNOTSUPP", host)
            if line.contains("O_TMPFILE") && (number(host) || host == "EACCES") =>
        {
            "the FUSE library passes no request for files without a name on"
        }
        ("open" | "openat", "EACCES", "ENXIO") => "FUSE mounts open no devices",
        ("open" | "openat", "ENXIO", "EACCES") => {
            "Linux opens devices and sockets of FUSE by itself, and asks nobody who may"
        }
        (_, _, "EACCES") if steps.any(|step| matches!(step, "." | "..")) => {
            "Linux asks about a directory when it looks up a name in it, not when it stays or goes up"
        }
        (
            "unlink" | "unlinkat" | "rmdir" | "rename" | "renameat" | "renameat2",
            "ENOTDIR" | "EISDIR",
            "EACCES" | "EPERM",
        ) => "Linux compares the kinds of files before it asks who may change the directory",
        ("rename" | "renameat" | "renameat2", "ENOENT" | "EBUSY", "EACCES") => {
            "Linux asks about the second directory after it looked at the first name"
        }
        ("mknod" | "mknodat", "EPERM", "EACCES") => {
            "Linux asks who may make devices before it asks who may change the directory"
        }
        ("lock", ours, host) if ours.contains("LCK,") && host.contains("LCK,") => {
            "which of several locks stands in the way first is nobody's to say"
        }
        ("lseek", _, "EINVAL") if directory && (number(ours) || ours == "ENXIO") => {
            "Linux itself seeks in directories of FUSE, as in any file"
        }
        ("lseek", ours, host)
            if number(ours)
                && number(host)
                && (directory || line.ends_with("SEEK_HOLE") || line.ends_with("SEEK_DATA")) =>
        {
            "what is data may come in other steps, and positions in a directory are the file system's to choose"
        }
        _ => return None,
    })
}

fn answer(engine: &mut Engine<HostBackend>, line: &str) -> Answer {
    match engine.line(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}")) {
        Outcome::Answer(answer) => answer,
        other => panic!("{line}: {other:?}"),
    }
}

/// Runs lines on a directory each, as Linux calls; the answers. A thread of its own, whose root directory is that afterwards.
struct Player {
    lines: std::sync::mpsc::Sender<String>,
    answers: std::sync::mpsc::Receiver<String>,
}

impl Player {
    fn new(dir: PathBuf) -> Self {
        let (lines, todo) = std::sync::mpsc::channel::<String>();
        let (done, answers) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut engine = Engine::new(HostBackend::new(&dir).unwrap());
            for line in todo {
                let _ = done.send(comparable(&answer(&mut engine, &line)));
            }
        });
        Self { lines, answers }
    }

    fn play(&self, line: &str) -> String {
        self.lines.send(line.to_owned()).unwrap();
        self.answers.recv().unwrap()
    }
}

/// The first difference between a mount and the host's own file system under one script.
fn compare(seed: u64, lines: u64, mount: &Path, host: &Path) -> Option<String> {
    let (ours, host) = (Player::new(mount.to_path_buf()), Player::new(host.to_path_buf()));
    // Every third is about locks, too.
    let plain = Generator::new(seed);
    let mut generator = if seed.is_multiple_of(3) { plain.with_locks() } else { plain };
    for index in 0..lines {
        let line = generator.line();
        let (left, right) = (ours.play(&line), host.play(&line));
        if left == right {
            continue;
        }
        let text = format!("seed {seed} line {index}: mount {left}, host {right}:\n  {line}");
        let directory = line.starts_with("lseek ") && {
            let kind = format!("fstat {} type", line.split(' ').nth(1).unwrap_or_default());
            let (left, right) = (ours.play(&kind), host.play(&kind));
            left == "dir" && right == "dir"
        };
        explained(&line, &left, &right, directory).or_else(|| panic!("{text}"));
        if left.starts_with('E') && right.starts_with('E') || line.starts_with("lock ") {
            continue;
        }
        if line.starts_with("lseek ") {
            let back = format!("lseek {} 0 SEEK_SET", line.split(' ').nth(1).unwrap_or_default());
            assert_eq!(ours.play(&back), host.play(&back));
        } else {
            // From here on the two are not the same.
            return Some(text);
        }
    }
    None
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// `KOS_SCRIPT_LINES` and `KOS_SCRIPT_SEED` make it longer, or another.
#[test]
fn generated_scripts_answer_on_a_mount_as_on_the_host() {
    if !able("generated_scripts_answer_on_a_mount_as_on_the_host") {
        return;
    }
    let (lines, first) = (number("KOS_SCRIPT_LINES", 1200), number("KOS_SCRIPT_SEED", 1));
    let bench = Bench::new("script");
    let image = bench.image();
    fs::set_permissions(&bench.dir, PermissionsExt::from_mode(0o755)).unwrap();
    let host = Path::new("/dev/shm").join(format!("kos-mount-script-{}", std::process::id()));
    for seed in first..first + lines.div_ceil(200) {
        assert_eq!(bench.hosted("mkfs --force --size 64M"), 0);
        let image = if seed % 2 == 0 { OsStr::new("tmpfs:") } else { image.as_os_str() };
        let mut words: Vec<&OsStr> = ["--sync-interval", "0", "--locks"].map(OsStr::new).into();
        words.push(image);
        let served = bench.mount(&words);
        fs::create_dir(&host).unwrap();
        fs::set_permissions(&host, PermissionsExt::from_mode(0o755)).unwrap();
        if let Some(difference) = compare(seed, 200, &bench.mnt(), &host) {
            eprintln!("explained: {difference}");
        }
        fs::remove_dir_all(&host).unwrap();
        served.signal(Signal::TERM);
        bench.fsck();
    }
}

/// Run by the next test, as another process: takes a lock on the whole file, says so, and keeps it until nobody listens.
#[test]
fn another_process_takes_a_lock() {
    let Some(path) = std::env::var_os("KOS_LOCKED_FILE") else { return };
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    rustix::fs::fcntl_lock(&file, FlockOperation::LockExclusive).unwrap();
    println!("\nlocked");
    let _ = std::io::stdin().read(&mut [0]);
}

/// Another process that takes a lock, or waits for it.
struct Locker {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Locker {
    fn new(file: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "another_process_takes_a_lock", "--nocapture"])
            .env("KOS_LOCKED_FILE", file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn wait_until_locked(&mut self) {
        assert!(self.lines.any(|line| line.unwrap() == "locked"));
    }
}

#[test]
fn a_lock_of_one_process_keeps_another_waiting() {
    if !able("a_lock_of_one_process_keeps_another_waiting") {
        return;
    }
    let bench = Bench::new("locks");
    let served = bench.mount(&["--locks".as_ref(), "tmpfs:".as_ref()]);
    let path = bench.mnt().join("file");
    let file = create(&path);
    let mut first = Locker::new(&path);
    first.wait_until_locked();
    let mut second = Locker::new(&path);
    let now = FlockOperation::NonBlockingLockExclusive;
    assert_eq!(rustix::fs::fcntl_lock(&file, now), Err(Errno::AGAIN));
    drop(first.child.stdin.take());
    assert!(first.lines.all(|line| line.is_ok()) && first.child.wait().unwrap().success());
    // Given back by the end of the first.
    second.wait_until_locked();
    assert_eq!(rustix::fs::fcntl_lock(&file, now), Err(Errno::AGAIN));
    second.child.kill().unwrap();
    second.child.wait().unwrap();
    rustix::fs::fcntl_lock(&file, FlockOperation::LockExclusive).unwrap();
    drop(file);
    served.unmount();
}

#[test]
fn what_was_synced_is_there_after_a_kill() {
    if !able("what_was_synced_is_there_after_a_kill") {
        return;
    }
    let bench = Bench::new("kill");
    assert_eq!(bench.hosted("mkfs --size 32M"), 0);
    for round in 0..4_u8 {
        let served = bench.mount_image();
        for before in 0..round {
            let bytes = fs::read(bench.mnt().join(format!("synced-{before}"))).unwrap();
            assert!(bytes.len() == 100_000 && bytes.iter().all(|&byte| byte == before), "round {round}");
        }
        fs::create_dir_all(bench.mnt().join("lost")).unwrap();
        let mut file = create(&bench.mnt().join(format!("synced-{round}")));
        file.write_all(&[round; 100_000]).unwrap();
        file.sync_all().unwrap();
        file.write_all(b"not synced").unwrap();
        let unnamed = create(&bench.mnt().join("unnamed"));
        fs::remove_file(bench.mnt().join("unnamed")).unwrap();
        unnamed.write_all_at(&[1; 50_000], 0).unwrap();
        unnamed.sync_all().unwrap();
        assert_eq!(served.signal(Signal::KILL).code(), None);
        bench.fsck();
        let grown = OpenOptions::new().append(true).open(bench.mnt().join("x"));
        assert!(grown.is_err(), "nothing is mounted");
        // What was not synced may be there or not; the rest of this test wants it gone.
        let served = bench.mount_image();
        let file = OpenOptions::new().write(true).open(bench.mnt().join(format!("synced-{round}"))).unwrap();
        file.set_len(100_000).unwrap();
        drop(file);
        served.unmount();
    }
}

#[test]
fn signals_commit_what_was_answered() {
    if !able("signals_commit_what_was_answered") {
        return;
    }
    let bench = Bench::new("signals");
    for kind in ["kosfs", "fat32"] {
        assert_eq!(bench.hosted(&format!("mkfs --force --type {kind} --size 64M")), 0);
        for signal in [Signal::TERM, Signal::INT] {
            let served = bench.mount_image();
            let name = format!("{}.txt", signal.as_raw());
            let mut open = create(&bench.mnt().join(&name));
            open.write_all(b"answered").unwrap();
            assert!(served.signal(signal).success());
            assert!(open.write_all(b"late").is_err(), "it is gone");
            drop(open);
            bench.fsck();
            let served = bench.mount_image();
            assert_eq!(fs::read(bench.mnt().join(&name)).unwrap(), b"answered");
            served.unmount();
        }
    }
}

#[test]
fn an_image_is_mounted_once_and_not_changed_when_it_must_not_be() {
    if !able("an_image_is_mounted_once_and_not_changed_when_it_must_not_be") {
        return;
    }
    let bench = Bench::new("once");
    assert_eq!(bench.hosted("mkfs --size 8M"), 0);
    let served = bench.mount_image();
    fs::write(bench.mnt().join("file"), "bytes").unwrap();
    let again = Command::new(HOSTED).arg("mount").arg(bench.image()).arg(bench.mnt()).status().unwrap();
    assert_eq!(again.code(), Some(8));
    assert_eq!((bench.hosted("fsck --repair"), bench.hosted("mkfs --force")), (8, 1));
    served.unmount();

    let before = fs::read(bench.image()).unwrap();
    let served = bench.mount(&["--ro".as_ref(), bench.image().as_os_str()]);
    assert_eq!(fs::read(bench.mnt().join("file")).unwrap(), b"bytes");
    assert_eq!(fs::write(bench.mnt().join("new"), "").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    bench.fsck();
    served.unmount();
    assert!(before == fs::read(bench.image()).unwrap());
    assert_eq!(fs::write(bench.image(), "nothing").map(|()| bench.hosted("mount --ro /")).unwrap(), 8);
}

/// What a script on the image answers, line by line.
fn play(bench: &Bench, script: &str) -> Vec<String> {
    let path = bench.dir.join("script");
    fs::write(&path, script).unwrap();
    let out =
        Command::new(HOSTED).arg("fs").arg(bench.image()).arg("--exec-script").arg(path).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(String::from).collect()
}

/// Needs neither root nor FUSE.
#[test]
fn scripts_on_an_image_crash_and_fail_as_told() {
    let bench = Bench::new("scripted");
    for kind in ["kosfs", "fat16"] {
        assert_eq!(bench.hosted(&format!("mkfs --force --type {kind} --size 64M")), 0);
        let lines = [
            ("open f O_RDWR,O_CREAT 0644", "0"),
            ("write 0 durable", "7"),
            ("fsync 0", "0"),
            ("mkdir lost 0755", "0"),
            ("write 0 gone", "4"),
            ("crash", "0"),
            ("expect 0 open f O_RDWR", "0"),
            ("pread 0 7 0", "\"durable\""),
            ("inject enospc 1", "0"),
            ("mkdir one 0755", "0"),
            ("mkdir two 0755", "ENOSPC"),
            ("mkdir two 0755", "0"),
            ("inject enomem 0", "0"),
            ("stat three type", "ENOMEM"),
            ("stat three type", "ENOENT"),
            ("inject eio 0", "0"),
            ("fsync 0", "EIO"),
        ];
        let script: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
        assert_eq!(play(&bench, &script), lines.map(|(_, answer)| String::from(answer)), "{kind}");
        if kind == "fat16" {
            assert_eq!(bench.hosted("fsck --repair"), 1, "it says that it was not unmounted");
        }
        bench.fsck();
        let stat = play(&bench, "stat two type\nstat lost type\n");
        assert_eq!(stat[0], "dir");
        assert!(kind == "fat16" || stat[1] == "ENOENT", "what was not synced is gone");
    }
}

/// A tree with every kind of file.
fn plant(dir: &Path) {
    fs::create_dir_all(dir.join("sub/empty")).unwrap();
    fs::write(dir.join("sub/file"), vec![3; 100_000]).unwrap();
    fs::hard_link(dir.join("sub/file"), dir.join("again")).unwrap();
    symlink("sub/file", dir.join("link")).unwrap();
    let sparse = create(&dir.join("sparse"));
    sparse.set_len(20 << 20).unwrap();
    sparse.write_all_at(b"x", 10 << 20).unwrap();
    rustix::fs::mknodat(CWD, dir.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    std::os::unix::fs::chown(dir.join("sub/file"), Some(12), Some(34)).unwrap();
    fs::set_permissions(dir.join("sub/file"), PermissionsExt::from_mode(0o4751)).unwrap();
    fs::set_permissions(dir.join("sub"), PermissionsExt::from_mode(0o1711)).unwrap();
    // Not every host stores any.
    let _ = rustix::fs::setxattr(dir.join("again"), "trusted.t", b"value", rustix::fs::XattrFlags::empty());
}

#[test]
fn a_volume_made_from_a_directory_is_equal_to_it_each_time() {
    if !able("a_volume_made_from_a_directory_is_equal_to_it_each_time") {
        return;
    }
    let bench = Bench::new("from");
    let source = bench.dir.join("source");
    plant(&source);
    let from = source.to_str().unwrap();
    for kind in ["kosfs --size 16M", "fat16 --size 64M"] {
        let make =
            format!("mkfs --force --type {kind} --uuid 00112233-4455-6677-8899-aabbccddeeff --from {from}");
        let images = [0, 1].map(|_| {
            assert_eq!(bench.hosted(&format!("{make} --time 1000000000")), 0);
            fs::read(bench.image()).unwrap()
        });
        assert!(images[0] == images[1], "{kind}");
        bench.fsck();
    }
    assert_eq!(bench.hosted(&format!("mkfs --force --size 16M --from {from}")), 0);
    let served = bench.mount_image();
    let at = |name: &str| fs::symlink_metadata(bench.mnt().join(name)).unwrap();
    for name in ["", "sub", "sub/empty", "sub/file", "again", "link", "sparse", "fifo"] {
        let (ours, theirs) = (at(name), fs::symlink_metadata(source.join(name)).unwrap());
        let of = |m: &fs::Metadata| (m.mode(), m.nlink(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec());
        assert_eq!(of(&ours), of(&theirs), "{name}");
    }
    assert_eq!(at("sub/file").ino(), at("again").ino());
    assert!(at("sparse").size() == 20 << 20 && at("sparse").blocks() < 64);
    let mut bytes = Vec::new();
    File::open(bench.mnt().join("again")).unwrap().read_to_end(&mut bytes).unwrap();
    assert!(bytes == vec![3; 100_000]);
    let value = |dir: &Path| {
        let mut value = [0; 16];
        rustix::fs::getxattr(dir.join("sub/file"), "trusted.t", &mut value[..])
            .map(|length| value[..length].to_vec())
    };
    if let Ok(there) = value(&source) {
        assert_eq!(value(&bench.mnt()), Ok(there));
    }
    served.unmount();
}

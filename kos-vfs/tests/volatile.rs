//! Names that come and go without the VFS: each walk asks the driver, and what it remembers follows.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::sync::Arc;
use core::fmt;
use std::sync::Mutex;

use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::fs::{
    Cookie, DirOps, DirSink, FileOps, FileSystem, FsFeatures, FsInfo, NewNode, Rename, RenameFlags, StatFs,
    SyncMode,
};
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{
    At, AtFlags, Attr, Config, Ctx, Errno, FileType, FsError, How, Ino, Mode, MountFlags, Name, OpenFlags,
    Timestamp, Vfs, View,
};

type Hook = Box<dyn FnOnce() + Send>;

/// A name that leads to a directory in the root, too: in which directory, the name, and that in the root.
type SecondName = (Ino, &'static [u8], &'static [u8]);

/// A tmpfs that is also changed from below, and calls back once when it has answered a lookup.
struct Volatile {
    fs: Tmpfs<HostEnv>,
    hook: Mutex<Option<Hook>>,
    second: Mutex<Vec<SecondName>>,
}

impl fmt::Debug for Volatile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fs.fmt(f)
    }
}

impl Volatile {
    fn make(&self, name: &[u8], kind: FileType) -> Ino {
        let (mode, device, now) = (Mode::of(0o755), Default::default(), Timestamp::EPOCH);
        let new = NewNode { kind, mode, uid: 0, gid: 0, device, target: &[], now };
        let ino = self.fs.create(self.fs.root(), Name::new(name).unwrap(), &new).unwrap().ino;
        self.fs.forget(ino, 1);
        ino
    }

    fn take(&self, name: &[u8]) {
        let (root, name) = (self.fs.root(), Name::new(name).unwrap());
        let file = DirOps::lookup(&self.fs, root, name).unwrap();
        let now = Timestamp::EPOCH;
        match file.kind {
            FileType::Directory => self.fs.rmdir(root, name, file.ino, now).unwrap(),
            _ => self.fs.unlink(root, name, file.ino, now).unwrap(),
        }
        self.fs.forget(file.ino, 1);
    }

    /// Runs `hook` when the next lookup has its answer, before the VFS has.
    fn in_lookup(&self, hook: impl FnOnce() + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }
}

impl FileSystem for Volatile {
    fn info(&self) -> FsInfo {
        let info = self.fs.info();
        FsInfo { features: info.features | FsFeatures::VOLATILE, ..info }
    }
    fn root(&self) -> Ino {
        self.fs.root()
    }
    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        self.fs.load(file)
    }
    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.fs.attr(file)
    }
    fn set_attr(&self, file: Ino, set: &kos_vfs::attr::SetAttr) -> Result<Attr, FsError> {
        self.fs.set_attr(file, set)
    }
    fn forget(&self, file: Ino, uses: u32) {
        self.fs.forget(file, uses);
    }
    fn dirs(&self) -> &dyn DirOps {
        self
    }
    fn files(&self) -> &dyn FileOps {
        self.fs.files()
    }
    fn statfs(&self) -> Result<StatFs, FsError> {
        self.fs.statfs()
    }
    fn sync(&self, mode: SyncMode) -> Result<(), FsError> {
        FileSystem::sync(&self.fs, mode)
    }
}

impl DirOps for Volatile {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        let second =
            self.second.lock().unwrap().iter().find(|at| (at.0, at.1) == (dir, name.as_bytes())).copied();
        let found = match second {
            Some((_, _, first)) => self.fs.lookup(self.fs.root(), Name::new(first).unwrap()),
            None => self.fs.lookup(dir, name),
        };
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        found
    }
    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        self.fs.create(dir, name, new)
    }
    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError> {
        self.fs.link(dir, name, file, now)
    }
    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.fs.unlink(dir, name, file, now)
    }
    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.fs.rmdir(dir, name, file, now)
    }
    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        self.fs.rename(rename)
    }
    fn readlink(&self, link: Ino, target: &mut [u8; 4096]) -> Result<usize, FsError> {
        self.fs.readlink(link, target)
    }
    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        self.fs.readdir(dir, from, sink)
    }
}

struct Machine {
    vfs: &'static Vfs<HostEnv>,
    view: View<'static, HostEnv>,
    fs: Arc<Volatile>,
}

fn machine() -> Machine {
    let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
    // A hook that walks lives as long as the file system in it.
    let vfs: &'static Vfs<HostEnv> = Box::leak(Box::new(vfs));
    let fs = Tmpfs::new(&TmpfsConfig::default()).unwrap();
    let fs = Arc::new(Volatile { fs, hook: Mutex::new(None), second: Mutex::new(Vec::new()) });
    let view = vfs.mount_root(Arc::clone(&fs) as Arc<dyn FileSystem>, MountFlags::empty()).unwrap();
    Machine { vfs, view, fs }
}

fn find(view: &View<'_, HostEnv>, path: &[u8]) -> Result<Ino, Errno> {
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    call.stat_at(At::Cwd, path, AtFlags::empty()).map(|stat| stat.attr.ino).map_err(|error| error.errno())
}

#[test]
fn names_come_and_go_from_below() {
    let Machine { vfs, view, fs } = machine();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    assert_eq!(find(&view, b"/pid"), Err(Errno::ENOENT));
    let first = fs.make(b"pid", FileType::Directory);
    assert_eq!(find(&view, b"/pid"), Ok(first), "a miss is not remembered");
    call.mkdir(At::Cwd, b"/pid/fd", Mode::ALL_ACCESS).unwrap();
    assert!(find(&view, b"/pid/fd").is_ok());
    call.rmdir(At::Cwd, b"/pid/fd").unwrap();
    let open = call.open(At::Cwd, b"/pid", &How::flags(OpenFlags::DIRECTORY)).unwrap();
    fs.take(b"pid");
    assert_eq!(find(&view, b"/pid"), Err(Errno::ENOENT), "nor is a name that is gone");
    let second = fs.make(b"pid", FileType::Directory);
    assert_ne!(first, second);
    assert_eq!(find(&view, b"/pid"), Ok(second));
    assert_eq!(
        open.list(|_| true).unwrap_err().errno(),
        Errno::ENOENT,
        "who stands in it sees that it is gone"
    );
    assert_eq!(
        call.mkdir(At::Place(open.place()), b"x", Mode::ALL_ACCESS).unwrap_err().errno(),
        Errno::ENOENT
    );
    drop(open);
    vfs.check().unwrap();
}

#[test]
fn what_is_mounted_on_a_name_that_went_stays() {
    let Machine { vfs, view, fs } = machine();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    fs.make(b"m", FileType::Directory);
    let other = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    call.mount(Arc::new(other), At::Cwd, b"/m", MountFlags::empty()).unwrap();
    call.mkdir(At::Cwd, b"/m/in", Mode::ALL_ACCESS).unwrap();
    fs.take(b"m");
    assert!(find(&view, b"/m/in").is_ok());
    call.unmount(At::Cwd, b"/m", false).unwrap();
    assert_eq!(find(&view, b"/m"), Err(Errno::ENOENT));
    vfs.check().unwrap();
}

/// A walk has the old answer of the driver in its hands while the name becomes another file, and a second walk finds that one.
#[test]
fn revalidate_races_with_create() {
    for known_before in [false, true] {
        let Machine { vfs, view, fs } = machine();
        let old = fs.make(b"x", FileType::Regular);
        if known_before {
            assert_eq!(find(&view, b"/x"), Ok(old));
        }
        let (inner, below) = (view.clone(), Arc::clone(&fs));
        fs.in_lookup(move || {
            below.take(b"x");
            let new = below.make(b"x", FileType::Regular);
            assert_eq!(find(&inner, b"/x"), Ok(new));
        });
        let new = find(&view, b"/x").unwrap();
        assert_ne!(new, old);
        assert_eq!(find(&view, b"/x"), Ok(new));
        vfs.check().unwrap();
    }
    // The same with a name that is missing at first.
    let Machine { vfs, view, fs } = machine();
    let (inner, below) = (view.clone(), Arc::clone(&fs));
    fs.in_lookup(move || {
        let new = below.make(b"x", FileType::Regular);
        assert_eq!(find(&inner, b"/x"), Ok(new));
    });
    assert!(find(&view, b"/x").is_ok(), "the answer of the driver was old");
    let call_ctx = Ctx::root();
    let how = How::create(OpenFlags::EXCLUSIVE | OpenFlags::WRITE_ONLY, Mode::ALL_ACCESS);
    let error = view.call(&call_ctx).open(At::Cwd, b"/x", &how).unwrap_err();
    assert_eq!(error.errno(), Errno::EEXIST);
    vfs.check().unwrap();
}

/// `/a/b` is `/b` and `/b/a` is `/a`, as a server may say.
fn circle() -> Machine {
    let machine = machine();
    let [a, b] = [&b"a"[..], b"b"].map(|name| machine.fs.make(name, FileType::Directory));
    *machine.fs.second.lock().unwrap() = vec![(a, b"b", b"b"), (b, b"a", b"a")];
    machine
}

#[test]
fn a_directory_that_is_renamed_into_itself_by_another_name_is_locked_once() {
    let Machine { vfs, view, .. } = circle();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    for (from, to) in [(&b"/a/b"[..], &b"/b/z"[..]), (b"/b/a", b"/a/z"), (b"/a/b", b"/b/a")] {
        assert!(call.rename(At::Cwd, from, At::Cwd, to, RenameFlags::empty()).is_err());
        assert!(call.rename(At::Cwd, from, At::Cwd, to, RenameFlags::EXCHANGE).is_err());
    }
    assert!(find(&view, b"/a").is_ok() && find(&view, b"/b").is_ok());
    vfs.check().unwrap();
}

/// One thread has `/a` and looks up `b` in it while another removes `/b/a`.
#[test]
fn two_directories_in_one_another_are_removed_by_two_threads() {
    let Machine { vfs, view, fs } = circle();
    let (inner, other) = (view.clone(), Arc::new(Mutex::new(None)));
    let started = Arc::clone(&other);
    assert!(find(&view, b"/a").is_ok());
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    // The first lookup is that of the walk to `/a`; of the second `/a` is locked.
    let below = Arc::clone(&fs);
    fs.in_lookup(move || {
        below.in_lookup(move || {
            let thread = std::thread::spawn(move || {
                let ctx = Ctx::root();
                inner.call(&ctx).rmdir(At::Cwd, b"/b/a").is_err()
            });
            // Long enough for it to come as far as it can.
            std::thread::sleep(core::time::Duration::from_millis(50));
            *started.lock().unwrap() = Some(thread);
        });
    });
    let removed = call.rmdir(At::Cwd, b"/a/b");
    let thread = other.lock().unwrap().take().unwrap();
    assert!(thread.join().unwrap() && removed.is_err(), "the driver knows neither by that name");
    vfs.check().unwrap();
}

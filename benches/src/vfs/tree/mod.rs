//! Names and files in memory: our VFS with its tmpfs beside other trees of names, and beside Linux by system call.
//!
//! All have the same tree: `/a/b/c/d` with 100 files and [`FILE`] in it. Ours resolves byte paths with permissions, symlinks and
//! mounts; what a peer leaves out stands in its note. Linux is timed with its system call, and the call alone stands beside
//! it: the difference is what its file system takes.

mod axfs;
mod kos;
mod linux;
mod memory;

use core::hint::black_box;

use self::axfs::Axfs;
use self::kos::Kos;
use self::linux::{Linux, Null};
use self::memory::Memory;
use crate::harness::memory::Random;
use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::peers::peer;
use crate::vfs::pattern;

/// The directories of the tree, from the root on.
const DIRS: [&str; 4] = ["/a", "/a/b", "/a/b/c", BOTTOM];
/// The last of them.
const BOTTOM: &str = "/a/b/c/d";
/// Files in it beside [`FILE`].
const OTHERS: usize = 100;
/// A file of [`DATA`] bytes, five names deep.
const FILE: &str = "/a/b/c/d/file.bin";
/// A name that is not there.
const MISSING: &str = "/a/b/c/d/missing";
/// A name that comes and goes.
const NEW: &str = "/a/b/c/d/new";
/// Bytes of the file where bytes are read or written.
const DATA: usize = if cfg!(test) { 4 << 20 } else { 64 << 20 };
/// Bytes of it elsewhere.
const LITTLE: usize = 4096;
/// Bytes of a request.
const PAGE: usize = 4096;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Stat,
    Missing,
    CreateUnlink,
    Read,
    Write,
}

/// A tree of names with one open file.
trait Tree: 'static {
    /// What is not alike.
    const NOTE: &str = "";
    /// Whether its work is done in this process, where it can be counted.
    const COUNTED: bool = true;

    /// Whether there are files behind it: what only shows a floor has nothing to be looked at.
    const STORED: bool = true;

    /// Makes [`DIRS`] and the files; `size` bytes of [`pattern`] in [`FILE`].
    fn make(size: usize) -> Self;
    /// The size of a file, if it is there.
    fn stat(&mut self, path: &str) -> Option<u64>;
    fn create(&mut self, path: &str);
    fn remove(&mut self, path: &str);
    /// Opens [`FILE`].
    fn open(&mut self);
    fn read(&mut self, at: u64, out: &mut [u8]);
    fn write(&mut self, at: u64, bytes: &[u8]);
}

/// Every question, in the order in which it is asked.
pub(crate) fn questions() -> Vec<Question> {
    let mut all = vec![
        names(
            "names-stat-5",
            "Look at a file in memory, five names deep, all names used before.",
            "stat",
            Story::Stat,
        ),
        names(
            "names-missing-5",
            "Look for a file that is not there, five names deep, asked for before.",
            "stat",
            Story::Missing,
        ),
        names(
            "tmpfs-create-unlink",
            "Make an empty file in memory five names deep beside 101 others, close it, remove it.",
            "file",
            Story::CreateUnlink,
        ),
    ];
    all.extend(bytes());
    all
}

/// A question about names, asked of everybody who has names.
fn names(name: &'static str, what: &str, operation: &'static str, story: Story) -> Question {
    let mut subjects = vec![
        subject::<Kos<false>>(OURS, story),
        subject::<Axfs>(&peer("axfs-ng-vfs"), story),
        subject::<Memory>(&peer("vfs"), story),
    ];
    subjects.extend(linux(story));
    question(name, what, operation, subjects)
}

/// The questions about bytes, each with its floor.
fn bytes() -> [Question; 3] {
    let among = |mut subjects: Vec<Subject>, story| {
        subjects.extend(linux(story));
        subjects.push(subject::<Copied>("memory copied", story));
        subjects
    };
    let ours = |story| subject::<Kos<false>>(OURS, story);
    let memory = subject::<Memory>(&peer("vfs"), Story::Read);
    let cached = subject::<Kos<true>>("kos-vfs Vfs, page cache over FAT", Story::Read);
    [
        question(
            "tmpfs-read-4k",
            "Read 4 KiB anywhere in an open file of 64 MiB in memory.",
            "4 KiB",
            among(vec![ours(Story::Read), memory], Story::Read),
        ),
        question(
            "tmpfs-write-4k",
            "Write over 4 KiB anywhere in an open file of 64 MiB in memory.",
            "4 KiB",
            among(vec![ours(Story::Write)], Story::Write),
        ),
        question(
            "cache-read-4k",
            "Read 4 KiB anywhere in an open file of 64 MiB on FAT, all of which is in the page cache.",
            "4 KiB",
            among(vec![cached], Story::Read),
        ),
    ]
}

/// Its tmpfs, and what of that is the way there; nobody where it has none that is large enough.
fn linux(story: Story) -> Vec<Subject> {
    if !Linux::has_room(2 * DATA) {
        return Vec::new();
    }
    vec![subject::<Linux>("Linux tmpfs", story), subject::<Null>("Linux, a call that does nothing", story)]
}

const OURS: &str = "kos-vfs Vfs, tmpfs";

fn question(name: &'static str, what: &str, operation: &'static str, subjects: Vec<Subject>) -> Question {
    let shape = Shape::Repeated { counted: 100 };
    Question { name, what: what.to_owned(), operation, operations: 1, shape, subjects }
}

fn subject<T: Tree>(name: &str, story: Story) -> Subject {
    Subject {
        name: name.to_owned(),
        promise: Promise::Shared,
        note: T::NOTE,
        counted: T::COUNTED,
        make: Box::new(move || Box::new(Work::<T>::new(story)) as Box<dyn Body>),
    }
}

/// A tree at work.
struct Work<T> {
    tree: T,
    story: Story,
    at: usize,
    random: Random,
    buffer: Vec<u8>,
}

impl<T: Tree> Work<T> {
    fn new(story: Story) -> Self {
        let bytes = matches!(story, Story::Read | Story::Write);
        let mut tree = T::make(if bytes { DATA } else { LITTLE });
        if bytes {
            tree.open();
        }
        let mut work = Self { tree, story, at: 0, random: Random::new(7), buffer: pattern(0, PAGE) };
        if story == Story::Read {
            // Once from the beginning to the end: what has a cache has all of it from here on.
            (0..DATA).step_by(PAGE).for_each(|at| work.tree.read(at as u64, &mut work.buffer));
        }
        work
    }

    fn anywhere(&mut self) -> u64 {
        self.at = self.random.below(DATA / PAGE) * PAGE;
        self.at as u64
    }

    fn step(&mut self) {
        match self.story {
            Story::Stat => assert_eq!(self.tree.stat(black_box(FILE)), Some(LITTLE as u64), "its size"),
            Story::Missing => assert_eq!(self.tree.stat(black_box(MISSING)), None, "it is not there"),
            Story::CreateUnlink => {
                self.tree.create(black_box(NEW));
                self.tree.remove(NEW);
            }
            Story::Read => {
                let at = self.anywhere();
                self.tree.read(at, &mut self.buffer);
            }
            Story::Write => {
                let at = self.anywhere();
                self.tree.write(at, &self.buffer);
            }
        }
        black_box(&mut self.buffer);
    }
}

impl<T: Tree> Body for Work<T> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    fn verify(&mut self) {
        match self.story {
            _ if !T::STORED => {}
            Story::Stat | Story::Missing => {}
            Story::CreateUnlink => {
                self.tree.create(NEW);
                assert_eq!(self.tree.stat(NEW), Some(0), "it was made");
                self.tree.remove(NEW);
                assert_eq!(self.tree.stat(NEW), None, "it was removed");
            }
            Story::Read => assert!(self.buffer == pattern(self.at, PAGE), "other bytes were read"),
            Story::Write => {
                let mut out = vec![0; PAGE];
                self.tree.read(self.at as u64, &mut out);
                assert!(out == self.buffer, "other bytes were written");
            }
        }
    }
}

/// No file system at all: the same pages, copied.
struct Copied(Vec<u8>);

impl Copied {
    fn page(&mut self, at: u64, length: usize) -> &mut [u8] {
        let at = must(usize::try_from(at).ok());
        must(self.0.get_mut(at..at + length))
    }
}

impl Tree for Copied {
    const NOTE: &str = "the floor: no names, no checks";
    const STORED: bool = false;

    fn make(size: usize) -> Self {
        Self(pattern(0, size))
    }

    fn stat(&mut self, _: &str) -> Option<u64> {
        None
    }

    fn create(&mut self, _: &str) {}

    fn remove(&mut self, _: &str) {}

    fn open(&mut self) {}

    fn read(&mut self, at: u64, out: &mut [u8]) {
        out.copy_from_slice(self.page(at, out.len()));
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        self.page(at, bytes.len()).copy_from_slice(bytes);
    }
}

//! FAT drivers on the same volume in memory: bytes in a row, bytes at random, names.
//!
//! The volume is FAT32 on a disk whose reads and writes are copies, so what is compared is the driver: how many requests it
//! makes, what it looks up for each, what it writes beside the data. Each driver may keep 64 sectors of metadata and
//! 512 places of a chain, if it keeps any. No driver caches file data.

mod drives;
mod volume;

use core::hint::black_box;

use self::drives::{Drive, Embedded, Fatfs, Hadris, Kos};
use self::volume::{DATA, FILE, Layout, Volume};
use crate::harness::memory::Random;
use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::peers::peer;
use crate::vfs::pattern;

/// Bytes of a large request.
const LARGE: usize = 64 << 10;
/// Bytes of a small one.
const SMALL: usize = 4 << 10;
/// Bytes of a file that is written anew.
const NEW: usize = 1 << 20;

/// Every question, in the order in which it is asked.
pub(crate) fn questions() -> Vec<Question> {
    vec![
        question("fat-read-64k", Story::ReadAll, 512, false),
        question("fat-read-64k-clusters-4k", Story::ReadAll, 4096, false),
        question("fat-read-64k-pieces", Story::ReadAll, 4096, true),
        question("fat-write-64k", Story::WriteAll, 512, false),
        question("fat-write-64k-clusters-4k", Story::WriteAll, 4096, false),
        question("fat-write-new", Story::WriteNew, 512, false),
        question("fat-write-new-clusters-4k", Story::WriteNew, 4096, false),
        question("fat-random-read-4k", Story::ReadRandom, 512, false),
        question("fat-random-read-4k-pieces", Story::ReadRandom, 4096, true),
        question("fat-random-write-4k", Story::WriteRandom, 512, false),
        question("fat-seek-back-4k", Story::ReadBack, 512, false),
        question("fat-create-unlink", Story::CreateUnlink, 4096, false),
        question("fat-list", Story::List, 4096, false),
    ]
}

/// What is done to the file, or to names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// Read it from the beginning to the end.
    ReadAll,
    /// Write over it from the beginning to the end.
    WriteAll,
    /// Make a file, fill it, remove it.
    WriteNew,
    /// Read anywhere.
    ReadRandom,
    /// Write over anywhere.
    WriteRandom,
    /// Read it from the end to the beginning.
    ReadBack,
    /// Make an empty file and remove it.
    CreateUnlink,
    /// Read all names.
    List,
}

impl Story {
    /// The work in words, the operation, how many of them are a step, and the steps to count.
    fn words(self) -> (String, &'static str, usize, usize) {
        let small = "4 KiB";
        match self {
            Self::ReadAll => ("Read a file of 16 MiB in a row.".into(), "64 KiB", 1, 64),
            Self::WriteAll => ("Write over a file of 16 MiB in a row.".into(), "64 KiB", 1, 64),
            Self::WriteNew => ("Make a file, write 1 MiB, remove it.".into(), "64 KiB", NEW / LARGE, 2),
            Self::ReadRandom => ("Read 4 KiB anywhere in a file of 16 MiB.".into(), small, 1, 40),
            Self::WriteRandom => ("Write over 4 KiB anywhere in a file of 16 MiB.".into(), small, 1, 40),
            Self::ReadBack => ("Read a file of 16 MiB from its end to its beginning.".into(), small, 1, 40),
            Self::CreateUnlink => {
                ("Make an empty file with a short name beside 100 others, remove it.".into(), "file", 1, 20)
            }
            Self::List => ("Read the names of a directory of 1000 files.".into(), "name", 1000, 2),
        }
    }

    fn layout(self, cluster: u32, pieces: bool) -> Layout {
        let files = match self {
            Self::CreateUnlink => 100,
            Self::List => 1000 - 1,
            _ => 0,
        };
        Layout { cluster, pieces, files }
    }
}

/// The question of `story` on a volume with clusters of `cluster` bytes; of a file in `pieces` no two clusters are neighbours.
fn question(name: &'static str, story: Story, cluster: u32, pieces: bool) -> Question {
    let (what, operation, operations, counted) = story.words();
    let layout = story.layout(cluster, pieces);
    let kind = if pieces { "none beside the next" } else { "all in a row" };
    let mut subjects = vec![
        subject::<Kos>("kos-vfs fs::fat".to_owned(), story, layout),
        subject::<Fatfs>(peer("fatfs"), story, layout),
        subject::<Hadris>(peer("hadris-fat"), story, layout),
    ];
    if !matches!(story, Story::WriteAll | Story::WriteRandom) {
        subjects.push(subject::<Embedded>(peer("embedded-sdmmc"), story, layout));
    }
    Question {
        name,
        what: format!("{what} FAT32, clusters of {cluster} bytes, {kind}."),
        operation,
        operations,
        shape: Shape::Repeated { counted },
        subjects,
    }
}

fn subject<D: Drive>(name: String, story: Story, layout: Layout) -> Subject {
    Subject {
        name,
        promise: Promise::Exclusive,
        note: D::NOTE,
        counted: true,
        make: Box::new(move || Box::new(Work::<D>::new(story, Volume::make(layout))) as Box<dyn Body>),
    }
}

/// A driver at work.
struct Work<D> {
    drive: D,
    story: Story,
    at: usize,
    random: Random,
    buffer: Vec<u8>,
}

impl<D: Drive> Work<D> {
    fn new(story: Story, volume: Volume) -> Self {
        let mut drive = D::mount(volume);
        if !matches!(story, Story::WriteNew | Story::CreateUnlink | Story::List) {
            drive.open(FILE);
        }
        let length = match story {
            Story::ReadAll | Story::WriteAll | Story::WriteNew => LARGE,
            _ => SMALL,
        };
        Self { drive, story, at: 0, random: Random::new(7), buffer: pattern(0, length) }
    }

    /// The next request's place, `step` bytes after the last one.
    fn next(&mut self, step: usize) -> u64 {
        self.at = (self.at + step) % DATA;
        self.at as u64
    }

    fn anywhere(&mut self) -> u64 {
        self.at = self.random.below(DATA / SMALL) * SMALL;
        self.at as u64
    }

    fn step(&mut self) {
        match self.story {
            Story::ReadAll => {
                let at = self.next(LARGE);
                self.drive.read(at, &mut self.buffer);
            }
            Story::ReadBack => {
                let at = self.next(DATA - SMALL);
                self.drive.read(at, &mut self.buffer);
            }
            Story::ReadRandom => {
                let at = self.anywhere();
                self.drive.read(at, &mut self.buffer);
            }
            Story::WriteAll => {
                let at = self.next(LARGE);
                self.drive.write(at, &self.buffer);
            }
            Story::WriteRandom => {
                let at = self.anywhere();
                self.drive.write(at, &self.buffer);
            }
            Story::WriteNew => {
                self.drive.create("NEW.BIN");
                for at in (0..NEW).step_by(LARGE) {
                    self.drive.write(at as u64, &self.buffer);
                }
                self.drive.close();
                self.drive.remove("NEW.BIN");
            }
            Story::CreateUnlink => {
                self.drive.create("NEW.BIN");
                self.drive.close();
                self.drive.remove("NEW.BIN");
            }
            Story::List => assert_eq!(black_box(self.drive.list()), 1000, "names"),
        }
        black_box(&mut self.buffer);
    }
}

impl<D: Drive> Body for Work<D> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    fn verify(&mut self) {
        match self.story {
            Story::ReadAll | Story::ReadRandom | Story::ReadBack => {
                assert!(self.buffer == pattern(self.at, self.buffer.len()), "other bytes were read");
            }
            Story::WriteAll | Story::WriteRandom => {
                let mut out = vec![0; self.buffer.len()];
                self.drive.read(self.at as u64, &mut out);
                assert!(out == self.buffer, "other bytes were written");
            }
            Story::WriteNew | Story::CreateUnlink => {
                assert!(must(Some(self.drive.list())) > 0, "the rest is gone");
            }
            Story::List => {}
        }
    }
}

//! File systems that survive a crash, on the same disk in memory: names, bytes at random, and what that costs the disk.
//!
//! Both copy what changes and keep checksums of names and bytes; no cache of file data on our side. What is durable is so when a
//! step ends: 64 changes are one commit of ours and one transaction of redoxfs.

mod drives;

use core::hint::black_box;
use std::io::{self, Write};

use redoxfs::DiskCache;

use self::drives::{Drive, Kos, Plain, Redox};
use crate::harness::memory::Random;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::harness::report::{self, Style};
use crate::peers::peer;
use crate::vfs::pattern;

/// Bytes of the volume.
const VOLUME: usize = 256 << 20;
/// Bytes of the file.
const DATA: usize = if cfg!(test) { 4 << 20 } else { 64 << 20 };
/// Files beside those that come and go.
const OTHERS: usize = 1000;
/// Bytes of a small request.
const SMALL: usize = 4 << 10;
/// Bytes of a large one.
const LARGE: usize = 64 << 10;
/// Changes that become durable together.
const TOGETHER: usize = 64;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    CreateUnlink,
    ReadRandom,
    ReadAll,
    WriteRandom,
}

/// Every question, in the order in which it is asked.
pub(crate) fn questions() -> Vec<Question> {
    vec![
        question(
            "kosfs-create-unlink",
            "Make 64 empty files beside 1000 others, durable together; remove them, durable together.",
            ("file", TOGETHER, 2),
            Story::CreateUnlink,
        ),
        question(
            "kosfs-random-write-4k",
            "Write over 4 KiB anywhere in a file of 64 MiB, durable after 64 of them.",
            ("4 KiB", TOGETHER, 2),
            Story::WriteRandom,
        ),
        question(
            "kosfs-random-read-4k",
            "Read 4 KiB anywhere in a file of 64 MiB.",
            ("4 KiB", 1, 40),
            Story::ReadRandom,
        ),
        question("kosfs-read-64k", "Read a file of 64 MiB in a row.", ("64 KiB", 1, 40), Story::ReadAll),
    ]
}

fn question(name: &'static str, what: &str, size: (&'static str, usize, usize), story: Story) -> Question {
    let (operation, operations, counted) = size;
    let subjects = vec![
        subject::<Kos>("kos-vfs fs::kosfs".to_owned(), story),
        subject::<Redox<Plain>>(peer("redoxfs"), story),
        subject::<Redox<DiskCache<Plain>>>(peer("redoxfs") + " DiskCache", story),
    ];
    Question {
        name,
        what: what.to_owned(),
        operation,
        operations,
        shape: Shape::Repeated { counted },
        subjects,
    }
}

fn subject<D: Drive>(name: String, story: Story) -> Subject {
    Subject {
        name,
        promise: Promise::Exclusive,
        note: D::NOTE,
        counted: true,
        make: Box::new(move || Box::new(Work::<D>::new(story)) as Box<dyn Body>),
    }
}

/// A file system at work.
struct Work<D> {
    drive: D,
    story: Story,
    names: Vec<String>,
    at: usize,
    random: Random,
    buffer: Vec<u8>,
}

impl<D: Drive> Work<D> {
    fn new(story: Story) -> Self {
        let mut drive = D::make(VOLUME);
        let others: Vec<_> = (0..OTHERS).map(|other| format!("other file {other}")).collect();
        drive.create(&others);
        drive.fill(DATA);
        let names = (0..TOGETHER).map(|new| format!("new file {new}")).collect();
        let buffer = pattern(0, if story == Story::ReadAll { LARGE } else { SMALL });
        Self { drive, story, names, at: 0, random: Random::new(7), buffer }
    }

    fn anywhere(&mut self) -> u64 {
        self.at = self.random.below(DATA / SMALL) * SMALL;
        self.at as u64
    }

    fn step(&mut self) {
        match self.story {
            Story::CreateUnlink => {
                self.drive.create(&self.names);
                self.drive.remove(&self.names);
            }
            Story::ReadRandom => {
                let at = self.anywhere();
                self.drive.read(at, &mut self.buffer);
            }
            Story::ReadAll => {
                self.at = (self.at + LARGE) % DATA;
                self.drive.read(self.at as u64, &mut self.buffer);
            }
            Story::WriteRandom => {
                let places: Vec<_> = (0..TOGETHER).map(|_| self.anywhere()).collect();
                self.drive.write(&places, &self.buffer);
            }
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
            Story::CreateUnlink => {
                self.drive.create(&self.names);
                assert!(self.names.iter().all(|name| self.drive.has(name)), "they were made");
                self.drive.remove(&self.names);
                assert!(!self.names.iter().any(|name| self.drive.has(name)), "they were removed");
            }
            Story::ReadRandom | Story::ReadAll => {
                assert!(self.buffer == pattern(self.at, self.buffer.len()), "other bytes were read");
            }
            Story::WriteRandom => {
                let mut out = vec![0; SMALL];
                self.drive.read(self.at as u64, &mut out);
                assert!(out == self.buffer, "other bytes were written");
            }
        }
    }
}

/// For the command line.
pub(crate) const DISK: &str = "kosfs-disk";

const HEADINGS: [&str; 4] = ["subject", "files", "blocks read by a mount", "bytes written a byte"];
/// Files on the volume that is mounted.
const FILES: usize = 10_000;
/// Rounds of 64 writes.
const ROUNDS: usize = 64;

/// Prints what the disk has to do: no time, and the same in each run.
pub(crate) fn print(out: &mut dyn Write, style: Style) -> io::Result<()> {
    let what = "Blocks of 4 KiB that a mount reads of a volume with so many files; bytes written to the disk a byte that was \
                written to a file of 64 MiB, 4 KiB anywhere, durable after 64 of them.";
    report::print_heading(out, style, DISK, what)?;
    writeln!(out)?;
    let rows = [row::<Kos>("kos-vfs fs::kosfs".to_owned()), row::<Redox<Plain>>(peer("redoxfs"))];
    report::print_table(out, style, HEADINGS, &rows)
}

fn row<D: Drive>(name: String) -> [String; 4] {
    let (blocks, factor) = (mounted::<D>(FILES), amplified::<D>(ROUNDS));
    [name, FILES.to_string(), blocks.to_string(), format!("{factor:.2}")]
}

/// Blocks that a mount reads of a volume with `files` files.
fn mounted<D: Drive>(files: usize) -> usize {
    let mut drive = D::make(VOLUME);
    let names: Vec<_> = (0..files).map(|number| format!("file {number}")).collect();
    names.chunks(1000).for_each(|names| drive.create(names));
    let mut drive = drive.mount_again();
    let read = drive.moved().0;
    assert!(drive.has("file 0"), "it was made");
    read / SMALL
}

/// Bytes written to the disk for each byte written to the file.
fn amplified<D: Drive>(rounds: usize) -> f64 {
    let mut work = Work::<D>::new(Story::WriteRandom);
    let before = work.drive.moved().1;
    work.run(rounds);
    work.verify();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let factor = (work.drive.moved().1 - before) as f64 / (rounds * TOGETHER * SMALL) as f64;
    factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_asked_for_little() {
        assert!((1..=64).contains(&mounted::<Kos>(2000)));
        assert!((1.0..4.0).contains(&amplified::<Kos>(2)));
    }
}

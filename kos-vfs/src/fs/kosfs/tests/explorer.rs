//! Every crash of short workloads: for each moment, every subset of the writes in flight, whole and torn.
//!
//! A workload is recorded once. Between two flushes any write may have reached the device or not, in any order and in any
//! pieces of 512 bytes; up to [`FLIGHT`] writes all subsets are tried, above that some. Each state must be clean, and hold what
//! the files were after a step not older than the last sync and not newer than the crash.
//!
//! The whole run: `KOS_PROPTEST_CASES=20000 cargo test --release -p kos-vfs --all-features --lib explorer -- --nocapture`.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::steps::{Files, STEPS, Step, base, clean, files, make, mount, random, step};
use crate::attr::FileType;
use crate::block::WriteMode;
use crate::error::FsError;
use crate::fs::{FileSystem, SyncMode};
use crate::testing::{DiskEvent, PowerCut, RamDisk, RecordDisk, cases};

/// Writes in flight of which all subsets are tried.
const FLIGHT: usize = 8;

/// Subsets that are tried of more.
const SAMPLES: u64 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Fsync,
    Sync,
}

const THEN: [Then; 3] = [Then::Nothing, Then::Fsync, Then::Sync];

type Workload = Vec<(Step, Then)>;

/// A workload that was run.
struct Run {
    /// What is there before.
    base: RamDisk,
    events: Vec<DiskEvent>,
    /// What is there after each step, with the number of events before it.
    states: Vec<(usize, Files)>,
    /// After how many events which state is durable.
    synced: Vec<(usize, usize)>,
}

fn do_then(fs: &dyn FileSystem, then: Then) -> bool {
    match then {
        Then::Nothing => return false,
        Then::Fsync => fs.files().fsync(fs.root(), SyncMode::All).unwrap(),
        Then::Sync => fs.sync(SyncMode::All).unwrap(),
    }
    true
}

fn run(base: &RamDisk, workload: &[(Step, Then)]) -> Run {
    let device = RecordDisk::new(base.clone());
    let fs = mount(&device, false).unwrap();
    let _ = device.take();
    let base = device.device().clone();
    let (mut states, mut synced) = (vec![(0, files(&fs).unwrap())], vec![(0, 0)]);
    for (count, &(what, then)) in (0..).zip(workload) {
        let before = device.events();
        let _ = step(&fs, what, count);
        states.push((before, files(&fs).unwrap()));
        if do_then(&fs, then) {
            synced.push((device.events(), states.len() - 1));
        }
    }
    Run { base, events: device.take(), states, synced }
}

/// An exploration of one run.
struct Explorer<'a> {
    run: &'a Run,
    random: u64,
    states: u64,
}

impl Explorer<'_> {
    /// Tries all crashes. What is durable after each event follows from the events alone.
    fn explore(&mut self) -> Result<(), String> {
        let (run, durable) = (self.run, self.run.base.clone());
        let mut flight: Vec<usize> = Vec::new();
        for (at, event) in run.events.iter().enumerate() {
            match event {
                DiskEvent::Write { mode: WriteMode::Cached, .. } => flight.push(at),
                DiskEvent::Write { .. } => {
                    flight.push(at);
                    self.crash(&durable, &flight, at)?;
                    flight.pop();
                    event.apply(&durable).unwrap();
                }
                DiskEvent::Flush => {
                    self.crash(&durable, &flight, at)?;
                    flight.drain(..).for_each(|at| run.events[at].apply(&durable).unwrap());
                }
                DiskEvent::Discard { .. } => return Err("a discard: not thought of".into()),
            }
        }
        self.crash(&durable, &flight, run.events.len())
    }

    /// Tries what a crash before the end of event `at` may leave of the writes in `flight`.
    fn crash(&mut self, durable: &RamDisk, flight: &[usize], at: usize) -> Result<(), String> {
        if flight.len() <= FLIGHT {
            return (0..1 << flight.len()).try_for_each(|subset| self.subset(durable, flight, at, subset));
        }
        for _ in 0..SAMPLES {
            let subset = random(&mut self.random);
            self.pieces(durable, flight, at, subset)?;
        }
        Ok(())
    }

    /// A subset whole, with one of its writes torn somewhere, and with all of them in any pieces.
    fn subset(&mut self, durable: &RamDisk, flight: &[usize], at: usize, subset: u64) -> Result<(), String> {
        self.state(durable, flight, at, &mut |write, _, _| subset >> write & 1 == 1)?;
        let torn = (random(&mut self.random) % flight.len().max(1) as u64) as usize;
        let cut = random(&mut self.random) as usize;
        if subset >> torn & 1 == 0 {
            return Ok(());
        }
        self.state(durable, flight, at, &mut |write, piece, pieces| {
            subset >> write & 1 == 1 && (write != torn || piece < cut % pieces)
        })?;
        self.pieces(durable, flight, at, subset)
    }

    /// A subset of which each write survives in any pieces, or whole.
    fn pieces(&mut self, durable: &RamDisk, flight: &[usize], at: usize, subset: u64) -> Result<(), String> {
        let (mut row, whole) = (random(&mut self.random) | 1, random(&mut self.random));
        self.state(durable, flight, at, &mut |write, _, _| {
            subset >> (write % 64) & 1 == 1 && (whole >> (write % 64) & 1 == 1 || random(&mut row) & 4 == 0)
        })
    }

    /// Tries one state: of the writes in flight, those pieces of 512 bytes that `survives` (write, piece, pieces).
    fn state(
        &mut self,
        durable: &RamDisk,
        flight: &[usize],
        at: usize,
        survives: &mut dyn FnMut(usize, usize, usize) -> bool,
    ) -> Result<(), String> {
        let disk = durable.clone();
        for (write, &event) in flight.iter().enumerate() {
            let event = &self.run.events[event];
            let pieces = event.pieces();
            for piece in 0..pieces {
                if survives(write, piece, pieces) {
                    event.apply_piece(&disk, piece).unwrap();
                }
            }
        }
        self.states += 1;
        let lower = self.run.synced.iter().rev().find(|(events, _)| *events <= at).unwrap().1;
        let upper = self.run.states.iter().rposition(|(events, _)| *events <= at).unwrap();
        let allowed = &self.run.states[lower..=upper];
        judge(&disk, allowed, self.states.is_multiple_of(8))
            .map_err(|what| format!("after event {at}: {what}"))
    }
}

/// Whether a crashed volume is clean and holds one of `allowed`; with `use_it`, also whether it can be used.
fn judge(disk: &RamDisk, allowed: &[(usize, Files)], use_it: bool) -> Result<(), String> {
    clean(disk)?;
    let failed = |error: FsError| format!("{error}");
    let found = files(&mount(disk, true)?).map_err(failed)?;
    if !allowed.iter().any(|(_, files)| *files == found) {
        return Err(format!("{:?} is none of the {} states", found.keys(), allowed.len()));
    }
    if use_it {
        let fs = mount(disk, false)?;
        fs.check().map_err(failed)?;
        let same = files(&fs).map_err(failed)? == found;
        make(&fs, fs.root(), b"after", FileType::Regular, &[]).map_err(failed)?;
        fs.sync(SyncMode::All).map_err(failed)?;
        drop(fs);
        clean(disk)?;
        return if same { Ok(()) } else { Err("the mount changed files".into()) };
    }
    Ok(())
}

/// Tries all crashes of `workload`; how many there were.
fn explore(
    base: &RamDisk,
    workload: &[(Step, Then)],
    spoil: impl FnOnce(&mut Vec<DiskEvent>),
) -> Result<u64, String> {
    let mut run = run(base, workload);
    spoil(&mut run.events);
    let mut explorer = Explorer { run: &run, random: 0x9e37_79b9_7f4a_7c15, states: 0 };
    explorer.explore().map_err(|what| format!("{workload:?}: {what}"))?;
    Ok(explorer.states)
}

/// All workloads of one step and of two.
fn short_workloads() -> Vec<Workload> {
    let ones: Vec<_> = STEPS.iter().flat_map(|&step| THEN.map(|then| (step, then))).collect();
    let twos = ones.iter().flat_map(|&one| ones.iter().map(move |&two| vec![one, two]));
    ones.iter().map(|&one| vec![one]).chain(twos).collect()
}

fn explore_all(workloads: impl Iterator<Item = Workload>) -> u64 {
    let base = base();
    let explored = workloads.map(|workload| explore(&base, &workload, |_| {}));
    explored.map(|states| states.unwrap_or_else(|what| panic!("{what}"))).sum()
}

#[test]
fn every_crash_of_one_and_two_steps_leaves_a_prefix() {
    let all = short_workloads();
    let wanted = cases() as usize / 4;
    // A stride that shares no factor with their number, so that a part of them is a fair one.
    let chosen = (0..wanted.min(all.len())).map(|at| all[(at * 1009) % all.len()].clone());
    let states = explore_all(chosen);
    std::eprintln!("{} of {} workloads: {states} states", wanted.min(all.len()), all.len());
    assert!(states > wanted.min(all.len()) as u64 * 8, "{states}");
}

#[test]
fn every_crash_of_generated_steps_leaves_a_prefix() {
    let mut row = 77_u64;
    let count = cases() / 32;
    let workloads = (0..count).map(move |_| {
        let length = 3 + random(&mut row) % 10;
        let mut pick = |below: usize| (random(&mut row) >> 20) as usize % below;
        (0..length).map(|_| (STEPS[pick(STEPS.len())], THEN[pick(5) % 3])).collect()
    });
    let states = explore_all(workloads);
    std::eprintln!("{count} generated workloads: {states} states");
    assert!(states > u64::from(count) * 20, "{states}");
}

/// How many of some workloads fail when the device gets other events.
fn caught(spoil: fn(&mut Vec<DiskEvent>)) -> usize {
    let base = base();
    let steps = [Step::Create, Step::Overwrite, Step::UnlinkLong, Step::RenameOver];
    let workloads = steps.iter().map(|&step| [(step, Then::Sync), (Step::Append, Then::Fsync)]);
    workloads.filter(|workload| explore(&base, workload, spoil).is_err()).count()
}

#[test]
fn data_is_flushed_before_the_commit_block() {
    assert_eq!(caught(|_| {}), 0);
    let moved = |events: &mut Vec<DiskEvent>| {
        for at in 1..events.len() {
            if events[at - 1] == DiskEvent::Flush {
                events.swap(at - 1, at);
            }
        }
    };
    assert_eq!(caught(moved), 4, "the superblock before the flush");
    let none =
        |events: &mut Vec<DiskEvent>| events.iter_mut().filter(|event| is_flush(event)).for_each(remove);
    assert_eq!(caught(none), 4, "no flush at all");
}

fn is_flush(event: &DiskEvent) -> bool {
    *event == DiskEvent::Flush
}

fn is_fua(event: &DiskEvent) -> bool {
    matches!(event, DiskEvent::Write { mode: WriteMode::Through, .. })
}

/// A write of nothing instead, so that events are counted as before.
fn remove(event: &mut DiskEvent) {
    *event = DiskEvent::Write { sector: 0, bytes: Vec::new(), mode: WriteMode::Cached };
}

fn lower(event: &mut DiskEvent) {
    if let DiskEvent::Write { mode, .. } = event {
        *mode = WriteMode::Cached;
    }
}

/// Spoils each event that `is` one, alone, of a workload of each step; how many there were, and which were not found.
fn spoil_each(is: fn(&DiskEvent) -> bool, spoil: fn(&mut DiskEvent)) -> (u32, Vec<(Step, usize)>) {
    let base = base();
    let (mut all, mut unseen) = (0, Vec::new());
    for step in STEPS {
        let workload = [(step, Then::Sync), (Step::Append, Then::Fsync)];
        for at in 0.. {
            let mut met = false;
            let explored = explore(&base, &workload, |events| {
                let event = events.iter_mut().filter(|event| is(event)).nth(at);
                met = event.is_some();
                event.into_iter().for_each(spoil);
            });
            if !met {
                break;
            }
            all += 1;
            if explored.is_ok() {
                unseen.push((step, at));
            }
        }
    }
    (all, unseen)
}

#[test]
fn each_removed_flush_is_found() {
    let (all, unseen) = spoil_each(is_flush, remove);
    assert!(all >= 2 * 22 && unseen.is_empty(), "{unseen:?} of {all}");
}

#[test]
fn each_removed_fua_is_found() {
    let (all, unseen) = spoil_each(is_fua, lower);
    assert!(all >= 2 * 22 && unseen.is_empty(), "{unseen:?} of {all}");
}

#[test]
fn a_device_that_lies_is_found() {
    let base = base();
    let mut found = 0;
    for lies in [false, true] {
        let device = if lies { PowerCut::lying(&base) } else { PowerCut::new(&base) };
        let fs = mount(&device, false).unwrap();
        step(&fs, Step::Create, 0).unwrap();
        fs.sync(SyncMode::All).unwrap();
        let allowed = [(0, files(&fs).unwrap())];
        let wrong = (0..64).filter(|&seed| judge(&device.cut(seed), &allowed, false).is_err()).count();
        assert_eq!(wrong > 0, lies, "{wrong} of 64 cuts");
        found += wrong;
    }
    assert!(found > 32, "{found}");
}

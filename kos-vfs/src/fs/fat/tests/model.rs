use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::FatKind;
use super::{SIZES, assert_clean, fsck, mount, volume};
use crate::error::FsError;
use crate::fs::{FileSystem, SyncMode};
use crate::testing::{
    DiskEvent, FatModel, FatOp, Fault, FaultDisk, Names, PowerCut, RamDisk, RecordDisk, cases,
};

fn config(divisor: u32) -> ProptestConfig {
    ProptestConfig {
        cases: (cases() / divisor).max(1),
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn ops(most: usize) -> impl Strategy<Value = Vec<FatOp>> {
    prop::collection::vec(any::<[u8; 8]>().prop_map(FatOp::from_bytes), 1..most)
}

/// Rows of operations that do not depend on proptest's version.
fn row(seed: u64, count: usize) -> Vec<FatOp> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        FatOp::from_bytes(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes())
    };
    (0..count).map(|_| next()).collect()
}

/// Steps both; a full volume is the one error there may be.
fn run(disk: &RamDisk, ops: &[FatOp]) {
    let fat = mount(disk);
    let mut model = FatModel::new(&fat);
    for &op in ops {
        match model.step(&fat, op) {
            Ok(()) | Err(FsError::NoSpace) => {}
            Err(error) => panic!("{op:?}: {error}"),
        }
    }
    assert_eq!(FatModel::read_tree(&fat).unwrap(), model.tree());
    model.forget(&fat);
    fat.sync(SyncMode::All).unwrap();
    assert_clean(disk);
    let again = mount(disk);
    assert!(!again.was_in_use());
    assert_eq!(FatModel::read_tree(&again).unwrap(), model.tree(), "after a new mount");
    assert_eq!(again.statfs().unwrap().free, fat.statfs().unwrap().free);
}

proptest! {
    #![proptest_config(config(1))]
    #[test]
    fn a_volume_does_what_the_model_does(kind in 0_usize..2, ops in ops(200)) {
        let (kind, kib) = SIZES[kind];
        run(&volume(kind, kib), &ops);
    }
}

#[test]
fn long_rows_of_operations_on_all_kinds() {
    for (seed, (kind, kib)) in (0..).zip(SIZES) {
        run(&volume(kind, kib), &row(seed, 4000));
    }
}

/// Whether a failed operation changed nothing. A write may have stored some of its bytes, but no size.
fn unchanged(tree: &Names, expected: &Names, op: FatOp) -> bool {
    let is_write = matches!(op.code % 16, 4..=7);
    let sizes =
        |names: &Names| names.iter().map(|(_, bytes)| bytes.as_ref().map(Vec::len)).collect::<Vec<_>>();
    let paths = |names: &Names| names.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    tree == expected || is_write && paths(tree) == paths(expected) && sizes(tree) == sizes(expected)
}

/// What a failing device leaves: the model is the tree before or after the operation that failed.
fn sweep(kind: FatKind, kib: u64, fault: Fault, seed: u64) {
    let ops = row(seed, 60);
    let fresh = volume(kind, kib);
    for k in 0.. {
        let ram = fresh.clone();
        let disk = FaultDisk::new(&ram, k, fault);
        let Ok(fat) = super::Fat::<_, crate::testing::TestLock>::mount(&disk, super::MountOptions::default())
        else {
            assert!(disk.has_failed());
            continue;
        };
        let mut model = FatModel::new(&fat);
        let mut broken = None;
        for &op in &ops {
            match model.step(&fat, op) {
                Ok(()) | Err(FsError::NoSpace) => {}
                Err(FsError::Device(_)) if disk.has_failed() => {
                    broken = Some(op);
                    break;
                }
                Err(error) => panic!("call {k}, {op:?}: {error}"),
            }
        }
        if fault == Fault::Once
            && let Some(op) = broken
        {
            assert!(
                unchanged(&FatModel::read_tree(&fat).unwrap(), &model.tree(), op),
                "{kind:?} call {k}: {op:?}"
            );
        }
        model.forget(&fat);
        let _ = fat.sync(SyncMode::All);
        drop(fat);
        let report = fsck(&ram, true, &mut |_, _| {}).unwrap();
        assert_eq!(report.left(), 0);
        assert_clean(&ram);
        if !disk.has_failed() {
            assert!(k > 100, "{k} calls are too few to mean anything");
            return;
        }
    }
}

#[test]
fn every_failing_call_is_an_error_and_changes_no_name() {
    sweep(FatKind::Fat12, 100, Fault::Once, 1);
    sweep(FatKind::Fat16, 2200, Fault::Once, 2);
}

#[test]
fn every_call_after_which_the_device_is_gone_is_mended() {
    sweep(FatKind::Fat12, 100, Fault::Gone, 3);
    sweep(FatKind::Fat12, 100, Fault::Torn, 4);
}

/// Whether `tree` is `before` or `after`, or one file between them: of bytes, sizes of both and those between.
fn is_between(tree: &Names, before: &Names, after: &Names) -> bool {
    let same_elsewhere = |path: &str, bytes: &Option<Vec<u8>>| {
        let known = [before, after].map(|names| names.iter().find(|(name, _)| name == path));
        known.iter().flatten().any(|(_, known)| {
            known == bytes || known.is_some() && bytes.is_some() && known_changed(path, before, after)
        })
    };
    let all_known = tree.iter().all(|(path, bytes)| same_elsewhere(path, bytes));
    let kept = before.iter().filter(|entry| after.contains(entry));
    all_known && kept.clone().all(|entry| tree.contains(entry))
}

fn known_changed(path: &str, before: &Names, after: &Names) -> bool {
    let [old, new] = [before, after].map(|names| names.iter().find(|(name, _)| name == path));
    old != new
}

/// After each write, in order: mended, the volume is as before or after the operation at hand.
#[test]
fn a_crash_costs_the_newest_change_at_most() {
    for seed in 0..4 {
        let disk = RecordDisk::new(volume(FatKind::Fat12, 200));
        let base = disk.device().clone();
        let fat = mount(&disk);
        let mut model = FatModel::new(&fat);
        let mut trees = alloc::vec![(0, model.tree())];
        for op in row(40 + seed, 80) {
            let _ = model.step(&fat, op);
            trees.push((disk.events(), model.tree()));
        }
        let replay = base;
        for (at, event) in (1..).zip(disk.take()) {
            event.apply(&replay).unwrap();
            let step = trees.partition_point(|(events, _)| *events < at);
            let (before, after) = (&trees[step - 1].1, &trees[step].1);
            let crashed = replay.clone();
            assert_eq!(fsck(&crashed, true, &mut |_, _| {}).unwrap().left(), 0);
            assert_clean(&crashed);
            let tree = FatModel::read_tree(&mount(&crashed)).unwrap();
            assert!(
                is_between(&tree, before, after),
                "seed {seed}, write {at}: {event:?}",
                event = Brief(&event)
            );
        }
    }
}

/// An event without its bytes.
struct Brief<'e>(&'e DiskEvent);

impl core::fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            DiskEvent::Write { sector, bytes, .. } => write!(f, "{} bytes at sector {sector}", bytes.len()),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A device that loses, reorders and tears: files that were synced and not touched since are there, every byte.
#[test]
fn what_was_synced_survives_a_power_cut() {
    for seed in 0..20 {
        let disk = PowerCut::new(&volume(FatKind::Fat16, 2200));
        let fat = mount(&disk);
        let mut model = FatModel::new(&fat);
        let ops = row(90 + seed, 120);
        for &op in &ops[..60] {
            let _ = model.step(&fat, op);
        }
        fat.sync(SyncMode::All).unwrap();
        let synced = model.tree();
        let mut untouched = synced.clone();
        for &op in &ops[60..] {
            let _ = model.step(&fat, op);
            let now = model.tree();
            untouched.retain(|entry| now.contains(entry));
        }
        for cut in 0..10 {
            let crashed = disk.cut(seed * 100 + cut);
            assert_eq!(fsck(&crashed, true, &mut |_, _| {}).unwrap().left(), 0);
            assert_clean(&crashed);
            let tree = FatModel::read_tree(&mount(&crashed)).unwrap();
            let lost: Vec<_> =
                untouched.iter().filter(|entry| !tree.contains(entry)).map(|entry| &entry.0).collect();
            assert!(lost.is_empty(), "seed {seed}, cut {cut}: {lost:?}");
        }
    }
}

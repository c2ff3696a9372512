//! Boots that must fail by name, boots that must not, and a sweep over the point where memory ends.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic")]

use core::alloc::Layout;

use kos_alloc::testing::cases;
use kos_demo_kernel::firmware::{ADDRESS_LIMIT, MAX_ENTRIES};
use kos_demo_kernel::owned::Block;
use kos_demo_kernel::platform::{FirmwareKind, FirmwareRegion};
use kos_demo_kernel::{BootError, Cause, Config, Heap, Stage, ThreadError};
use kos_hosted::platform::Hosted;
use kos_hosted::{Machine, MachineConfig, MachineError};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn region(start: u64, length: u64, kind: FirmwareKind) -> FirmwareRegion {
    FirmwareRegion { start, length, kind }
}

fn with_map(map: Vec<FirmwareRegion>) -> MachineConfig {
    MachineConfig { memory_map: Some(map), ..MachineConfig::with_memory(32 * MIB) }
}

/// Boots; a failure must be named in the log's last line.
fn boot(config: MachineConfig) -> Result<Machine, BootError> {
    match Machine::boot(config) {
        Ok(machine) => Ok(machine),
        Err(MachineError::Boot { error, log }) => {
            let line = log.lines().last().unwrap_or("").to_owned();
            assert!(line.contains("FAILED") && line.contains(&error.cause.to_string()), "{error}: {log}");
            Err(error)
        }
        Err(error) => panic!("{error}"),
    }
}

fn failure(config: MachineConfig) -> (Stage, Cause) {
    let error = boot(config).map(drop).unwrap_err();
    (error.stage, error.cause)
}

#[test]
fn no_memory_map_is_named() {
    assert_eq!(failure(with_map(Vec::new())), (Stage::Memory, Cause::NoUsableMemory { entries: 0 }));
}

#[test]
fn no_usable_region_is_named() {
    let map = FirmwareKind::ALL.into_iter().skip(1).map(|kind| region(0, 32 * MIB, kind)).collect();
    assert_eq!(failure(with_map(map)), (Stage::Memory, Cause::NoUsableMemory { entries: 4 }));
    let crumbs = (0..100).map(|n| region(n * 4096 + 8, 4088, FirmwareKind::Usable)).collect();
    assert_eq!(failure(with_map(crumbs)).1, Cause::NoUsableMemory { entries: 100 });
}

#[test]
fn one_mebibyte_is_too_little_and_says_so() {
    let (stage, cause) = failure(MachineConfig::with_memory(MIB));
    assert_eq!(stage, Stage::Memory);
    assert!(matches!(cause, Cause::TooLittleMemory { free: 158, needed: 256 }), "{cause}");
    assert!(cause.to_string().contains("give the machine more"));
}

#[test]
fn a_map_without_end_is_named() {
    let map = |entries: usize| vec![region(2 * MIB, MIB * 8, FirmwareKind::Usable); entries];
    assert_eq!(failure(with_map(map(MAX_ENTRIES + 1))).1, Cause::MapTooLong { max: MAX_ENTRIES });
    assert!(boot(with_map(map(MAX_ENTRIES))).is_ok());
}

#[test]
fn hundreds_of_pieces_boot_or_are_named() {
    let map =
        |pieces: u64| (0..pieces).map(|n| region(2 * MIB + n * 16384, 12288, FirmwareKind::Usable)).collect();
    let Err(MachineError::Boot { error, log }) = Machine::boot(with_map(map(250))) else {
        panic!("threads without stacks")
    };
    assert!(log.contains("heap     degraded  no CPU caches: "), "{log}");
    assert!(matches!(error.cause, Cause::Threads(ThreadError::Tables(_))), "{error}");
    let cause = failure(with_map(map(400))).1;
    assert!(matches!(cause, Cause::MapTooFragmented(_)), "{cause}");
}

#[test]
fn overlaps_take_the_stricter_kind() {
    let machine = boot(with_map(vec![
        region(0, 32 * MIB, FirmwareKind::Usable),
        region(0, 32 * MIB, FirmwareKind::Usable),
        region(16 * MIB, MIB + 1, FirmwareKind::Reserved),
        region(16 * MIB, MIB / 2, FirmwareKind::AcpiReclaimable),
    ]))
    .unwrap();
    let accounts = machine.kernel().accounts();
    assert_eq!((accounts.map_bytes, accounts.usable_frames), (32 * MIB, 31 * 256 - 1));
    assert_eq!(accounts.firmware, [4095, 0, 0, MIB + 1, 0]);
    assert!(machine.exec("free").succeeded());
}

#[test]
fn unaligned_edges_stay_with_the_firmware() {
    let machine = boot(with_map(vec![region(MIB * 4 - 5, 20 * MIB + 6, FirmwareKind::Usable)])).unwrap();
    let accounts = machine.kernel().accounts();
    assert_eq!((accounts.usable_frames, accounts.firmware[0]), (20 * 256, 6));
}

#[test]
fn empty_and_wrapping_entries_are_named_and_survived() {
    let machine = boot(with_map(vec![
        region(4 * MIB, 16 * MIB, FirmwareKind::Usable),
        region(8 * MIB, 0, FirmwareKind::Bad),
        region(u64::MAX - 4095, 8192, FirmwareKind::Usable),
        region(18 * MIB, u64::MAX, FirmwareKind::Reserved),
        region(1 << 60, 4096, FirmwareKind::AcpiNvs),
        region(1 << 60, 4096, FirmwareKind::AcpiNvs),
    ]))
    .unwrap();
    let accounts = machine.kernel().accounts();
    assert_eq!(accounts.usable_frames, 14 * 256);
    assert_eq!(accounts.firmware[3], ADDRESS_LIMIT - 18 * MIB);
    let log = machine.log();
    for text in
        ["map entry 1 (bad, 0x0 bytes at 0x800000) is empty", "map entry 2", "map entry 3", "1 more map entr"]
    {
        assert!(log.contains(text), "{text} is not in\n{log}");
    }
    assert!(machine.exec("free").succeeded());
}

#[test]
fn memory_out_of_reach_is_counted_not_used() {
    let mut map = vec![region(2 * MIB, 30 * MIB, FirmwareKind::Usable)];
    map.push(region(1 << 40, 1 << 30, FirmwareKind::Usable));
    let machine = boot(with_map(map)).unwrap();
    assert_eq!(machine.kernel().accounts().firmware[0], 1 << 30);
    assert!(machine.exec("free; memstat").succeeded());
}

#[test]
fn warnings_of_the_command_line_are_in_the_log() {
    let mut config = MachineConfig::with_memory(16 * MIB);
    config.command_line = String::from("mode=fly colour=blue sabotage=hang");
    let log = boot(config).unwrap().log();
    for text in ["mode=fly ignored: mode is shell, run or test", "'colour=blue'", "it needs mode=test"] {
        assert!(log.contains(text), "{text} is not in\n{log}");
    }
}

/// Memory ends after frame k, for every k until the kernel boots: each failure is named, and reaches at least as far as the
/// one before.
#[test]
fn every_kth_frame_may_be_missing() {
    let mut furthest = Stage::Memory;
    let mut failures = Vec::new();
    for frames in 0..200 {
        let mut config = with_map(vec![region(4 * MIB, frames * 4096, FirmwareKind::Usable)]);
        config.kernel = Config { minimum_free: 0, ..Config::default() };
        match boot(config) {
            Err(error) => {
                assert!(error.stage >= furthest, "{frames} frames: {error} after {furthest}");
                furthest = error.stage;
                failures.push(error.stage);
            }
            Ok(machine) => {
                assert_eq!(furthest, Stage::Scheduler, "the last failure is the scheduler's");
                assert!(!machine.exec("true").succeeded(), "there is no memory for the main thread");
                assert!(machine.log().contains("no main thread: stack of a thread: no memory"));
                let stages = [Stage::Memory, Stage::Bump, Stage::Frames, Stage::Paging, Stage::Heap];
                for stage in stages.into_iter().chain([Stage::Scheduler]) {
                    assert!(failures.contains(&stage), "no failure in stage {stage}: {failures:?}");
                }
                return;
            }
        }
    }
    panic!("200 frames are not enough");
}

/// The smallest machine passes its tests, too.
#[test]
fn small_and_large_machines_pass_all_tests() {
    for memory in [8 * MIB, 16 * MIB, 4096 * MIB, 9000 * MIB] {
        let machine = boot(MachineConfig::with_memory(memory)).unwrap();
        let output = machine.exec("free; memstat; kmalloc-demo; selftest; free");
        assert!(output.succeeded(), "{memory}: {}", output.text());
    }
}

#[test]
fn a_hundred_kernels_live_in_one_process() {
    let machines: Vec<_> =
        (0..100).map(|n| boot(MachineConfig::with_memory((8 + n) * MIB)).unwrap()).collect();
    let threads: Vec<_> = machines
        .into_iter()
        .map(|machine| std::thread::spawn(move || machine.exec("kmalloc-demo; free").succeeded()))
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
}

/// A kernel takes calls from any thread, from many at once, though it has one CPU.
#[test]
fn threads_share_one_kernel() {
    let machine = boot(MachineConfig::with_memory(64 * MIB)).unwrap();
    machine.kernel().heap().shrink();
    let blocks = machine.kernel().heap().stats().live_blocks();
    let before = machine.kernel().frames().stats().allocated();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let heap = machine.kernel().heap();
            scope.spawn(move || churn(heap, seed));
        }
    });
    machine.kernel().check().unwrap();
    assert_eq!(machine.kernel().heap().stats().live_blocks(), blocks);
    machine.kernel().heap().shrink();
    assert_eq!(machine.kernel().frames().stats().allocated(), before);
}

/// 5000 allocations and frees; what a block holds must stay.
fn churn(heap: &Heap<Hosted>, mut random: u32) {
    let mut blocks: Vec<(Block<'_, _, _>, u8)> = Vec::new();
    for step in 0..5000_u32 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = usize::try_from(random >> 20).unwrap() + 1;
        if blocks.len() > 40 || (step % 3 == 2 && !blocks.is_empty()) {
            let (mut block, stamp) = blocks.swap_remove(size % blocks.len());
            assert!(block.bytes().iter().all(|&byte| byte == stamp));
            block.free().unwrap();
        } else {
            let mut block = Block::new(heap, Layout::from_size_align(size, 8).unwrap()).unwrap();
            let stamp = random.to_le_bytes()[2];
            block.bytes().fill(stamp);
            blocks.push((block, stamp));
        }
    }
}

/// Memory in pieces of 512 bytes: what the kernel must make of a map.
struct Model {
    cells: Vec<Option<FirmwareKind>>,
    beyond: bool,
}

const CELL: u64 = 512;
const CELLS: usize = 24 * 2048;

impl Model {
    fn of(map: &[FirmwareRegion]) -> Self {
        let mut model = Self { cells: vec![None; CELLS], beyond: false };
        for &FirmwareRegion { start, length, kind } in map {
            let believable = start.checked_add(length).is_some_and(|end| end <= ADDRESS_LIMIT);
            if kind == FirmwareKind::Usable && !believable {
                continue;
            }
            let end = start.saturating_add(length).min(ADDRESS_LIMIT);
            model.beyond |= end > CELL * CELLS as u64;
            let [first, last] = [start, end].map(|at| usize::try_from(at / CELL).unwrap().min(CELLS));
            for cell in model.cells.iter_mut().take(last).skip(first) {
                *cell = (*cell).max(Some(kind));
            }
        }
        model
    }

    fn usable_frames(&self) -> usize {
        self.cells
            .chunks(8)
            .filter(|frame| frame.iter().all(|&cell| cell == Some(FirmwareKind::Usable)))
            .count()
    }

    fn bytes(&self) -> u64 {
        self.cells.iter().flatten().count() as u64 * CELL
    }
}

fn any_region() -> impl Strategy<Value = FirmwareRegion> {
    let near =
        (0..CELLS as u64, 0..CELLS as u64 / 4).prop_map(|(start, length)| (start * CELL, length * CELL));
    let wild = (any::<u64>(), any::<u64>()).prop_map(|(start, length)| (start & !511, length & !511));
    let place = prop_oneof![20 => near, 1 => wild];
    let kind =
        prop_oneof![4 => Just(FirmwareKind::Usable), 1 => prop::sample::select(FirmwareKind::ALL.as_slice())];
    (place, kind).prop_map(|((start, length), kind)| {
        let near = start < CELL * CELLS as u64;
        let length = if near { length.min(CELL * CELLS as u64 - start) } else { length };
        region(start, length, kind)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("KOS_BOOT_CASES").map_or_else(|_| cases(), |cases| cases.parse().unwrap()),
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]
    #[test]
    fn any_map_boots_exactly_or_fails_by_name(map in prop::collection::vec(any_region(), 0..40)) {
        let model = Model::of(&map);
        let entries = map.len();
        match boot(MachineConfig { memory_map: Some(map), ..MachineConfig::with_memory(24 * MIB) }) {
            Ok(machine) => {
                let accounts = machine.kernel().accounts();
                prop_assert_eq!(accounts.usable_frames, model.usable_frames());
                if !model.beyond {
                    prop_assert_eq!(accounts.map_bytes, model.bytes());
                }
                // What is free may lie in pieces too small for the stack that runs commands: then it says so.
                let succeeded = machine.exec("free").succeeded();
                prop_assert!(succeeded || machine.log().contains("no main thread: stack of a thread"));
            }
            Err(BootError { cause: Cause::NoUsableMemory { entries: counted }, .. }) => {
                prop_assert_eq!((model.usable_frames(), counted), (0, entries));
            }
            Err(BootError { cause: Cause::TooLittleMemory { free, needed }, .. }) => {
                prop_assert!(free < needed && free <= model.usable_frames());
            }
            Err(error) => prop_assert!(matches!(error.cause, Cause::BootMemory(_) | Cause::Frames(_)), "{}", error),
        }
    }
}

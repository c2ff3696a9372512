//! Good, truncated, overlapping and wild start information.

use alloc::{string::String, vec, vec::Vec};
use core::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::testing::{Bytes, fuzz};

const BASE: u64 = fuzz::BASE;
/// Where the parts lie in [`good`], as offsets.
const HEADER_AT: usize = 8;
const MAP_AT: usize = 64;
const MODULES_AT: usize = 160;
const LINE_AT: usize = 224;
const MODULE_AT: usize = 240;

fn put(memory: &mut [u8], at: usize, bytes: &[u8]) {
    memory[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Version 1 start information with two memory regions, one module and a command line, at `BASE + HEADER_AT`.
fn good() -> Vec<u8> {
    let mut memory = vec![0; 256];
    let at = |offset: usize| (BASE + offset as u64).to_le_bytes();
    put(&mut memory, 0, &8u16.to_le_bytes());
    put(&mut memory, HEADER_AT, &MAGIC.to_le_bytes());
    put(&mut memory, HEADER_AT + 4, &1u32.to_le_bytes());
    put(&mut memory, HEADER_AT + 12, &1u32.to_le_bytes());
    put(&mut memory, HEADER_AT + 16, &at(MODULES_AT));
    put(&mut memory, HEADER_AT + 24, &at(LINE_AT));
    put(&mut memory, HEADER_AT + 40, &at(MAP_AT));
    put(&mut memory, HEADER_AT + 48, &2u32.to_le_bytes());
    for (i, (start, length, kind)) in
        [(0u64, 0x9_fc00u64, 1u32), (0x10_0000, u64::MAX, 2)].into_iter().enumerate()
    {
        put(&mut memory, MAP_AT + 24 * i, &start.to_le_bytes());
        put(&mut memory, MAP_AT + 24 * i + 8, &length.to_le_bytes());
        put(&mut memory, MAP_AT + 24 * i + 16, &kind.to_le_bytes());
    }
    put(&mut memory, MODULES_AT, &at(MODULE_AT));
    put(&mut memory, MODULES_AT + 8, &6u64.to_le_bytes());
    put(&mut memory, LINE_AT, b"mode=test\0");
    put(&mut memory, MODULE_AT, b"KSYM1\n");
    memory
}

fn read(memory: &[u8]) -> Result<StartInfo<'_, Bytes<'_>>, StartInfoError> {
    // Leaked so that the view outlives the call; a few bytes a test.
    let view = alloc::boxed::Box::leak(alloc::boxed::Box::new(Bytes { base: BASE, bytes: memory }));
    StartInfo::read(view, BASE + HEADER_AT as u64)
}

/// [`good`] with `bytes` written over it must fail with this error.
fn refused(at: usize, bytes: &[u8], expected: StartInfoError) {
    let mut memory = good();
    put(&mut memory, at, bytes);
    assert_eq!(read(&memory).unwrap_err(), expected);
}

#[test]
fn reads_what_a_boot_loader_wrote() {
    let memory = good();
    let info = read(&memory).unwrap();
    assert_eq!(info.version(), 1);
    assert_eq!(info.command_line(), b"mode=test");
    let map: Vec<_> = info.memory_map().collect();
    assert_eq!(map[0], MemoryMapEntry { start: 0, length: 0x9_fc00, kind: 1 });
    assert_eq!(map[1], MemoryMapEntry { start: 0x10_0000, length: u64::MAX, kind: 2 });
    let modules: Vec<_> = info.modules().collect();
    assert_eq!(modules, [Module { start: BASE + MODULE_AT as u64, bytes: b"KSYM1\n" }]);
}

#[test]
fn version_0_has_no_memory_map_and_version_2_reads_like_1() {
    let mut memory = good();
    put(&mut memory, HEADER_AT + 4, &0u32.to_le_bytes());
    assert_eq!(read(&memory).unwrap().memory_map().count(), 0);
    put(&mut memory, HEADER_AT + 4, &2u32.to_le_bytes());
    assert_eq!(read(&memory).unwrap().memory_map().count(), 2);
}

#[test]
fn pointers_of_absent_parts_mean_nothing() {
    let mut memory = good();
    put(&mut memory, HEADER_AT + 12, &[0; 4]);
    put(&mut memory, HEADER_AT + 16, &[0xff; 8]);
    put(&mut memory, HEADER_AT + 24, &[0; 8]);
    put(&mut memory, HEADER_AT + 40, &[0xff; 8]);
    put(&mut memory, HEADER_AT + 48, &[0; 4]);
    let info = read(&memory).unwrap();
    assert_eq!((info.modules().count(), info.memory_map().count()), (0, 0));
    assert_eq!(info.command_line(), b"");
}

#[test]
fn wrong_magic_is_named() {
    refused(HEADER_AT, b"ABCD", StartInfoError::BadMagic { found: 0x4443_4241 });
}

#[test]
fn wild_pointers_are_named() {
    let wild = u64::MAX - 3;
    let unreadable = |part, length| StartInfoError::Unreadable { part, start: wild, length };
    refused(HEADER_AT + 16, &wild.to_le_bytes(), unreadable(Part::Modules, 32));
    refused(HEADER_AT + 24, &wild.to_le_bytes(), unreadable(Part::CommandLine, 1));
    refused(HEADER_AT + 40, &wild.to_le_bytes(), unreadable(Part::MemoryMap, 48));
    refused(MODULES_AT, &wild.to_le_bytes(), unreadable(Part::Module, 6));
    let memory = Bytes { base: BASE, bytes: &[] };
    for at in [0, BASE, wild, u64::MAX] {
        let error = StartInfo::read(&memory, at).unwrap_err();
        assert_eq!(error, StartInfoError::Unreadable { part: Part::Header, start: at, length: 40 });
    }
}

#[test]
fn too_many_entries_are_refused_before_they_are_read() {
    let many = |part, count, limit| StartInfoError::TooMany { part, count, limit };
    refused(HEADER_AT + 12, &17u32.to_le_bytes(), many(Part::Modules, 17, 16));
    refused(HEADER_AT + 48, &u32::MAX.to_le_bytes(), many(Part::MemoryMap, u32::MAX, 128));
}

#[test]
fn a_command_line_must_end() {
    let mut memory = good();
    let line = memory.len();
    put(&mut memory, HEADER_AT + 24, &(BASE + line as u64).to_le_bytes());
    memory.extend([b'x'; 4095]);
    let end = BASE + memory.len() as u64;
    let error = StartInfoError::Unreadable { part: Part::CommandLine, start: end, length: 1 };
    assert_eq!(read(&memory).unwrap_err(), error);
    memory.push(0);
    assert_eq!(read(&memory).unwrap().command_line().len(), 4095);
    memory[line + 4095] = b'x';
    memory.push(0);
    assert_eq!(read(&memory).unwrap_err(), StartInfoError::EndlessCommandLine { start: BASE + line as u64 });
}

#[test]
fn parts_may_overlap() {
    let mut memory = good();
    for pointer in [HEADER_AT + 16, HEADER_AT + 24, HEADER_AT + 40] {
        put(&mut memory, pointer, &(BASE + MODULES_AT as u64).to_le_bytes());
    }
    let info = read(&memory).unwrap();
    assert_eq!(info.memory_map().count(), 2);
    assert_eq!(info.modules().count(), 1);
}

#[test]
fn errors_read_well() {
    let mut text = String::new();
    let unreadable = StartInfoError::Unreadable { part: Part::MemoryMap, start: 0x10, length: 24 };
    write!(text, "{unreadable}; {}", StartInfoError::BadMagic { found: 7 }).unwrap();
    assert_eq!(
        text,
        "memory map is not in readable memory: 24 bytes at 0x10; bad magic: found 0x7, expected 0x336ec578"
    );
}

#[test]
fn every_truncation_is_an_error_and_agrees_with_the_model() {
    let memory = good();
    let needed = MODULE_AT + 6;
    for length in 2..memory.len() {
        fuzz::pvh_start_info(&memory[..length]);
        assert_eq!(read(&memory[..length]).is_ok(), length >= needed, "{length} bytes");
    }
}

#[test]
fn corpus_replays() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/pvh_start_info");
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 8, "corpus is missing");
    for file in files {
        fuzz::pvh_start_info(&std::fs::read(file).unwrap());
    }
}

/// Offsets and little-endian values that hit the pointers and counts of [`good`].
fn damage() -> impl Strategy<Value = Vec<(usize, Vec<u8>)>> {
    let near = (BASE..BASE + 300).prop_map(|address| address.to_le_bytes().to_vec());
    let wild = any::<u64>().prop_map(|value| value.to_le_bytes().to_vec());
    let small = (0u32..20).prop_map(|value| value.to_le_bytes().to_vec());
    prop::collection::vec((0usize..248, prop_oneof![4 => near, 1 => wild, 4 => small]), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(crate::testing::cases())
    })]

    #[test]
    fn damaged_information_agrees_with_the_model(damage in damage(), length in 0usize..=256) {
        let mut memory = good();
        for (at, bytes) in damage {
            put(&mut memory, at / 4 * 4, &bytes);
        }
        memory[0..2].copy_from_slice(&8u16.to_le_bytes());
        fuzz::pvh_start_info(&memory[..length]);
    }

    #[test]
    fn any_bytes_agree_with_the_model(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::pvh_start_info(&bytes);
    }
}

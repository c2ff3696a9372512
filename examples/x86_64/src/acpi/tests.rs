//! Good, cut, looping, lying and wild tables.

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::testing::{Bytes, fuzz};

const BASE: u64 = fuzz::BASE;
const ROOT_AT: usize = 64;
const MADT_AT: usize = 128;

fn put(memory: &mut [u8], at: usize, bytes: &[u8]) {
    memory[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Sets the byte at `sum` so that `range` sums to zero.
fn seal(memory: &mut [u8], range: core::ops::Range<usize>, sum: usize) {
    memory[sum] = 0;
    memory[sum] = memory[range].iter().fold(0u8, |sum, &byte| sum.wrapping_sub(byte));
}

fn seal_all(memory: &mut [u8]) {
    seal(memory, 0..20, 8);
    seal(memory, 0..36, 32);
    for at in [ROOT_AT, MADT_AT] {
        let length = u32_at(memory, at + 4) as usize;
        seal(memory, at..at + length, at + 9);
    }
}

/// Two CPUs, one of them disabled, one by the newer entry, an unknown entry, an IO-APIC, an override.
const ENTRIES: &[u8] = &[
    0, 8, 0, 0, 1, 0, 0, 0, //
    0, 8, 1, 7, 0, 0, 0, 0, //
    0x7f, 3, 0, //
    9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, //
    1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0, //
    2, 10, 0, 9, 9, 0, 0, 0, 0x0f, 0,
];

/// A root pointer at [`BASE`], an XSDT with a table of another kind before the MADT.
fn good_with(entries: &[u8]) -> Vec<u8> {
    let mut memory = vec![0; MADT_AT + 44 + entries.len()];
    let at = |offset: usize| (BASE + offset as u64).to_le_bytes();
    put(&mut memory, 0, b"RSD PTR ");
    put(&mut memory, 15, &[2]);
    put(&mut memory, 20, &36u32.to_le_bytes());
    put(&mut memory, 24, &at(ROOT_AT));
    put(&mut memory, ROOT_AT, b"XSDT");
    put(&mut memory, ROOT_AT + 4, &(36u32 + 16).to_le_bytes());
    put(&mut memory, ROOT_AT + 36, &at(ROOT_AT));
    put(&mut memory, ROOT_AT + 44, &at(MADT_AT));
    put(&mut memory, MADT_AT, b"APIC");
    put(&mut memory, MADT_AT + 4, &u32::try_from(44 + entries.len()).unwrap().to_le_bytes());
    put(&mut memory, MADT_AT + 44, entries);
    seal_all(&mut memory);
    memory
}

fn read(memory: &[u8]) -> Result<Vec<Entry>, AcpiError> {
    Madt::find(&Bytes { base: BASE, bytes: memory }, BASE).map(|madt| madt.entries().collect())
}

/// The good tables with `bytes` written over them, sums set right again, must fail with this error.
fn refused(at: usize, bytes: &[u8], expected: AcpiError) {
    let mut memory = good_with(ENTRIES);
    put(&mut memory, at, bytes);
    if u32_at(&memory, ROOT_AT + 4) == 52 && u32_at(&memory, MADT_AT + 4) as usize == 44 + ENTRIES.len() {
        seal_all(&mut memory);
    }
    assert_eq!(read(&memory), Err(expected));
}

#[test]
fn entries_are_read_in_order_and_unknown_ones_passed_over() {
    let expected = [
        Entry::Cpu(CpuEntry { apic_id: 0, enabled: true }),
        Entry::Cpu(CpuEntry { apic_id: 7, enabled: false }),
        Entry::Cpu(CpuEntry { apic_id: 300, enabled: true }),
        Entry::IoApic(IoApicEntry { address: 0xfec0_0000, first_line: 0 }),
        Entry::Override(Override { irq: 9, line: 9, active_low: true, level: true }),
    ];
    assert_eq!(read(&good_with(ENTRIES)).unwrap(), expected);
}

#[test]
fn first_version_points_to_an_rsdt() {
    let mut memory = good_with(ENTRIES);
    put(&mut memory, 15, &[0]);
    put(&mut memory, 16, &u32::try_from(BASE + ROOT_AT as u64).unwrap().to_le_bytes());
    put(&mut memory, ROOT_AT, b"RSDT");
    put(&mut memory, ROOT_AT + 36, &u32::try_from(BASE + MADT_AT as u64).unwrap().to_le_bytes());
    seal_all(&mut memory);
    assert_eq!(read(&memory).unwrap().len(), 5);
}

#[test]
fn override_that_leaves_it_to_the_bus_is_high_and_edge() {
    let found = read(&good_with(&[2, 10, 0, 0, 2, 0, 0, 0, 0, 0])).unwrap();
    assert_eq!(found, [Entry::Override(Override { irq: 0, line: 2, active_low: false, level: false })]);
}

#[test]
fn absence_is_no_fault_of_a_table() {
    assert_eq!(Madt::find(&Bytes { base: 0, bytes: &[] }, 0).unwrap_err(), AcpiError::Absent);
}

#[test]
fn each_wrong_field_is_named() {
    refused(0, b"RSD PTX ", AcpiError::BadSignature(Part::Rsdp));
    refused(20, &35u32.to_le_bytes(), AcpiError::BadLength { part: Part::Rsdp, length: 35 });
    refused(20, &0u32.to_le_bytes(), AcpiError::BadLength { part: Part::Rsdp, length: 0 });
    refused(ROOT_AT, b"DSDT", AcpiError::BadSignature(Part::Root));
    refused(ROOT_AT + 4, &0u32.to_le_bytes(), AcpiError::BadLength { part: Part::Root, length: 0 });
    let length = u32::MAX;
    refused(ROOT_AT + 4, &length.to_le_bytes(), AcpiError::BadLength { part: Part::Root, length });
    refused(MADT_AT, b"HPET", AcpiError::NoMadt);
    refused(MADT_AT + 4, &35u32.to_le_bytes(), AcpiError::BadLength { part: Part::Madt, length: 35 });
    let wild = u64::MAX - 7;
    refused(24, &wild.to_le_bytes(), AcpiError::Unreadable { part: Part::Root, start: wild, length: 36 });
}

#[test]
fn each_wrong_sum_is_named() {
    for (at, part) in
        [(10, Part::Rsdp), (33, Part::Rsdp), (ROOT_AT + 20, Part::Root), (MADT_AT + 20, Part::Madt)]
    {
        let mut memory = good_with(ENTRIES);
        memory[at] ^= 1;
        assert_eq!(read(&memory), Err(AcpiError::BadChecksum(part)));
    }
}

#[test]
fn madt_that_lacks_its_fixed_fields_is_refused() {
    let mut memory = good_with(&[]);
    put(&mut memory, MADT_AT + 4, &40u32.to_le_bytes());
    seal_all(&mut memory);
    assert_eq!(read(&memory), Err(AcpiError::BadLength { part: Part::Madt, length: 40 }));
}

#[test]
fn entry_of_length_zero_ends_nothing_in_a_loop() {
    for entries in [&[0, 0][..], &[0x7f, 0], &[0x7f, 1], &[0x7f, 2, 0, 0, 0, 0]] {
        assert!(matches!(read(&good_with(entries)), Err(AcpiError::BadEntry { .. })), "{entries:?}");
    }
}

#[test]
fn entry_that_is_short_or_overlong_is_refused() {
    for entries in [&[0, 7, 0, 0, 1, 0, 0][..], &[0, 9, 0, 0, 1, 0, 0, 0], &[9, 15], &[0x7f, 255], &[1]] {
        assert_eq!(
            read(&good_with(entries)),
            Err(AcpiError::BadEntry { part: Part::Madt, offset: 44 }),
            "{entries:?}"
        );
    }
}

/// The good tables with this one in place of the MADT.
fn srat_of(entries: &[u8]) -> Vec<u8> {
    let mut memory = good_with(&[&[0; 4], entries].concat());
    put(&mut memory, MADT_AT, b"SRAT");
    seal_all(&mut memory);
    memory
}

fn near(memory: &[u8]) -> Result<Option<Vec<Affinity>>, AcpiError> {
    let memory = Bytes { base: BASE, bytes: memory };
    let found = Srat::find(&memory, BASE)?;
    Ok(found.map(|srat| srat.entries().collect()))
}

fn memory_of(domain: u32, start: u64, length: u64, flags: u32) -> Vec<u8> {
    let mut entry = vec![0; 40];
    put(&mut entry, 0, &[1, 40]);
    put(&mut entry, 2, &domain.to_le_bytes());
    put(&mut entry, 8, &start.to_le_bytes());
    put(&mut entry, 16, &length.to_le_bytes());
    put(&mut entry, 28, &flags.to_le_bytes());
    entry
}

#[test]
fn what_is_near_what_is_read_in_order() {
    let mut entries = vec![0, 16, 1, 7, 1, 0, 0, 0, 0, 2, 3, 4, 0, 0, 0, 0];
    entries.extend([0, 16, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    entries.extend([2, 24, 0, 0, 5, 0, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    entries.extend([0x7f, 2]);
    entries.extend([memory_of(3, 1 << 20, 1 << 30, 1), memory_of(3, 0, 4096, 0)].concat());
    let expected = [
        Affinity::Cpu { apic_id: 7, domain: 0x0403_0201 },
        Affinity::Cpu { apic_id: 300, domain: 5 },
        Affinity::Memory { start: 1 << 20, length: 1 << 30, domain: 3 },
    ];
    assert_eq!(near(&srat_of(&entries)), Ok(Some(expected.to_vec())));
    assert_eq!(near(&good_with(ENTRIES)), Ok(None), "there is none");
    assert_eq!(Srat::find(&Bytes { base: 0, bytes: &[] }, 0).map(|found| found.is_some()), Ok(false));
}

#[test]
fn what_cannot_be_near_is_named() {
    let broken = Err(AcpiError::BadEntry { part: Part::Srat, offset: 48 });
    let wrapping = memory_of(0, u64::MAX, 2, 1);
    for entries in [&[0, 15, 0][..], &[1, 39], &[2, 23], &[9, 0], &[9, 1], &[9, 255], &[9], &wrapping] {
        assert_eq!(near(&srat_of(entries)), broken, "{entries:?}");
    }
    let mut memory = srat_of(&[]);
    memory[MADT_AT + 20] ^= 1;
    assert_eq!(near(&memory), Err(AcpiError::BadChecksum(Part::Srat)));
}

/// The good tables with a timer of this kind of address there in place of the MADT.
fn hpet_of(kind: u8, address: u64) -> Vec<u8> {
    let mut body = [0; 20];
    body[4] = kind;
    put(&mut body, 8, &address.to_le_bytes());
    // The first four bytes stand where a MADT has its flags.
    let mut memory = good_with(&body[8..]);
    put(&mut memory, MADT_AT + 36, &body);
    put(&mut memory, MADT_AT, b"HPET");
    seal_all(&mut memory);
    memory
}

fn timer(memory: &[u8]) -> Result<Option<Hpet>, AcpiError> {
    Hpet::find(&Bytes { base: BASE, bytes: memory }, BASE)
}

#[test]
fn a_timer_is_where_its_table_says_or_is_refused() {
    let address = 0xfed0_0000;
    assert_eq!(timer(&hpet_of(0, address)), Ok(Some(Hpet { address })));
    assert_eq!(timer(&good_with(ENTRIES)), Ok(None), "there is none");
    assert_eq!(Hpet::find(&Bytes { base: 0, bytes: &[] }, 0), Ok(None));
    let broken = Err(AcpiError::BadEntry { part: Part::Hpet, offset: 40 });
    for (kind, address) in [(1, address), (0, 0), (0, address + 8), (0, u64::MAX)] {
        assert_eq!(timer(&hpet_of(kind, address)), broken, "{kind} {address:#x}");
    }
    let mut memory = hpet_of(0, address);
    put(&mut memory, MADT_AT + 4, &55u32.to_le_bytes());
    seal_all(&mut memory);
    assert_eq!(timer(&memory), Err(AcpiError::BadLength { part: Part::Hpet, length: 55 }));
    memory[MADT_AT + 20] ^= 1;
    assert_eq!(timer(&memory), Err(AcpiError::BadChecksum(Part::Hpet)));
}

#[test]
fn corpus_replays() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/acpi_madt");
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 8, "corpus is missing");
    files.iter().for_each(|file| fuzz::acpi_madt(&std::fs::read(file).unwrap()));
    assert_eq!(read(&std::fs::read(std::path::Path::new(corpus).join("good")).unwrap()).unwrap().len(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(crate::testing::cases())
    })]

    #[test]
    fn any_entries_are_read_or_refused(entries in prop::collection::vec(any::<u8>(), 0..200)) {
        let (found, model) = (read(&good_with(&entries)).ok(), crate::testing::madt_entries(&entries));
        prop_assert_eq!(found, model);
    }

    #[test]
    fn any_changed_byte_is_survived(at in 0usize..200, value: u8, sealed: bool) {
        let mut memory = good_with(ENTRIES);
        let at = at % memory.len();
        memory[at] = value;
        if sealed && (ROOT_AT + 4..ROOT_AT + 8).all(|length| length != at) && at / 4 != (MADT_AT + 4) / 4 {
            seal_all(&mut memory);
        }
        fuzz::acpi_madt(&memory);
    }

    #[test]
    fn any_affinities_are_read_or_refused(entries in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::acpi_madt(&srat_of(&entries));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::acpi_madt(&bytes);
    }
}

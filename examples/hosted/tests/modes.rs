//! What the kernel does by its command line: records in mode `run`, KTAP in mode `test`; and machines with a broken device.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panic")]

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_demo_kernel::record::HEADER_BYTES;
use kos_demo_kernel::{Cause, End, Stage};
use kos_hosted::{Broken, Machine, MachineConfig, MachineError};

fn machine(command_line: &str) -> Machine {
    let mut config = MachineConfig::with_memory(32 << 20);
    command_line.clone_into(&mut config.command_line);
    Machine::boot(config).unwrap()
}

/// The records of a run, as kind and payload.
fn records(machine: &Machine) -> Vec<(char, Vec<u8>)> {
    let bytes = machine.kernel().platform().take_records();
    let (mut rest, mut records) = (&bytes[..], Vec::new());
    while let Some((header, behind)) = rest.split_at_checked(HEADER_BYTES) {
        let length = u32::from_le_bytes(header[1..].try_into().unwrap());
        let (payload, behind) = behind.split_at(usize::try_from(length).unwrap());
        records.push((char::from(header[0]), payload.to_vec()));
        rest = behind;
    }
    assert!(rest.is_empty(), "half a record: {rest:?}");
    records
}

#[test]
fn run_mode_writes_output_statuses_and_the_end() {
    let machine = machine("mode=run exec=uptime; false ;true");
    assert_eq!(machine.run().unwrap(), End::Failed);
    let records = records(&machine);
    let kinds: String = records.iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, "OSSSE");
    assert!(records[0].1.starts_with(b"up 0:0"));
    assert_eq!(records[1].1, b"\0\0\0\0uptime");
    assert_eq!(records[2].1, b"\x01\0\0\0false");
    assert_eq!(records[4].1, 3_u32.to_le_bytes());
}

#[test]
fn run_mode_gives_the_bytes_that_exec_gives() {
    let machine = machine("mode=run exec=help; pagemap; nonsense");
    machine.run().unwrap();
    let output: Vec<u8> = records(&machine).into_iter().filter(|r| r.0 == 'O').flat_map(|r| r.1).collect();
    assert_eq!(output, machine.exec("help; pagemap; nonsense").bytes);
}

#[test]
fn run_mode_without_commands_ends_at_once() {
    let machine = machine("mode=run");
    assert_eq!(machine.run().unwrap(), End::Success);
    assert_eq!(records(&machine), [('E', vec![0; 4])]);
}

#[test]
fn poweroff_ends_a_run_early() {
    for (commands, end, executed) in
        [("true; poweroff; false", End::Success, 2), ("false; reboot", End::Reboot, 2)]
    {
        let machine = machine(&format!("mode=run exec={commands}"));
        assert_eq!(machine.run().unwrap(), end);
        assert_eq!(records(&machine).last().unwrap().1, u32::to_le_bytes(executed));
    }
}

/// Lines of the log behind the boot.
fn ktap(command_line: &str) -> (End, Vec<String>) {
    let machine = machine(command_line);
    let boot = machine.log().lines().count();
    let end = machine.run().unwrap();
    (end, machine.log().lines().skip(boot).map(str::to_owned).collect())
}

#[test]
fn test_mode_speaks_ktap() {
    let (end, lines) = ktap("mode=test");
    assert_eq!(end, End::Success);
    assert_eq!(lines[0], "KTAP version 1");
    let planned: usize = lines[1].strip_prefix("1..").unwrap().parse().unwrap();
    assert!(planned >= 30);
    let passed: Vec<_> = lines.iter().filter(|line| line.starts_with("ok ")).collect();
    assert_eq!(passed.len(), planned);
    for (number, line) in (1..).zip(passed) {
        assert!(line.starts_with(&format!("ok {number} ")), "{line}");
    }
}

#[test]
fn test_mode_filters_and_a_filter_that_finds_nothing_fails() {
    let (end, lines) = ktap("mode=test filter=coalesce");
    assert_eq!((end, lines[1].as_str()), (End::Success, "1..1"));
    assert_eq!(ktap("mode=test filter=no-such-test").0, End::Failed);
}

#[test]
fn sabotage_is_noticed() {
    let (end, lines) = ktap("mode=test filter=coalesce sabotage=fail");
    assert_eq!(end, End::Failed);
    assert!(lines.iter().any(|line| line.starts_with("not ok 2 sabotage::fail")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("failed on purpose")), "{lines:?}");
    assert_eq!(ktap("mode=test filter=coalesce sabotage=triple").0, End::Failed);
    let panicked = std::panic::catch_unwind(|| ktap("mode=test filter=coalesce sabotage=panic"));
    assert!(panicked.is_err());
}

fn broken(device: Broken) -> Result<Machine, MachineError> {
    Machine::boot(MachineConfig { broken: Some(device), ..MachineConfig::with_memory(32 << 20) })
}

#[test]
fn without_a_timer_the_kernel_runs_and_says_so() {
    let machine = broken(Broken::Timer).unwrap();
    assert!(machine.log().contains("timer    degraded  host clock is absent: no ticks"), "{}", machine.log());
    assert!(machine.exec("free; kmalloc-demo; uptime").succeeded());
    let tests = machine.exec("selftest timer");
    assert!(tests.succeeded() && tests.text().contains("skip  machine::timer_ticks"), "{}", tests.text());
    assert!(tests.text().contains("0 tests passed, 1 skipped"), "{}", tests.text());
}

#[test]
fn a_skipped_test_is_named_in_ktap() {
    let mut config = MachineConfig { broken: Some(Broken::Timer), ..MachineConfig::with_memory(32 << 20) };
    config.command_line = String::from("mode=test filter=machine::");
    let machine = Machine::boot(config).unwrap();
    assert_eq!(machine.run().unwrap(), End::Success);
    assert!(machine.log().contains("machine::timer_ticks # SKIP no timer\n"), "{}", machine.log());
    assert!(machine.log().contains("# 3 passed, 0 failed, 1 skipped\n"), "{}", machine.log());
}

#[test]
fn without_nx_the_kernel_runs_and_says_so() {
    let machine = broken(Broken::Nx).unwrap();
    assert!(machine.log().contains("paging   degraded  no NX: no W^X; "), "{}", machine.log());
    let tests = machine.exec("pagemap; kmalloc-demo; selftest");
    assert!(
        tests.succeeded() && tests.text().contains("skip  paging::write_and_execute_never_meet "),
        "{}",
        tests.text()
    );
}

#[test]
fn without_traps_the_boot_fails_by_name() {
    let Err(MachineError::Boot { error, .. }) = broken(Broken::Traps) else { panic!("it booted") };
    let fault = DeviceError { device: "software MMU", fault: DeviceFault::Absent };
    assert_eq!((error.stage, error.cause), (Stage::Traps, Cause::Traps(fault)));
}

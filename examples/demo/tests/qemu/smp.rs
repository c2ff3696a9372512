//! Boots with many processors.

use crate::support::{Answer, demo};

/// The line of the boot log with this stage.
fn stage(log: &str, name: &str) -> String {
    let line = log.lines().find(|line| line.split_whitespace().any(|word| word == name));
    line.unwrap_or_else(|| panic!("no stage {name} in {log}")).to_owned()
}

#[test]
fn smp_boots_under_tcg() {
    let Answer { stdout, stderr, .. } = demo(&["test", "--cpus", "4", "-v"]).expect(0);
    assert!(stage(&stderr, "cpus").contains("4 of 4 online"), "{stderr}");
    for test in [
        "smp::every_cpu_runs_under_its_number",
        "smp::every_cpu_wakes_when_called",
        "smp::no_cpu_uses_a_translation_that_was_shot_down",
        "smp::all_cpus_allocate_at_once",
        "smp::every_cpu_ends_its_sleeps_and_never_early",
    ] {
        assert!(
            stdout.lines().any(|line| line.starts_with("ok ") && line.contains(test)),
            "{test}: {stdout}"
        );
    }
}

#[test]
fn every_board_starts_its_processors() {
    for board in ["pc", "microvm"] {
        let answer = demo(&["test", "smp::", "--cpus", "3", "--machine", board, "-v"]).expect(0);
        assert!(stage(&answer.stderr, "cpus").contains("3 of 3 online"), "{}", answer.stderr);
    }
}

#[test]
fn sixty_four_processors_are_online_in_time() {
    let answer = demo(&["run", "--exec", "lscpu", "--cpus", "64", "-v"]).expect(0);
    assert!(stage(&answer.stderr, "cpus").contains("64 of 64 online"), "{}", answer.stderr);
    assert!(answer.stdout.starts_with("64 listed, 64 online"), "{}", answer.stdout);
    assert_eq!(
        answer.stdout.lines().filter(|line| line.contains("  online")).count(),
        64,
        "{}",
        answer.stdout
    );
}

#[test]
fn a_processor_that_does_not_answer_is_named_and_left_out() {
    let answer = demo(&["test", "--cpus", "4", "--sabotage", "silent-cpu", "-v"]).expect(0);
    let line = stage(&answer.stderr, "cpus");
    assert!(line.contains("degraded") && line.contains("3 of 4 online"), "{line}");
    assert!(line.ends_with("left out: cpu 3 (apic 3), silent"), "{line}");
    assert!(answer.stdout.contains(" sabotage::silent_cpu #"), "{}", answer.stdout);
}

#[test]
fn processors_without_memory_for_their_stacks_are_left_out() {
    // With less the stacks leave too little for the workers of those that come up: a page more or less of the image decides.
    let words = ["run", "--exec", "lscpu; selftest smp::every", "--cpus", "64", "--mem", "10M", "-v"];
    let answer = demo(&words).expect(0);
    assert!(stage(&answer.stderr, "cpus").contains("no memory"), "{}", answer.stderr);
}

#[test]
fn ap_trampoline_mapped_below_1m() {
    let answer = demo(&["run", "--exec", "free", "--cpus", "2"]).expect(0);
    assert!(answer.stdout.contains(" + trampoline 4 "), "{}", answer.stdout);
}

#[test]
fn xapic_without_x2apic() {
    demo(&["test", "smp::", "--cpus", "2", "--cpu", "qemu64,-x2apic"]).expect(0);
}

#[test]
fn a_panic_on_any_processor_stops_all() {
    let answer = demo(&["test", "boot", "--cpus", "4", "--sabotage", "panic-cpu"]).expect(3);
    assert!(answer.stdout.contains("panicked on purpose\non cpu 3; call chain"), "{}", answer.stdout);
    assert_eq!(answer.stdout.matches("call chain").count(), 1, "{}", answer.stdout);
}

const PASSED: &str =
    "\npassed        every move arrived, every wake ended one sleep, every invariant holds\n";

#[test]
fn threads_move_and_wake_across_processors() {
    let Answer { stdout, .. } = demo(&["smp", "--moves", "10000"]).expect(0);
    assert!(stdout.starts_with("cpus          4 of 4 online\n") && stdout.ends_with(PASSED), "{stdout}");
    assert!(stdout.contains(" 1,000 answered; 0 lost or unasked"), "{stdout}");
}

#[test]
fn threads_move_and_wake_across_sixty_four_processors() {
    let Answer { stdout, .. } = demo(&["smp", "--moves", "5000", "--cpus", "64"]).expect(0);
    assert!(stdout.starts_with("cpus          64 of 64 online\n") && stdout.ends_with(PASSED), "{stdout}");
}

#[test]
fn smp_names_a_processor_that_does_not_answer_and_does_without() {
    let Answer { stdout, .. } = demo(&["smp", "--moves", "1000", "--sabotage", "silent-cpu"]).expect(0);
    let first = "cpus          3 of 4 online; left out: cpu 3 (apic 3), silent\n";
    assert!(stdout.starts_with(first) && stdout.ends_with(PASSED), "{stdout}");
}

#[test]
fn a_lost_wake_is_red() {
    let answer = demo(&["smp", "--moves", "1000", "--icount", "--sabotage", "lose-wake"]).expect(1);
    assert!(answer.stdout.contains("; 1 lost or unasked"), "{}", answer.stdout);
}

/// The clock counts instructions, so the timer takes the CPU away from a thread ten thousand times a second.
#[test]
fn registers_survive_ten_thousand_preemptions_a_second() {
    let Answer { stdout, .. } = demo(&["run", "--exec", "fpu-demo 1", "--icount"]).expect(0);
    let line =
        stdout.lines().find(|line| line.starts_with("on one cpu")).unwrap_or_else(|| panic!("{stdout}"));
    let rate = line.split(['(', '/']).nth(1).unwrap_or_default().replace(',', "");
    assert!(rate.parse::<u32>().is_ok_and(|rate| rate > 9_500) && line.ends_with(" 0 broken"), "{stdout}");
    assert!(
        stdout.starts_with("4 threads hold values of their own in every register of x87, SSE and AVX"),
        "{stdout}"
    );
}

#[test]
fn a_thread_that_overruns_its_stack_is_named() {
    let answer = demo(&["test", "boot", "--cpus", "2", "--sabotage", "overflow"]).expect(3);
    let named = |line: &str| line.starts_with("  stack of thread ") && line.contains(" overflow: ");
    assert!(answer.stdout.lines().any(named), "{}", answer.stdout);
    assert!(answer.stdout.contains("machine::overflow::dig"), "the call chain: {}", answer.stdout);
}

//! Boots of the real kernel: memory sizes, boards, processor models, both front ends.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::{Answer, Turn, command, demo, folder, image, qemu};

const EVERYTHING: &str = "free; memstat; memstat -z; memstat -s; slabtop; frames; kmalloc-demo; txn-demo; \
                          heapmode twotier; selftest heap; heapmode hybrid; selftest";
const SHORT: &str = "free; selftest";

/// The numbers of the line of `free` that begins with this word.
fn numbers(output: &str, word: &str) -> Vec<u64> {
    let line =
        output.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{word} in {output}"));
    let numbers = line.split_whitespace().map(|number| number.replace(',', ""));
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// Runs everything, in a machine of this size.
fn memory_is_shown_to_the_frame(size: &str, asked: u64) {
    let Answer { stdout, .. } =
        demo(&["run", "--exec", EVERYTHING, "--mem", size, "--timeout", "240"]).expect(0);
    adds_up(&stdout, asked);
    assert!(stdout.contains("nothing leaked"), "{stdout}");
    assert!(stdout.contains("tests passed"), "{stdout}");
}

/// Holds what `free` says, in KiB, against the machine that was asked for.
fn adds_up(stdout: &str, asked: u64) {
    let [total, used, free, reserved] = numbers(stdout, "memory")[..] else { panic!("{stdout}") };
    assert_eq!(total, used + free + reserved, "{stdout}");
    // What is not the kernel's is the firmware's: the hole below 1 MiB and a little at the top.
    assert!(total < asked && total > asked - 1024, "{total} of {asked}: {stdout}");
    let [firmware, .., map] = [numbers(stdout, "firmware"), numbers(stdout, "map")].map(|all| all[0]);
    assert_eq!(map, total + firmware, "{stdout}");
}

#[test]
fn memory_of_16_mib_is_shown_to_the_frame() {
    memory_is_shown_to_the_frame("16M", 16 << 10);
}

#[test]
fn memory_of_128_mib_is_shown_to_the_frame() {
    memory_is_shown_to_the_frame("128M", 128 << 10);
}

#[test]
fn memory_of_4_gib_is_shown_to_the_frame() {
    memory_is_shown_to_the_frame("4G", 4 << 20);
}

#[test]
fn every_board_boots_with_little_and_with_much_memory() {
    for board in ["q35", "pc", "microvm"] {
        for (size, asked) in [("16M", 16 << 10), ("64M", 64 << 10), ("8G", 8 << 20), ("64G", 64 << 20)] {
            let words = ["run", "--exec", "free; run hello; echo up", "--machine", board, "--mem", size];
            let Answer { stdout, .. } = demo(&words).expect(0);
            assert!(stdout.ends_with("up\n"), "{board} with {size}: {stdout}");
            adds_up(&stdout, asked);
        }
    }
}

#[test]
fn memory_too_small_for_the_image_is_named() {
    let answer = demo(&["run", "--exec", "free", "--mem", "1M"]).expect(2);
    assert!(answer.stderr.contains("1M of memory cannot hold the kernel image"), "{}", answer.stderr);
}

#[test]
fn memory_too_small_for_the_kernel_is_a_named_stage() {
    let refused = demo(&["run", "--exec", "free", "--mem", "1M"]).expect(2);
    let [.., end] = numbers(&refused.stderr, "cargo demo: 1M")[..] else { panic!("{}", refused.stderr) };
    let little = format!("{}K", (end + 128).next_multiple_of(64));
    let answer = demo(&["run", "--exec", "free", "--mem", &little]).expect(3);
    assert!(answer.stderr.contains("the kernel died: "), "{}", answer.stderr);
    // Where the boot loader puts the symbols into the image itself, that is the first thing to be missed.
    let lacks = ["too little memory", "module is not in readable memory"];
    assert!(lacks.iter().any(|lack| answer.stderr.contains(lack)), "{}", answer.stderr);
}

#[test]
fn nodes_are_those_of_the_firmware() {
    let words = ["run", "--nodes", "3", "--cpus", "4", "--mem", "96M", "--exec", "nodes; selftest boot::"];
    let said = demo(&words).expect(0).stdout;
    let cpus: Vec<&str> = said.lines().filter(|line| line.contains(" cpus ")).map(str::trim).collect();
    assert_eq!(cpus, ["0 cpus 0 3", "1 cpus 1", "2 cpus 2"], "{said}");
    let passed = |line: &str| line.starts_with("ok") && line.contains("each_usable_byte_is_near_one_node");
    assert!(said.lines().any(passed), "{said}");
}

#[test]
fn other_boards_boot() {
    for board in ["pc", "microvm"] {
        demo(&["run", "--exec", SHORT, "--machine", board]).expect(0);
    }
}

#[test]
fn named_cpu_models_boot() {
    for model in ["qemu64", "max"] {
        let answer = demo(&["run", "--exec", SHORT, "--cpu", model, "-v"]).expect(0);
        // The one lacks what the other has; both must do.
        assert_eq!(answer.stderr.contains(" wp smep"), model == "max", "{}", answer.stderr);
        assert!(answer.stderr.contains("QEMU's start to ready: "), "{}", answer.stderr);
        let wide = answer.stderr.lines().find(|line| line.starts_with('[') && line.len() > 100);
        assert_eq!(wide, None, "the boot log fits 100 columns");
    }
}

#[test]
fn a_processor_without_nx_boots_degraded() {
    let answer = demo(&["run", "--exec", SHORT, "--cpu", "qemu64,-nx", "-v"]).expect(0);
    assert!(answer.stderr.contains("paging   degraded  no NX: no W^X; "), "{}", answer.stderr);
    let skipped = answer.stdout.lines().filter(|line| line.starts_with("skip "));
    let lacks = [
        "no screen",
        "no screen of pixels",
        "no device of random numbers",
        "the firmware tells no nodes apart",
        "the CPU has no x2APIC mode",
        "one CPU",
        "no disk with a queue",
        "this machine runs no programs",
    ];
    let other = |line: &&str| lacks.iter().any(|lack| line.ends_with(lack));
    let skipped: Vec<_> = skipped.filter(|line| !other(line)).collect();
    assert!(
        matches!(skipped[..], [only] if only.contains("paging::write_and_execute_never_meet")),
        "{skipped:?}"
    );
}

#[test]
fn a_processor_without_apic_boots_degraded() {
    let answer = demo(&["test", "machine::", "--cpu", "qemu64,-apic"]).expect(0);
    assert!(answer.stdout.contains("machine::timer_ticks # SKIP no timer"), "{}", answer.stdout);
}

/// The newer mode where the emulation has it, the older one where it does not or where the processor is said to have none.
#[test]
fn the_local_apic_is_used_in_either_mode() {
    let words = ["test", "m", "--cpus", "4", "-v", "--cpu"];
    let older = demo(&[&words[..], &["max,-x2apic"]].concat()).expect(0);
    assert!(older.stderr.contains(" timer    ok        local APIC counting at "), "{}", older.stderr);
    let newest = demo(&[&words[..], &["max"]].concat()).expect(0);
    let skipped = newest.stdout.contains("its_newest_mode # SKIP the CPU has no x2APIC mode");
    let name = if skipped { "local APIC" } else { "local x2APIC" };
    assert!(newest.stderr.contains(&format!(" timer    ok        {name} counting at ")), "{}", newest.stderr);
}

/// A QEMU whose boards have been changed so.
fn qemu_with(name: &str, properties: &str) -> String {
    let path = folder(name).join("qemu");
    let script = format!("#!/bin/sh\nexec '{}' \"$@\" -machine {properties}\n", qemu().display());
    std::fs::write(&path, script).expect("the script is written");
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it can be run");
    path.into_os_string().into_string().expect("UTF-8")
}

#[test]
fn the_hpet_calibrates_where_the_pit_is_silent() {
    for board in ["q35", "pc"] {
        let qemu = qemu_with(&format!("without-pit-{board}"), "pit=off");
        let words = ["test", "machine::", "--machine", board, "--qemu", &qemu, "-v"];
        let answer = demo(&words).expect(0);
        assert!(answer.stderr.contains(" kHz by the HPET, no ticks\n"), "{board}: {}", answer.stderr);
    }
    let qemu = qemu_with("without-timers", "pit=off,hpet=off");
    let answer = demo(&["run", "--exec", "echo up", "--qemu", &qemu, "-v"]).expect(0);
    assert!(
        answer.stderr.contains(" timer    degraded  PIT does not answer: no ticks\n"),
        "{}",
        answer.stderr
    );
    assert!(answer.stdout.ends_with("up\n"), "{}", answer.stdout);
}

#[test]
fn a_screen_and_a_keyboard_are_a_second_console() {
    for board in ["q35", "pc"] {
        let answer = demo(&["test", "metal::", "--screen", "hidden", "--machine", board, "-v"]).expect(0);
        assert!(
            answer.stderr.contains("PS/2 keyboard; screen 1024x768, 128x48 characters\n"),
            "{}",
            answer.stderr
        );
        for test in ["metal::the_screen_shows_what_is_written ", "metal::a_key_interrupts_and_is_read "] {
            let passed =
                |line: &&str| line.starts_with("ok ") && line.contains(test) && !line.contains("SKIP");
            assert!(answer.stdout.lines().any(|line| passed(&line)), "{test}: {}", answer.stdout);
        }
    }
}

#[test]
fn the_screen_is_a_device_of_pixels() {
    let answer = demo(&["test", "files::the_screen", "--screen", "hidden"]).expect(0);
    let passed =
        |line: &str| line.starts_with("ok 1 files::the_screen_is_a_device ") && !line.contains("SKIP");
    assert!(answer.stdout.lines().any(passed), "{}", answer.stdout);
}

#[test]
fn a_board_without_screen_and_keyboard_names_them() {
    let answer = demo(&["test", "metal::", "--machine", "microvm", "-v"]).expect(0);
    let absent = "PS/2 keyboard is absent; screen is absent\n";
    assert!(answer.stderr.contains(absent), "{}", answer.stderr);
}

#[test]
fn unknown_model_is_refused_in_the_words_of_qemu() {
    let answer = demo(&["run", "--exec", "free", "--cpu", "abacus"]).expect(2);
    assert!(
        answer.stderr.contains("QEMU refused to start: ") && answer.stderr.contains("abacus"),
        "{}",
        answer.stderr
    );
}

#[test]
fn status_says_whether_each_command_succeeded() {
    let answer = demo(&["run", "--exec", "true; true"]).expect(0);
    assert_eq!((answer.stdout.as_str(), answer.complaints().as_str()), ("", ""));
    for failing in ["false", "nonsense"] {
        let answer = demo(&["run", "--exec", &format!("true; {failing}; true")]).expect(1);
        assert!(answer.stderr.contains(&format!("cargo demo: failed: {failing}\n")), "{}", answer.stderr);
    }
}

/// Ten million operations while a timer at 10 kHz allocates and frees in its handler.
#[test]
fn heap_withstands_a_storm_of_interrupts() {
    let commands = "storm 10000000; heapmode twotier; storm 1000000; heapmode simple; storm 1000000";
    let Answer { stdout, .. } = demo(&["run", "--exec", commands, "--timeout", "300"]).expect(0);
    let [kernel, handler] = ["kernel", "handler"].map(|side| numbers(&stdout, side)[0]);
    assert!(kernel >= 10_000_000 && handler > 10_000, "{stdout}");
    let calm = stdout.matches("no deadlock, no block overwritten, 0 refused; nothing leaked").count();
    assert_eq!(calm, 3, "{stdout}");
}

#[test]
fn an_injected_failure_is_named_and_leaks_nothing() {
    let answer = demo(&["run", "--exec", "inject oom 1; kmalloc-demo; kmalloc-demo"]).expect(1);
    assert!(answer.stderr.contains("cargo demo: failed: kmalloc-demo\n"), "{}", answer.stderr);
    for part in ["kmalloc-demo: no memory: ", "\ninject: refused ", "; nothing leaked: "] {
        assert!(answer.stdout.contains(part), "{}", answer.stdout);
    }
    assert!(answer.stdout.ends_with("are as before\n"), "the second one succeeds: {}", answer.stdout);
}

#[test]
fn in_kernel_tests_pass() {
    let Answer { stdout, stderr, .. } = demo(&["test"]).expect(0);
    assert!(stdout.starts_with("KTAP version 1") && !stdout.contains("not ok"), "{stdout}");
    assert!(stderr.contains(" passed, 0 failed, "), "{stderr}");
}

#[test]
fn filter_picks_tests_and_must_match_some() {
    let Answer { stdout, .. } = demo(&["test", "heap::"]).expect(0);
    let results: Vec<_> = stdout.lines().filter(|line| line.starts_with("ok ")).collect();
    assert!(!results.is_empty() && results.iter().all(|line| line.contains(" heap::")), "{stdout}");
    let answer = demo(&["test", "nonsense"]).expect(2);
    assert!(answer.stderr.contains("no test has a name that matches"), "{}", answer.stderr);
}

#[test]
fn shell_takes_piped_commands_and_ends_with_them() {
    let _turn = Turn::take();
    let mut child = command(image(), &["--no-disk"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"free\n").unwrap();
    // What comes while the shell sleeps has to interrupt; what is there when it looks does not.
    let (mut stdout, mut output) = (Vec::new(), child.stdout.take().unwrap());
    while !String::from_utf8_lossy(&stdout)
        .rsplit_once("reserved")
        .is_some_and(|(_, end)| end.contains("kos> "))
    {
        let mut bytes = [0; 4096];
        let count = output.read(&mut bytes).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&stdout));
        stdout.extend_from_slice(&bytes[..count]);
    }
    std::thread::sleep(core::time::Duration::from_millis(500));
    input.write_all(b"irq\n").unwrap();
    drop(input);
    output.read_to_end(&mut stdout).unwrap();
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stderr.starts_with("to leave: "), "{stderr}");
    assert_eq!(numbers(&stdout, "memory").len(), 4);
    assert!(stdout.contains("  serial input"), "the console interrupts: {stdout}");
}

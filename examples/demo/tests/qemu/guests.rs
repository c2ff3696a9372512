//! What hostile, broken and dead guests do to the command: never a green result, never a hang.

use std::path::{Path, PathBuf};

use kos_demo::image::{Image, ImageError};

use crate::support::demo_with;
use crate::tiny::{COM1, COM2, Tiny};

const EXEC: [&str; 3] = ["run", "--exec", "tiny"];

/// The folder with the evidence, as stderr names it.
fn evidence(stderr: &str) -> PathBuf {
    let named = stderr.lines().find_map(|line| line.strip_prefix("what it left is in "));
    Path::new(named.expect("the evidence is named")).to_path_buf()
}

#[test]
fn complete_run_prints_exactly_the_output_bytes() {
    let image = Tiny::default().write(COM1, b"boot log\n").one_command("free 12\r\n\ttotal\n", 0).exit(33);
    let answer = demo_with(&image.finish("complete"), &EXEC).expect(0);
    assert_eq!((answer.stdout.as_str(), answer.complaints().as_str()), ("free 12\r\n\ttotal\n", ""));
}

#[test]
fn exit_status_survives_late_code() {
    let image =
        Tiny::default().one_command("done\n", 0).exit(33).exit(35).write(COM2, b"late").triple_fault();
    assert_eq!(demo_with(&image.finish("late"), &EXEC).expect(0).stdout, "done\n");
}

#[test]
fn silent_guest_times_out() {
    let image = Tiny::default().finish("silent");
    let answer = demo_with(&image, &["run", "--exec", "tiny", "--timeout", "3"]).expect(3);
    assert!(answer.stderr.contains("the kernel did not end within 3."), "{}", answer.stderr);
    // A second without a word is a second too long.
    for second in ["(1 s)", "(2 s)"] {
        assert!(answer.stderr.contains(second), "{}", answer.stderr);
    }
    let registers = std::fs::read_to_string(evidence(&answer.stderr).join("registers.txt")).unwrap();
    assert!(registers.starts_with("CPU#0") && registers.contains("EIP=001000"), "{registers}");
    assert!(!evidence(&answer.stderr).join("screen.png").exists(), "there is no screen");
    let words = ["run", "--exec", "tiny", "--timeout", "1", "--screen", "hidden"];
    let answer = demo_with(&image, &words).expect(3);
    let picture = std::fs::read(evidence(&answer.stderr).join("screen.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n"), "{:?}", picture.get(..8));
}

#[test]
fn flooding_guest_times_out_and_the_user_hears_of_it() {
    let image = Tiny::default().flood(COM1).finish("flood");
    let answer = demo_with(&image, &["run", "--exec", "tiny", "--timeout", "2"]).expect(3);
    let said = answer.stderr.len().min(100);
    assert!(answer.stderr.contains("the kernel is running (1 s)"), "{}", &answer.stderr[..said]);
    assert!(answer.stderr.contains("the kernel did not end within 2."), "{}", &answer.stderr[..said]);
}

#[test]
fn failed_command_is_named() {
    let image = Tiny::default().write(COM1, b"boot log\n").one_command("", 7).exit(35);
    let answer = demo_with(&image.finish("failed"), &EXEC).expect(1);
    assert!(
        answer.stderr.contains("failed: tiny") && answer.stderr.contains("boot log"),
        "{}",
        answer.stderr
    );
}

#[test]
fn output_without_an_end_is_cut_off() {
    let image = Tiny::default().record(b'O', b"half").record(b'S', b"\0\0\0\0tiny").exit(33);
    let answer = demo_with(&image.finish("cut"), &EXEC).expect(3);
    assert_eq!(answer.stdout, "half");
    assert!(answer.stderr.contains("cut off"), "{}", answer.stderr);
}

#[test]
fn garbled_records_end_the_run_at_once() {
    let image = Tiny::default().write(COM2, b"O\xff\xff\xff\xff");
    let answer = demo_with(&image.finish("garbled"), &EXEC).expect(3);
    assert!(answer.stderr.contains("claims 4294967295 bytes"), "{}", answer.stderr);
}

#[test]
fn status_and_records_must_agree() {
    let all_good = Tiny::default().one_command("", 0).exit(35).finish("liar");
    let answer = demo_with(&all_good, &EXEC).expect(3);
    assert!(answer.stderr.contains("its report names none"), "{}", answer.stderr);
}

#[test]
fn triple_fault_after_a_complete_report_is_red() {
    let report = b"KTAP version 1\n1..1\nok 1 tiny\n";
    let image = Tiny::default().write(COM1, report).triple_fault().finish("triple");
    let answer = demo_with(&image, &["test"]).expect(3);
    assert!(answer.stderr.contains("the machine was reset"), "{}", answer.stderr);
}

#[test]
fn file_that_is_no_kernel_is_refused() {
    let answer = demo_with(Path::new("/bin/sh"), &EXEC).expect(2);
    assert!(answer.stderr.contains("has no PVH entry note"), "{}", answer.stderr);
}

#[test]
fn damaged_image_is_an_error_or_another_image() {
    let good = std::fs::read(Tiny::default().finish("damaged")).unwrap();
    assert_eq!(Image::parse(&good).unwrap().end, 0x10_0000 + good.len() as u64);
    for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = good.clone();
        damaged[at] ^= 1 << bit;
        // Most bits matter, some do not; none may make this panic.
        let _ = Image::parse(&damaged);
    }
    let mut wrapping = good;
    wrapping[64 + 56 + 24..][..8].fill(0xff);
    assert!(matches!(Image::parse(&wrapping), Err(ImageError::NothingToLoad)));
}

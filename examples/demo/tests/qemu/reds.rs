//! The five reds: each way in which a run can go wrong makes the command fail, by name, with its own status.

use crate::support::{answer, command, demo, image};

#[test]
fn five_reds_failing_test() {
    let answer = demo(&["test", "--sabotage", "fail"]).expect(1);
    assert!(answer.stdout.contains("not ok "), "{}", answer.stdout);
    assert!(answer.stderr.contains("cargo demo: failed: "), "{}", answer.stderr);
}

#[test]
fn five_reds_panic() {
    let answer = demo(&["test", "boot", "--sabotage", "panic"]).expect(3);
    assert!(answer.stderr.contains("cargo demo: the kernel died: "), "{}", answer.stderr);
    // The symbol module gives the call chain its names.
    assert!(answer.stdout.contains(" kos_demo_kernel::selftest::"), "{}", answer.stdout);
}

#[test]
fn five_reds_hang() {
    let answer = demo(&["test", "boot", "--sabotage", "hang", "--timeout", "6"]).expect(3);
    assert!(answer.stderr.contains("the kernel did not end within 6."), "{}", answer.stderr);
}

#[test]
fn five_reds_triple_fault() {
    let answer = demo(&["test", "boot", "--sabotage", "triple"]).expect(3);
    assert!(answer.stderr.contains("the machine was reset"), "{}", answer.stderr);
}

#[test]
fn five_reds_qemu_missing() {
    let mut command = command(image(), &["test", "--no-install"]);
    let missing = answer(command.env_remove("KOS_QEMU").env("PATH", "/nowhere")).expect(4);
    assert!(missing.stderr.contains("qemu-system-x86_64 is not installed"), "{}", missing.stderr);
    assert!(missing.stderr.contains("to install it: "), "{}", missing.stderr);
    answer(command.env("KOS_QEMU", "/nowhere/qemu")).expect(4);
}

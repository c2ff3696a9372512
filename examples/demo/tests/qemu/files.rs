//! Files on the emulated machine: in memory, on a virtio disk, over a reboot and over kills.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, thread};

use kos_demo::disk;

use crate::support::{Answer, demo, folder};

/// A new disk.
fn disk(name: &str) -> PathBuf {
    let path = folder("disks").join(name);
    let _ = fs::remove_file(&path);
    disk::make(&path).expect("a disk can be made");
    path
}

fn with_disk(path: &Path, commands: &str) -> Answer {
    demo(&["run", "--disk", path.to_str().expect("UTF-8"), "--exec", commands])
}

#[test]
fn files_live_in_memory_without_a_disk() {
    let answer =
        demo(&["run", "-v", "--exec", "mkdir /a; echo 'hi  there' > /a/f; cat /a/f; mount"]).expect(0);
    assert!(answer.stdout.starts_with("hi  there\ntmpfs   on / "), "{}", answer.stdout);
    assert!(answer.stderr.contains("virtio disk is absent"), "{}", answer.stderr);
    for machine in ["pc", "microvm"] {
        let answer = demo(&["run", "--machine", machine, "--exec", "echo x > /f; cat /f; lspci"]).expect(0);
        assert!(answer.stdout.starts_with("x\n"), "{}", answer.stdout);
    }
}

/// Pages of a program are read where it first needs them, by its own thread.
#[test]
fn a_disk_fails_for_one_process_alone() {
    let path = disk("one.img");
    with_disk(&path, "cp /bin/hello /hello; sync").expect(0);
    let answer = with_disk(&path, "inject eio 1 next; run /hello; run /hello; inject").expect(1);
    let (out, log) = (answer.stdout, answer.stderr);
    assert!(log.contains("cargo demo: failed: run /hello\n"), "{log}");
    for part in ["process 1: at 0x", ": input or output error\n", "hello from process 2 in ring 3\n"] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    assert!(out.ends_with("disk request: number 1 from now, and all after it, of process 1\n"), "{out}");
}

#[test]
fn state_survives_a_reboot() {
    let path = disk("reboot.img");
    with_disk(&path, "mkdir /d; echo first > /d/f; ln -s f /d/l; chmod 600 /d/f; chown 5:6 /d/f").expect(0);
    let answer = with_disk(&path, "cat /d/l; stat /d/f; echo more >> /d/f; sync; mount").expect(0);
    let mode = "  mode -rw------- (0600), uid 5, gid 6\n";
    assert!(answer.stdout.starts_with("first\n") && answer.stdout.contains(mode), "{}", answer.stdout);
    assert!(
        answer.stdout.contains("kosfs   on / ") && answer.stdout.contains("tmpfs   on /tmp "),
        "{}",
        answer.stdout
    );
    for machine in ["q35", "pc"] {
        let text = path.to_str().unwrap();
        let words = ["run", "--machine", machine, "--cpus", "2", "--disk", text, "--exec", "cat /d/f"];
        assert_eq!(demo(&words).expect(0).stdout, "first\nmore\n");
    }
    disk::examine(&path, &[]).unwrap();
}

#[test]
fn files_go_in_and_come_out_byte_for_byte() {
    let [put, got, other] = ["put", "got", "other"].map(|name| folder("transfer").join(name));
    let bytes: Vec<u8> = (0..25_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(&put, &bytes).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let [into, out] = [path(&put) + ":/data/in/f", "/tmp/twice:".to_owned() + &path(&got)];
    let twice = "cat /data/in/f /data/in/f > /tmp/twice; echo said";
    let answer = demo(&["run", "--put", &into, "--get", &out, "--exec", twice]).expect(0);
    assert_eq!(answer.stdout, "said\n");
    assert!(fs::read(&got).unwrap() == bytes.repeat(2));
    // What is not there is named, and nothing is put in its place.
    let missing = "/nothing:".to_owned() + &path(&other);
    let answer = demo(&["run", "--get", &missing, "--exec", "echo said"]).expect(1);
    assert!(answer.stderr.contains("failed: cat '/nothing'"), "{}", answer.stderr);
    assert!(answer.stdout == "said\n" && !other.exists());
    demo(&["run", "--put", "/nothing/here:/f", "--exec", "free"]).expect(2);
}

#[test]
fn the_disk_interrupts_and_readers_sleep() {
    let path = disk("interrupts.img");
    let answer = with_disk(
        &path,
        "free > /f; cat /f /f /f /f /f /f /f /f > /g; sync; cat /g > /h; sync; irq; lspci; selftest disk",
    )
    .expect(0);
    let taken = answer.stdout.lines().find(|line| line.ends_with("  disk")).expect("the disk interrupts");
    let taken: u64 = taken.split_whitespace().nth(1).unwrap().replace(',', "").parse().unwrap();
    assert!(taken > 10 && answer.stdout.contains("1af4:1001"), "{}", answer.stdout);
    for test in ["disk::many_reads_in_flight", "disk::block_wait_sleeps"] {
        let passed = answer.stdout.lines().any(|line| line.contains(test) && !line.contains("skip"));
        assert!(passed, "{}", answer.stdout);
    }
}

#[test]
fn random_numbers_come_by_interrupt_and_once() {
    let answer = demo(&[
        "run",
        "--rng",
        "--cpus",
        "2",
        "--exec",
        "selftest files::random; head 1 < /dev/hwrng | wc; irq; lspci",
    ]);
    let said = answer.expect(0).stdout;
    let passed = |line: &str| line.contains("random_numbers_of_a_device") && line.starts_with("ok");
    assert!(said.lines().any(passed) && said.contains("1af4:1005"), "{said}");
    let taken = said.lines().find(|line| line.ends_with("  random numbers")).expect("the device interrupts");
    assert!(taken.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap() > 0, "{taken}");
    let none = demo(&["run", "--exec", "ls /dev/hwrng"]).expect(1).stdout;
    assert!(none.contains("no such file"), "{none}");
}

/// Both ways: what the host says before the guest listens, and more than a buffer holds.
#[test]
fn a_line_to_the_host_carries_bytes_both_ways() {
    // Where paths are short: a socket's has 107 bytes.
    let socket = std::env::temp_dir().join(format!("kos-line-{}", std::process::id()));
    let path = socket.clone();
    let host = thread::spawn(move || {
        let begun = Instant::now();
        let mut line = loop {
            match UnixStream::connect(&path) {
                Ok(line) => break line,
                Err(why) => assert!(begun.elapsed().as_secs() < 600, "{why}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        line.write_all(format!("hello from the host\n{}\n", "x".repeat(5000)).as_bytes()).unwrap();
        let mut said = Vec::new();
        line.read_to_end(&mut said).unwrap();
        said
    });
    let exec = "head 2 < /dev/hvc0 > /f; wc < /f; head 1 < /f; yes guest | head 2000 > /dev/hvc0; irq; stat /dev/hvc0";
    let answer = demo(&["run", "--hvc", socket.to_str().unwrap(), "--exec", exec]).expect(0).stdout;
    assert!(answer.contains("5021\n") && answer.contains("hello from the host\n"), "{answer}");
    assert!(
        answer.contains("  line to the host\n") && answer.contains("/dev/hvc0: character device"),
        "{answer}"
    );
    assert_eq!(host.join().unwrap(), "guest\n".repeat(2000).into_bytes());
    let _ = fs::remove_file(socket);
}

#[test]
fn what_was_durable_survives_kills() {
    let answer = demo(&["crash", "--kill", "3", "--seed", "5"]).expect(0);
    assert!(answer.stdout.starts_with("3 of 3 kills survived: "), "{}", answer.stdout);
}

#[test]
fn a_disk_that_fails_is_named_and_keeps_what_was_durable() {
    let answer = demo(&["crash", "--errors", "12", "--seed", "5"]).expect(0);
    assert!(answer.stdout.starts_with("12 of 12 failing disks survived: in "), "{}", answer.stdout);
    assert!(
        !answer.stdout.contains("in 12 nobody") && !answer.stdout.contains(" 0 files"),
        "{}",
        answer.stdout
    );
}

#[test]
fn power_cuts_between_any_two_writes_lose_nothing_durable() {
    let answer = demo(&["crash", "--points", "200", "--seed", "3"]).expect(0);
    assert!(answer.stdout.starts_with("200 of 200 points survived: "), "{}", answer.stdout);
    assert!(!answer.stdout.contains(" 0 torn"), "{}", answer.stdout);
    // The same once more, without a run; then with a log that lies, and one that is cut.
    let replay = ["crash", "--points", "200", "--seed", "3", "--replay"];
    let same = |answer: &Answer| answer.stdout.rsplit_once("; ").map(|(figures, _)| figures.to_owned());
    assert_eq!(same(&demo(&replay).expect(0)), same(&answer));
    let path = folder("evidence").join("demo/crash/writes.log");
    let mut log = fs::read(&path).unwrap();
    let last = (512..log.len()).step_by(512).rev().find(|&at| log[at..].starts_with(b"100050\n"));
    log[last.expect("a file's bytes")] ^= 1;
    fs::write(&path, &log).unwrap();
    let answer = demo(&replay).expect(1);
    assert!(
        answer.stderr.contains(" are damaged\nto see it again: cargo demo crash --points 200"),
        "{}",
        answer.stderr
    );
    fs::write(&path, &log[..log.len() / 2]).unwrap();
    let answer = demo(&replay).expect(3);
    assert!(answer.stderr.contains("the log of writes ends within entry "), "{}", answer.stderr);
}

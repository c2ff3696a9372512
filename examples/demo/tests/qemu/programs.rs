//! Programs in ring 3: what they say, how they die, and that they leave nothing behind.

use std::fs;

use kos_demo::disk;

use crate::support::{demo, folder};

#[test]
fn a_program_runs_in_ring_3() {
    let answer = demo(&["run", "--exec", "run hello you"]).expect(0);
    assert_eq!(answer.stdout, "hello from process 1 in ring 3\n  you\n");
    let answer = demo(&["run", "--exec", "run crash null"]).expect(1);
    let said = &answer.stdout;
    // Where it was, who called that by name, and at last why it ended.
    assert!(said.starts_with("  0x0\n"), "{said}");
    for function in ["programs::begin+0x", "_start+0x"] {
        assert!(said.contains(function), "{function}: {said}");
    }
    assert!(said.ends_with("\nprocess 1: at 0x0: jump to 0x0, where nothing is\n"), "{said}");
}

#[test]
fn calls_of_a_program_are_shown_and_memory_adds_up_beside_it() {
    let said = demo(&["run", "--exec", "strace hello you; free; memstat -p"]).expect(0).stdout;
    for line in [
        "[1] getpid() = 1",
        "[1] write(1, \"hello from process 1 in ring 3\\n\", 31) = 31",
        "[1] write(1, \"  you\\n\", 6) = 6",
        "[1] exit(0) = ?",
        "4 calls, 0 of them not shown",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(said.contains(" stacks ") && said.ends_with(" frames, each found once\n"), "{said}");
}

/// The line of what was in use, without its name.
fn in_use<'a>(said: &'a str, name: &str) -> &'a str {
    let line = said.lines().find_map(|line| line.strip_prefix(name)).expect("the command counts");
    line.trim().split(';').next().unwrap()
}

#[test]
fn seven_hostile_programs_die_alone() {
    for cpus in ["1", "4"] {
        // The first time the tables of the file system grow for good.
        let said = demo(&["run", "--cpus", cpus, "--exec", "crashme; crashme; run hello"]).expect(0).stdout;
        let (_, second) = said.split_once("after:").expect("the first has ended");
        assert_eq!(
            in_use(second, "before:"),
            in_use(second.split_once("before:").unwrap().1, "after:"),
            "{said}"
        );
        assert!(said.matches("programs have 0 frames").count() == 2, "{said}");
        assert!(said.ends_with("in ring 3\n"), "{said}");
    }
}

#[test]
fn forks_and_a_file_of_kosfs_as_memory_on_four_cpus() {
    let path = folder("disks").join("programs.img");
    let _ = fs::remove_file(&path);
    disk::make(&path).expect("a disk can be made");
    let run = |commands: &str| {
        let words = ["run", "--cpus", "4", "--disk", path.to_str().expect("UTF-8"), "--exec", commands];
        demo(&words).expect(0).stdout
    };
    let said = run("mmap-demo /mapped; run storm 4; fork-demo; run usertests; sync");
    assert!(said.contains("/mapped: 16 pages doubled in memory, read back from the file\n"), "{said}");
    assert!(said.contains("4 children wrote 64 pages each; the parent's are what they were\n"), "{said}");
    assert!(!said.contains("BROKEN"), "{said}");
    // What was written through the mapping outlives the machine: page n begins with twice 3n + 1.
    let said = run("hexdump /mapped");
    for (place, number) in [("00000000", "02"), ("00001000", "08"), ("0000f000", "5c")] {
        let line = said.lines().find(|line| line.starts_with(place)).expect("the dump has each page");
        assert_eq!(line.split_whitespace().nth(1), Some(number), "{line}");
    }
    disk::examine(&path, &[]).unwrap();
}

#[test]
fn shared_memory_withstands_each_refused_frame() {
    let mut ended = 0;
    // As many at a time as the kernel's command line holds, until there are no more to refuse.
    for first in (1..).step_by(20) {
        let sweep = (first..first + 20).map(|frame| format!("inject oom {frame}; run shm-demo; "));
        let commands = format!("run shm-demo; {}inject off; shm; run shm-demo", sweep.collect::<String>());
        let answer = demo(&["run", "--exec", &commands]);
        let over = answer.status == Some(0) && first > 20;
        let said = answer.expect(if over { 0 } else { 1 }).stdout;
        assert!(said.contains("\n0 bytes in all\n"), "{said}");
        assert!(said.ends_with("in shared memory: 523776\n"), "{said}");
        if over {
            break;
        }
        // Names that are remembered take blocks of the heap; of frames none is lost.
        let mut counts: Vec<_> = said.split(" frames, ").filter_map(|text| text.rsplit(' ').next()).collect();
        counts.pop();
        assert!(!counts.is_empty() && counts.iter().all(|count| *count == counts[0]), "{said}");
        ended += said.matches(": ended from outside\n").count();
    }
    assert!(ended > 0, "nobody whose memory was revoked had to end");
}

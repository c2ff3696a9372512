//! The program itself: what it prints where, its exit status, and that it leaves the terminal as it was.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, tcgetattr};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kos-hosted"));
    command.args(arguments);
    command
}

fn exec(commands: &str) -> Output {
    program(&["shell", "--exec", commands]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn exec_prints_the_output_and_nothing_else() {
    let output = exec("true");
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
    assert!(text(&exec("free; memstat; frames; kmalloc-demo; selftest").stdout).contains("tests passed"));
}

#[test]
fn verbose_shows_the_boot_on_standard_error() {
    let output = program(&["shell", "-v", "--exec", "true", "--mem", "16M"]).output().unwrap();
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("shell    ok"), "{}", text(&output.stderr));
}

#[test]
fn a_failed_command_is_named_and_makes_status_1() {
    let output = exec("true; false; uptime");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "'false' ended with status 1\n");
    assert!(text(&output.stdout).starts_with("up "), "the commands behind it run");
}

#[test]
fn wrong_usage_is_status_2() {
    for arguments in [&["shell", "--mem", "lots"][..], &["fly"], &[]] {
        assert_eq!(program(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_boot_that_fails_is_status_3_and_named() {
    let output = program(&["shell", "--mem", "1M", "--exec", "free"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0));
    assert!(
        text(&output.stderr).contains("boot stage memory failed: too little memory"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn memory_that_the_host_does_not_have_is_status_3() {
    let output = program(&["shell", "--mem", "max", "--exec", "free"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).starts_with("the host refuses: "), "{}", text(&output.stderr));
}

#[test]
fn input_from_a_pipe_ends_with_the_pipe() {
    let mut child = program(&["shell"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"uptime\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    assert!(said.contains("Type 'help'") && said.contains("\nup 0:0"), "{said}");
}

#[test]
fn a_simulated_run_prints_the_same_bytes_again() {
    let sim = |arguments: &[&str]| {
        program(&[&["sim", "--cpus", "3", "--mem", "32M"], arguments].concat()).output().unwrap()
    };
    let (first, again) = (sim(&["--seed", "9", "--twice"]), sim(&["--seed", "9"]));
    assert_eq!((first.status.code(), text(&first.stderr)), (Some(0), String::new()));
    assert_eq!(text(&first.stdout), text(&again.stdout));
    let last = text(&first.stdout).lines().last().unwrap().to_owned();
    assert!(last.starts_with("# seed 9, 3 CPUs: ") && last.contains(" ns, history "), "{last}");
    assert_ne!(text(&first.stdout), text(&sim(&["--seed", "10"]).stdout));
    assert_eq!(sim(&["--sabotage", "panic"]).status.code(), Some(3));
}

#[test]
fn a_sweep_names_the_seeds_that_fail_and_how_to_repeat_them() {
    let sweep = ["sim", "--seeds", "0..64", "--cpus", "4", "--filter", "smp::every", "--twice"];
    let good = program(&sweep).output().unwrap();
    assert_eq!(good.status.code(), Some(0));
    let said = text(&good.stdout);
    assert!(said.starts_with("64 seeds, 4 CPUs: 0 failed, 64 different runs, digest "), "{said}");
    let bad = program(&[&sweep[..], &["--sabotage", "race"]].concat()).output().unwrap();
    assert_eq!(bad.status.code(), Some(1));
    let said = text(&bad.stdout);
    let repeat = said.lines().find_map(|line| line.strip_prefix("  repeat: cargo hosted ")).unwrap();
    let again = program(&repeat.replace('\'', "").split(' ').collect::<Vec<_>>()).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stdout).contains(" sabotage::race #"), "{}", text(&again.stdout));
    assert_eq!(program(&["sim", "--seeds", "9..3"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn the_line_that_repeats_a_seed_carries_what_befell_packets() {
    let shares = ["--loss", "2.5", "--corrupt", "1"];
    let sweep = ["sim", "--seeds", "0..32", "--cpus", "4", "--filter", "net::pings", "--sabotage", "race"];
    let bad = program(&[&sweep[..], &shares].concat()).output().unwrap();
    assert_eq!(bad.status.code(), Some(1));
    let said = text(&bad.stdout);
    assert!(said.lines().last().unwrap().starts_with("packets to itself: "), "{said}");
    let repeat = said.lines().find_map(|line| line.strip_prefix("  repeat: cargo hosted ")).unwrap();
    assert!(repeat.ends_with(" --sabotage race --loss 2.5 --corrupt 1"), "{repeat}");
    let again = program(&repeat.replace('\'', "").split(' ').collect::<Vec<_>>()).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stdout).contains("# packets to itself: "), "{}", text(&again.stdout));
    assert_eq!(program(&["sim", "--loss", "101"]).output().unwrap().status.code(), Some(2));
}

/// A pseudo-terminal: our end, and the program's.
fn terminal() -> (File, OwnedFd) {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&ours).unwrap();
    rustix::pty::unlockpt(&ours).unwrap();
    let name = rustix::pty::ptsname(&ours, Vec::new()).unwrap();
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (File::from(ours), theirs)
}

/// Reads until `wanted` was seen.
fn expect(terminal: &mut File, wanted: &str) -> String {
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    while !text(&seen).contains(wanted) {
        let count = terminal.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the terminal closed before {wanted:?}: {}", text(&seen));
        seen.extend(buffer.iter().take(count));
    }
    text(&seen)
}

#[test]
fn lines_are_edited_on_a_terminal_which_is_left_as_it_was() {
    let (mut ours, theirs) = terminal();
    let input = theirs.try_clone().unwrap();
    let mut child = program(&["shell"]).stdin(input).stdout(theirs.try_clone().unwrap()).spawn().unwrap();
    expect(&mut ours, "kos> ");
    let raw = tcgetattr(&theirs).unwrap();
    assert!(!raw.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO), "the terminal is not raw");
    // "uptxme", two left, backspace, "i": uptime. Then the line before again, from history.
    ours.write_all(b"uptxme\x1b[D\x1b[D\x7fi\r").unwrap();
    expect(&mut ours, "\r\nup 0:0");
    ours.write_all(b"\x1b[A\r").unwrap();
    let again = expect(&mut ours, "\r\nup 0:0");
    assert!(again.contains("kos> uptime"), "{again:?}");
    ours.write_all(b"\x04").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let after = tcgetattr(&theirs).unwrap();
    assert!(after.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO), "the terminal stays raw");
}

#[test]
fn signals_end_the_shell_and_leave_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (mut ours, theirs) = terminal();
        let input = theirs.try_clone().unwrap();
        let mut child = program(&["shell"]).stdin(input).stdout(theirs.try_clone().unwrap()).spawn().unwrap();
        expect(&mut ours, "kos> ");
        assert!(!tcgetattr(&theirs).unwrap().local_modes.contains(LocalModes::ICANON), "not raw yet");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
        let after = tcgetattr(&theirs).unwrap();
        assert!(
            after.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO),
            "{signal:?}: it stays raw"
        );
    }
}

/// Requests fail, writes find no room: that is said, and what was durable before is there afterwards, on a volume that is sound.
#[test]
fn a_disk_that_fails_is_named_and_keeps_what_was_durable() {
    // Who comes first, the write-back or the commit, knows the sector or not.
    for (fault, said) in [
        ("eio @1", ["sync: the device failed at sector ", "sync: input/output error"]),
        ("enospc @1", ["sync: the device has no room for sector ", "sync: no space left on device"]),
    ] {
        let disk = std::env::temp_dir().join(format!("kos-faults-{}", std::process::id()));
        let path = disk.to_str().unwrap();
        assert!(program(&["mkfs", path, "--size", "8M"]).output().unwrap().status.success());
        let commands = format!("echo kept > /f; sync; inject {fault}; echo lost > /g; sync");
        let failed = program(&["shell", "--disk", path, "--exec", &commands]).output().unwrap();
        assert_eq!(failed.status.code(), Some(1), "{fault}: {}", text(&failed.stderr));
        let words = text(&failed.stdout);
        assert!(said.iter().any(|said| words.contains(said)), "{fault}: {words}");
        let sound = program(&["fsck", path]).output().unwrap();
        assert_eq!(sound.status.code(), Some(0), "{fault}: {}", text(&sound.stdout));
        let after = program(&["shell", "--disk", path, "--exec", "cat /f"]).output().unwrap();
        assert_eq!((after.status.code(), &*text(&after.stdout)), (Some(0), "kept\n"), "{fault}");
        std::fs::remove_file(disk).unwrap();
    }
}

/// Rules of the root disk hold before the first packet; where they are wrong the host is closed, and says so.
/// A disk with a kosfs that kernels boot from one after the other.
struct Disk(PathBuf);

impl Disk {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        assert!(program(&["mkfs", path.to_str().unwrap(), "--size", "8M"]).status().unwrap().success());
        Self(path)
    }

    /// The status of a kernel that runs these commands, what they say, and the log.
    fn run(&self, commands: &str) -> (Option<i32>, [String; 2]) {
        let words = ["shell", "-v", "--disk", self.0.to_str().unwrap(), "--exec", commands];
        let output = program(&words).output().unwrap();
        (output.status.code(), [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that fails has more to say than that.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn rules_of_the_firewall_hold_from_the_boot_on() {
    let disk = Disk::new("kos-rules");
    let run = |commands: &str| disk.run(commands);
    let write = "mkdir -p /etc; echo 'in drop udp port 9' > /etc/firewall; firewall dump; sync";
    assert_eq!(run(write).1[0], "default in accept\ndefault out accept\n");
    let (status, [said, log]) = run("firewall dump; echo in udrop >> /etc/firewall; sync");
    assert_eq!((status, &*said), (Some(0), "default in accept\ndefault out accept\nin drop udp port 9\n"));
    assert!(!log.contains("/etc/firewall"), "{log}");
    let (status, [said, log]) = run("firewall dump; ping 127.0.0.1 > /dev/null; rm /etc/firewall; sync");
    assert_eq!((status, &*said), (Some(0), "default in drop\ndefault out drop\naccept any on lo\n"));
    assert!(
        log.contains("/etc/firewall: line 2: word 2 means nothing in a rule; closed to all but itself"),
        "{log}"
    );
    assert_eq!(run("firewall dump").1[0], "default in accept\ndefault out accept\n");
}

#[test]
fn free_says_what_the_heap_has_and_what_would_come_back() {
    let disk = Disk::new("kos-free");
    assert_eq!(disk.run("yes word | head 9000 > /f; sync").0, Some(0));
    let (status, [said, _]) = disk.run("free -b; cat /f > /dev/null; free -b; gc; free -b");
    assert_eq!(status, Some(0));
    let lines = |word: &str| said.lines().filter(|line| line.starts_with(word)).collect::<Vec<_>>();
    let numbers = |line: &str| {
        let words = line.split_whitespace().map(|word| word.replace(',', ""));
        words.filter_map(|word| word.parse::<u64>().ok()).collect::<Vec<_>>()
    };
    for line in lines("heap ") {
        let [all, parts @ ..] = &numbers(line)[..] else { panic!("{line}") };
        assert!(*all > 0 && *all == parts.iter().sum(), "{line}");
    }
    let clean: Vec<_> = lines("reclaimable").iter().map(|line| numbers(line)[0]).collect();
    let [before, read, after] = clean[..] else { panic!("{said}") };
    assert!(before < read && read >= 9000 * 5 && after == 0, "{said}");
    assert_eq!(lines("swap").len(), 3);
}

#[test]
fn services_come_up_at_boot_and_what_is_wrong_is_named_in_its_stage() {
    let disk = Disk::new("kos-stages");
    let run = |commands: &str| disk.run(commands);
    let (status, [_, log]) = run("mkdir -p /etc/svc; echo 'exec = echo hello' > /etc/svc/hello.svc; sync");
    assert_eq!(status, Some(0));
    assert!(log.contains("] services ok        no units in /etc/svc\n"), "{log}");
    let wrong = "useradd alice; echo allow nobody anything > /etc/policy; \
                 echo 'exec = echo a' > /etc/svc/a.svc; echo 'after = b' >> /etc/svc/a.svc; \
                 echo 'exec = echo b' > /etc/svc/b.svc; echo 'after = a' >> /etc/svc/b.svc; sync";
    let (status, [_, log]) = run(wrong);
    assert_eq!(status, Some(0));
    assert!(log.contains("] init     ok        1 user; policy as built\n"), "{log}");
    assert!(log.contains("] services ok        1 unit up\n"), "{log}");
    let (status, [said, log]) = run("dmesg");
    assert_eq!(status, Some(0));
    for line in [
        "] init     warning   /etc/policy: line 1, column 7: no such domain",
        "] init     ok        2 users; policy as built, as its file is wrong\n",
        "] services warning   a circle: a -> b -> a\n",
        "] services warning   a circle: b -> a -> b\n",
        "] services degraded  1 of 3 units up\n",
    ] {
        assert!(log.contains(line) && said.contains(line), "{line}: {log}{said}");
    }
}

#[test]
fn commands_run_as_who_is_asked_for() {
    let disk = std::env::temp_dir().join(format!("kos-user-{}", std::process::id()));
    let path = disk.to_str().unwrap();
    let run = |user: &str, commands: &str| {
        let output =
            program(&["shell", "--disk", path, "--user", user, "--exec", commands]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    program(&["mkfs", path, "--size", "8M"]).status().unwrap();
    let numbers = run("7:8", "id; cat /etc/shadow; touch /etc/mine || echo no; touch /tmp/mine; ls -l /tmp");
    assert!(numbers.0 == Some(1) && numbers.1.starts_with("uid=7"), "{numbers:?}");
    assert!(numbers.1.contains("no\n") && numbers.1.contains(" 7 8 "), "{numbers:?}");
    let nobody = run("alice", "echo never");
    assert_eq!(nobody, (Some(1), "alice: there is no such user\n".into()));
    assert_eq!(run("0", "useradd alice; sync").0, Some(0));
    let alice = run("alice", "whoami; pwd; touch mine; svc stop x; id root");
    assert!(alice.1.starts_with("alice\n/home/alice\n") && alice.1.contains("needs the role"), "{alice:?}");
    std::fs::remove_file(disk).unwrap();
}

/// Who is root writes to a disk past all file systems, until one of it is mounted.
#[test]
fn a_disk_is_bytes_until_it_is_mounted() {
    let disk = std::env::temp_dir().join(format!("kos-bytes-{}", std::process::id()));
    let path = disk.to_str().unwrap();
    std::fs::write(&disk, vec![b'.'; 1 << 20]).unwrap();
    let said = |commands: &str| {
        let output = program(&["shell", "--disk", path, "--exec", commands]).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(said("echo word > /dev/vda; sync /dev/vda; head 1 < /dev/vda"), (Some(0), "word\n".into()));
    let mut bytes = std::fs::read(&disk).unwrap();
    assert_eq!(bytes.drain(..5).as_slice(), b"word\n");
    assert!(bytes.iter().all(|byte| *byte == b'.'), "the rest of the sector stays");
    let (status, said_then) = said("cat /dev/vda | wc; yes > /dev/vda");
    assert_eq!(status, Some(1), "it has an end: {said_then}");
    assert!(said_then.contains("1048576") && said_then.contains("no space"), "{said_then}");
    assert!(program(&["mkfs", path, "--force", "--size", "8M"]).output().unwrap().status.success());
    let (status, said_then) = said("echo word > /dev/vda; mount /dev/vda /mnt; sync; fsck");
    assert_eq!(status, Some(1), "{said_then}");
    assert_eq!(said_then.matches("busy").count(), 2, "{said_then}");
    assert!(said_then.contains("vda: kosfs, clean"), "{said_then}");
    std::fs::remove_file(disk).unwrap();
}

/// What a command says is there when it says it, and one whose reader is gone ends, whatever it has still to say.
#[test]
fn what_is_said_is_heard_at_once_and_who_is_not_heard_ends() {
    let mut talks = program(&["shell", "--exec", "echo first; yes; echo last"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(talks.stdout.take().unwrap());
    let mut line = String::new();
    for expected in ["first\n", "y\n", "y\n"] {
        line.clear();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, expected);
    }
    drop(out);
    let ended = talks.wait_with_output().unwrap();
    let why = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{why}");
    assert!(
        why.contains("'yes' ended with status ") && why.contains("'echo last' ended with status "),
        "{why}"
    );
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let job = program(&["shell", "--exec", "sleep 0 &"]).stdout(full).output().unwrap();
    assert_eq!(job.status.code(), Some(1), "the number of a job is not heard: {}", text(&job.stderr));
}

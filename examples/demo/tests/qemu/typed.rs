//! What somebody sees who types at the kernel on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};

use crate::support::{Turn, command, image};

/// A terminal: what the user types at and what the command sees.
fn terminal() -> (File, File) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let command = open(ptsname(&user, Vec::new()).unwrap(), flags, Mode::empty()).unwrap();
    (user.into(), command.into())
}

fn modes(terminal: &File) -> (LocalModes, bool) {
    let modes: Termios = tcgetattr(terminal).unwrap();
    (modes.local_modes, modes.input_modes.is_empty())
}

/// Reads what appears on the terminal up to this text; a minute without a byte is a failure.
fn read_up_to(terminal: &mut File, text: &str, seen: &mut String) {
    let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
    let mut buffer = [0; 4096];
    while !seen.contains(text) {
        let ready = poll(&mut [PollFd::new(terminal, PollFlags::IN)], Some(&minute)).unwrap();
        assert_eq!(ready, 1, "no '{text}' after {seen}");
        let count = terminal.read(&mut buffer).unwrap();
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

/// Boots with `end` as the terminal.
fn boot(end: &File, words: &[&str]) -> Child {
    let end = || Stdio::from(end.try_clone().unwrap());
    command(image(), words).stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
}

#[test]
fn interactive_shell_reboots_and_leaves_the_terminal_as_it_was() {
    let _turn = Turn::take();
    let (mut user, terminal) = terminal();
    let before = modes(&terminal);
    assert!(before.0.contains(LocalModes::ICANON | LocalModes::ECHO));
    let mut child = boot(&terminal, &[]);
    let mut seen = String::new();
    read_up_to(&mut user, "kos> ", &mut seen);
    assert!(seen.contains("to leave: "), "{seen}");
    user.write_all(b"uptime\r").unwrap();
    read_up_to(&mut user, "timer interrupts", &mut seen);
    assert!(!modes(&terminal).0.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
    user.write_all(b"reboot\r").unwrap();
    seen.clear();
    read_up_to(&mut user, "shell    ok", &mut seen); // a whole boot; the prompt before it is that of the first
    let mut seen = seen.split_off(seen.find("shell    ok").unwrap());
    read_up_to(&mut user, "kos> ", &mut seen);
    user.write_all(b"\x01x").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{seen}");
    assert_eq!(modes(&terminal), before);
}

#[test]
fn control_c_ends_a_program_in_ring_3_and_what_waits() {
    let _turn = Turn::take();
    let (mut user, terminal) = terminal();
    // The disk of the shell is another test's.
    let mut child = boot(&terminal, &["--no-disk"]);
    read_up_to(&mut user, "kos> ", &mut String::new());
    for line in ["run spin", "run spin | cat", "yes | cat > /dev/null", "sleep 1000"] {
        let mut seen = String::new();
        write!(user, "echo it be''gins; {line}\r").unwrap();
        read_up_to(&mut user, "it begins\r\n", &mut seen);
        user.write_all(b"\x03").unwrap();
        read_up_to(&mut user, "kos> ", &mut seen);
        user.write_all(b"echo =$?=\r").unwrap();
        read_up_to(&mut user, "=130=\r\n", &mut seen);
        read_up_to(&mut user, "kos> ", &mut seen);
    }
    user.write_all(b"\x01x").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

//! QEMU is never left behind. A script stands for it, which would run for an hour and holds a pipe open as long as it lives.

use core::time::Duration;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Answer, answer, command, folder};
use crate::tiny::Tiny;

/// A stand-in for QEMU and the pipe that tells of its life.
struct StandIn {
    program: PathBuf,
    pipe: PathBuf,
    image: PathBuf,
}

impl StandIn {
    fn new(name: &str, script: &str) -> Self {
        let folder = folder(name);
        let (program, pipe) = (folder.join("qemu"), folder.join("pipe"));
        let _ = fs::remove_file(&pipe);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::write(&program, format!("#!/bin/sh\nexec 9>'{}'\n{script}\n", pipe.display())).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        Self { program, pipe, image: Tiny::default().finish(name) }
    }

    fn command(&self, timeout: &str) -> Command {
        let mut command = command(&self.image, &["run", "--exec", "true", "--timeout", timeout]);
        command.env("KOS_QEMU", &self.program);
        command
    }

    /// Starts the command; returns once the stand-in runs, with a channel on which its death is told.
    fn start(&self) -> (Child, mpsc::Receiver<()>) {
        let child = self.command("3600").spawn().unwrap();
        // Opening waits for the stand-in; reading waits for its end.
        let mut pipe = File::open(&self.pipe).unwrap();
        let (sender, died) = mpsc::channel();
        thread::spawn(move || {
            let _ = pipe.read(&mut [0]);
            let _ = sender.send(());
        });
        (child, died)
    }
}

const BOUND: Duration = Duration::from_secs(20);

#[test]
fn qemu_dies_with_a_killed_command() {
    let (mut child, died) = StandIn::new("killed", "exec sleep 3600").start();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(died.recv_timeout(BOUND), Ok(()));
}

#[test]
fn qemu_dies_with_an_interrupted_command() {
    let (mut child, died) = StandIn::new("interrupted", "exec sleep 3600").start();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(died.recv_timeout(BOUND), Ok(()));
}

#[test]
fn deadline_kills_qemu_and_what_it_started() {
    let stand_in = StandIn::new("deadline", "sleep 3600 & wait");
    let pipe = stand_in.pipe.clone();
    let alive = thread::spawn(move || File::open(pipe).unwrap().read(&mut [0]).unwrap());
    let Answer { status, stderr, .. } = answer(&mut stand_in.command("5"));
    assert_eq!(status, Some(3), "{stderr}");
    assert_eq!(alive.join().unwrap(), 0);
}

#[test]
fn refusal_of_qemu_is_shown_in_its_own_words() {
    let stand_in = StandIn::new("refusing", "exec 9>&-\necho 'qemu: too much memory' >&2\nexit 1");
    let pipe = stand_in.pipe.clone();
    let opened = thread::spawn(move || File::open(pipe).map(drop));
    let Answer { status, stderr, .. } = answer(&mut stand_in.command("60"));
    opened.join().unwrap().unwrap();
    assert_eq!(
        (status, stderr.as_str()),
        (Some(2), "cargo demo: QEMU refused to start: qemu: too much memory\n")
    );
}

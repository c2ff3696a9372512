//! Child processes that are never left behind: killed when their owner is dropped (return, `?`, panic), and by the system
//! when this process dies without a chance to do so.
//!
//! The one unsafe operation of the package stands here: code between `fork` and `exec`.
#![expect(unsafe_code, reason = "the hook between fork and exec is unsafe in the standard library")]

use core::time::Duration;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Instant;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, getpid, getppid, kill_process_group, set_parent_process_death_signal};

use crate::interrupt::Interrupt;
use crate::report::Report;

/// How long a wait lasts before it looks at the clock, the status line and the signals again.
pub const TICK: Duration = Duration::from_millis(50);

/// Most bytes kept of what a child writes.
const KEPT: usize = 1 << 20;

/// Pieces that may wait to be looked at; a child that writes faster has to wait.
pub(crate) const QUEUE: usize = 64;

/// A child that dies with this value.
#[derive(Debug)]
pub struct Owned(Child);

impl Owned {
    /// Starts `command` in a process group of its own, so that a Ctrl-C reaches this process alone. `inherited` stay open in
    /// the child under their numbers.
    ///
    /// The system kills the child when the calling **thread** ends: that thread must own the value.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(mut command: Command, inherited: Vec<OwnedFd>) -> io::Result<Self> {
        let parent = getpid();
        let hook = move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent died before the line above: nobody would send the signal.
            if getppid() != Some(parent) {
                return Err(io::ErrorKind::NotFound.into());
            }
            inherited.iter().try_for_each(|fd| Ok(fcntl_setfd(fd, FdFlags::empty())?))
        };
        command.process_group(0);
        // SAFETY: the hook runs in the forked child, where only async-signal-safe calls are allowed: it makes a few system
        // calls, takes no lock and allocates nothing (`ErrorKind` and errno values convert to `io::Error` without a box).
        unsafe { command.pre_exec(hook) };
        command.spawn().map(Self)
    }

    /// What the child writes to its piped stderr.
    pub fn take_stderr(&mut self) -> Option<impl Read + Send + 'static> {
        self.0.stderr.take()
    }

    /// Waits for the end, `limit` at most; then kills.
    ///
    /// # Errors
    /// The system cannot wait for the child.
    pub fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let started = Instant::now();
        while started.elapsed() < limit {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.kill();
        Ok(None)
    }

    /// Looks whether the child has ended.
    ///
    /// # Errors
    /// The system cannot wait for the child.
    pub fn poll(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Kills the child's whole group: what it started dies with it.
    fn kill(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // Not waited for yet, so the number is still the child's. Both calls fail only if it ended just now.
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a helper program ended.
#[derive(Debug)]
pub enum Finish {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed at its time limit.
    TimedOut,
    /// It was killed because this process was asked to end.
    Interrupted,
}

/// Runs a helper program (cargo, apt-get) to its end with a status line; returns what it wrote to stderr as well.
///
/// # Errors
/// It cannot be started or waited for.
pub fn run(
    mut command: Command,
    limit: Duration,
    what: &str,
    report: &mut Report,
    interrupt: &Interrupt,
) -> io::Result<(Finish, Vec<u8>)> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = Owned::spawn(command, Vec::new())?;
    let (sender, receiver) = mpsc::sync_channel(QUEUE);
    if let Some(stderr) = child.take_stderr() {
        pump(stderr, sender, |bytes| bytes);
    }
    let mut written = Vec::new();
    loop {
        if interrupt.came() {
            return Ok((Finish::Interrupted, written));
        }
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok((Finish::TimedOut, written));
        }
        match receive(&receiver) {
            Received::Some(bytes) => {
                keep(&mut written, &bytes);
                if report.verbose() {
                    report.raw(&bytes);
                }
            }
            // A grandchild may hold the pipe open: the end of the child counts.
            Received::Nothing => match child.poll()? {
                Some(status) => return Ok((Finish::Exited(status), written)),
                None => report.tick(&status_line(what, &written), started),
            },
            Received::Closed => {
                let status = child.wait(left)?;
                return Ok((status.map_or(Finish::TimedOut, Finish::Exited), written));
            }
        }
    }
}

/// What goes on, with the newest line that the program wrote, as far as a place in parentheses.
fn status_line(what: &str, written: &[u8]) -> String {
    let text = String::from_utf8_lossy(written);
    let newest = text.trim_end().lines().next_back().unwrap_or_default();
    let newest: String = newest.split(" (").next().unwrap_or_default().trim().chars().take(60).collect();
    if newest.is_empty() { what.into() } else { format!("{what}: {newest}") }
}

/// Appends, up to a limit that no honest program reaches.
pub(crate) fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
}

/// Reads `source` on a thread until its end and sends each piece, wrapped. The thread ends with the source or the receiver.
pub(crate) fn pump<T: Send + 'static>(
    mut source: impl Read + Send + 'static,
    sender: SyncSender<T>,
    wrap: fn(Vec<u8>) -> T,
) {
    thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default().to_vec();
            if sender.send(wrap(bytes)).is_err() {
                break;
            }
        }
    });
}

/// What one wait of [`TICK`] brought.
pub(crate) enum Received<T> {
    /// A value.
    Some(T),
    /// Nothing yet.
    Nothing,
    /// Every sender is gone.
    Closed,
}

/// Waits for the next value, [`TICK`] at most.
pub(crate) fn receive<T>(receiver: &Receiver<T>) -> Received<T> {
    match receiver.recv_timeout(TICK) {
        Ok(value) => Received::Some(value),
        Err(RecvTimeoutError::Timeout) => Received::Nothing,
        Err(RecvTimeoutError::Disconnected) => Received::Closed,
    }
}

//! One run of QEMU: started, listened to, ended.
//!
//! QEMU inherits three sockets (COM1, COM2, its monitor), so nothing needs a name in the file system and the end of a
//! socket is the end of QEMU. It never touches the terminal. Every run has a deadline; whatever happens to this process,
//! QEMU is gone afterwards ([`Owned`]).

use alloc::sync::Arc;
use core::time::Duration;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::log::Log;
use crate::machine::{Machine, Net, Wires};
use crate::monitor::Monitor;
use crate::process::{Owned, QUEUE, Received, keep, pump, receive};

/// What to boot, and on what.
#[derive(Clone, Debug)]
pub struct Boot {
    /// QEMU.
    pub qemu: PathBuf,
    /// The machine.
    pub machine: Machine,
    /// The kernel image.
    pub kernel: PathBuf,
    /// The boot module: symbols, and behind them the initramfs.
    pub module: Vec<u8>,
    /// The kernel command line.
    pub command_line: String,
    /// Longest time of the run.
    pub timeout: Duration,
    /// Whether the time limit ends with [`Next::Ready`].
    pub endless_once_ready: bool,
    /// The end of a cable to another machine, for its card in place of [`Machine::net`], with the card's number.
    pub cable: Option<(Arc<OwnedFd>, u8)>,
}

/// What came from the guest.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes on COM1.
    Log(&'a [u8]),
    /// Bytes on COM2.
    Records(&'a [u8]),
    /// Nothing for [`TICK`](crate::process::TICK).
    Idle,
}

/// What the listener wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More.
    Continue,
    /// More; the kernel is up. Said again, it means `Continue`.
    Ready,
    /// No more: end the run.
    Stop,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// QEMU ended.
    Exited(ExitStatus),
    /// QEMU was killed at the deadline.
    TimedOut,
    /// QEMU was killed because the listener had enough.
    Stopped,
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it ended.
    pub ending: Ending,
    /// COM1.
    pub log: Log,
    /// QEMU's own words.
    pub complaints: String,
    /// The processors' registers, when QEMU had to be killed.
    pub registers: Option<String>,
    /// What the screen showed then, if there is one: a picture as PNG.
    pub screen: Option<Vec<u8>>,
    /// From QEMU's start to [`Next::Ready`].
    pub ready: Option<Duration>,
    /// From QEMU's start to its end.
    pub took: Duration,
}

enum Piece {
    Log(Vec<u8>),
    Records(Vec<u8>),
    Complaint(Vec<u8>),
}

/// A running guest.
#[derive(Debug)]
pub struct Guest {
    process: Owned,
    com1: UnixStream,
    monitor: Monitor,
    pieces: Receiver<Piece>,
    started: Instant,
    deadline: Option<Instant>,
    endless_once_ready: bool,
    has_screen: bool,
}

/// What to ask QEMU's monitor for a picture of the screen.
pub(crate) fn screendump(path: &Path, format: &str) -> String {
    format!("screendump \"{}\" -f {format}", path.display())
}

/// Both ends of a socket: ours and QEMU's.
fn socket() -> Result<(UnixStream, OwnedFd), Error> {
    let (ours, theirs) = UnixStream::pair().map_err(Error::io("make a socket"))?;
    Ok((ours, theirs.into()))
}

/// A file without a name that holds the bytes; QEMU opens it under its number.
fn nameless_file(bytes: &[u8]) -> Result<(OwnedFd, PathBuf), Error> {
    let fd = memfd_create("module", MemfdFlags::CLOEXEC)
        .map_err(|cause| Error::Io("make a memory file", cause.into()))?;
    let path = Path::new("/dev/fd").join(fd.as_raw_fd().to_string());
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes).map_err(Error::io("write the boot module"))?;
    Ok((file.into(), path))
}

impl Guest {
    /// Starts QEMU. The calling thread must be the one that calls [`Guest::listen`]: QEMU dies with it.
    ///
    /// # Errors
    /// QEMU cannot be started, or the system has no sockets left.
    pub fn start(boot: &Boot) -> Result<Self, Error> {
        let ((com1, com1_qemu), (com2, com2_qemu), (monitor, monitor_qemu)) =
            (socket()?, socket()?, socket()?);
        let (module, module_path) = nameless_file(&boot.module)?;
        let wires = Wires {
            com1: com1_qemu.as_raw_fd(),
            com2: com2_qemu.as_raw_fd(),
            monitor: monitor_qemu.as_raw_fd(),
        };
        let mut machine = boot.machine.clone();
        let cable = boot.cable.as_ref().map(|(cable, number)| Ok((cable.try_clone()?, *number)));
        let cable = cable.transpose().map_err(Error::io("share a cable"))?;
        if let Some((cable, number)) = &cable {
            machine.net = Some(Net::Cable { fd: cable.as_raw_fd(), number: *number });
        }
        let mut command = Command::new(&boot.qemu);
        command.args(machine.arguments(&boot.kernel, &boot.command_line, &module_path, wires));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut inherited = vec![com1_qemu, com2_qemu, monitor_qemu, module];
        inherited.extend(cable.map(|(cable, _)| cable));
        let mut process = Owned::spawn(command, inherited).map_err(Error::io("start QEMU"))?;
        let (sender, pieces) = mpsc::sync_channel(QUEUE);
        if let Some(stderr) = process.take_stderr() {
            pump(stderr, sender.clone(), Piece::Complaint);
        }
        pump(com1.try_clone().map_err(Error::io("share a socket"))?, sender.clone(), Piece::Log);
        pump(com2, sender, Piece::Records);
        let (deadline, endless_once_ready) = (Some(started + boot.timeout), boot.endless_once_ready);
        Ok(Self {
            process,
            com1,
            monitor: Monitor::new(monitor),
            pieces,
            started,
            deadline,
            endless_once_ready,
            has_screen: machine.has_screen(),
        })
    }

    /// Where to write for the guest to read it on COM1.
    ///
    /// # Errors
    /// The system has no file descriptors left.
    pub fn input(&self) -> Result<UnixStream, Error> {
        self.com1.try_clone().map_err(Error::io("share a socket"))
    }

    /// QEMU's monitor.
    ///
    /// # Errors
    /// The system has no file descriptors left.
    pub fn monitor(&self) -> Result<Monitor, Error> {
        self.monitor.share()
    }

    /// Listens until the run ends; hands everything to `listener`, and asks it what next.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; the system cannot wait for QEMU; an error of the listener.
    pub fn listen(
        mut self,
        interrupt: &Interrupt,
        listener: &mut dyn FnMut(Event<'_>) -> Result<Next, Error>,
    ) -> Result<Run, Error> {
        let (mut log, mut complaints, mut ready) = (Log::default(), Vec::new(), None);
        let (mut registers, mut screen) = (None, None);
        let ending = loop {
            if interrupt.came() {
                return Err(Error::Interrupted);
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                (registers, screen) = (self.registers(), self.screen());
                break Ending::TimedOut;
            }
            let next = match receive(&self.pieces) {
                Received::Some(Piece::Log(bytes)) => {
                    log.push(&bytes);
                    listener(Event::Log(&bytes))?
                }
                Received::Some(Piece::Records(bytes)) => listener(Event::Records(&bytes))?,
                Received::Some(Piece::Complaint(bytes)) => {
                    keep(&mut complaints, &bytes);
                    Next::Continue
                }
                Received::Nothing => listener(Event::Idle)?,
                Received::Closed => break self.ending()?,
            };
            match next {
                Next::Continue => {}
                Next::Ready => ready = ready.or_else(|| Some(self.ready())),
                Next::Stop => break Ending::Stopped,
            }
        };
        let complaints = String::from_utf8_lossy(&complaints).trim().into();
        Ok(Run { ending, log, complaints, registers, screen, ready, took: self.started.elapsed() })
    }

    fn ready(&mut self) -> Duration {
        if self.endless_once_ready {
            self.deadline = None;
        }
        self.started.elapsed()
    }

    /// QEMU has closed its sockets: all that is left for it is to exit.
    fn ending(&mut self) -> Result<Ending, Error> {
        let limit = Duration::from_secs(5);
        let status = self.process.wait(limit).map_err(Error::io("wait for QEMU"))?;
        Ok(status.map_or(Ending::TimedOut, Ending::Exited))
    }

    /// The registers of every processor; `None` if the monitor does not answer.
    fn registers(&mut self) -> Option<String> {
        let answer = self.monitor.ask("info registers -a", Duration::from_millis(500)).ok()?;
        // The dump begins with "CPU#0"; the prompt ends the answer.
        let (dump, _) = answer.split_once("CPU#0")?.1.rsplit_once("(qemu)")?;
        Some(format!("CPU#0{}\n", dump.trim_end()))
    }

    /// A picture of the screen; `None` if there is none, or QEMU takes none.
    fn screen(&mut self) -> Option<Vec<u8>> {
        if !self.has_screen {
            return None;
        }
        let path = std::env::temp_dir().join(format!("kos-screen-{}.png", std::process::id()));
        let taken = self.monitor.ask(&screendump(&path, "png"), Duration::from_secs(5));
        let picture = std::fs::read(&path).ok();
        let _ = std::fs::remove_file(&path);
        taken.ok().and(picture)
    }
}

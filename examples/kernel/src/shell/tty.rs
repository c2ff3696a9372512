//! The terminal of the interactive shell: [`Tty`], who reads its keys and what Ctrl-C does.
//!
//! A thread of its own takes every byte as it comes. While a line runs, Ctrl-C is a signal (SIGINT) to the shell's one thread, as
//! kos-ipc's signals have it; every other byte waits in a pipe until the editor asks for it. So what is typed ahead is kept, as far as
//! the pipe holds it; beyond that it waits where it comes from.
//!
//! A thread that is told so does not sleep: the wait in which its command is ends, the command with it, and the prompt is back. The
//! shell [takes note](Keys::settle), and goes on.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use kos_ipc::posix::pipe::{PipeReader, PipeWriter};
use kos_ipc::posix::signal::{
    Action, ActionFlags, Delivery, NoThreadSlot, Signal, SignalGroup, SignalInfo, SignalSet, SignalThread,
};

use super::streams::{AskError, Output, Shared, Terminal};

use crate::Kernel;
use crate::glue::ipc::IpcEnv;
use crate::ipc::{self, Ipc};
use crate::platform::{Input, Platform};
use crate::user::password::Secret;

/// Ends what runs.
const CONTROL_C: u8 = 3;
/// Ends the input.
const CONTROL_D: u8 = 4;
/// Begins the line again.
const CONTROL_U: u8 = 0x15;
/// Take the last character back.
const BACKSPACE: u8 = 8;
const DELETE: u8 = 0x7f;

/// The signals of the shell.
pub(super) type Signals<'m, P> = SignalGroup<'m, IpcEnv<P>>;

/// What the thread at the terminal and the shell share.
pub(super) struct Tty<'t, 'm, P: Platform> {
    ipc: &'t Ipc<P>,
    signals: &'t Signals<'m, P>,
    /// A line runs.
    busy: AtomicBool,
}

impl<'t, 'm, P: Platform> Tty<'t, 'm, P> {
    pub(super) const fn new(ipc: &'t Ipc<P>, signals: &'t Signals<'m, P>) -> Self {
        Self { ipc, signals, busy: AtomicBool::new(false) }
    }

    /// Passes bytes on until the terminal closes, nobody reads, or the calling thread is told to end.
    pub(super) fn listen(&self, kernel: &Kernel<P>, keys: &PipeWriter<'_, 'static, IpcEnv<P>>) {
        let task = ipc::task::<P>();
        let client = self.ipc.client(&task, ipc::KERNEL);
        while !kernel.is_told_to_end() {
            match kernel.platform().read_input() {
                Input::Closed => return,
                Input::Empty => kernel.await_input(),
                Input::Byte(CONTROL_C) if self.busy.load(SeqCst) => {
                    // A signal that is pending already stays one.
                    let _ = self.signals.send(&client, SignalInfo::user(Signal::INT, 0, 0));
                }
                Input::Byte(byte) => {
                    if keys.write(&client, &[byte], None).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// The shell's side, for the calling thread.
    pub(super) fn keys<'s>(
        &'s self,
        kernel: &'s Kernel<P>,
        reader: PipeReader<'s, 'static, IpcEnv<P>>,
    ) -> Result<Keys<'s, 't, 'm, P>, NoThreadSlot> {
        let thread = self.signals.join(ipc::task::<P>(), SignalSet::EMPTY)?;
        // By default it would end the shell. What handles it is `settle`, whatever its address.
        let handler = Action::handle(1, SignalSet::EMPTY, ActionFlags::empty());
        // SIGINT can be handled.
        let _ = self.signals.set_action(Signal::INT, handler);
        Ok(Keys {
            tty: self,
            kernel,
            reader,
            thread,
            #[cfg(feature = "python")]
            task: ipc::task::<P>(),
        })
    }
}

/// What was typed, for the shell.
pub(super) struct Keys<'s, 't, 'm, P: Platform> {
    tty: &'s Tty<'t, 'm, P>,
    kernel: &'s Kernel<P>,
    reader: PipeReader<'s, 'static, IpcEnv<P>>,
    thread: SignalThread<'s, 'm, IpcEnv<P>>,
    /// The shell's thread.
    #[cfg(feature = "python")]
    task: kos_sched::TaskId,
}

impl<'t, 'm, P: Platform> Keys<'_, 't, 'm, P> {
    /// The next byte; [`None`] when the terminal is closed. A Ctrl-C that came when its line had just ended is one.
    pub(super) fn next(&self) -> Option<u8> {
        let (task, mut byte) = (ipc::task::<P>(), [0]);
        match self.reader.read(&self.tty.ipc.client(&task, ipc::KERNEL), &mut byte, None) {
            Ok(1) => Some(byte[0]),
            Ok(_) => None,
            Err(_) if self.settle() => Some(CONTROL_C),
            Err(_) => None,
        }
    }

    /// Reads a line that does not show. While a line runs Ctrl-C interrupts it; else it is a key like others.
    pub(super) fn ask(&self, secret: &mut Secret) -> Result<(), AskError> {
        self.asker().ask(secret)
    }

    const fn asker(&self) -> Asker<'_, 't, 'm, P> {
        Asker { tty: self.tty, reader: &self.reader }
    }

    /// Runs a line that Ctrl-C ends; whether it did.
    pub(super) fn run<R>(&self, line: impl FnOnce() -> R) -> (R, bool) {
        self.tty.busy.store(true, SeqCst);
        let result = line();
        self.tty.busy.store(false, SeqCst);
        (result, self.settle())
    }

    /// Takes the signals that came; whether there were any. The thread sleeps as before.
    fn settle(&self) -> bool {
        let mut any = false;
        // What they are sent for ends the line, which is over.
        while let Some(Delivery::Handle(frame)) = self.thread.deliver() {
            self.thread.set_mask(frame.old_mask);
            any = true;
        }
        if any {
            self.kernel.threads.runtime().scheduler().take_interrupt();
        }
        any
    }
}

/// Reads what is not to show.
struct Asker<'a, 't, 'm, P: Platform> {
    tty: &'a Tty<'t, 'm, P>,
    reader: &'a PipeReader<'a, 'static, IpcEnv<P>>,
}

impl<P: Platform> Asker<'_, '_, '_, P> {
    fn ask(&self, secret: &mut Secret) -> Result<(), AskError> {
        let mut whole = true;
        loop {
            match self.key()? {
                b'\r' | b'\n' if whole => return Ok(()),
                b'\r' | b'\n' => return Err(AskError::TooLong),
                CONTROL_C => return Err(AskError::Interrupted),
                CONTROL_D if secret.is_empty() => return Err(AskError::Closed),
                BACKSPACE | DELETE => secret.pop(),
                CONTROL_U => secret.clear(),
                byte @ b' '.. => whole &= secret.push(byte),
                _ => {}
            }
        }
    }

    fn key(&self) -> Result<u8, AskError> {
        let (task, mut byte) = (ipc::task::<P>(), [0]);
        match self.reader.read(&self.tty.ipc.client(&task, ipc::KERNEL), &mut byte, None) {
            Ok(1) => Ok(byte[0]),
            Ok(_) => Err(AskError::Closed),
            Err(_) => Err(AskError::Interrupted),
        }
    }
}

/// The console, and who sits there.
pub(super) struct Attended<'a, 't, 'm, P: Platform> {
    console: Shared<'a, P>,
    keys: &'a Keys<'a, 't, 'm, P>,
}

impl<'a, 't, 'm, P: Platform> Attended<'a, 't, 'm, P> {
    pub(super) const fn new(keys: &'a Keys<'a, 't, 'm, P>, console: &'a mut (dyn Output + Send)) -> Self {
        Self { console: Shared::new(console), keys }
    }
}

impl<P: Platform> Terminal for Attended<'_, '_, '_, P> {
    fn write(&self, bytes: &[u8]) -> fmt::Result {
        self.console.write(bytes)
    }

    fn complain(&self, what: fmt::Arguments<'_>) -> fmt::Result {
        self.console.complain(what)
    }

    fn is_terminal(&self) -> bool {
        self.console.is_terminal()
    }

    fn ask(&self, prompt: &str, secret: &mut Secret) -> Result<(), AskError> {
        // Who cannot be told is not told.
        let _ = self.console.write(prompt.as_bytes());
        let asked = self.keys.ask(secret);
        let _ = self.console.write(b"\n");
        asked
    }

    #[cfg(feature = "python")]
    fn key(&self) -> Result<u8, AskError> {
        match self.keys.asker().key() {
            Err(AskError::Interrupted) if self.keys.settle() => Ok(CONTROL_C),
            key => key,
        }
    }

    /// The signals are the shell's: of no use to the others of a pipeline.
    #[cfg(feature = "python")]
    fn settle(&self) -> bool {
        let came = self.keys.task == ipc::task::<P>() && self.keys.settle();
        if came {
            // Who cannot be told is not told.
            let _ = self.console.write(b"^C\n");
        }
        came
    }
}

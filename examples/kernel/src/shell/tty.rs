//! The terminal of the interactive shell: [`Tty`], who reads its keys and what Ctrl-C does.
//!
//! A thread of its own takes every byte as it comes. While a line runs, Ctrl-C is a signal (SIGINT) to the shell's one thread, as
//! kos-ipc's signals have it; every other byte waits in a pipe until the editor asks for it. So what is typed ahead is kept, as far as
//! the pipe holds it; beyond that it waits where it comes from.
//!
//! A thread that is told so does not sleep: the wait in which its command is ends, the command with it, and the prompt is back. The
//! shell [takes note](Keys::settle), and goes on.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use kos_ipc::posix::pipe::{PipeReader, PipeWriter};
use kos_ipc::posix::signal::{
    Action, ActionFlags, Delivery, NoThreadSlot, Signal, SignalGroup, SignalInfo, SignalSet, SignalThread,
};

use crate::Kernel;
use crate::glue::ipc::IpcEnv;
use crate::ipc::{self, Ipc};
use crate::platform::{Input, Platform};

/// Ends what runs.
const CONTROL_C: u8 = 3;

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
        Ok(Keys { tty: self, kernel, reader, thread })
    }
}

/// What was typed, for the shell.
pub(super) struct Keys<'s, 't, 'm, P: Platform> {
    tty: &'s Tty<'t, 'm, P>,
    kernel: &'s Kernel<P>,
    reader: PipeReader<'s, 'static, IpcEnv<P>>,
    thread: SignalThread<'s, 'm, IpcEnv<P>>,
}

impl<P: Platform> Keys<'_, '_, '_, P> {
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

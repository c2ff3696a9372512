//! What one command reads and writes: [`Streams`]. And where what is led nowhere goes: [`Terminal`].

use core::fmt::{self, Write};

use kos_ipc::WaitError;
use kos_ipc::posix::pipe::{PipeError, PipeReader, PipeWriter};
use kos_vfs::{Ctx, FileError, FsError, OpenFile, View};
use lock_api::Mutex;

use super::CommandError;
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::glue::ipc::IpcEnv;
use crate::glue::sleep_lock::SleepLock;
use crate::ipc;
use crate::platform::Platform;
use crate::text::Text;
use crate::user::password::Secret;

/// Bytes that are gathered before they are written.
const GATHERED: usize = 512;

/// An open file of a session.
pub(crate) type File<'k, P> = OpenFile<'k, FilesEnv<P>>;

/// Takes what commands say: text, and bytes as they are.
pub(crate) trait Output: Write {
    /// Takes bytes.
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result;

    /// Takes what went wrong.
    fn complain(&mut self, what: fmt::Arguments<'_>) -> fmt::Result {
        self.write_fmt(what)
    }

    /// Whether a person reads it.
    fn is_terminal(&self) -> bool {
        false
    }
}

/// A writer of text; bytes that are none are replaced.
pub(crate) struct Lossy<'w>(pub(crate) &'w mut (dyn Write + Send));

impl Write for Lossy<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }
}

impl Output for Lossy<'_> {
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        for chunk in bytes.utf8_chunks() {
            self.0.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                self.0.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// Where the commands of a line, which may run at the same time, say what is led nowhere.
pub(crate) trait Terminal: Sync {
    /// Takes bytes.
    fn write(&self, bytes: &[u8]) -> fmt::Result;
    /// Takes what went wrong, in one piece.
    fn complain(&self, what: fmt::Arguments<'_>) -> fmt::Result;
    /// Whether a person reads it.
    fn is_terminal(&self) -> bool;
    /// Asks who is there for a line that does not show.
    fn ask(&self, _prompt: &str, _secret: &mut Secret) -> Result<(), AskError> {
        Err(AskError::Nobody)
    }
    /// The next key of who is there; sleeps until there is one. Ctrl-C is one.
    #[cfg(feature = "python")]
    fn key(&self) -> Result<u8, AskError> {
        Err(AskError::Nobody)
    }
    /// Whether the calling thread was told to end by a Ctrl-C: then it is not any longer.
    #[cfg(feature = "python")]
    fn settle(&self) -> bool {
        false
    }
}

/// Why a question was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskError {
    /// Nobody is there.
    Nobody,
    /// There is nothing more to read.
    Closed,
    /// Ctrl-C came.
    Interrupted,
    /// The answer is too long.
    TooLong,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody is at a terminal to be asked; < FILE or a pipe can answer",
            Self::Closed => "no answer",
            Self::Interrupted => "interrupted",
            Self::TooLong => "the answer is too long",
        })
    }
}

impl core::error::Error for AskError {}

/// An output as a terminal: one at a time writes to it.
pub(crate) struct Shared<'w, P: Platform>(Mutex<SleepLock<P>, &'w mut (dyn Output + Send)>);

impl<'w, P: Platform> Shared<'w, P> {
    pub(crate) const fn new(output: &'w mut (dyn Output + Send)) -> Self {
        Self(Mutex::new(output))
    }
}

impl<P: Platform> Terminal for Shared<'_, P> {
    fn write(&self, bytes: &[u8]) -> fmt::Result {
        self.0.lock().write_bytes(bytes)
    }

    fn complain(&self, what: fmt::Arguments<'_>) -> fmt::Result {
        self.0.lock().complain(what)
    }

    fn is_terminal(&self) -> bool {
        self.0.lock().is_terminal()
    }
}

/// What a command reads.
pub(crate) enum Input<'o, 'k, P: Platform> {
    File(File<'k, P>),
    Pipe(PipeReader<'o, 'static, IpcEnv<P>>),
}

/// Where output is led.
pub(crate) enum Target<'o, 'k, P: Platform> {
    File { file: File<'k, P>, view: View<'k, FilesEnv<P>>, ctx: Ctx<'static> },
    Pipe(PipeWriter<'o, 'static, IpcEnv<P>>),
}

/// Why output was not taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The file did not take it.
    File(FileError),
    /// Nobody reads it any more.
    Broken,
    /// The command was told to end.
    Interrupted,
}

/// Output on its way.
pub(crate) struct Sink<'o, 'k, P: Platform> {
    target: Target<'o, 'k, P>,
    gathered: heapless::Vec<u8, GATHERED>,
    fault: Option<Fault>,
}

impl<'o, 'k, P: Platform> Sink<'o, 'k, P> {
    pub(crate) const fn new(target: Target<'o, 'k, P>) -> Self {
        Self { target, gathered: heapless::Vec::new(), fault: None }
    }

    fn write(&mut self, kernel: &Kernel<P>, mut bytes: &[u8]) -> fmt::Result {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at((GATHERED - self.gathered.len()).min(bytes.len()));
            // There is room for as many.
            let _ = self.gathered.extend_from_slice(now);
            bytes = later;
            if self.gathered.is_full() {
                self.flush(kernel)?;
            }
        }
        Ok(())
    }

    /// Writes what was gathered.
    fn flush(&mut self, kernel: &Kernel<P>) -> fmt::Result {
        let mut rest = self.gathered.as_slice();
        while !rest.is_empty() && self.fault.is_none() {
            match self.target.take(kernel, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(fault) => self.fault = Some(fault),
            }
        }
        self.gathered.clear();
        if self.fault.is_some() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl<P: Platform> Target<'_, '_, P> {
    /// Takes a part of `bytes`, at least one.
    fn take(&self, kernel: &Kernel<P>, bytes: &[u8]) -> Result<usize, Fault> {
        match self {
            Self::File { file, view, ctx } => match view.call(ctx).write(file, bytes) {
                Ok(0) => Err(Fault::File(FileError::Fs(FsError::NoSpace))),
                Ok(written) => Ok(written),
                Err(error) => Err(Fault::File(error)),
            },
            Self::Pipe(writer) => {
                let (task, ipc) = (ipc::task::<P>(), kernel.ipc().map_err(|_| Fault::Broken)?);
                let written = writer.write(&ipc.client(&task, ipc::KERNEL), bytes, None);
                written.map_err(|error| match error {
                    PipeError::Wait(_) => Fault::Interrupted,
                    _ => Fault::Broken,
                })
            }
        }
    }
}

/// What one command reads and writes.
pub(crate) struct Streams<'o, 'k, P: Platform> {
    pub(super) kernel: &'k Kernel<P>,
    pub(super) terminal: &'o dyn Terminal,
    pub(super) input: Option<Input<'o, 'k, P>>,
    pub(super) output: Option<Sink<'o, 'k, P>>,
    pub(super) errors: Option<Sink<'o, 'k, P>>,
}

impl<P: Platform> Streams<'_, '_, P> {
    /// Reads what is there, up to what fits in `to`; sleeps until there is a byte. 0 is the end.
    pub(crate) fn read(&mut self, to: &mut [u8]) -> Result<usize, CommandError> {
        match &self.input {
            None => Err(CommandError::Usage(Text::new(format_args!("no file given, and none behind <")))),
            Some(Input::File(file)) => Ok(file.read(to)?),
            Some(Input::Pipe(reader)) => {
                let (task, ipc) = (ipc::task::<P>(), self.kernel.ipc()?);
                reader.read(&ipc.client(&task, ipc::KERNEL), to, None).map_err(|error| match error {
                    PipeError::Wait(WaitError::Interrupted) => CommandError::Quiet,
                    error => error.into(),
                })
            }
        }
    }

    /// Whether something is led to it.
    pub(crate) const fn reads(&self) -> bool {
        self.input.is_some()
    }

    /// Asks for a line that does not show: at the terminal, or of what the command reads.
    ///
    /// # Errors
    /// [`AskError`], or why it could not be read.
    pub(crate) fn ask(&mut self, prompt: &str, secret: &mut Secret) -> Result<(), CommandError> {
        secret.clear();
        if self.input.is_none() {
            return Ok(self.terminal.ask(prompt, secret)?);
        }
        let (mut byte, mut any) = ([0], false);
        while self.read(&mut byte)? > 0 {
            any = true;
            if byte == *b"\n" {
                break;
            }
            if !secret.push(byte[0]) {
                return Err(AskError::TooLong.into());
            }
        }
        if any { Ok(()) } else { Err(AskError::Closed.into()) }
    }

    /// The next key of who is at the terminal; sleeps until there is one. Ctrl-C is one.
    ///
    /// # Errors
    /// [`AskError`]
    #[cfg(feature = "python")]
    pub(crate) fn key(&self) -> Result<u8, AskError> {
        if self.input.is_some() || !self.is_terminal() {
            return Err(AskError::Nobody);
        }
        self.terminal.key()
    }

    /// Whether the command was told to end by a Ctrl-C, of which it takes note: then it may go on. Not in a pipeline, all of which
    /// is to end.
    #[cfg(feature = "python")]
    pub(crate) fn settle(&self) -> bool {
        !matches!(self.input, Some(Input::Pipe(_))) && self.terminal.settle()
    }

    /// Tells the user what went wrong, wherever the output goes.
    pub(crate) fn complain(&mut self, what: fmt::Arguments<'_>) -> fmt::Result {
        match &mut self.errors {
            Some(sink) => {
                let mut lines = To { kernel: self.kernel, sink };
                writeln!(lines, "{what}")
            }
            None => self.terminal.complain(format_args!("{what}\n")),
        }
    }

    /// Whether a person reads the output.
    pub(crate) fn is_terminal(&self) -> bool {
        self.output.is_none() && self.terminal.is_terminal()
    }

    /// Ends the output: why not all of it was taken, if it was not.
    pub(super) fn finish(&mut self) -> Option<Fault> {
        let sinks = [&mut self.output, &mut self.errors].into_iter().flatten();
        let mut faults = sinks.map(|sink| {
            let _ = sink.flush(self.kernel);
            sink.fault
        });
        faults.next().flatten().or_else(|| faults.next().flatten())
    }
}

/// A sink as a writer.
struct To<'s, 'o, 'k, P: Platform> {
    kernel: &'k Kernel<P>,
    sink: &'s mut Sink<'o, 'k, P>,
}

impl<P: Platform> Write for To<'_, '_, '_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.sink.write(self.kernel, text.as_bytes())
    }
}

impl<P: Platform> Write for Streams<'_, '_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes())
    }
}

impl<P: Platform> Output for Streams<'_, '_, P> {
    /// Nothing more is taken of who is told to end: so he does, however long he would have gone on.
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        match &mut self.output {
            Some(sink) => sink.write(self.kernel, bytes),
            None if self.kernel.is_told_to_end() => Err(fmt::Error),
            None => self.terminal.write(bytes),
        }
    }

    fn complain(&mut self, what: fmt::Arguments<'_>) -> fmt::Result {
        match &mut self.errors {
            Some(sink) => To { kernel: self.kernel, sink }.write_fmt(what),
            None => self.terminal.complain(what),
        }
    }

    fn is_terminal(&self) -> bool {
        Streams::is_terminal(self)
    }
}

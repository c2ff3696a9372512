//! [`Session`]: one user at one shell: where he stands, who he is. And the [`Streams`] of one command.

use core::fmt::{self, Write};

use kos_vfs::{At, Call, Cred, Ctx, FileError, FsError, How, Limits, Mode, OpenFile, OpenFlags, View};

use super::{CommandError, parse};
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::text::Text;

/// Users that somebody can become one after the other.
const DEPTH: usize = 8;
/// Bytes that are gathered before they are written to a file.
const GATHERED: usize = 512;

/// An open file of a session.
pub(crate) type File<'k, P> = OpenFile<'k, FilesEnv<P>>;

/// One user at one shell.
pub(crate) struct Session<'k, P: Platform> {
    pub(crate) kernel: &'k Kernel<P>,
    /// Where he stands; looked up when he first asks for a file.
    view: Option<View<'k, FilesEnv<P>>>,
    ctx: Ctx<'static>,
    /// Whom he was before.
    before: heapless::Vec<Ctx<'static>, DEPTH>,
}

impl<'k, P: Platform> Session<'k, P> {
    /// User 0 in the root directory.
    pub(crate) fn new(kernel: &'k Kernel<P>) -> Self {
        let ctx = Ctx { umask: Mode::of(0o022), ..Ctx::root() };
        Self { kernel, view: None, ctx, before: heapless::Vec::new() }
    }

    /// Where he stands.
    pub(crate) fn view(&mut self) -> Result<&View<'k, FilesEnv<P>>, CommandError> {
        if self.view.is_none() {
            self.view = self.kernel.files().and_then(|files| files.view());
        }
        self.view
            .as_ref()
            .ok_or_else(|| CommandError::Failed(Text::new(format_args!("there are no files here"))))
    }

    /// File operations of this user.
    pub(crate) fn call(&mut self) -> Result<Call<'_, 'k, FilesEnv<P>>, CommandError> {
        self.view()?;
        let view = self.view.as_ref();
        view.map(|view| view.call(&self.ctx)).ok_or(CommandError::Quiet)
    }

    /// Stands in `path` from now on.
    pub(crate) fn enter(&mut self, path: &str) -> Result<(), CommandError> {
        let view = self.call()?.chdir(At::Cwd, path.as_bytes())?;
        self.view = Some(view);
        Ok(())
    }

    /// Makes `new` the root of his namespace; the old root is at `put_old` then.
    pub(crate) fn pivot(&mut self, new: &str, put_old: &str) -> Result<(), CommandError> {
        let pivot = self.call()?.pivot_root(new.as_bytes(), put_old.as_bytes())?;
        if let Some(view) = &mut self.view {
            view.pivoted(&pivot);
        }
        Ok(())
    }

    /// Has mounts of his own from now on.
    pub(crate) fn unshare(&mut self) -> Result<(), CommandError> {
        let view = self.call()?.copy_namespace()?;
        self.view = Some(view);
        Ok(())
    }

    /// Who he is.
    pub(crate) const fn ctx(&self) -> &Ctx<'static> {
        &self.ctx
    }

    /// Permission bits that new files do not get.
    pub(crate) const fn set_umask(&mut self, umask: Mode) {
        self.ctx.umask = umask;
    }

    /// How often he became another user.
    pub(crate) fn depth(&self) -> usize {
        self.before.len()
    }

    /// Is another user until he [leaves](Self::leave_to); false if that would be too many.
    pub(crate) fn become_user(&mut self, uid: u32, gid: u32) -> bool {
        let cred = if uid == 0 { Cred { gid, ..Cred::ROOT } } else { Cred::user(uid, gid, &[]) };
        let pushed = self.before.push(self.ctx).is_ok();
        if pushed {
            self.ctx = Ctx { cred, umask: self.ctx.umask, limits: Limits::default() };
        }
        pushed
    }

    /// Is again whom he was before he became others so often.
    pub(crate) fn leave_to(&mut self, depth: usize) {
        while self.before.len() > depth
            && let Some(before) = self.before.pop()
        {
            self.ctx = before;
        }
    }

    /// Opens what a command's input and output are led to.
    pub(super) fn redirect<'o>(
        &mut self,
        command: &parse::Parsed<'_>,
        terminal: &'o mut dyn Output,
    ) -> Result<Streams<'o, 'k, P>, (Text, &'o mut dyn Output)> {
        let mut open = |path: &str, how: How| {
            let call = self.call().map_err(|error| Text::new(format_args!("{error}")))?;
            let file = call.open(At::Cwd, path.as_bytes(), &how).map_err(CommandError::from);
            file.map_err(|error| Text::new(format_args!("{path}: {error}")))
        };
        let input = command.input.map(|path| open(path, How::flags(OpenFlags::empty()))).transpose();
        let output = command.output.map(|target| {
            let behind = if target.append { OpenFlags::APPEND } else { OpenFlags::TRUNCATE };
            open(target.path, How::create(OpenFlags::WRITE_ONLY | behind, Mode::of(0o666)))
        });
        match (input, output.transpose()) {
            (Ok(input), Ok(file)) => {
                let sink = file.zip(self.view.clone());
                let (gathered, ctx) = (heapless::Vec::new(), self.ctx);
                let file = sink.map(|(file, view)| Sink { file, view, ctx, gathered, fault: None });
                Ok(Streams { terminal, file, input })
            }
            (Err(text), _) | (_, Err(text)) => Err((text, terminal)),
        }
    }
}

/// Takes what commands say: text, and bytes as they are.
pub(crate) trait Output: Write {
    /// Takes bytes.
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result;

    /// Whether a person reads it.
    fn is_terminal(&self) -> bool {
        false
    }
}

/// A writer of text; bytes that are none are replaced.
pub(crate) struct Lossy<'w>(pub(crate) &'w mut dyn Write);

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

/// A file that takes output.
struct Sink<'k, P: Platform> {
    file: File<'k, P>,
    view: View<'k, FilesEnv<P>>,
    ctx: Ctx<'static>,
    gathered: heapless::Vec<u8, GATHERED>,
    /// Why it takes no more.
    fault: Option<FileError>,
}

/// What one command reads and writes.
pub(crate) struct Streams<'o, 'k, P: Platform> {
    terminal: &'o mut dyn Output,
    file: Option<Sink<'k, P>>,
    /// The file that is read, if any.
    pub(crate) input: Option<File<'k, P>>,
}

impl<P: Platform> Streams<'_, '_, P> {
    /// Tells the user what went wrong, wherever the output goes.
    pub(crate) fn complain(&mut self, what: fmt::Arguments<'_>) -> fmt::Result {
        writeln!(self.terminal, "{what}")
    }

    /// Whether a person reads the output.
    pub(crate) fn is_terminal(&self) -> bool {
        self.file.is_none() && self.terminal.is_terminal()
    }

    /// Writes what was gathered.
    fn flush(&mut self) -> fmt::Result {
        let Some(sink) = &mut self.file else { return Ok(()) };
        let mut rest = sink.gathered.as_slice();
        while !rest.is_empty() && sink.fault.is_none() {
            match sink.view.call(&sink.ctx).write(&sink.file, rest) {
                Ok(0) => sink.fault = Some(FileError::Fs(FsError::NoSpace)),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) => sink.fault = Some(error),
            }
        }
        sink.gathered.clear();
        if sink.fault.is_some() { Err(fmt::Error) } else { Ok(()) }
    }

    /// Ends the output: why the file did not take all of it, if it did not.
    pub(super) fn finish(&mut self) -> Option<FileError> {
        let _ = self.flush();
        self.file.as_ref().and_then(|sink| sink.fault)
    }
}

impl<P: Platform> Write for Streams<'_, '_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes())
    }
}

impl<P: Platform> Output for Streams<'_, '_, P> {
    fn write_bytes(&mut self, mut bytes: &[u8]) -> fmt::Result {
        while let Some(sink) = &mut self.file {
            let room = GATHERED - sink.gathered.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            // There is room for as many.
            let _ = sink.gathered.extend_from_slice(now);
            bytes = later;
            if bytes.is_empty() {
                return Ok(());
            }
            self.flush()?;
        }
        self.terminal.write_bytes(bytes)
    }

    fn is_terminal(&self) -> bool {
        Streams::is_terminal(self)
    }
}

//! One run of Python: [`run`], from the module to the exit status.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use kos_vfs::{At, AtFlags, Errno, How, OpenFlags};

use super::engine::Engine;
pub(crate) use super::engine::Quota;
use super::files::Files;
use super::roots::Roots;
use super::rules::{self, Rules};
use super::stop::Stop;
use super::world::Host;
use crate::accounts::FRAME_BYTES;
use crate::glue::entropy::KernelEntropy;
use crate::platform::Platform;
use crate::shell::{CommandError, Session, Status, Streams};
use crate::text::{Bytes, Text};

/// MicroPython.
pub(crate) const MODULE: &str = "/usr/lib/python/micropython.wasm";
/// Most bytes of it.
const MODULE_BYTES: u64 = 1 << 20;
/// Bytes that the module wants for its memory at first.
pub(crate) const MEMORY: usize = 259 * (64 << 10);
/// Bytes that the interpreter takes at most besides: the module, checked and translated, and its stacks. 2 MiB of them were
/// seen in use.
const BESIDES: u64 = 8 << 20;
/// Words of Python's stack, and bytes of its heap at first, which then grows to what the memory holds.
const START: [i32; 2] = [4096, 1 << 20];
/// "An exception", of what a run gives back.
const EXCEPTION: u32 = u32::MAX;

/// What is to be run.
pub(crate) struct Program<'a> {
    /// Its source.
    pub(crate) source: &'a [u8],
    /// `sys.argv`
    pub(crate) words: &'a [&'a str],
    /// Where it stands: an absolute path.
    pub(crate) root: Vec<u8>,
    /// Where its modules come from: absolute paths. What is not there is left out.
    pub(crate) modules: Vec<Vec<u8>>,
    /// How much it may take.
    pub(crate) quota: Quota,
}

fn failed(what: core::fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

impl From<Stop> for CommandError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Output => Self::Quiet,
            Stop::Interrupted => Self::Status(Status::INTERRUPTED),
            stop => failed(format_args!("{stop}")),
        }
    }
}

/// Runs a program; the status it ends with.
pub(crate) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    program: &Program<'_>,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<u32, CommandError> {
    let mut python = begin(session, program, streams)?;
    match python.execute(program.source)? {
        None => Ok(0),
        Some(text) => python.ended(&text),
    }
}

/// Refuses to begin where there is too little memory.
fn check_memory<P: Platform>(session: &Session<'_, P>, quota: &Quota) -> Result<(), CommandError> {
    let free = session.kernel.frames().stats().free as u64 * FRAME_BYTES;
    let needed = quota.memory as u64 + BESIDES;
    if free < needed {
        let [needed, free] = [needed, free].map(Bytes);
        return Err(failed(format_args!(
            "Python takes {needed} of memory, and {free} are free; --mem gives more"
        )));
    }
    Ok(())
}

/// The module before it runs anything of a program: its imports are watched, its world is there.
pub(super) fn begin<'h, 'o, 'k, P: Platform>(
    session: &mut Session<'k, P>,
    program: &Program<'_>,
    streams: &'h mut Streams<'o, 'k, P>,
) -> Result<Python<'h, 'o, 'k, P>, CommandError> {
    let kernel = session.kernel;
    check_memory(session, &program.quota)?;
    let rules = match read(session, rules::FILE, rules::MOST as u64) {
        Ok(text) => Rules::new(text),
        Err(ReadError::Refused(Errno::ENOENT)) => Rules::default(),
        Err(why) => return Err(why.of("/etc/python.deny")),
    };
    let engine = {
        let module = read(session, MODULE.as_bytes(), MODULE_BYTES).map_err(|why| match why {
            ReadError::Refused(Errno::ENOENT) => {
                failed(format_args!("there is no {MODULE}: 'cargo demo py' brings it"))
            }
            why => why.of(MODULE),
        })?;
        Engine::new(&module, &program.quota)?
    };
    let mut roots = Roots::new();
    roots.add(&session.call()?, &program.root)?;
    let mut found = Vec::new();
    for path in &program.modules {
        if roots.add(&session.call()?, path).is_ok() && found.try_reserve(1).is_ok() {
            found.push(path.as_slice());
        }
    }
    let (view, ctx) = (session.view()?.clone(), *session.ctx());
    let files = Files::new(view, ctx, roots, rules);
    let entropy = KernelEntropy::new(kernel);
    let mut python = Python {
        engine,
        host: Host { kernel, streams, files, entropy, interrupted: false, at_prompt: false },
    };
    python.start()?;
    let hook = hook(&found, program.words)?;
    if let Some(text) = python.execute(hook.as_bytes())? {
        return Err(failed(format_args!("the hook of imports does not run: {text}")));
    }
    Ok(python)
}

/// The module and its world.
pub(super) struct Python<'h, 'o, 'k, P: Platform> {
    pub(super) engine: Engine,
    pub(super) host: Host<'h, 'o, 'k, P>,
}

impl<P: Platform> Python<'_, '_, '_, P> {
    /// Calls what the module exports under `name`.
    pub(super) fn run(&mut self, name: &str, inputs: &[i32]) -> Result<i32, Stop> {
        self.engine.run(name, inputs, &mut self.host)
    }

    fn start(&mut self) -> Result<(), Stop> {
        self.run("emscripten_stack_init", &[])?;
        self.run("__wasm_call_ctors", &[])?;
        self.run("mp_js_init", &START)?;
        self.run("proxy_c_init", &[])?;
        Ok(())
    }

    /// Executes `source` in `__main__`; what was raised, if something was: type, a byte 4, and the traceback.
    fn execute(&mut self, source: &[u8]) -> Result<Option<String>, Stop> {
        let length = i32::try_from(source.len()).map_err(|_| Stop::NoMemory)?;
        let result = self.place(&[0; 12])?;
        let at = self.place(source)?;
        self.run("mp_js_do_exec", &[at, length, result])?;
        self.run("free", &[at])?;
        let ram = super::ram::Ram(self.engine.memory());
        let wrong = |_| Stop::Trap(Text::new(format_args!("a bad address")));
        let [kind, length, text] = [0, 4, 8].map(|offset| ram.word(result + offset));
        if kind.map_err(wrong)? != EXCEPTION {
            return Ok(None);
        }
        let bytes = ram.get(text.map_err(wrong)?.cast_signed(), length.map_err(wrong)?).map_err(wrong)?;
        let mut text = String::new();
        text.try_reserve(bytes.len()).map_err(|_| Stop::NoMemory)?;
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
        }
        Ok(Some(text))
    }

    /// Puts `bytes`, and a NUL, where the module keeps such.
    fn place(&mut self, bytes: &[u8]) -> Result<i32, Stop> {
        let length = i32::try_from(bytes.len() + 1).map_err(|_| Stop::NoMemory)?;
        let at = self.run("malloc", &[length])?;
        let mut ram = super::ram::Ram(self.engine.memory());
        let put = ram.put(at, bytes).and_then(|()| ram.put(at + length - 1, &[0]));
        if at == 0 || put.is_err() { Err(Stop::NoMemory) } else { Ok(at) }
    }

    /// The status that an exception means; says what was raised, unless it is the program's own end.
    fn ended(&mut self, raised: &str) -> Result<u32, CommandError> {
        let (kind, text) = raised.split_once('\u{4}').unwrap_or((raised, ""));
        if kind == "SystemExit" {
            let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
            let code = last.strip_prefix("SystemExit:").unwrap_or_default().trim();
            return match code.parse::<i32>() {
                Ok(code) => Ok(code.cast_unsigned() & 0xff),
                Err(_) if code.is_empty() || code == "None" => Ok(0),
                Err(_) => {
                    self.host.complain(code.as_bytes())?;
                    self.host.complain(b"\n")?;
                    Ok(1)
                }
            };
        }
        self.host.complain(text.trim_end().as_bytes())?;
        self.host.complain(b"\n")?;
        Ok(if kind == "KeyboardInterrupt" { Status::INTERRUPTED.0 } else { 1 })
    }
}

/// The program that runs first: it says where modules come from, and asks before each import.
fn hook(roots: &[&[u8]], words: &[&str]) -> Result<String, CommandError> {
    let mut text = String::new();
    let mut rest = include_str!("hook.py");
    while let Some((before, name, after)) = cut(rest) {
        push(&mut text, before)?;
        match name {
            "ROOTS" => list(
                &mut text,
                [""].into_iter().chain(roots.iter().filter_map(|root| core::str::from_utf8(root).ok())),
            )?,
            _ => list(&mut text, words.iter().copied())?,
        }
        rest = after;
    }
    push(&mut text, rest)?;
    Ok(text)
}

fn cut(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('%')?;
    let (name, after) = rest.split_once('%')?;
    Some((before, name, after))
}

fn push(text: &mut String, part: &str) -> Result<(), CommandError> {
    text.try_reserve(part.len()).map_err(|_| failed(format_args!("no memory")))?;
    text.push_str(part);
    Ok(())
}

/// A list of Python.
fn list<'w>(text: &mut String, words: impl Iterator<Item = &'w str>) -> Result<(), CommandError> {
    push(text, "[")?;
    for word in words {
        push(text, "'")?;
        for character in word.chars() {
            let mut escaped = Text::default();
            match character {
                '\'' | '\\' => write!(escaped, "\\{character}")?,
                ' '.. if character != '\u{7f}' => write!(escaped, "{character}")?,
                _ => write!(escaped, "\\x{:02x}", u32::from(character))?,
            }
            push(text, escaped.as_str())?;
        }
        push(text, "',")?;
    }
    push(text, "]")
}

/// Why a file was not read.
pub(crate) enum ReadError {
    Refused(Errno),
    TooLarge(u64),
    NoMemory,
    Other(CommandError),
}

impl ReadError {
    /// The same, about the file at `path`.
    pub(crate) fn of(self, path: &str) -> CommandError {
        match self {
            Self::Refused(errno) => failed(format_args!("{path}: {}", errno.meaning())),
            Self::TooLarge(most) => failed(format_args!("{path}: more than {}", Bytes(most))),
            Self::NoMemory => failed(format_args!("{path}: no memory for it")),
            Self::Other(error) => error,
        }
    }
}

/// A whole file of at most `most` bytes.
pub(crate) fn read<P: Platform>(
    session: &mut Session<'_, P>,
    path: &[u8],
    most: u64,
) -> Result<Vec<u8>, ReadError> {
    let call = session.call().map_err(ReadError::Other)?;
    let how = How::flags(OpenFlags::empty());
    let refused = |error: kos_vfs::FileError| ReadError::Refused(error.errno());
    let file = call.open(At::Cwd, path, &how).map_err(refused)?;
    let size = call.stat(file.place()).map_err(|error| ReadError::Refused(error.errno()))?.attr.size;
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    bytes.try_reserve_exact(usize::try_from(size.min(most)).unwrap_or(0)).map_err(|_| ReadError::NoMemory)?;
    loop {
        let count = file.read(&mut piece).map_err(refused)?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() as u64 + count as u64 > most {
            return Err(ReadError::TooLarge(most));
        }
        bytes.try_reserve(count).map_err(|_| ReadError::NoMemory)?;
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}

/// The absolute path of the directory that `path` names.
pub(crate) fn absolute<P: Platform>(
    session: &mut Session<'_, P>,
    path: &str,
) -> Result<Vec<u8>, CommandError> {
    let place = session.call()?.resolve(At::Cwd, path.as_bytes(), AtFlags::empty())?;
    Ok(session.view()?.path(&place)?)
}

#[cfg(test)]
mod tests {
    use super::{hook, list};
    use alloc::string::String;

    #[test]
    fn words_are_quoted() {
        let mut text = String::new();
        list(&mut text, ["a'b\\", "\n\u{7f}ä"].into_iter()).unwrap();
        assert_eq!(text, "['a\\'b\\\\','\\x0a\\x7fä',]");
    }

    #[test]
    fn the_hook_is_filled_in() {
        let text = hook(&[b"/x"], &["p", "%ROOTS%"]).unwrap();
        assert!(text.contains("names = ['','/x',]") && text.contains("argv[:] = ['p','%ROOTS%',]"), "{text}");
    }
}

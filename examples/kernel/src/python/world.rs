//! [`Host`]: answers what the module asks, for one command: its output, its input, the clock, its files.

use core::fmt;

use kos_net::Entropy as _;
use kos_vfs::Errno;

use super::asks::{Ask, Call, WORDS};
use super::engine::{Answer, Told, World, low};
use super::files::{Denied, Files, number};
use super::ram::Ram;
use super::refused::Refused;
use super::stop::Stop;
use crate::Kernel;
use crate::glue::entropy::KernelEntropy;
use crate::platform::Platform;
use crate::shell::{Output, Streams};
use crate::text::Text;

const INPUT: i32 = 0;
const OUTPUT: i32 = 1;
const ERRORS: i32 = 2;
/// Pieces of a call that writes or reads several.
const PIECES: u32 = 64;

/// What a running program sees of the world.
pub(super) struct Host<'h, 'o, 'k, P: Platform> {
    pub(super) kernel: &'k Kernel<P>,
    pub(super) streams: &'h mut Streams<'o, 'k, P>,
    pub(super) files: Files<'k, P>,
    pub(super) entropy: KernelEntropy,
    /// Ctrl-C came, and the module does not know.
    pub(super) interrupted: bool,
    /// The module sees to the terminal itself: it ends lines as those of long ago.
    pub(super) at_prompt: bool,
}

/// What became of a system call.
enum Done {
    /// What it answers, or why not.
    Call(Result<i32, Refused>),
    /// The run ends.
    Stop(Stop),
}

impl<P: Platform> World for Host<'_, '_, '_, P> {
    fn answer(&mut self, ask: Ask, words: &[i64; WORDS], memory: &mut [u8]) -> Result<Answer, Stop> {
        let mut ram = Ram(memory);
        Ok(match ask {
            Ask::Random => {
                let mut bytes = [0; 4];
                let _ = self.entropy.fill(&mut bytes);
                Answer::Word(i32::from_le_bytes(bytes))
            }
            Ask::Ticks => Answer::Word(low(self.up_ms())),
            Ask::Time => Answer::Float(self.today_ms()),
            Ask::Nothing => Answer::Word(0),
            Ask::Unknown => Answer::Word(-1),
            Ask::Objects => {
                let none = ram.put(low(words[0]), &[0; 8]);
                none.map_err(|_| Stop::Trap(Text::new(format_args!("a bad address"))))?;
                Answer::Nothing
            }
            Ask::File(call) => Answer::Word(self.file(call, words, &mut ram)?),
            Ask::Forget | Ask::Invoke | Ask::Throw | Ask::Grow | Ask::Abort | Ask::Script => Answer::Nothing,
        })
    }

    fn told(&mut self) -> Told {
        self.take_note();
        match (core::mem::take(&mut self.interrupted), self.kernel.is_told_to_end()) {
            (true, _) => Told::Interrupt,
            (false, true) => Told::End,
            (false, false) => Told::GoOn,
        }
    }
}

impl<P: Platform> Host<'_, '_, '_, P> {
    /// Who was told to end by Ctrl-C can do so as Python has it, and say something: nothing is taken of who is told to end.
    fn take_note(&mut self) {
        if self.kernel.is_told_to_end() && self.streams.settle() {
            self.interrupted = true;
        }
    }

    fn up_ms(&self) -> i64 {
        (self.kernel.threads.runtime().now().as_ticks() / 1_000_000).cast_signed()
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have less than 53 bits")]
    fn today_ms(&self) -> f64 {
        let now = self.kernel.files().map_or(kos_vfs::Timestamp::EPOCH, |files| files.now());
        let ms = now.seconds.saturating_mul(1000).saturating_add(i64::from(now.nanos() / 1_000_000));
        ms as f64
    }

    /// A system call; the calls of WASI answer the number of an error, the others that number below 0.
    fn file(&mut self, call: Call, words: &[i64; WORDS], ram: &mut Ram<'_>) -> Result<i32, Stop> {
        let (mut denied, descriptor): (Denied, _) = (None, low(words[0]));
        let standard = (INPUT..=ERRORS).contains(&descriptor);
        let done = match call {
            Call::Write => self.write(descriptor, words, ram),
            Call::Read => self.read(descriptor, words, ram),
            Call::Close | Call::Sync if standard => Done::Call(Ok(0)),
            Call::Seek if standard => Done::Call(Err(Refused(Errno::ESPIPE))),
            call => Done::Call(self.files.answer(call, words, ram, &mut denied)),
        };
        if let Some(module) = denied {
            let shown = module.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            let line = Text::new(format_args!("python: import of '{shown}' is denied"));
            self.kernel.log().write(line.as_str().as_bytes());
            self.kernel.log().write(b"\n");
        }
        let of_wasi = matches!(call, Call::Write | Call::Read | Call::Close | Call::Sync | Call::Seek);
        match done {
            Done::Stop(stop) => Err(stop),
            Done::Call(Ok(value)) => Ok(value),
            Done::Call(Err(Refused(errno))) if of_wasi => Ok(number(errno)),
            Done::Call(Err(Refused(errno))) => Ok(-number(errno)),
        }
    }

    /// `fd_write`: descriptor, pieces, how many, where the count goes.
    fn write(&mut self, descriptor: i32, words: &[i64; WORDS], ram: &mut Ram<'_>) -> Done {
        let [_, pieces, count, total, ..] = words.map(low);
        let mut written = 0;
        for index in 0..count.cast_unsigned().min(PIECES) {
            let piece = piece(pieces, index, ram).and_then(|(at, length)| ram.get(at, length));
            let taken = match (descriptor, piece) {
                (_, Err(errno)) => return Done::Call(Err(Refused(errno))),
                (OUTPUT, Ok(bytes)) => {
                    self.take_note();
                    self.say(bytes).map(|()| bytes.len()).map_err(|_| Stop::Output)
                }
                (ERRORS, Ok(bytes)) => self.complain(bytes).map(|()| bytes.len()),
                (file, Ok(bytes)) => match self.files.write(file, bytes) {
                    Ok(taken) => Ok(taken),
                    Err(refused) => return Done::Call(Err(refused)),
                },
            };
            match taken {
                Err(stop) => return Done::Stop(stop),
                Ok(taken) => written += u32::try_from(taken).unwrap_or(0),
            }
        }
        Done::Call(ram.put(total, &written.to_le_bytes()).map(|()| 0).map_err(Refused))
    }

    fn say(&mut self, bytes: &[u8]) -> fmt::Result {
        if !self.at_prompt {
            return self.streams.write_bytes(bytes);
        }
        bytes.split_inclusive(|&byte| byte == b'\n').try_for_each(|line| match line.strip_suffix(b"\r\n") {
            Some(line) => self.streams.write_bytes(line).and_then(|()| self.streams.write_bytes(b"\n")),
            None => self.streams.write_bytes(line),
        })
    }

    /// Says what Python says of errors.
    pub(super) fn complain(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        for chunk in bytes.utf8_chunks() {
            let lossy = if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
            let said = Output::complain(self.streams, format_args!("{}{lossy}", chunk.valid()));
            said.map_err(|_| Stop::Output)?;
        }
        Ok(())
    }

    /// `fd_read`: descriptor, pieces, how many, where the count goes.
    fn read(&mut self, descriptor: i32, words: &[i64; WORDS], ram: &mut Ram<'_>) -> Done {
        let [_, pieces, count, total, ..] = words.map(low);
        let mut read = || -> Result<i32, Refused> {
            let mut read = 0;
            for index in 0..count.cast_unsigned().min(PIECES) {
                let (at, length) = piece(pieces, index, ram)?;
                let to = ram.get_mut(at, length)?;
                let got = match descriptor {
                    // Without an input there is nothing to read.
                    INPUT => self.streams.read(to).unwrap_or(0),
                    file => self.files.file(file)?.read(to)?,
                };
                read += u32::try_from(got).unwrap_or(0);
                if got < usize::try_from(length).unwrap_or(usize::MAX) {
                    break;
                }
            }
            ram.put(total, &read.to_le_bytes())?;
            Ok(0)
        };
        Done::Call(read())
    }
}

/// Address and length of a piece.
fn piece(pieces: i32, index: u32, ram: &Ram<'_>) -> Result<(i32, u32), Errno> {
    let at = pieces.wrapping_add((index * 8).cast_signed());
    Ok((ram.word(at)?.cast_signed(), ram.word(at.wrapping_add(4))?))
}

//! One system call as it was made: [`Record`], and the line that says it.

use core::fmt;

use kos_vfs::Errno;

use super::table::{Names, Signature, Word};
use crate::platform::UserCall;
use crate::process::linux::{AT_FDCWD, int};

/// Bytes that are kept of those that a call is about.
pub(super) const BYTES: usize = 32;

/// The first of the bytes that a call is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) bytes: heapless::Vec<u8, BYTES>,
    /// There were more.
    pub(super) cut: bool,
}

/// Where the bytes are that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// So many from an address on.
    Bytes(u64, u64),
    /// From an address to the next zero.
    Path(u64),
}

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Who made it.
    pub(super) process: u32,
    /// Which it was, and its words.
    pub(super) call: UserCall,
    /// What they mean; [`None`]: nobody knows.
    pub(super) signature: Option<&'static Signature>,
    /// The first of the bytes that it is about, if they could be read.
    pub(super) kept: Option<Kept>,
    /// What it answered; [`None`]: the process came to its end in it.
    pub(super) answer: Option<u64>,
    /// Calls before it that were not kept.
    pub(super) lost: u64,
}

impl Record {
    /// A call that was made and has not answered yet.
    pub(super) const fn new(process: u32, call: UserCall, signature: Option<&'static Signature>) -> Self {
        Self { process, call, signature, kept: None, answer: None, lost: 0 }
    }

    /// Calls before it that were not kept.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Where the bytes are that it is about: those that it gives before it answers, those that it got after that.
    pub(super) fn place(&self) -> Option<Place> {
        let (index, word) = self.signature?.text()?;
        let at = *self.call.arguments.get(index)?;
        match (word, self.answer) {
            (Word::Path, None) => Some(Place::Path(at)),
            (Word::Bytes, None) => Some(Place::Bytes(at, *self.call.arguments.get(index + 1)?)),
            (Word::Filled, Some(answer)) if refusal(answer).is_none() => Some(Place::Bytes(at, answer)),
            _ => None,
        }
    }

    fn word(&self, word: Word, value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (word, &self.kept) {
            (Word::Bytes | Word::Filled | Word::Path, Some(kept)) => {
                let more = if kept.cut { "..." } else { "" };
                write!(f, "\"{}\"{more}", kept.bytes.escape_ascii())
            }
            (Word::Dir, _) if int(value) == AT_FDCWD => f.write_str("AT_FDCWD"),
            (Word::Int | Word::Dir, _) => write!(f, "{}", int(value)),
            (Word::Number, _) => write!(f, "{value}"),
            (Word::Octal, _) => write!(f, "{value:#o}"),
            (Word::File, _) if value == u64::MAX => f.write_str("none"),
            (Word::File, _) => write!(f, "{value}"),
            (Word::Time, _) if value == u64::MAX => f.write_str("for ever"),
            (Word::Time, _) => write!(f, "{value} ns"),
            (Word::Bits(names), _) => bits(names, value, f),
            (Word::Hex | Word::Handle | Word::Bytes | Word::Filled | Word::Path, _) => {
                write!(f, "{value:#x}")
            }
        }
    }
}

/// The error that an answer is.
pub(super) fn refusal(answer: u64) -> Option<u16> {
    u16::try_from(answer.wrapping_neg()).ok().filter(|number| (1..=4095).contains(number))
}

fn bits(names: Names, value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (mut rest, mut mark) = (value, "");
    for (bit, name) in names.iter().filter(|(bit, _)| value & bit != 0) {
        write!(f, "{mark}{name}")?;
        (rest, mark) = (rest & !bit, "|");
    }
    if rest != 0 || value == 0 {
        write!(f, "{mark}{rest:#x}")?;
    }
    Ok(())
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lost > 0 {
            writeln!(f, "... {} calls are not shown", self.lost)?;
        }
        write!(f, "[{}] ", self.process)?;
        let known = self.signature.map_or(&[Word::Hex; 6][..], |signature| signature.words);
        match self.signature {
            Some(signature) => write!(f, "{}(", signature.name)?,
            None => write!(f, "call_{}(", self.call.number)?,
        }
        for (index, (word, value)) in known.iter().zip(self.call.arguments).enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            self.word(*word, value, f)?;
        }
        f.write_str(") = ")?;
        let Some(answer) = self.answer else { return f.write_str("?") };
        match refusal(answer) {
            Some(number) => match Errno::from_number(number) {
                Some(errno) => write!(f, "-1 {} ({})", errno.name(), errno.meaning()),
                None => write!(f, "-1 error {number}"),
            },
            None => self.word(self.signature.map_or(Word::Hex, |signature| signature.answer), answer, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::native;
    use super::*;
    use alloc::string::ToString;
    use kos_user::abi::{self, Call};
    use proptest::prelude::*;

    fn made(call: Call, arguments: [u64; 6], bytes: Option<&[u8]>, answer: Option<u64>) -> Record {
        let number = call as u64;
        let kept = bytes.map(|bytes| kept(bytes, false));
        Record { kept, answer, ..Record::new(7, UserCall { number, arguments }, native(number)) }
    }

    fn kept(bytes: &[u8], cut: bool) -> Kept {
        Kept { bytes: heapless::Vec::from_slice(bytes).unwrap(), cut }
    }

    static OPENAT: Signature = Signature {
        name: "openat",
        words: &[Word::Dir, Word::Path, Word::Hex, Word::Int],
        answer: Word::Number,
    };

    #[test]
    fn a_path_ends_at_a_zero_and_may_be_relative_to_nothing_named() {
        let call =
            UserCall { number: 257, arguments: [(-100_i64).cast_unsigned(), 0x1000, 0, u64::MAX, 0, 0] };
        let open = Record::new(7, call, Some(&OPENAT));
        assert_eq!(open.place(), Some(Place::Path(0x1000)));
        let open = Record { kept: Some(kept(b"a/b", false)), answer: Some(3), ..open };
        assert_eq!(open.to_string(), "[7] openat(AT_FDCWD, \"a/b\", 0x0, -1) = 3");
        assert_eq!(open.place(), None, "it may have changed since");
    }

    fn no(errno: Errno) -> Option<u64> {
        Some(u64::from(errno.number()).wrapping_neg())
    }

    #[test]
    fn a_line_says_what_was_asked_and_answered() {
        let write = made(Call::Write, [1, 0x1000, 6, 0, 0, 0], Some(b"hello\n"), Some(6));
        assert_eq!(write.to_string(), "[7] write(1, \"hello\\n\", 6) = 6");
        let open = made(Call::Open, [0x1000, 5, 3, 0, 0, 0], Some(b"/none"), no(Errno::ENOENT));
        assert_eq!(
            open.to_string(),
            "[7] open(\"/none\", 5, WRITE|CREATE) = -1 ENOENT (no such file or directory)"
        );
        let rights = abi::READ | abi::WRITE;
        let map = made(Call::Map, [0, 8192, rights, 0, abi::NO_FILE, 0], None, Some(0x7000));
        assert_eq!(map.to_string(), "[7] mmap(0x0, 8192, READ|WRITE, 0x0, none, 0) = 0x7000");
        assert_eq!(made(Call::Exit, [3, 0, 0, 0, 0, 0], None, None).to_string(), "[7] exit(3) = ?");
        let wild = made(Call::Write, [1, 8, 16, 0, 0, 0], None, no(Errno::EFAULT));
        assert_eq!(wild.to_string(), "[7] write(1, 0x8, 16) = -1 EFAULT (bad address)");
        let take = made(Call::Take, [5, 1, abi::FOR_EVER, 0, 0, 0], None, Some(1));
        assert_eq!(take.to_string(), "[7] take(0x5, 0x1, for ever) = 0x1");
    }

    #[test]
    fn long_bytes_are_cut_and_unknown_calls_have_a_number() {
        let long = made(Call::Write, [1, 0x1000, 900, 0, 0, 0], None, Some(900));
        let long = Record { kept: Some(kept(&[b'x'; BYTES], true)), ..long };
        assert!(long.to_string().contains("xxx\"..., 900) = 900"), "{long}");
        let read = made(Call::Read, [3, 0x1000, 512, 0, 0, 0], Some(b"ab"), Some(2));
        assert_eq!(read.to_string(), "[7] read(3, \"ab\", 512) = 2");
        let unknown = Record::new(7, UserCall { number: 99, arguments: [1; 6] }, native(99));
        let answered = Record { answer: no(Errno::ENOSYS), lost: 2, ..unknown };
        assert_eq!(
            answered.to_string(),
            "... 2 calls are not shown\n[7] call_99(0x1, 0x1, 0x1, 0x1, 0x1, 0x1) = -1 ENOSYS (function not implemented)"
        );
    }

    #[test]
    fn bytes_are_looked_for_where_the_call_has_them() {
        let write = made(Call::Write, [1, 0x1000, 6, 0, 0, 0], None, None);
        assert_eq!(write.place(), Some(Place::Bytes(0x1000, 6)));
        let read = |answer| made(Call::Read, [3, 0x1000, 512, 0, 0, 0], None, answer).place();
        assert_eq!(
            (read(None), read(Some(9)), read(no(Errno::EBADF))),
            (None, Some(Place::Bytes(0x1000, 9)), None)
        );
        assert_eq!(made(Call::Close, [3; 6], None, None).place(), None);
    }

    proptest! {
        #[test]
        fn any_call_is_one_line_of_ascii(
            number in 0..45_u64,
            arguments: [u64; 6],
            linux: bool,
            bytes in prop::option::of((prop::collection::vec(any::<u8>(), 0..=BYTES), any::<bool>())),
            answer: Option<u64>,
        ) {
            let kept = bytes.map(|(bytes, cut)| kept(&bytes, cut));
            let signature = if linux { Some(&OPENAT) } else { native(number) };
            let line = Record { kept, answer, ..Record::new(1, UserCall { number, arguments }, signature) };
            let line = line.to_string();
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", line);
            prop_assert!(line.starts_with("[1] ") && line.contains(") = "), "{}", line);
        }
    }
}

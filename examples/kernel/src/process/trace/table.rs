//! What the words of system calls mean, and the table of the native ones, by number. Those of Linux stand beside what does them.

use kos_user::abi::{self, rights};

/// A call: its name, and what its words and its answer are.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) words: &'static [Word],
    pub(crate) answer: Word,
}

/// Names of bits.
pub(crate) type Names = &'static [(u64, &'static str)];

/// What a word is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// A number.
    Number,
    /// An address, or bits without names.
    Hex,
    /// A number that tells nothing: of a capability.
    Handle,
    /// A number that may be below zero: the lower half of a register.
    Int,
    /// Permissions.
    Octal,
    /// A descriptor.
    File,
    /// A directory that a path of Linux starts from: a descriptor, or `AT_FDCWD`.
    Dir,
    /// Where a path is, with a zero behind it.
    Path,
    /// Where bytes are; how many says the next word.
    Bytes,
    /// Where bytes go; how many, the answer.
    Filled,
    /// Nanoseconds that somebody waits.
    Time,
    /// Bits with names.
    Bits(Names),
}

use Word::{Bits, Bytes, File, Filled, Handle, Hex, Number, Path, Time};

const MEMORY: Names = &[(abi::READ, "READ"), (abi::WRITE, "WRITE"), (abi::EXECUTE, "EXECUTE")];
const MAP: Names = &[(abi::SHARED, "SHARED"), (abi::FIXED, "FIXED")];
const OPEN: Names =
    &[(abi::OPEN_WRITE, "WRITE"), (abi::OPEN_CREATE, "CREATE"), (abi::OPEN_TRUNCATE, "TRUNCATE")];
const RIGHTS: Names = &[
    (rights::READ, "READ"),
    (rights::WRITE, "WRITE"),
    (rights::WAIT, "WAIT"),
    (rights::SIGNAL, "SIGNAL"),
    (rights::DUPLICATE, "DUPLICATE"),
    (rights::TRANSFER, "TRANSFER"),
    (rights::MINT, "MINT"),
    (rights::REVOKE, "REVOKE"),
    (rights::MAP, "MAP"),
];

impl Signature {
    /// Which of its words leads to bytes; one does at most.
    pub(super) fn text(&self) -> Option<(usize, Word)> {
        let is_text = |(_, word): &(usize, Word)| matches!(word, Bytes | Filled | Path);
        self.words.iter().copied().enumerate().find(is_text)
    }
}

const fn call(name: &'static str, words: &'static [Word], answer: Word) -> Signature {
    Signature { name, words, answer }
}

/// The native calls.
const NATIVE: [Signature; abi::Call::ALL.len()] = [
    call("exit", &[Number], Number),
    call("write", &[File, Bytes, Number], Number),
    call("read", &[File, Filled, Number], Number),
    call("open", &[Bytes, Number, Bits(OPEN)], Number),
    call("close", &[File], Number),
    call("getpid", &[], Number),
    call("yield", &[], Number),
    call("brk", &[Hex], Hex),
    call("mmap", &[Hex, Number, Bits(MEMORY), Bits(MAP), File, Number], Hex),
    call("munmap", &[Hex, Number], Number),
    call("mprotect", &[Hex, Number, Bits(MEMORY)], Number),
    call("fork", &[], Number),
    call("wait", &[Hex], Number),
    call("msync", &[File], Number),
    call("clock", &[], Number),
    call("endpoint", &[], Handle),
    call("call", &[Handle, Hex, Hex, Number, Time], Number),
    call("receive", &[Handle, Hex, Time], Number),
    call("reply", &[Hex], Number),
    call("reply_receive", &[Handle, Hex, Time], Number),
    call("lease_read", &[Handle, Number, Number, Filled, Number], Number),
    call("lease_write", &[Handle, Number, Number, Bytes, Number], Number),
    call("mint", &[Handle, Bits(RIGHTS), Number], Handle),
    call("duplicate", &[Handle, Bits(RIGHTS)], Handle),
    call("narrow", &[Handle, Bits(RIGHTS)], Number),
    call("release", &[Handle], Number),
    call("revoke", &[Handle], Number),
    call("notification", &[], Handle),
    call("post", &[Handle, Hex], Number),
    call("take", &[Handle, Hex, Time], Hex),
    call("names", &[], Handle),
    call("publish", &[Handle, Bytes, Number, Handle], Number),
    call("lookup", &[Handle, Bytes, Number, Bits(RIGHTS), Time], Handle),
    call("shared_create", &[Handle, Bytes, Number, Number], Handle),
    call("shared_map", &[Handle, Bits(MEMORY)], Hex),
    call("shared_unmap", &[Hex], Number),
    call("unlink", &[Handle, Bytes, Number], Number),
    call("ready", &[], Number),
    call("exec", &[Bytes, Number, Hex, Number, Number], Number),
];

/// The native call of this number.
pub(in crate::process) fn native(number: u64) -> Option<&'static Signature> {
    const ALL: &[Signature] = &NATIVE;
    ALL.get(usize::try_from(number).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Call;

    /// The table is by number: a few that would be elsewhere if one were left out or two had changed places.
    #[test]
    fn the_table_is_by_number() {
        for (number, name) in [
            (Call::Exit, "exit"),
            (Call::Map, "mmap"),
            (Call::Clock, "clock"),
            (Call::Invoke, "call"),
            (Call::Mint, "mint"),
            (Call::Revoke, "revoke"),
            (Call::Names, "names"),
            (Call::Lookup, "lookup"),
            (Call::Unlink, "unlink"),
            (Call::Exec, "exec"),
        ] {
            assert_eq!(native(number as u64).unwrap().name, name);
        }
        assert!(native(39).is_none() && native(u64::MAX).is_none());
    }

    #[test]
    fn bytes_have_a_length_behind_them() {
        for signature in &NATIVE {
            assert!(signature.words.len() <= 6, "{signature:?}");
            let texts = signature.words.iter().filter(|word| matches!(word, Bytes | Filled | Path)).count();
            assert!(texts <= 1, "one is kept: {signature:?}");
            for pair in signature.words.windows(2) {
                assert!(!matches!(pair[0], Bytes) || matches!(pair[1], Number), "{signature:?}");
            }
            assert!(!matches!(signature.words.last(), Some(Bytes)), "{signature:?}");
        }
    }
}

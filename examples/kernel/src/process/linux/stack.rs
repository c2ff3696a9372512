//! What a program of Linux finds on its stack at its first instruction: words, variables, the auxiliary vector: [`Block`].
//!
//! From the stack pointer upwards: the number of words, their addresses, 0, the addresses of the variables, 0, pairs of words that end
//! with type 0; above them, in any order, what all that points to. The stack pointer is a multiple of 16. The block is written piece
//! by piece, so that the kernel needs no memory for it. Sources: System V ABI, AMD64 supplement, section 3.4; Linux, getauxval(3).

use kos_net::Entropy as _;

use crate::Kernel;
use crate::glue::entropy::KernelEntropy;
use crate::platform::Platform;
use crate::process::elf::{Headers, Image, PAGE};
use crate::process::load::Words;

/// Bytes of words and variables at most, their ends included.
pub(crate) const MOST: usize = 128 << 10;
/// What the machine is called.
const MACHINE: &[u8] = b"x86_64\0";
/// The block begins at a multiple.
const ALIGN: u64 = 16;

/// Types of the auxiliary vector, by the numbers of Linux (`include/uapi/linux/auxvec.h`).
pub(super) mod at {
    pub(in super::super) const NULL: u64 = 0;
    pub(in super::super) const PHDR: u64 = 3;
    pub(in super::super) const PHENT: u64 = 4;
    pub(in super::super) const PHNUM: u64 = 5;
    pub(in super::super) const PAGESZ: u64 = 6;
    pub(in super::super) const BASE: u64 = 7;
    pub(in super::super) const FLAGS: u64 = 8;
    pub(in super::super) const ENTRY: u64 = 9;
    pub(in super::super) const UID: u64 = 11;
    pub(in super::super) const EUID: u64 = 12;
    pub(in super::super) const GID: u64 = 13;
    pub(in super::super) const EGID: u64 = 14;
    pub(in super::super) const PLATFORM: u64 = 15;
    pub(in super::super) const HWCAP: u64 = 16;
    pub(in super::super) const CLKTCK: u64 = 17;
    pub(in super::super) const SECURE: u64 = 23;
    pub(in super::super) const RANDOM: u64 = 25;
    pub(in super::super) const HWCAP2: u64 = 26;
    pub(in super::super) const EXECFN: u64 = 31;
}

/// Pairs of the auxiliary vector.
const PAIRS: usize = 19;

/// All that is written.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Block<'a> {
    words: Words<'a>,
    headers: Headers,
    entry: u64,
    ids: (u64, u64),
    random: [u8; 16],
    /// Bytes of all strings.
    strings: usize,
}

/// 16 bytes that nobody knows beforehand who does not know the machine's secret.
pub(in super::super) fn random<P: Platform>(kernel: &Kernel<P>) -> [u8; 16] {
    let mut bytes = [0; 16];
    // It cannot fail; and a program without luck runs as well.
    let _ = KernelEntropy::new(kernel).fill(&mut bytes);
    bytes
}

/// Where strings go: each below the one before.
struct Down(u64);

impl Down {
    /// Puts a string and the zero byte behind it; where.
    fn string<E>(
        &mut self,
        text: &[u8],
        put: &mut impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.0 -= 1;
        put(self.0, &[0])?;
        self.0 -= text.len() as u64;
        put(self.0, text)?;
        Ok(self.0)
    }
}

/// Where words of 8 bytes go: each above the one before.
struct Up<F>(u64, F);

impl<E, F: FnMut(u64, &[u8]) -> Result<(), E>> Up<F> {
    fn word(&mut self, word: u64) -> Result<(), E> {
        (self.1)(self.0, &word.to_le_bytes())?;
        self.0 += 8;
        Ok(())
    }
}

impl<'a> Block<'a> {
    /// That of a program; [`None`] if it is too long, or a string has a zero byte.
    pub(in super::super) fn new(
        image: &Image,
        words: Words<'a>,
        (uid, gid): (u32, u32),
        random: [u8; 16],
    ) -> Option<Self> {
        let mut strings = 0_usize;
        for text in words.words.iter().chain(words.variables) {
            strings = strings.checked_add(text.len())?.checked_add(1).filter(|_| !text.contains('\0'))?;
        }
        let (headers, entry) = (image.headers, image.entry);
        let ids = (uid.into(), gid.into());
        (strings <= MOST).then_some(Self { words, headers, entry, ids, random, strings })
    }

    /// Bytes that it takes at most.
    pub(in super::super) fn bytes(&self) -> u64 {
        let name = self.name().len() + 1;
        let fixed = MACHINE.len() + self.random.len() + 2 * 16;
        (self.strings + name + fixed) as u64 + self.table()
    }

    /// Bytes of what is words of 8.
    fn table(&self) -> u64 {
        (8 * (1 + self.words.words.len() + 1 + self.words.variables.len() + 1 + 2 * PAIRS)) as u64
    }

    fn name(&self) -> &'a str {
        self.words.words.first().copied().unwrap_or("")
    }

    /// Writes it below `top` by `put`, which is given addresses and bytes; the stack pointer.
    ///
    /// # Errors
    /// The first one of `put`.
    pub(in super::super) fn put<E>(
        &self,
        top: u64,
        mut put: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let strings = top - self.strings as u64;
        let mut down = Down(strings);
        let name = down.string(self.name().as_bytes(), &mut put)?;
        down.0 -= MACHINE.len() as u64;
        let machine = down.0;
        put(machine, MACHINE)?;
        let random = (down.0 - self.random.len() as u64) & !(ALIGN - 1);
        put(random, &self.random)?;
        let stack = (random - self.table()) & !(ALIGN - 1);
        let mut up = Up(stack, put);
        up.word(self.words.words.len() as u64)?;
        let mut string = strings;
        for list in [self.words.words, self.words.variables] {
            for text in list {
                (up.1)(string, text.as_bytes())?;
                (up.1)(string + text.len() as u64, &[0])?;
                up.word(string)?;
                string += text.len() as u64 + 1;
            }
            up.word(0)?;
        }
        for (kind, value) in self.pairs(name, machine, random) {
            up.word(kind)?;
            up.word(value)?;
        }
        Ok(stack)
    }

    /// The auxiliary vector. Of what the CPU can nothing is promised: programs ask it.
    const fn pairs(&self, name: u64, machine: u64, random: u64) -> [(u64, u64); PAIRS] {
        let (uid, gid) = self.ids;
        [
            (at::PAGESZ, PAGE),
            (at::PHDR, self.headers.at),
            (at::PHENT, Headers::BYTES as u64),
            (at::PHNUM, self.headers.count as u64),
            (at::BASE, 0),
            (at::FLAGS, 0),
            (at::ENTRY, self.entry),
            (at::UID, uid),
            (at::EUID, uid),
            (at::GID, gid),
            (at::EGID, gid),
            (at::SECURE, 0),
            (at::HWCAP, 0),
            (at::HWCAP2, 0),
            (at::CLKTCK, 100),
            (at::PLATFORM, machine),
            (at::RANDOM, random),
            (at::EXECFN, name),
            (at::NULL, 0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::process::elf::Abi;

    const TOP: u64 = 0x7000_0000;

    fn image() -> Image {
        let headers = Headers { at: 0x40_0040, count: 9 };
        Image { abi: Abi::Linux, headers, entry: 0x40_1000, segments: heapless::Vec::new() }
    }

    /// A stack of so many bytes below [`TOP`].
    struct Memory(Vec<u8>);

    impl Memory {
        fn written(block: &Block<'_>) -> (Self, u64) {
            let mut memory = Self(vec![0xee; usize::try_from(block.bytes()).unwrap()]);
            let base = TOP - block.bytes();
            let put = |at: u64, bytes: &[u8]| -> Result<(), Infallible> {
                let at = usize::try_from(at - base).unwrap();
                memory.0[at..at + bytes.len()].copy_from_slice(bytes);
                Ok(())
            };
            let stack = block.put(TOP, put).unwrap();
            (memory, stack)
        }

        fn index(&self, at: u64) -> usize {
            self.0.len() - usize::try_from(TOP - at).unwrap()
        }

        fn word(&self, at: u64) -> u64 {
            u64::from_le_bytes(*self.0[self.index(at)..].first_chunk().unwrap())
        }

        fn text(&self, at: u64) -> &str {
            let bytes = &self.0[self.index(at)..];
            core::str::from_utf8(bytes.split(|byte| *byte == 0).next().unwrap()).unwrap()
        }

        /// The strings of a list that ends with 0, and where the next begins.
        fn list(&self, mut at: u64) -> (Vec<&str>, u64) {
            let mut texts = vec![];
            while self.word(at) != 0 {
                texts.push(self.text(self.word(at)));
                at += 8;
            }
            (texts, at + 8)
        }

        fn pairs(&self, mut at: u64) -> Vec<(u64, u64)> {
            let mut pairs = vec![];
            while self.word(at) != at::NULL {
                pairs.push((self.word(at), self.word(at + 8)));
                at += 16;
            }
            pairs
        }
    }

    #[test]
    fn a_program_finds_its_words_variables_and_vector() {
        let words = Words { words: &["/bin/x", "", "a b"], variables: &["A=1", "HOME=/"] };
        let block = Block::new(&image(), words, (7, 8), [9; 16]).unwrap();
        let (memory, stack) = Memory::written(&block);
        assert_eq!(stack % 16, 0);
        assert_eq!(memory.word(stack), 3);
        let (found, next) = memory.list(stack + 8);
        assert_eq!(found, ["/bin/x", "", "a b"]);
        let (found, next) = memory.list(next);
        assert_eq!(found, ["A=1", "HOME=/"]);
        let pairs = memory.pairs(next);
        let value = |kind| pairs.iter().find(|pair| pair.0 == kind).unwrap().1;
        assert_eq!(value(at::PAGESZ), 4096);
        assert_eq!((value(at::PHDR), value(at::PHENT), value(at::PHNUM)), (0x40_0040, 56, 9));
        assert_eq!(value(at::ENTRY), 0x40_1000);
        assert_eq!([at::UID, at::EUID, at::GID, at::EGID].map(value), [7, 7, 8, 8]);
        assert_eq!(value(at::SECURE), 0);
        assert_eq!(memory.text(value(at::EXECFN)), "/bin/x");
        assert_eq!(memory.text(value(at::PLATFORM)), "x86_64");
        let random = memory.index(value(at::RANDOM));
        assert_eq!(memory.0[random..random + 16], [9; 16]);
    }

    #[test]
    fn too_much_is_refused() {
        let long = "x".repeat(MOST - 1);
        let of = |words: &[&str], variables: &[&str]| {
            Block::new(&image(), Words { words, variables }, (0, 0), [0; 16]).map(|block| block.strings)
        };
        assert_eq!(of(&[&long], &[]), Some(MOST));
        assert_eq!(of(&[], &[&long]), Some(MOST));
        assert_eq!(of(&[&long, ""], &[]), None, "each word has an end");
        assert_eq!(of(&["x"], &[&long]), None);
        assert_eq!(of(&["a\0b"], &[]), None);
        assert_eq!(of(&[], &[]), Some(0));
    }

    proptest! {
        #[test]
        fn whatever_is_told_is_found(
            words in prop::collection::vec("[a-z=]{0,40}", 0..20),
            variables in prop::collection::vec("[A-Z=]{0,40}", 0..20),
        ) {
            fn texts(list: &[String]) -> Vec<&str> {
                list.iter().map(String::as_str).collect()
            }
            let (words, variables) = (texts(&words), texts(&variables));
            let told = Words { words: &words, variables: &variables };
            let (memory, stack) = Memory::written(&Block::new(&image(), told, (0, 0), [0; 16]).unwrap());
            prop_assert_eq!(stack % 16, 0);
            prop_assert_eq!(memory.word(stack), words.len() as u64);
            let (found, next) = memory.list(stack + 8);
            prop_assert_eq!(found, words);
            let (found, next) = memory.list(next);
            prop_assert_eq!(found, variables);
            prop_assert_eq!(memory.pairs(next).len(), PAIRS - 1);
        }
    }
}

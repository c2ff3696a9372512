//! `exec`: another program in place of the one that runs, in the same process.
//!
//! What the process is and has stays: its number, its parent, its group and what that may take, open files, capabilities, signals that
//! wait. Its memory goes, with what it had mapped of files and of segments, and nobody answers the calls that it had received. All
//! of that only once the other program can begin: one that cannot leaves its caller as he was. So the group has the memory
//! of both for a moment.
//!
//! Source: POSIX.1-2024, exec.

use alloc::vec::Vec;

use kos_paging::VirtAddr;
use kos_vfs::Errno;

use super::{Answer, files, refusal};
use crate::platform::Platform;
use crate::process::linux::stack;
use crate::process::load::Words;
use crate::process::running::Running;

/// Replaces the program by that of a file, with these words and variables: so many bytes, a zero behind each of them.
pub(super) fn exec<P: Platform>(
    running: &mut Running<P>,
    path: (u64, u64),
    strings: u64,
    lengths: [u64; 2],
) -> Answer {
    let lengths = lengths.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    let all = lengths[0].checked_add(lengths[1]).filter(|all| *all <= stack::MOST).ok_or(Errno::E2BIG)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(all).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(all, 0);
    running.space.copy_in(VirtAddr::new(strings), &mut bytes).map_err(|_| Errno::EFAULT)?;
    let (words, variables) = bytes.split_at_checked(lengths[0]).ok_or(Errno::E2BIG)?;
    let (words, variables) = (texts(words)?, texts(variables)?);
    let file = files::program(running, path)?;
    let words = Words { words: &words, variables: &variables };
    running.become_program(&file, words).map(|()| 0).map_err(|error| refusal(&error))
}

/// Strings with a zero behind each.
fn texts(bytes: &[u8]) -> Result<Vec<&str>, Errno> {
    let mut texts = Vec::new();
    texts.try_reserve_exact(bytes.iter().filter(|byte| **byte == 0).count()).map_err(|_| Errno::ENOMEM)?;
    let mut rest = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    while !rest.is_empty() {
        let (text, behind) = rest.split_once('\0').ok_or(Errno::EINVAL)?;
        texts.push(text);
        rest = behind;
    }
    Ok(texts)
}

//! The smallest service.

use super::number;
use crate::abi::FOR_EVER;
use crate::io::{Line, Words};
use crate::{ipc, sys};

/// `beacon [NANOSECONDS]`: says after a while that it can be used, and sleeps until it is ended.
pub(super) fn run(mut words: Words<'_>) -> u8 {
    let Ok(never) = ipc::notification() else { return 1 };
    // Nobody posts to it: it ends with its time.
    let _ = ipc::take(never, 1, number(words.next(), 0));
    Line::say(format_args!("process {} can be used", sys::pid()));
    sys::ready();
    let _ = ipc::take(never, 1, FOR_EVER);
    2
}

//! What programs pay for: seen from outside, as the difference of a program that does it often and one that does it seldom.

use kos_vfs::Ctx;

use super::ROUNDS;
use crate::Kernel;
use crate::platform::Platform;
use crate::process::{End, Processes};
use crate::selftest::Failure;
use crate::text::Text;

/// How often it is done by who does it seldom, and by who does it often.
const TIMES: [u64; 2] = [1, 201];

/// What one time of it takes: `words` are a program that does it as often as its last word will say.
fn each<P: Platform>(kernel: &Kernel<P>, words: &[&str]) -> Result<u64, Failure> {
    if !Processes::are_possible(kernel) {
        return Err(Failure::skip(format_args!("no programs")));
    }
    let [seldom, often] = TIMES;
    let less = run(kernel, words, seldom)?;
    let more = run(kernel, words, often)?;
    Ok(more.saturating_sub(less) / (often - seldom))
}

/// The shortest run of the program.
fn run<P: Platform>(kernel: &Kernel<P>, words: &[&str], count: u64) -> Result<u64, Failure> {
    let number = Text::new(format_args!("{count}"));
    let mut all = heapless::Vec::<&str, 4>::new();
    // There is room for what this file runs.
    let _ = all.extend_from_slice(words);
    let _ = all.push(number.as_str());
    (0..ROUNDS / 4).try_fold(u64::MAX, |least, _| {
        let start = kernel.platform().cycles();
        let ended = kernel.run_job(Ctx::root(), all.as_slice(), |_| (), || true, |_| ())?;
        let took = kernel.platform().cycles().saturating_sub(start);
        match ended.end {
            End::Exited(0) => Ok(took.min(least)),
            end => Err(Failure::new(format_args!("{number} times: {end}"))),
        }
    })
}

pub(super) fn system_call<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    each(kernel, &["repeat", "call"])
}

pub(super) fn first_touch<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    each(kernel, &["repeat", "touch"])
}

pub(super) fn child<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    each(kernel, &["repeat", "fork"])
}

/// Two processes that call each other: there and back are two changes of the address space.
pub(super) fn remote_call<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    each(kernel, &["pingpong"])
}

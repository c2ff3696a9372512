//! How long tests wait for others.

use super::Failure;
use crate::Kernel;
use crate::net::State;
use crate::platform::Platform;
use crate::time::{Duration, Instant, after};

/// Longer than anything takes on the slowest machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What a wait that ends by itself takes.
pub(super) const SHORT: Duration = Duration::from_millis(2);

/// So far from now.
pub(super) fn soon<P: Platform>(kernel: &Kernel<P>, length: Duration) -> Option<Instant> {
    Some(after(kernel.platform().now(), length))
}

/// How long one waits for an answer before one asks again, and how often one asks: [`PATIENCE`] in all.
const AGAIN: Duration = Duration::from_secs(1);
const TIMES: usize = 30;

/// Asks, and again while no answer comes, as whoever may lose packets does; a simulation may lose some. What `answer` says of what
/// came, if anything.
pub(super) fn insist<P: Platform, R>(
    kernel: &Kernel<P>,
    mut ask: impl FnMut(&mut State<P>) -> Result<(), Failure>,
    mut answer: impl FnMut(&mut State<P>) -> Option<R>,
) -> Result<Option<R>, Failure> {
    let net = kernel.net().ok_or_else(|| Failure::skip(format_args!("no network")))?;
    for _ in 0..TIMES {
        net.with(kernel, &mut ask)?;
        let heard = net.wait(kernel, soon(kernel, AGAIN), &mut answer);
        if heard.is_some() {
            return Ok(heard);
        }
    }
    Ok(None)
}

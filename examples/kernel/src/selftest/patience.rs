//! How long tests wait for others.

use crate::Kernel;
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

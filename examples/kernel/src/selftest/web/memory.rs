//! A whole request, over a wire that is no network, while the k-th frame allocation fails, for every k.

use core::cell::{Cell, RefCell};

use kos_net::StreamError;

use super::client::{Said, bearer, status_of};
use super::{ALICE, grant, placed};
use crate::Kernel;
use crate::ensure;
use crate::kernel::InUse;
use crate::net::web::talk::{Talk, Wire};
use crate::platform::Platform;
use crate::selftest::Failure;
use crate::time::Instant;

/// More frames than any request takes.
const MOST: usize = 60;
/// What is asked for, and what is brought. To put a file is not among them: kos-vfs says that one that was made stays if it cannot be
/// opened then.
const REQUESTS: [(&str, &str); 5] = [
    ("GET /v1/files/a", ""),
    ("GET /v1/files/d", ""),
    ("GET /v1/svc", ""),
    ("GET /metrics", ""),
    ("GET /proc/uptime", ""),
];

/// What a client says at once, and what it hears.
struct Tape<'a> {
    says: Cell<&'a [u8]>,
    hears: RefCell<Said>,
}

impl Wire for Tape<'_> {
    fn read_until(&self, _: Instant, out: &mut [u8]) -> Result<usize, StreamError> {
        let says = self.says.get();
        let count = says.len().min(out.len());
        let (now, later) = says.split_at(count);
        out.get_mut(..count).unwrap_or_default().copy_from_slice(now);
        self.says.set(later);
        Ok(count)
    }

    fn write_until(&self, _: Instant, bytes: &[u8]) -> Result<(), StreamError> {
        // What is too long is cut.
        let _ = self.hears.borrow_mut().push_str(core::str::from_utf8(bytes).unwrap_or("?"));
        Ok(())
    }

    fn finish(&self) -> Result<(), StreamError> {
        Ok(())
    }
}

pub(super) fn sweep<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let net = kernel.net().ok_or_else(|| Failure::skip(format_args!("no network")))?;
    if !is_of_kernel(kernel) {
        return Err(Failure::skip(format_args!("what it allocates is not of the kernel's heap")));
    }
    placed(kernel, || {
        net.with(kernel, |state| state.web.grant = grant(ALICE));
        let result: Result<usize, Failure> =
            REQUESTS.iter().try_fold(0, |sum, &(head, body)| Ok(sum + one(kernel, head, body)?));
        net.with(kernel, |state| state.web.grant = None);
        let failures = result?;
        // How many depends on how full the slabs happen to be.
        ensure!(failures > 0, "no frame could be refused");
        Ok(())
    })
}

/// Whether what is allocated here comes out of the kernel's heap: in a process it is the process's own.
fn is_of_kernel<P: Platform>(kernel: &Kernel<P>) -> bool {
    let before = kernel.heap().stats().live_blocks();
    let block = kernel.platform().cycles().checked_ilog2().map(alloc::sync::Arc::new);
    kernel.heap().stats().live_blocks() > before && block.is_some()
}

/// One request, until no allocation of it is refused any more; how many could be.
fn one<P: Platform>(kernel: &Kernel<P>, head: &str, body: &str) -> Result<usize, Failure> {
    let mut length = heapless::String::<32>::new();
    core::fmt::Write::write_fmt(&mut length, format_args!("content-length: {}", body.len()))?;
    let mut says = heapless::String::<512>::new();
    let more = bearer(&length)?;
    let words = format_args!("{head} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{more}\r\n{body}");
    core::fmt::Write::write_fmt(&mut says, words)?;
    // Whatever it leaves for good is there before one counts.
    for _ in 0..2 {
        let good = request(kernel, &says);
        ensure!(status_of(&good).is_some_and(|status| status < 300), "{head}: {good}");
    }
    for k in 0..MOST {
        let (mut said, mut refused, mut kept) = failing(kernel, &says, k);
        if kept.is_some() {
            // A table that grew for good does not grow again: what a second failure leaves too is lost.
            (said, refused, kept) = failing(kernel, &says, k);
        }
        if let Some((before, after)) = kept {
            return Err(Failure::new(format_args!("{head}, failure {k}: before {before}, after {after}")));
        }
        let status = status_of(&said);
        if refused == 0 {
            ensure!(status.is_some_and(|status| status < 300), "{head}, {k} frames: {said}");
            return Ok(k);
        }
        // It may do with less, too: what is kept for later is given back then.
        ensure!(status.is_some_and(|status| status < 300 || status == 503), "{head}, failure {k}: {said}");
    }
    Err(Failure::new(format_args!("{head}: {MOST} frames were not enough")))
}

/// A request while the k-th allocation of a frame fails and all after it: what was said, how many failed, what is more or less in
/// use than before.
fn failing<P: Platform>(kernel: &Kernel<P>, says: &str, k: usize) -> (Said, usize, Option<(InUse, InUse)>) {
    let before = in_use(kernel);
    kernel.injector().arm(k);
    let said = request(kernel, says);
    let refused = kernel.injector().disarm();
    let after = in_use(kernel);
    (said, refused, (after != before).then_some((before, after)))
}

fn request<P: Platform>(kernel: &Kernel<P>, says: &str) -> Said {
    let tape = Tape { says: Cell::new(says.as_bytes()), hears: RefCell::new(Said::new()) };
    let _whatever_becomes_of_it = Talk::new(kernel, &tape).run();
    tape.hears.into_inner()
}

/// What is in use without names that are remembered.
fn in_use<P: Platform>(kernel: &Kernel<P>) -> InUse {
    kernel.files().map(|files| files.vfs().shrink(0)).unwrap_or_default();
    kernel.in_use()
}

//! Pages of this host for tests: [`serving`].

use core::net::{Ipv4Addr, SocketAddr};

use super::stream::Stream;
use crate::Kernel;
use crate::platform::Platform;
use crate::threads::{How, Member};
use crate::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
const STACK: usize = 64 << 10;

/// Serves `pages` at `port` of this host while `work` is done: each is a path, and all that is answered to who asks for it, head and
/// body, right or not; then the connection ends. Who asks for another path hears nothing. Task context. [`None`]: there is no network,
/// no memory for it, or the port is taken.
pub fn serving<P: Platform, R>(
    kernel: &Kernel<P>,
    port: u16,
    pages: &[(&str, &[u8])],
    work: impl FnOnce() -> R,
) -> Option<R> {
    let net = kernel.net()?;
    let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let listener = net.with(kernel, |state| state.stack.tcp_listen(local, 4, &mut state.entropy)).ok()?;
    let serve = || {
        while let Some(stream) = Stream::accept(kernel, listener, PATIENCE) {
            // A client that goes away ends its answer.
            let _ = answer(&stream, pages);
        }
    };
    let member = Member::new(How::new("test-pages").stack(STACK), &serve);
    let done = kernel.with_team(&[member], |_| {
        let result = work();
        // The other thread ends with its listener.
        net.with(kernel, |state| state.close(listener));
        result
    });
    done.ok()
}

fn answer<P: Platform>(stream: &Stream<'_, P>, pages: &[(&str, &[u8])]) -> Option<()> {
    let (mut request, mut length) = ([0; 2048], 0);
    while !request.get(..length)?.ends_with(b"\r\n\r\n") {
        length += stream.read(request.get_mut(length..)?).ok().filter(|&count| count > 0)?;
    }
    let path = core::str::from_utf8(request.get(..length)?).ok()?.split(' ').nth(1)?;
    let (_, bytes) = pages.iter().find(|(known, _)| *known == path)?;
    stream.write(bytes).ok()
}

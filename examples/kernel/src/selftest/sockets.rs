//! Tests of sockets as threads see them, over this host itself: who closes, who is too early, who is too large.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_net::tcp::TcpState;
use kos_net::{ReceiveError, SendError, SocketId, SocketKind, SocketView, StreamError};

use super::patience::{PATIENCE, SHORT, insist};
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::net::stream::Stream;
use crate::net::{Net, State};
use crate::platform::Platform;
use crate::threads::{How, Member};
use crate::time::{Duration, after};

pub(super) const PORT: u16 = 9100;
const STACK: usize = 64 << 10;
/// What is said in one go; more than nobody reads fits the rings.
const PIECE: usize = 4096;
/// Connections at the same time.
const MANY: usize = 8;
const BACKLOG: u16 = 8;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "net::a_port_has_one_listener", run: taken },
        Test { name: "net::a_datagram_that_never_fits_is_refused", run: too_long },
        Test { name: "net::a_datagram_to_nobody_is_an_error_later", run: unheard },
        Test { name: "net::who_is_done_talking_still_hears", run: half_closed },
        Test { name: "net::who_writes_to_nobody_who_reads_waits_in_vain", run: unread },
        Test { name: "net::many_connections_do_not_mix", run: many },
        Test { name: "net::what_is_lost_comes_again", run: lossy },
        Test { name: "net::a_closed_socket_is_no_socket", run: closed },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

pub(super) fn net<P: Platform>(kernel: &Kernel<P>) -> Result<&Net<P>, Failure> {
    kernel.net().ok_or_else(|| Failure::skip(format_args!("no network")))
}

pub(super) const fn here(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// A socket that is closed when this goes.
pub(super) struct Open<'k, P: Platform>(&'k Kernel<P>, pub(super) SocketId);

impl<'k, P: Platform> Open<'k, P> {
    pub(super) fn new<E: Into<Failure>>(
        kernel: &'k Kernel<P>,
        open: impl FnOnce(&mut State<P>) -> Result<SocketId, E>,
    ) -> Result<Self, Failure> {
        let id = net(kernel)?.with(kernel, open).map_err(Into::into)?;
        Ok(Self(kernel, id))
    }

    fn listener(kernel: &'k Kernel<P>) -> Result<Self, Failure> {
        Self::new(kernel, |state| state.stack.tcp_listen(here(PORT), BACKLOG, &mut state.entropy))
    }

    pub(super) fn datagrams(kernel: &'k Kernel<P>, port: u16) -> Result<Self, Failure> {
        Self::new(kernel, |state| state.stack.udp_bind(here(port), &mut state.entropy))
    }
}

impl<P: Platform> Drop for Open<'_, P> {
    fn drop(&mut self) {
        if let Some(net) = self.0.net() {
            net.with(self.0, |state| state.close(self.1));
        }
    }
}

pub(super) fn connect<P: Platform>(kernel: &Kernel<P>, patience: Duration) -> Result<Stream<'_, P>, Failure> {
    let stream = Stream::connect(kernel, here(PORT), patience);
    Ok(stream.ok_or_else(|| Failure::new(format_args!("no network")))??)
}

/// Serves connections by `serve` in threads of their own, while `work` is done.
pub(super) fn served<P: Platform>(
    kernel: &Kernel<P>,
    serve: impl Fn(Stream<'_, P>) + Sync,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let listener = Open::listener(kernel)?;
    let id = listener.1;
    let serve = || {
        while let Some(stream) = Stream::accept(kernel, id, PATIENCE) {
            serve(stream);
        }
    };
    kernel.with_team(&[Member::new(How::new("net-serve").stack(STACK), &serve)], |_| {
        let result = work();
        drop(listener);
        result
    })??;
    settle(kernel)
}

/// Waits until nothing is left of the connections of a test but what rests: they keep memory until they have ended, which takes
/// them some time where the last packets were lost.
fn settle<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let ours = |place: SocketAddr| place.port() == PORT;
    let is_left = |view: SocketView| {
        let open = view.kind != SocketKind::Tcp(TcpState::TimeWait);
        open && (ours(view.local) || view.remote.is_some_and(ours))
    };
    let until = after(kernel.platform().now(), PATIENCE);
    while net(kernel)?.with(kernel, |state| state.stack.list().any(is_left)) {
        ensure!(kernel.platform().now() < until, "a connection does not end");
        let _ = kernel.threads.sleep(SHORT);
    }
    Ok(())
}

fn taken<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let first = Open::listener(kernel)?;
    let second = Open::listener(kernel).map(drop);
    ensure!(second.is_err(), "two listen at the same place");
    drop(first);
    Open::listener(kernel).map(drop)
}

fn too_long<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let socket = Open::datagrams(kernel, PORT)?;
    // Longer than any datagram of IPv4 may be.
    let bytes = bytes_of(0, 1 << 16)?;
    let sent = net(kernel)?.with(kernel, |state| state.stack.udp_send(socket.1, Some(here(PORT)), &bytes));
    ensure!(matches!(sent, Err(SendError::TooLong { .. })), "{sent:?}");
    Ok(())
}

/// Nobody hears at the port: the host says so, and the sender learns of it.
fn unheard<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (net, socket) = (net(kernel)?, Open::datagrams(kernel, PORT)?);
    net.with(kernel, |state| state.stack.udp_connect(socket.1, here(PORT + 1)))?;
    let ask = |state: &mut State<P>| Ok(state.stack.udp_send(socket.1, None, b"anybody?")?);
    let said = insist(kernel, ask, |state| match state.stack.udp_receive(socket.1, |_, _| ()) {
        Err(ReceiveError::Empty) => None,
        other => Some(other),
    })?;
    ensure!(matches!(said, Some(Err(ReceiveError::Network(_)))), "{said:?}");
    Ok(())
}

/// The client says that it is done; what the server says then, it hears to the end.
fn half_closed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const PIECES: u64 = 64;
    let serve = |stream: Stream<'_, P>| {
        let mut heard = [0; 64];
        while let Ok(1..) = stream.read(&mut heard) {}
        let said = (0..PIECES).try_for_each(|_| stream.write(&[0x5a; PIECE]));
        // The client counts.
        let _ = said.and_then(|()| stream.finish());
    };
    served(kernel, serve, || {
        let stream = connect(kernel, PATIENCE)?;
        stream.write(b"done")?;
        stream.finish()?;
        let refused = stream.write(b"more");
        ensure!(refused == Err(StreamError::Finished), "{refused:?}");
        let (mut all, mut heard) = (0, [0; PIECE]);
        while let count @ 1.. = stream.read(&mut heard)? {
            all += count as u64;
        }
        ensure!(all == PIECES * PIECE as u64, "{all} bytes came");
        Ok(())
    })
}

/// What nobody reads fills the rings of both sides, and then whoever writes waits; with little patience, in vain.
fn unread<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const MOST: usize = 16 << 20;
    let listener = Open::listener(kernel)?;
    let writer = connect(kernel, SHORT)?;
    let reader = Stream::accept(kernel, listener.1, PATIENCE);
    let reader = reader.ok_or_else(|| Failure::new(format_args!("nobody came")))?;
    let mut written = 0;
    let refused = loop {
        match writer.write(&[0x5a; PIECE]) {
            Ok(()) if written < MOST => written += PIECE,
            other => break other,
        }
    };
    ensure!(refused == Err(StreamError::NotNow), "{refused:?} after {written} bytes");
    // None of it was lost, nor came twice: of the last piece a part may have gone.
    writer.finish()?;
    let (mut all, mut heard) = (0, [0; PIECE]);
    while let count @ 1.. = reader.read(&mut heard)? {
        ensure!(heard.iter().take(count).all(|byte| *byte == 0x5a), "others came");
        all += count;
    }
    ensure!((written..written + PIECE).contains(&all), "{written} bytes were written, {all} came");
    drop((writer, reader, listener));
    settle(kernel)
}

/// Each of many connections hears its own number, however they take turns.
fn many<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let listener = Open::listener(kernel)?;
    let mut pairs = heapless::Vec::<_, MANY>::new();
    for number in 0..MANY {
        let client = connect(kernel, PATIENCE)?;
        client.write(&number.to_le_bytes())?;
        let server = Stream::accept(kernel, listener.1, PATIENCE);
        let server = server.ok_or_else(|| Failure::new(format_args!("{number} did not come")))?;
        ensure!(pairs.push((client, server)).is_ok());
    }
    let mut seen = [false; MANY];
    for (client, server) in &pairs {
        let mut word = [0; size_of::<usize>()];
        let mut have = 0;
        while have < word.len() {
            let count = server.read(word.get_mut(have..).unwrap_or_default())?;
            ensure!(count > 0, "it ended after {have} bytes");
            have += count;
        }
        server.write(&word)?;
        if let Some(seen) = seen.get_mut(usize::from_le_bytes(word)) {
            ensure!(!*seen, "{word:?} came twice");
            *seen = true;
        }
        let _ = client;
    }
    for (number, (client, _)) in pairs.iter().enumerate() {
        let mut word = [0; size_of::<usize>()];
        let count = client.read(&mut word)?;
        ensure!(count == word.len() && usize::from_le_bytes(word) == number, "{number} heard {word:?}");
    }
    drop((pairs, listener));
    settle(kernel)
}

/// Each eighth packet is lost, of those that say so as well.
fn lossy<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const PIECES: u64 = 32;
    let lost = &kernel.faults.lost;
    let all = AtomicU64::new(0);
    let serve = |stream: Stream<'_, P>| {
        let mut heard = [0; PIECE];
        while let Ok(count @ 1..) = stream.read(&mut heard) {
            all.fetch_add(count as u64, Relaxed);
        }
    };
    served(kernel, serve, || {
        let stream = connect(kernel, PATIENCE)?;
        NonZeroUsize::new(8).into_iter().for_each(|eight| lost.each(eight));
        let said = (0..PIECES).try_for_each(|_| stream.write(&[0x5a; PIECE]));
        let done = said.and_then(|()| stream.finish()).and_then(|()| stream.read(&mut [0; 8]));
        lost.off();
        ensure!(done == Ok(0), "{done:?}");
        Ok(())
    })?;
    let all = all.into_inner();
    ensure!(all == PIECES * PIECE as u64, "{all} bytes came");
    Ok(())
}

/// Whoever keeps the number of a socket that was closed has nothing, also when its place is another's.
fn closed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let net = net(kernel)?;
    let first = Open::datagrams(kernel, PORT)?;
    let stale = first.1;
    drop(first);
    let second = Open::datagrams(kernel, PORT)?;
    ensure!(second.1 != stale, "{stale:?} was given again");
    let sent = net.with(kernel, |state| state.stack.udp_send(stale, Some(here(PORT)), b"?"));
    ensure!(sent == Err(SendError::BadSocket), "{sent:?}");
    let heard = net.with(kernel, |state| state.stack.udp_receive(stale, |_, _| ()));
    ensure!(heard == Err(ReceiveError::BadSocket), "{heard:?}");
    Ok(())
}

fn bytes_of(byte: u8, count: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(count).map_err(|_| Failure::new(format_args!("no memory for {count} bytes")))?;
    bytes.resize(count, byte);
    Ok(bytes)
}

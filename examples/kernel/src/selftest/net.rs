//! Tests of the network: over this host itself, and over the card if there is one.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_net::StreamError;
use kos_net::tcp::TcpFailure;

use super::patience::insist;
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::net::stream::Stream;
use crate::net::{Net, State};
use crate::platform::Platform;
use crate::threads::{How, Member};
use crate::time::{Duration, after};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PORT: u16 = 9000;
/// Bytes that go there and back: more than the rings hold.
const BYTES: u64 = 1 << 20;
const PIECE: usize = 4096;
const STACK: usize = 64 << 10;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "net::pings_of_each_size_come_back", run: ping },
        Test { name: "net::datagrams_come_whole", run: datagrams },
        Test { name: "net::a_stream_comes_as_it_was_sent", run: stream },
        Test { name: "net::nobody_listens", run: refused },
        Test { name: "net::who_waits_for_a_closed_listener_is_told", run: closed },
        Test { name: "net::names_without_servers_have_no_answer", run: names },
        Test { name: "net::stack_is_sound", run: sound },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

fn net<P: Platform>(kernel: &Kernel<P>) -> Result<&Net<P>, Failure> {
    kernel.net().ok_or_else(|| Failure::skip(format_args!("no network")))
}

const OURS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The byte at `place` of a stream.
fn byte(place: u64) -> u8 {
    (place % 251).to_le_bytes()[0]
}

fn ping<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let net = net(kernel)?;
    let data = [0x5a; PIECE];
    for address in OURS {
        let socket = net.with(kernel, |state| state.stack.ping_open(address, &mut state.entropy))?;
        let mut done = Ok(());
        for size in [0, 1, 56, 1472, PIECE] {
            done =
                done.and_then(|()| one_ping(kernel, socket, address, data.get(..size).unwrap_or_default()));
        }
        net.with(kernel, |state| state.stack.close(socket));
        done?;
    }
    Ok(())
}

fn one_ping<P: Platform>(
    kernel: &Kernel<P>,
    socket: kos_net::SocketId,
    to: IpAddr,
    data: &[u8],
) -> Result<(), Failure> {
    let ask = |state: &mut State<P>| Ok(state.stack.ping_send(socket, to, 1, data)?);
    let reply = insist(kernel, ask, |state| {
        // An answer to the last ping may come twice.
        while let Ok(own) = state.stack.ping_receive(socket, |from, bytes| from.remote == to && bytes == data)
        {
            if own {
                return Some(());
            }
        }
        None
    })?;
    ensure!(reply.is_some(), "{} bytes to {to}: no answer", data.len());
    Ok(())
}

fn datagrams<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let net = net(kernel)?;
    let place = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT);
    let bind = |state: &mut State<P>, port| {
        state.stack.udp_bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), &mut state.entropy)
    };
    let here = net.with(kernel, |state| bind(state, PORT))?;
    let there = net.with(kernel, |state| bind(state, 0));
    let result = there.map_err(Failure::from).and_then(|there| {
        let send = |state: &mut State<P>| Ok(state.stack.udp_send(there, Some(place), b"a datagram")?);
        let heard = insist(kernel, send, |state| {
            state.stack.udp_receive(here, |_, bytes| bytes == b"a datagram").ok()
        });
        net.with(kernel, |state| state.stack.close(there));
        let heard = heard?;
        ensure!(heard == Some(true), "heard: {heard:?}");
        Ok(())
    });
    net.with(kernel, |state| state.stack.close(here));
    result
}

/// Bytes go to a thread that sends them back, over connections of both families.
fn stream<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let net = net(kernel)?;
    let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT);
    let listener = net.with(kernel, |state| state.stack.tcp_listen(local, 4, &mut state.entropy))?;
    let (heard, wrong) = (AtomicU64::new(0), AtomicU64::new(0));
    let echo = || {
        while let Some(stream) = Stream::accept(kernel, listener, PATIENCE) {
            let mut piece = [0; PIECE];
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                let piece = piece.get(..count).unwrap_or_default();
                let start = heard.fetch_add(count as u64, Relaxed) % BYTES;
                let others = (start..).zip(piece).filter(|(place, have)| byte(*place) != **have).count();
                wrong.fetch_add(others as u64, Relaxed);
                if stream.write(b".").is_err() {
                    break;
                }
            }
        }
    };
    let result = kernel.with_team(&[Member::new(How::new("net-echo").stack(STACK), &echo)], |_| {
        let results = OURS.map(|address| send(kernel, SocketAddr::new(address, PORT)));
        // The other thread ends with its listener.
        net.with(kernel, |state| state.close(listener));
        results
    })?;
    for sent in result {
        sent?;
    }
    let (heard, wrong) = (heard.load(Relaxed), wrong.load(Relaxed));
    ensure!(heard == 2 * BYTES && wrong == 0, "{heard} bytes heard, {wrong} of them others");
    Ok(())
}

/// Sends all bytes, and waits until the other side has heard of them.
fn send<P: Platform>(kernel: &Kernel<P>, to: SocketAddr) -> Result<(), Failure> {
    let stream = Stream::connect(kernel, to, PATIENCE);
    let stream = stream.ok_or_else(|| Failure::new(format_args!("no network")))??;
    let (mut piece, mut dots, mut place) = ([0; PIECE], [0; 64], 0);
    while place < BYTES {
        for (place, to) in (place..).zip(&mut piece) {
            *to = byte(place);
        }
        stream.write(&piece)?;
        place += PIECE as u64;
    }
    stream.finish()?;
    while let 1.. = stream.read(&mut dots)? {}
    Ok(())
}

fn refused<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    net(kernel)?;
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT);
    let stream = Stream::connect(kernel, to, PATIENCE);
    let stream = stream.ok_or_else(|| Failure::new(format_args!("no network")))??;
    let read = stream.read(&mut [0; 8]);
    ensure!(read == Err(StreamError::Failed(TcpFailure::Refused)), "{read:?}");
    Ok(())
}

fn closed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let net = net(kernel)?;
    let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT);
    let listener = net.with(kernel, |state| state.stack.tcp_listen(local, 4, &mut state.entropy))?;
    let told = AtomicU64::new(0);
    let wait = || {
        if Stream::accept(kernel, listener, PATIENCE).is_none() && !kernel.is_told_to_end() {
            told.fetch_add(1, Relaxed);
        }
    };
    kernel.with_team(&[Member::new(How::new("net-wait").stack(STACK), &wait)], |_| {
        let _ = kernel.threads.sleep(Duration::from_millis(20));
        net.with(kernel, |state| state.close(listener));
        let until = after(kernel.platform().now(), PATIENCE);
        while told.load(Relaxed) == 0 && kernel.platform().now() < until {
            let _ = kernel.threads.sleep(Duration::from_millis(1));
        }
    })?;
    ensure!(told.load(Relaxed) == 1, "nobody was told");
    Ok(())
}

fn names<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let net = net(kernel)?;
    if net.with(kernel, |state| !state.name_servers().is_empty()) {
        return Err(Failure::skip(format_args!("there are name servers")));
    }
    let answer = net.look_up(kernel, "kos.test", kos_net::wire::dns::DnsType::A);
    ensure!(answer.is_err(), "{answer:?}");
    Ok(())
}

fn sound<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (checked, stats) = net(kernel)?.with(kernel, |state| (state.stack.check(), state.stack.stats()));
    checked.map_err(|what| Failure::new(format_args!("{what}")))?;
    ensure!(
        stats.frames_in == stats.accounted(),
        "{} came, {} accounted",
        stats.frames_in,
        stats.accounted()
    );
    Ok(())
}

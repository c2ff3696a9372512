//! Handles that own a socket: two tasks talk over a loopback device, asynchronously and blocking.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

use embedded_io_async::{Read as _, Write as _};
use kos_net::dev::Loopback;
use kos_net::sock::{HeapStorage, Shared};
use kos_net::testing::fakes::SeededEntropy;
use kos_net::time::{Duration, Instant};
use kos_net::wire::MacAddr;
use kos_net::{Budget, Config, NetDevice, Stack, StreamError};
use parking_lot::Mutex;

type Device = Loopback<Vec<u8>, 64>;
type Frame = <Device as NetDevice>::Frame;
type Host = Shared<parking_lot::RawMutex, Frame, HeapStorage<Frame>>;

const AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

struct Poller {
    device: Device,
    now: Instant,
    on: kos_net::link::InterfaceId,
}

impl Poller {
    fn poll(&mut self, host: &Host) {
        self.now += Duration::from_millis(1);
        host.with(|stack| stack.poll(self.now, self.on, &mut self.device, Budget::default()).unwrap());
    }
}

fn host() -> (Host, Poller, SeededEntropy) {
    let (mut entropy, device) = (SeededEntropy::new(1), Device::new(1500));
    let mut stack = Stack::new(Config::new(), HeapStorage::new(16, 4), &mut entropy).unwrap();
    let on = stack.add_interface(device.capabilities(), MacAddr([0; 6]), &mut entropy).unwrap();
    stack.add_address(on, AT.ip(), 8).unwrap();
    (Shared::new(stack), Poller { device, now: Instant::from_ticks(1), on }, entropy)
}

/// A waker that looks whether the lock is free.
struct Counter {
    host: &'static Host,
    woken: AtomicUsize,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        // It would wait for ever if the lock were held by the task that wakes.
        self.host.with(|stack| stack.sockets());
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn tasks_talk_and_are_woken_outside_of_the_lock() {
    let (host, mut poller, mut entropy) = host();
    let host: &'static Host = Box::leak(Box::new(host));
    let mut listener = host.tcp_listen(AT, 4, &mut entropy).unwrap();
    let server = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut room, mut all) = ([0; 1000], 0);
        loop {
            let count = stream.read(&mut room).await.unwrap();
            if count == 0 {
                return all;
            }
            all += count;
            stream.write_all(&room[..count]).await.unwrap();
        }
    };
    let mut stream = host.tcp_connect(AT, None, &mut entropy).unwrap();
    let client = async move {
        stream.connected().await.unwrap();
        let (mut back, mut seen) = ([0; 700], 0_usize);
        for round in 0..200_u8 {
            stream.write_all(&[round; 3000]).await.unwrap();
            let mut left = 3000;
            while left > 0 {
                let most = left.min(700);
                let count = stream.read(&mut back[..most]).await.unwrap();
                assert!(back[..count].iter().all(|&byte| byte == round), "round {round}");
                (left, seen) = (left - count, seen + count);
            }
        }
        stream.flush().await.unwrap();
        stream.shutdown().unwrap();
        seen
    };
    let counters = [(); 2].map(|()| Arc::new(Counter { host, woken: AtomicUsize::new(1) }));
    let (mut server, mut client) = (pin!(server), pin!(client));
    let (mut received, mut returned) = (None, None);
    for _ in 0..100_000 {
        // A task runs only if it was woken.
        if received.is_none() && counters[0].woken.swap(0, Ordering::Relaxed) > 0 {
            received = step(server.as_mut(), &counters[0]);
        }
        if returned.is_none() && counters[1].woken.swap(0, Ordering::Relaxed) > 0 {
            returned = step(client.as_mut(), &counters[1]);
        }
        if received.is_some() && returned.is_some() {
            break;
        }
        poller.poll(host);
    }
    assert_eq!((received, returned), (Some(600_000), Some(600_000)));
}

fn step<F: Future>(future: core::pin::Pin<&mut F>, counter: &Arc<Counter>) -> Option<F::Output> {
    let waker = Waker::from(Arc::clone(counter));
    match future.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn a_blocking_stream_polls_while_it_waits() {
    use embedded_io::{Read as _, ReadReady as _, Write as _, WriteReady as _};
    let (host, poller, mut entropy) = host();
    let poller = Mutex::new(poller);
    let mut listener = host.tcp_listen(AT, 4, &mut entropy).unwrap();
    let client = host.tcp_connect(AT, None, &mut entropy).unwrap();
    let mut client = client.blocking(|| poller.lock().poll(&host));
    client.connected().unwrap();
    poller.lock().poll(&host);
    let (mut server, _) = listener.try_accept().unwrap();
    client.write_all(b"ping").unwrap();
    client.flush().unwrap();
    assert!(server.read_ready().unwrap() && server.write_ready().unwrap());
    let mut server = server.blocking(|| poller.lock().poll(&host));
    let mut room = [0; 4];
    server.read_exact(&mut room).unwrap();
    assert_eq!(&room, b"ping");
    drop(server);
    assert_eq!(client.read(&mut room), Ok(0), "the end of the stream");
    drop((client, listener));
    let sockets = (0..70_000).find(|_| {
        poller.lock().poll(&host);
        host.with(|stack| stack.sockets()) == 0
    });
    assert!(sockets.is_some(), "dropped handles leave nothing behind");
}

#[test]
fn nobody_listens_at_that_port() {
    let (host, mut poller, mut entropy) = host();
    let mut stream = host.tcp_connect(AT, None, &mut entropy).unwrap();
    (0..10).for_each(|_| poller.poll(&host));
    let mut connected = pin!(stream.connected());
    let answer = connected.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error @ StreamError::Failed(_))) = answer else { panic!("{answer:?}") };
    assert_eq!(embedded_io::Error::kind(&error), embedded_io::ErrorKind::ConnectionRefused);
}

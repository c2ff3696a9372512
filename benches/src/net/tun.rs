//! How fast does a stack talk to Linux? Over a TUN device in a network namespace that goes with the thread that made it.
//!
//! Both sides run on this machine: the kernel's stack with its own thread, ours or smoltcp's with another, and each packet is a system
//! call. With the header of virtio-net ours leaves cutting and sums to the kernel; smoltcp has no such thing.

use core::time::Duration;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{IntegerSetter, Setter, ioctl};

use super::host::{Control, Host, Port};
use super::kos::Kos;
use super::smol::Smol;
use crate::harness::report::{self, Style};

pub(crate) const NAME: &str = "net-tun";

const STACK: [u8; 4] = [10, 0, 0, 1];
const LINUX: [u8; 4] = [10, 0, 0, 2];
const PORT: u16 = 5001;
const BUFFER: usize = 1 << 20;
/// Bytes of one transfer.
const BYTES: usize = 512 << 20;
const ROUNDS: usize = 5;

const TUNSETIFF: u32 = 0x4004_54ca;
const TUNSETOFFLOAD: u32 = 0x4004_54d0;
const IFF_TUN: i16 = 1;
const IFF_NO_PI: i16 = 0x1000;
const IFF_VNET_HDR: i16 = 0x4000;
/// Sums, and segments of TCP over IPv4.
const TUN_F_CSUM_TSO4: usize = 3;

/// `struct ifreq` as far as this request uses it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Opens a new TUN device in the namespace of this thread.
fn open(vnet: bool) -> io::Result<File> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).write(true).custom_flags(nonblocking).open("/dev/net/tun")?;
    let name = *b"tun0\0\0\0\0\0\0\0\0\0\0\0\0";
    let flags = IFF_TUN | IFF_NO_PI | if vnet { IFF_VNET_HDR } else { 0 };
    // SAFETY: TUNSETIFF reads a `struct ifreq`, which this is.
    let request = unsafe { Setter::<TUNSETIFF, Request>::new(Request { name, flags, rest: [0; 22] }) };
    // SAFETY: the request is as above, and the descriptor is open.
    unsafe { ioctl(&file, request) }?;
    if vnet {
        // SAFETY: TUNSETOFFLOAD takes a number.
        let request = unsafe { IntegerSetter::<TUNSETOFFLOAD>::new_usize(TUN_F_CSUM_TSO4) };
        // SAFETY: the request is as above, and the descriptor is open.
        unsafe { ioctl(&file, request) }?;
    }
    Ok(file)
}

fn ip(arguments: &str) -> io::Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("ip {arguments}: {status}"))) }
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToLinux,
    FromLinux,
}

/// What Linux does: takes all, or gives `BYTES`; how long that took.
fn peer(way: Way, listener: &TcpListener) -> io::Result<Duration> {
    let mut bytes = vec![0; 1 << 16];
    let (mut stream, start) = match way {
        Way::ToLinux => (listener.accept()?.0, Instant::now()),
        Way::FromLinux => (TcpStream::connect((core::net::Ipv4Addr::from(STACK), PORT))?, Instant::now()),
    };
    let mut left = BYTES;
    while left > 0 {
        let count = match way {
            Way::ToLinux => stream.read(&mut bytes)?,
            Way::FromLinux => stream.write(&bytes)?,
        };
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(count);
    }
    Ok(start.elapsed())
}

/// Moves frames between the device and the host until the other thread is done.
fn serve<H: Host>(mut host: H, way: Way, mut file: &File, done: impl Fn() -> bool) -> io::Result<()> {
    let begin = Instant::now();
    let now = || u64::try_from(begin.elapsed().as_nanos()).unwrap_or(0) + 1_000_000_000;
    let mut flow = (way == Way::ToLinux).then(|| host.connect(LINUX, PORT, 40_000));
    if flow.is_none() {
        host.listen(PORT, 1);
    }
    let mut room = vec![0; 10 + 65_536];
    while !done() {
        for _ in 0..64 {
            match file.read(&mut room) {
                Ok(count) => host.port().inbox.push_back(room.iter().take(count).copied().collect()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        host.poll(now());
        flow = flow.or_else(|| host.accept());
        if let Some(flow) = flow.filter(|&flow| host.is_open(flow)) {
            match way {
                Way::ToLinux => host.write(flow, usize::MAX),
                Way::FromLinux => host.read(flow),
            };
        }
        host.poll(now());
        while let Some(frame) = host.port().outbox.pop_front() {
            file.write_all(&frame)?;
        }
        if host.port().inbox.is_empty() {
            let wait = host.poll_at(now()).map_or(1_000_000, |at| at.saturating_sub(now()).min(1_000_000));
            let wait = Timespec { tv_sec: 0, tv_nsec: i64::try_from(wait).unwrap_or(0) };
            poll(&mut [PollFd::new(&file.as_fd(), PollFlags::IN)], Some(&wait))?;
        }
    }
    Ok(())
}

/// Megabytes a second of one transfer, in a namespace of its own.
fn transfer<H: Host + 'static>(way: Way, vnet: bool) -> io::Result<f64> {
    let run = move || {
        // SAFETY: this thread was made for it, and shares nothing that a network namespace holds.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }?;
        let file = open(vnet)?;
        ip("addr add 10.0.0.2/24 dev tun0")?;
        ip("link set tun0 up")?;
        let listener = TcpListener::bind((core::net::Ipv4Addr::from(LINUX), PORT))?;
        let other = thread::spawn(move || peer(way, &listener));
        let port = Port { vnet, ..Port::new(1500) };
        serve(H::new(STACK, port, BUFFER, Control::Cubic), way, &file, || other.is_finished())?;
        let took = other.join().unwrap_or_else(|_| Err(io::Error::other("the other side panicked")))?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let rate = BYTES as f64 / took.as_secs_f64() / 1e6;
        Ok::<_, io::Error>(rate)
    };
    thread::spawn(run).join().unwrap_or_else(|_| Err(io::Error::other("the stack panicked")))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn print(out: &mut dyn Write, style: Style, only: &str) -> io::Result<()> {
    if !NAME.contains(only) {
        return Ok(());
    }
    let what = format!(
        "{} MiB between a stack and Linux over a TUN device with an MTU of 1500, in a namespace of their own; megabytes a second, median \
         of {ROUNDS} interleaved rounds. Needs root and /dev/net/tun.",
        BYTES >> 20
    );
    report::print_heading(out, style, NAME, &what)?;
    writeln!(out)?;
    if let Err(error) = transfer::<Smol>(Way::ToLinux, false) {
        return writeln!(out, "skipped: {error}");
    }
    let mut rows = Vec::new();
    for (way, name) in [(Way::ToLinux, "to Linux"), (Way::FromLinux, "from Linux")] {
        let (mut large, mut small, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            large.push(transfer::<Kos>(way, true)?);
            small.push(transfer::<Kos>(way, false)?);
            theirs.push(transfer::<Smol>(way, false)?);
        }
        let theirs = median(theirs);
        for (subject, rate) in [
            ("kos-net, virtio-net header", median(large)),
            ("kos-net, a packet a call", median(small)),
            ("smoltcp 0.14.0, a packet a call", theirs),
        ] {
            let ratio = format!("{:.2}", rate / theirs);
            rows.push([subject.to_owned(), name.to_owned(), format!("{rate:.0}"), ratio, String::new()]);
        }
    }
    report::print_table(out, style, ["subject", "way", "MB/s", "ratio to smoltcp", ""], &rows)
}

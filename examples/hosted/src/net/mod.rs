//! `cargo hosted net`: a stack of kos-net as a host of its own behind a TAP device, with the small services of old and a server of
//! files. One thread: it sleeps in poll(2) until a frame comes or the stack has something to do.

mod apps;
mod files;
mod iperf;
mod lease;
mod pcap;
mod tap;
mod tun;

use alloc::fmt;
use alloc::sync::Arc;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::str::FromStr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, Write as _};
use std::path::PathBuf;

use kos_net::dev::HeapFrame;
use kos_net::link::InterfaceId;
use kos_net::sock::HeapStorage;
use kos_net::time::Instant;
use kos_net::wire::MacAddr;
use kos_net::{Budget, Config, Entropy, EntropyError, Stack};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use apps::{Apps, Service};
use lease::Leasing;
use pcap::Pcap;
use tap::Tap;

use crate::rough::{Rough, Roughness};

pub(crate) type HostStack = Stack<HeapFrame, HeapStorage<HeapFrame>>;

/// Locally administered, and the same each time.
const MAC: MacAddr = MacAddr([0x02, b'k', b'o', b's', 0, 1]);
const SOCKETS: u32 = 4096;
const NEIGHBOURS: usize = 256;

/// A host behind a TAP device.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The TAP device; it is made if it is not there.
    #[arg(long, value_name = "NAME")]
    tap: String,
    /// An address, with the length of its network's prefix; may be given for each family.
    #[arg(long, value_name = "A/P")]
    ip: Vec<Prefix>,
    /// Where packets for other networks go.
    #[arg(long, value_name = "A")]
    gateway: Vec<IpAddr>,
    /// Lease the address.
    #[arg(long)]
    dhcp: bool,
    /// Ask for this name when there is a lease, and print the addresses.
    #[arg(long, value_name = "NAME", requires = "dhcp")]
    resolve: Option<String>,
    /// Serve the files of this folder on port 80.
    #[arg(long, value_name = "DIR")]
    http: Option<PathBuf>,
    /// Send back what comes, on port 7.
    #[arg(long)]
    echo: bool,
    /// Throw away what comes, on port 9.
    #[arg(long)]
    discard: bool,
    /// Send characters as fast as they are taken, on port 19.
    #[arg(long)]
    chargen: bool,
    /// Serve iperf3, one stream at a time, on port 5201.
    #[arg(long)]
    iperf3: bool,
    /// Leave sums, and the cutting of large segments, to the host's kernel, and take what it left uncut. Not together with --corrupt:
    /// sums would be worked out behind the damage.
    #[arg(long, conflicts_with = "corrupt")]
    gso: bool,
    /// Write all frames to this file.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    #[command(flatten)]
    rough: Roughness,
    /// Chooses which: the same frames for the same seed.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "A rough link")]
    seed: u64,
}

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').ok_or("an address is written as 192.0.2.1/24")?;
        let address: IpAddr = address.parse().map_err(|_| format!("{address} is no address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|&bits| bits <= most).ok_or(format!("{bits} is no prefix"))?;
        Ok(Self { address, bits })
    }
}

/// Random bytes of the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostEntropy;

impl Entropy for HostEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        let filled = rustix::rand::getrandom(&mut *out, rustix::rand::GetRandomFlags::empty());
        if filled == Ok(out.len()) { Ok(()) } else { Err(EntropyError) }
    }
}

fn now() -> Instant {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, rest) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    Instant::from_ticks(seconds * 1_000_000_000 + rest)
}

/// Runs until a signal comes; the exit status: 1 if it failed, 2 if who started it may not have the device.
#[must_use]
pub fn run(arguments: &Arguments) -> u8 {
    let name = &arguments.tap;
    match Host::new(arguments) {
        Ok(mut host) => host.run().map_or_else(|error| failed(name, &error), |()| 0),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let _failed = failed(name, &error);
            eprintln!("root makes one that is yours, and lets you open it:");
            eprintln!("    sudo ip tuntap add dev {name} mode tap user \"$USER\" vnet_hdr");
            eprintln!("    sudo ip link set {name} up");
            eprintln!("    sudo chmod a+rw /dev/net/tun");
            2
        }
        Err(error) => failed(name, &error),
    }
}

fn failed(name: &str, error: &io::Error) -> u8 {
    eprintln!("{name}: {error}");
    1
}

struct Host {
    stack: HostStack,
    interface: InterfaceId,
    tap: Rough<Tap>,
    apps: Apps,
    leasing: Option<Leasing>,
    stop: Arc<AtomicBool>,
}

impl Host {
    fn new(arguments: &Arguments) -> io::Result<Self> {
        let pcap = arguments.pcap.as_deref().map(Pcap::create).transpose()?;
        let tap = Tap::open(&arguments.tap, arguments.gso, pcap)?;
        let tap = Rough::new(tap, [arguments.rough; 2], arguments.seed, now as fn() -> Instant);
        let mut entropy = HostEntropy;
        let storage = HeapStorage::new(SOCKETS, NEIGHBOURS);
        let mut stack = Stack::new(Config::new(), storage, &mut entropy).map_err(io::Error::other)?;
        let capabilities = *kos_net::NetDevice::capabilities(&tap);
        let interface = stack.add_interface(&capabilities, MAC, &mut entropy).map_err(io::Error::other)?;
        for prefix in &arguments.ip {
            stack.add_address(interface, prefix.address, prefix.bits).map_err(io::Error::other)?;
        }
        for &gateway in &arguments.gateway {
            stack.set_gateway(interface, gateway).map_err(io::Error::other)?;
        }
        let services = [
            (arguments.echo, 7, Service::Echo),
            (arguments.discard, 9, Service::Discard),
            (arguments.chargen, 19, Service::Chargen),
            (arguments.iperf3, iperf::PORT, Service::Iperf),
        ];
        let mut apps = Apps::new(arguments.http.clone());
        for (_, port, service) in services.into_iter().filter(|(wanted, ..)| *wanted) {
            apps.listen(&mut stack, any(port), service)?;
        }
        if arguments.http.is_some() {
            apps.listen(&mut stack, any(80), Service::Http)?;
        }
        let resolve = arguments.resolve.clone();
        let leasing = arguments.dhcp.then(|| Leasing::new(now(), MAC, resolve, &mut stack)).transpose()?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        say(format_args!("{} is up", arguments.tap));
        Ok(Self { stack, interface, tap, apps, leasing, stop })
    }

    fn run(&mut self) -> io::Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            let progress = self.stack.poll(now(), self.interface, &mut self.tap, Budget::default())?;
            let worked = self.apps.run(&mut self.stack, now());
            let mut due = self.stack.poll_at().into_iter().chain(self.tap.due()).min();
            if let Some(leasing) = &mut self.leasing {
                leasing.run(now(), &mut self.stack, self.interface)?;
                due = due.into_iter().chain(leasing.poll_at(now())).min();
            }
            if !progress.more && !worked {
                self.sleep(due.into_iter().chain(self.apps.poll_at()).min())?;
            }
        }
        if let Some(leasing) = &mut self.leasing {
            leasing.release(now(), &mut self.stack)?;
            self.stack.poll(now(), self.interface, &mut self.tap, Budget::default())?;
        }
        say(format_args!("{:?}", self.stack.stats()));
        let [came, went] = self.tap.befell();
        say(format_args!("frames that came: {came:?}; that went: {went:?}"));
        self.tap.device.flush()
    }

    /// Until a frame comes, or `due`.
    fn sleep(&self, due: Option<Instant>) -> io::Result<()> {
        let ns = due.map(|due| due.as_ticks().saturating_sub(now().as_ticks()));
        let timeout = ns.and_then(|ns| {
            let tv_nsec = i64::try_from(ns % 1_000_000_000).ok()?;
            Some(Timespec { tv_sec: i64::try_from(ns / 1_000_000_000).ok()?, tv_nsec })
        });
        let mut waited = [PollFd::new(&self.tap.device, PollFlags::IN)];
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// All our addresses, of both families.
fn any(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)
}

/// Prints a line; whoever reads it may be gone.
fn say(text: fmt::Arguments<'_>) {
    let _gone = writeln!(io::stdout(), "{text}");
}

//! `/dev` and `/proc`: devices that every system has, and files that say what commands say.
//!
//! Their values live as long as the [`Vfs`](kos_vfs::Vfs), which cannot borrow the kernel; they look it up when they are used.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_vfs::fs::FileSystem;
use kos_vfs::fs::devfs::{Devfs, DeviceNode, Devices, Entropy, Present, RegisterError};
use kos_vfs::fs::procfs::{Body, Content, Fixed, Procfs, SyntheticFile};
use kos_vfs::fs::tmpfs::TmpfsConfig;
use kos_vfs::{Errno, Mode, NameError, OpenFlags, SpecialFile, Timestamp};

use super::disks;
use super::frame::{self, FrameFile};
use super::hvc::Hvc;
use super::hwrng::Hwrng;
use super::kmsg::Kmsg;
use super::processes::Processes;
use super::root::Part;
use crate::cmds::{self, Run};
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// The devices of the kernel, by number.
pub(super) type KernelDevices<P> = Devices<FilesEnv<P>>;

/// Devices that not every machine has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extras {
    /// One that makes random numbers.
    pub(super) hwrng: bool,
    /// A line to the host.
    pub(super) hvc: bool,
    /// A screen of pixels.
    pub(super) pixels: bool,
}

/// `/dev`: null, zero, full, random, urandom, console, kmsg, those that a machine may have, and those parts of the disk.
pub(super) fn dev<P: Platform>(
    devices: Arc<KernelDevices<P>>,
    secret: u64,
    now: Timestamp,
    extras: Extras,
    disk: &[Part<P>],
) -> Result<Arc<dyn FileSystem>, RegisterError> {
    let config = TmpfsConfig { now, ..Devfs::<FilesEnv<P>>::CONFIG };
    let fs = Devfs::new(devices, &config).map_err(RegisterError::Node)?;
    let dice = Dice { state: Arc::new(AtomicU64::new(secret)), machine: PhantomData::<fn() -> P> };
    fs.register_standard(dice, ConsoleFile(PhantomData::<fn() -> P>), now)?;
    let kmsg = DeviceNode::character(b"kmsg", 1, 11, Mode::of(0o644));
    fs.register(&kmsg, Arc::new(Kmsg::<P>::new()), now)?;
    if extras.hwrng {
        let hwrng = DeviceNode::character(b"hwrng", 10, 183, Mode::of(0o600));
        fs.register(&hwrng, Arc::new(Present::new(Hwrng::<P>::new())), now)?;
    }
    if extras.hvc {
        let line = DeviceNode::character(b"hvc0", 229, 0, Mode::of(0o600));
        fs.register(&line, Arc::new(Present::new(Hvc::<P>::new())), now)?;
    }
    if extras.pixels {
        let node = DeviceNode::character(b"fb0", frame::MAJOR, 0, Mode::of(0o600));
        fs.register(&node, Arc::new(Present::new(FrameFile::<P>::new())), now)?;
    }
    for part in disk {
        let (name, file) = (part.name(), part.file().map_err(RegisterError::Node)?);
        let node = DeviceNode::block(name.as_str().as_bytes(), disks::MAJOR, part.number);
        fs.register(&node, Arc::new(Present::new(file)), now)?;
    }
    Ok(Arc::new(fs))
}

/// `/proc`: files that say what the commands of these names say, and a directory for each process.
pub(super) fn proc<P: Platform>(now: Timestamp) -> Result<Arc<dyn FileSystem>, NameError> {
    let mut root = said::<P>(FILES)?;
    root = root.with("net", Mode::of(0o555), Body::Dir(Arc::new(said::<P>(NET_FILES)?)))?;
    root = root.and(Arc::new(Processes(PhantomData::<fn() -> P>)));
    Ok(Arc::new(Procfs::<FilesEnv<P>>::new(Arc::new(root), now)))
}

/// Files, and the commands that say what is in them.
const FILES: &[(&str, &[&str])] = &[
    ("cache", &["cachestat"]),
    ("cpuinfo", &["lscpu"]),
    ("interrupts", &["irq"]),
    ("kmsg", &["dmesg"]),
    ("meminfo", &["free"]),
    ("memory", &["memstat", "-p"]),
    ("metrics", &["metrics"]),
    ("pci", &["lspci"]),
    ("pressure", &["pressure"]),
    ("slabinfo", &["slabtop"]),
    ("threads", &["ps"]),
    ("uptime", &["uptime"]),
];
/// Those in `/proc/net`.
const NET_FILES: &[(&str, &[&str])] = &[
    ("arp", &["arp"]),
    ("dev", &["ifconfig"]),
    ("firewall", &["firewall"]),
    ("names", &["nameserver"]),
    ("route", &["route"]),
    ("stat", &["netstat"]),
    ("tcp", &["netstat", "tcp"]),
    ("udp", &["netstat", "udp"]),
];

fn said<P: Platform>(files: &'static [(&'static str, &'static [&'static str])]) -> Result<Fixed, NameError> {
    files.iter().try_fold(Fixed::new(), |dir, &(name, words)| {
        let file = Said { words, machine: PhantomData::<fn() -> P> };
        dir.with(name, Mode::of(0o444), Body::File(Arc::new(file)))
    })
}

/// Numbers that nobody can tell beforehand who does not know the machine's secret; not for keys of people's.
struct Dice<P> {
    state: Arc<AtomicU64>,
    machine: PhantomData<fn() -> P>,
}

impl<P> Clone for Dice<P> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), machine: PhantomData }
    }
}

impl<P> fmt::Debug for Dice<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice")
    }
}

impl<P: Platform> Entropy for Dice<P> {
    fn fill(&self, out: &mut [u8], _: OpenFlags) -> Result<(), Errno> {
        for word in out.chunks_mut(8) {
            let cycles = P::with_kernel(|kernel| kernel.platform().cycles()).unwrap_or(0);
            let bytes = mix(self.state.fetch_add(GOLDEN, Relaxed) ^ cycles.rotate_left(32)).to_le_bytes();
            word.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }

    fn mix(&self, bytes: &[u8]) {
        for &byte in bytes {
            self.state.fetch_add(mix(u64::from(byte) ^ self.state.load(Relaxed)), Relaxed);
        }
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
const fn mix(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// `/dev/console`: what is written shows on the log console. Nothing is read: the shell does that.
struct ConsoleFile<P>(PhantomData<fn() -> P>);

impl<P> fmt::Debug for ConsoleFile<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsoleFile")
    }
}

impl<P: Platform> SpecialFile for ConsoleFile<P> {
    fn read(&self, _: u64, _: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        Err(Errno::EAGAIN)
    }

    fn write(&self, _: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        P::with_kernel(|kernel| kernel.platform().write_log(bytes)).ok_or(Errno::EIO)?;
        Ok(bytes.len())
    }
}

/// A file that says what a command says.
struct Said<P> {
    /// The command and its arguments.
    words: &'static [&'static str],
    machine: PhantomData<fn() -> P>,
}

impl<P> fmt::Debug for Said<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words).finish()
    }
}

impl<P: Platform> SyntheticFile for Said<P> {
    fn generate(&self, out: &mut Content) -> fmt::Result {
        let found = self.words.split_first();
        let found = found.and_then(|(name, arguments)| Some((&cmds::find::<P>(name)?.run, arguments)));
        let Some((Run::Kernel(run), arguments)) = found else { return Err(out.fail(Errno::ENODEV)) };
        let said = P::with_kernel(|kernel| run(kernel, arguments, out).is_ok());
        if said == Some(true) { Ok(()) } else { Err(out.fail(Errno::EIO)) }
    }
}

//! The machine that QEMU is asked to be, and its command line. Pure: nothing is started here.

use core::fmt;
use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

/// A board that QEMU knows and the kernel boots on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Board {
    /// Intel Q35: PCI Express, the default.
    #[default]
    Q35,
    /// Intel 440FX: the classic PC.
    Pc,
    /// No PCI, no ACPI, hardly any firmware.
    Microvm,
}

impl Board {
    fn argument(self) -> &'static str {
        match self {
            Self::Q35 => "q35",
            Self::Pc => "pc",
            // QEMU would append words for devices that are not there to the kernel command line.
            Self::Microvm => "microvm,auto-kernel-cmdline=off",
        }
    }
}

/// Bytes of which memory of a node is a multiple.
const GRAIN: u64 = 64 << 10;

/// How QEMU executes the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Accel {
    /// Emulation: runs everywhere, the default.
    #[default]
    Tcg,
    /// Hardware virtualisation by Linux.
    Kvm,
}

impl Accel {
    fn argument(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }
}

/// The guest's screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Screen {
    /// There is none, the default: firmware takes its time for one.
    #[default]
    Off,
    /// There is one, and nobody sees it.
    Hidden,
    /// It is a window of QEMU; what is typed there reaches the kernel.
    Window,
}

/// A memory size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// Bytes, a multiple of 64 KiB.
    bytes: u64,
}

impl Memory {
    const KIB: u64 = 1 << 10;

    /// So many MiB; `None` for 0 and where bytes would not fit 64 bits.
    #[must_use]
    pub fn mib(count: u64) -> Option<Self> {
        Self::kib(count.checked_mul(1024)?)
    }

    /// So many KiB; `None` for 0, where bytes would not fit 64 bits, and for what is no multiple of 64.
    #[must_use]
    pub fn kib(count: u64) -> Option<Self> {
        let bytes = count.checked_mul(Self::KIB).filter(|&bytes| bytes > 0 && count.is_multiple_of(64))?;
        Some(Self { bytes })
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.bytes
    }
}

impl core::str::FromStr for Memory {
    type Err = &'static str;

    /// Reads `64M`, `4G` or `2304K`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or_default();
        let factor: u64 = match unit {
            "K" | "k" => 1,
            "M" | "m" => 1 << 10,
            "G" | "g" => 1 << 20,
            _ => return Err("a size is a number with K, M or G, as in 64M"),
        };
        let count: u64 = number.parse().map_err(|_| "a size is a whole number with K, M or G, as in 64M")?;
        count.checked_mul(factor).and_then(Self::kib).ok_or("a size is a multiple of 64K and fits 64 bits")
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = self.bytes / Self::KIB;
        if kib.is_multiple_of(1024) { write!(f, "{}M", kib / 1024) } else { write!(f, "{kib}K") }
    }
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The board.
    pub board: Board,
    /// Its memory.
    pub memory: Memory,
    /// Its processors.
    pub cpus: u32,
    /// The nodes that its firmware tells apart, if the board's can; 1 is none.
    pub nodes: u32,
    /// QEMU's name of the processor model, with features if any.
    pub cpu: String,
    /// How it is executed.
    pub accel: Accel,
    /// Its screen, if the board can have one.
    pub screen: Screen,
    /// Whether a reset starts it again. Otherwise a reset, as after a triple fault, ends QEMU.
    pub reboots: bool,
    /// Whether its clock counts instructions, one a nanosecond: what happens is the same in each run. Emulation only.
    pub counts_instructions: bool,
    /// A file that is its disk.
    pub disk: Option<PathBuf>,
    /// Its network card, if the board can have one.
    pub net: Option<Net>,
    /// Whether it has a device of random numbers, if the board can have one.
    pub dice: bool,
    /// A Unix socket at which QEMU listens for who talks to the guest's `/dev/hvc0`, if the board can have one.
    pub line: Option<PathBuf>,
    /// A file that gets all frames of the card.
    pub pcap: Option<PathBuf>,
    /// What lies between the disk and its file.
    pub between: Between,
    /// The port of 127.0.0.1 at which it waits for a debugger before its first instruction.
    pub debugger: Option<u16>,
}

/// What lies between a disk and its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Between {
    /// Nothing but QEMU's cache.
    #[default]
    Nothing,
    /// A file that is there and gets each request that changes the disk, in the format of Linux's dm-log-writes.
    Log(PathBuf),
    /// A file with rules of which request fails.
    Faults(PathBuf),
}

/// What a network card is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// A network of QEMU's own: it leases addresses, answers names, and lets the guest call the host.
    User {
        /// The port of the host's 127.0.0.1 that leads to the guest's port 80.
        forward: Option<u16>,
    },
    /// A cable to another machine: a socket that QEMU inherits, with this number at the card's address.
    Cable {
        /// The socket; datagrams are frames.
        fd: RawFd,
        /// The last byte of the card's address.
        number: u8,
    },
}

impl Net {
    /// QEMU's words for network and card.
    fn arguments(self) -> [String; 4] {
        let (network, card) = match self {
            Self::User { forward } => {
                let forward = forward.map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:80"));
                (format!("user,id=net{}", forward.unwrap_or_default()), String::new())
            }
            Self::Cable { fd, number } => {
                (format!("socket,id=net,fd={fd}"), format!(",mac=52:54:00:6b:6f:{number:02x}"))
            }
        };
        // The card's program for booting takes firmware its time.
        ["-netdev".into(), network, "-device".into(), format!("virtio-net-pci,netdev=net,romfile={card}")]
    }
}

/// The sockets that QEMU inherits, by number.
#[derive(Clone, Copy, Debug)]
pub struct Wires {
    /// COM1: log, shell, test report.
    pub com1: RawFd,
    /// COM2: records.
    pub com2: RawFd,
    /// QEMU's monitor.
    pub monitor: RawFd,
}

impl Machine {
    /// Whether it has a screen: it is asked for, and the board can have one.
    #[must_use]
    pub fn has_screen(&self) -> bool {
        self.screen != Screen::Off && self.board != Board::Microvm
    }

    /// QEMU's arguments to boot `kernel` with its command line and boot module.
    #[must_use]
    pub fn arguments(&self, kernel: &Path, command_line: &str, module: &Path, wires: Wires) -> Vec<OsString> {
        let mut all: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| all.extend(words.iter().map(OsString::from));
        add(&["-nodefaults", "-no-user-config"]);
        if self.screen != Screen::Window {
            add(&["-display", "none"]);
        }
        if self.has_screen() {
            add(&["-device", "VGA"]);
        }
        if !self.reboots {
            add(&["-no-reboot"]);
        }
        if self.counts_instructions {
            add(&["-icount", "shift=0,sleep=off"]);
        }
        let memory = if self.nodes > 1 { "" } else { ",memory-backend=memory" };
        add(&["-machine", &format!("{}{memory}", self.board.argument())]);
        add(&["-accel", self.accel.argument(), "-cpu", &self.cpu]);
        add(&["-m", &self.memory.to_string(), "-smp", &self.cpus.to_string()]);
        if self.nodes == 1 {
            // A guest of 64 GiB that uses little runs on a host of less.
            add(&["-object", &backend("memory", self.memory.bytes())]);
        } else if self.board != Board::Microvm {
            node_arguments(self.memory, self.cpus, self.nodes).iter().for_each(|word| add(&[word]));
        }
        add(&["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        for (name, fd) in [("com1", wires.com1), ("com2", wires.com2), ("monitor", wires.monitor)] {
            add(&["-chardev", &format!("socket,id={name},fd={fd}")]);
        }
        add(&["-mon", "chardev=monitor,mode=readline", "-serial", "chardev:com1"]);
        match self.board {
            // This board makes one serial port of its own only.
            Board::Microvm => add(&["-device", "isa-serial,chardev=com2,index=1,iobase=0x2f8,irq=3"]),
            Board::Q35 | Board::Pc => add(&["-serial", "chardev:com2"]),
        }
        if let Some(disk) = &self.disk {
            add(&disk_arguments(disk, &self.between).each_ref().map(String::as_str));
        }
        if let Some(net) = self.net.filter(|_| self.board != Board::Microvm) {
            add(&net.arguments().each_ref().map(String::as_str));
            if let Some(pcap) = &self.pcap {
                add(&["-object", &format!("filter-dump,id=dump,netdev=net,file={}", value(pcap))]);
            }
        }
        if self.dice && self.board != Board::Microvm {
            add(&["-device", "virtio-rng-pci"]);
        }
        if let Some(line) = self.line.as_ref().filter(|_| self.board != Board::Microvm) {
            add(&["-chardev", &format!("socket,id=line,path={},server=on,wait=off", value(line))]);
            add(&["-device", "virtio-serial-pci,max_ports=1", "-device", "virtconsole,chardev=line"]);
        }
        if let Some(port) = self.debugger {
            add(&["-gdb", &format!("tcp:127.0.0.1:{port}"), "-S"]);
        }
        add(&["-append", command_line, "-kernel"]);
        all.extend([kernel.as_os_str(), OsStr::new("-initrd"), module.as_os_str()].map(OsString::from));
        all
    }
}

/// QEMU's words for memory that takes the host's only where it is used.
fn backend(name: &str, bytes: u64) -> String {
    format!("memory-backend-ram,id={name},size={bytes},reserve=off")
}

/// QEMU's words for nodes of the same size, as far as that goes; processors in turn.
fn node_arguments(memory: Memory, cpus: u32, nodes: u32) -> Vec<String> {
    let mut words = Vec::new();
    let units = memory.bytes() / GRAIN;
    let (each, nodes_wide) = (units / u64::from(nodes), u64::from(nodes));
    for node in 0..nodes {
        let more = if node == 0 { units - each * nodes_wide } else { 0 };
        let bytes = (each + more) * GRAIN;
        words.push("-object".into());
        words.push(backend(&format!("node{node}"), bytes));
        words.push("-numa".into());
        let own = (node..cpus).step_by(nodes.try_into().unwrap_or(1));
        let own: String = own.map(|cpu| format!(",cpus={cpu}")).collect();
        words.push(format!("node,nodeid={node},memdev=node{node}{own}"));
    }
    words
}

/// QEMU's words for a disk: it has a cache, which the guest's flushes empty.
fn disk_arguments(disk: &Path, between: &Between) -> [String; 4] {
    let file = value(disk);
    let (kind, graph, more) = match between {
        Between::Nothing => {
            let drive = format!("if=none,id=disk,format=raw,cache=writeback,file={file}");
            ("-drive", drive, "")
        }
        // Flushes are written down; the host's own cache outlives QEMU, and need not be emptied.
        Between::Log(log) => {
            let graph = format!(
                "driver=blklogwrites,node-name=disk,file.driver=file,file.cache.no-flush=on,file.filename={file},\
                 log.driver=file,log.cache.no-flush=on,log.filename={}",
                value(log)
            );
            ("-blockdev", graph, ",write-cache=on")
        }
        // The node above tells the one that fails what is to come. Otherwise QEMU stops the machine when its file has no room.
        Between::Faults(rules) => {
            let graph = format!(
                "driver=raw,node-name=disk,file.driver=blkdebug,file.config={},file.image.driver=file,\
                 file.image.cache.no-flush=on,file.image.filename={file}",
                value(rules)
            );
            ("-blockdev", graph, ",write-cache=on,werror=report,rerror=report")
        }
    };
    [kind.into(), graph, "-device".into(), format!("virtio-blk-pci,drive=disk{more}")]
}

/// A path as a value: a comma ends one, twice it is one.
fn value(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!("64M".parse::<Memory>().map(Memory::bytes), Ok(64 << 20));
        assert_eq!("2304K".parse::<Memory>().map(|m| m.to_string()), Ok("2304K".into()));
        assert_eq!("4g".parse::<Memory>().map(|m| m.to_string()), Ok("4096M".into()));
        for bad in [
            "",
            "M",
            "64",
            "63K",
            "-1M",
            "1.5G",
            "0M",
            "18446744073709551615G",
            "17592186044416M",
            "６M",
            "M６",
        ] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
    }

    fn arguments(board: Board) -> String {
        let memory = Memory::mib(16).unwrap();
        let machine = Machine {
            board,
            memory,
            cpus: 2,
            nodes: 1,
            cpu: "max,-smep".into(),
            accel: Accel::Tcg,
            screen: Screen::default(),
            reboots: false,
            counts_instructions: false,
            disk: Some("/d,e".into()),
            net: Some(Net::User { forward: Some(8080) }),
            dice: true,
            line: Some("/l,s".into()),
            pcap: Some("/p".into()),
            between: Between::Nothing,
            debugger: Some(1234),
        };
        let wires = Wires { com1: 5, com2: 7, monitor: 9 };
        let all = machine.arguments(Path::new("/a b"), "mode=run exec=free; memstat", Path::new("/s"), wires);
        all.join(OsStr::new("|")).into_string().unwrap()
    }

    #[test]
    fn triple_fault_ends_qemu_and_tcg_is_explicit() {
        let all = arguments(Board::Q35);
        assert!(
            all.contains("|-no-reboot|")
                && all
                    .contains("|-machine|q35,memory-backend=memory|-accel|tcg|-cpu|max,-smep|-m|16M|-smp|2|"),
            "{all}"
        );
        assert!(all.ends_with("|-append|mode=run exec=free; memstat|-kernel|/a b|-initrd|/s"), "{all}");
        assert!(all.contains("|-serial|chardev:com1|-serial|chardev:com2|"), "{all}");
        assert!(all.contains("|-gdb|tcp:127.0.0.1:1234|-S|"), "{all}");
        assert!(all.contains(",cache=writeback,file=/d,,e|-device|virtio-blk-pci,drive=disk|"), "{all}");
    }

    #[test]
    fn a_log_lies_between_the_disk_and_its_file() {
        let [_, graph, _, device] = disk_arguments(Path::new("/d,e"), &Between::Log("/l".into()));
        assert!(graph.starts_with("driver=blklogwrites,node-name=disk,file.driver=file,"), "{graph}");
        assert!(graph.contains(",file.filename=/d,,e,") && graph.ends_with(",log.filename=/l"), "{graph}");
        assert!(device.ends_with(",write-cache=on"), "{device}");
    }

    #[test]
    fn a_disk_that_fails_tells_the_guest_and_does_not_stop_it() {
        let [_, graph, _, device] = disk_arguments(Path::new("/d,e"), &Between::Faults("/r".into()));
        assert!(graph.contains("file.driver=blkdebug,file.config=/r,file.image.driver=file,"), "{graph}");
        assert!(graph.ends_with(",file.image.filename=/d,,e"), "{graph}");
        assert!(device.ends_with(",werror=report,rerror=report"), "{device}");
    }

    #[test]
    fn a_screen_is_there_where_asked_for_and_possible() {
        let memory = Memory::mib(16).unwrap();
        let wires = Wires { com1: 5, com2: 7, monitor: 9 };
        let words = |board, screen| {
            let machine = Machine {
                board,
                memory,
                cpus: 1,
                nodes: 1,
                cpu: "max".into(),
                accel: Accel::Tcg,
                screen,
                reboots: false,
                counts_instructions: false,
                disk: None,
                net: None,
                dice: false,
                line: None,
                pcap: None,
                between: Between::Nothing,
                debugger: None,
            };
            let all = machine.arguments(Path::new("/k"), "", Path::new("/s"), wires).join(OsStr::new("|"));
            let all = all.into_string().unwrap();
            (all.contains("|-device|VGA|"), all.contains("|-display|none|"))
        };
        assert_eq!(words(Board::Q35, Screen::Off), (false, true));
        assert_eq!(words(Board::Pc, Screen::Hidden), (true, true));
        assert_eq!(words(Board::Q35, Screen::Window), (true, false));
        assert_eq!(words(Board::Microvm, Screen::Hidden), (false, true));
    }

    #[test]
    fn cards_are_there_where_they_have_a_slot() {
        let all = arguments(Board::Pc);
        let words =
            "|-netdev|user,id=net,hostfwd=tcp:127.0.0.1:8080-:80|-device|virtio-net-pci,netdev=net,romfile=|";
        assert!(all.contains(words), "{all}");
        assert!(all.contains("|-object|filter-dump,id=dump,netdev=net,file=/p|"), "{all}");
        assert!(all.contains("|-device|virtio-rng-pci|"), "{all}");
        let line = "|socket,id=line,path=/l,,s,server=on,wait=off|-device|virtio-serial-pci,max_ports=1|";
        assert!(all.contains(line), "{all}");
        let small = arguments(Board::Microvm);
        assert!(
            !small.contains("netdev") && !small.contains("virtio-rng") && !small.contains("virtio-serial"),
            "{small}"
        );
        let [_, network, _, card] = Net::Cable { fd: 9, number: 10 }.arguments();
        assert_eq!(network, "socket,id=net,fd=9");
        assert!(card.ends_with(",romfile=,mac=52:54:00:6b:6f:0a"), "{card}");
    }

    #[test]
    fn nodes_share_memory_and_processors() {
        let words = node_arguments(Memory::kib(192).unwrap(), 3, 2);
        assert_eq!(words[1], "memory-backend-ram,id=node0,size=131072,reserve=off");
        assert_eq!(words[3], "node,nodeid=0,memdev=node0,cpus=0,cpus=2");
        assert_eq!(words[5], "memory-backend-ram,id=node1,size=65536,reserve=off");
        assert_eq!(words[7], "node,nodeid=1,memdev=node1,cpus=1");
        assert!(!arguments(Board::Q35).contains("numa"));
    }

    #[test]
    fn microvm_gets_its_second_port_as_a_device() {
        let all = arguments(Board::Microvm);
        assert!(all.contains("|isa-serial,chardev=com2,index=1,iobase=0x2f8,irq=3|"), "{all}");
        assert!(!all.contains("chardev:com2"), "{all}");
    }
}

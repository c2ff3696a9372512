//! The command line of `cargo demo`.

use core::time::Duration;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::machine::{Accel, Between, Board, Machine, Memory, Net, Screen};
use crate::power::{FILES, FLOOR};
use crate::transfer::{self, Get, Put};

const STATUSES: &str = "\
Exit status: 0 all succeeded; 1 a command or test failed; 2 usage; 3 no verdict from the kernel (it panicked, hung, was \
cut off, or did not build); 4 no QEMU; 130 interrupted.";

/// Most bytes of the commands of a run: QEMU and the kernel take a few KiB of command line.
const MAX_COMMANDS: usize = 1024;

/// Boots the kos demo kernel in QEMU: without a command, its interactive shell.
#[derive(Clone, Debug, Parser)]
#[command(name = "kos-demo", bin_name = "cargo demo", after_help = STATUSES)]
pub struct Args {
    /// The machine and the tools.
    #[command(flatten)]
    pub options: Options,
    /// What to do; without it, the interactive shell.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Runs commands and prints what they print, nothing else.
    Run {
        /// The commands, separated by ';', as in "free; memstat".
        #[arg(long, value_name = "COMMANDS", value_parser = commands)]
        exec: String,
        /// As whom they run: who has an account there, or numbers [else as root].
        #[arg(long, value_name = "NAME|UID[:GID]", value_parser = user)]
        user: Option<String>,
        /// A file that the guest has from its boot on, in its root in memory; as often as wanted.
        #[arg(long, value_name = "HOST:GUEST", value_parser = Put::parse, conflicts_with_all = ["disk", "initrd", "python"])]
        put: Vec<Put>,
        /// A file of the guest that is wanted when the commands have ended; as often as wanted.
        #[arg(long, value_name = "GUEST:HOST", value_parser = Get::parse)]
        get: Vec<Get>,
    },
    /// Runs the tests inside the kernel.
    Test {
        /// Only tests whose names hold this text.
        #[arg(value_parser = filter)]
        filter: Option<String>,
        /// Commits a deliberate fault, to prove that this command sees it.
        #[arg(long)]
        sabotage: Option<Sabotage>,
    },
    /// Moves threads between processors, shoots translations down, and wakes sleepers, all counted.
    Smp {
        /// Moves of threads; a tenth as many wakes.
        #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        moves: u32,
        /// Commits a deliberate fault, to prove that this command sees it.
        #[arg(long)]
        sabotage: Option<SmpSabotage>,
    },
    /// Takes the power away while the machine makes files durable, and looks at its disk.
    Crash {
        /// How often the machine is killed, at random moments.
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        kill: u32,
        /// Instead, how many cuts between any two writes of one run are looked at.
        #[arg(long, value_name = "N", conflicts_with = "kill", value_parser = clap::value_parser!(u32).range(1..))]
        points: Option<u32>,
        /// Instead, how many runs have a disk of which a request fails.
        #[arg(long, value_name = "N", conflicts_with_all = ["kill", "points"], value_parser = clap::value_parser!(u32).range(1..))]
        errors: Option<u32>,
        /// Chooses the moments, what a cut loses, and what fails.
        #[arg(long, default_value_t = 1, value_name = "N")]
        seed: u64,
        /// Takes the writes of the last run with --points.
        #[arg(long, requires = "points")]
        replay: bool,
    },
    /// Leases, resolves, pings, fetches and serves; then two kernels fetch from each other.
    Net {
        /// Pieces of 1 MiB that curl fetches from the kernel.
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
        /// MiB that each of two kernels on one cable fetches from the other; 0 for none.
        #[arg(long, default_value_t = 10, value_name = "MIB", value_parser = clap::value_parser!(u32).range(..=1024))]
        exchange: u32,
        /// Where the frames of the first kernel go [else target/demo/net.pcap].
        #[arg(long, value_name = "FILE")]
        pcap: Option<PathBuf>,
    },
    /// Types at the kernel's shell, and keeps pictures of its screen.
    Shot {
        /// The folder of the pictures [else examples/demo/shots].
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// The shell with Python: `py`, `venv`, `pip`; or what `--exec` says, as with `run --python`.
    Py {
        /// The commands, separated by ';', as in "py -c 'print(6*7)'".
        #[arg(long, value_name = "COMMANDS", value_parser = commands)]
        exec: Option<String>,
        /// A folder of wheels that `pip install NAME` finds; means --net.
        #[arg(long, value_name = "FOLDER", conflicts_with = "no_net")]
        wheels: Option<PathBuf>,
        /// A package, as NAME or NAME==VERSION, that this system's pip is to put into that folder first; as often as wanted.
        #[arg(long, value_name = "NAME", requires = "wheels", value_parser = package)]
        fetch: Vec<String>,
    },
    /// The shell, which waits for a debugger before its first instruction.
    Gdb {
        /// The port of 127.0.0.1 at which it waits.
        #[arg(long, default_value_t = 1234, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
    },
    /// Counts the instructions of the kernel's paths and holds them against their budgets.
    Bench {
        /// Makes the counts the budgets.
        #[arg(long)]
        update: bool,
        /// The file that holds them [else examples/demo/budgets.toml].
        #[arg(long, value_name = "PATH")]
        budgets: Option<PathBuf>,
    },
}

/// A deliberate fault of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// A test fails.
    Fail,
    /// The kernel panics.
    Panic,
    /// The kernel hangs.
    Hang,
    /// The processor shuts down.
    Triple,
    /// The kernel panics on the last processor while the others work.
    PanicCpu,
    /// A thread overruns its stack.
    Overflow,
    /// The last processor is not started; the kernel does without it.
    SilentCpu,
}

/// A deliberate fault in `smp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SmpSabotage {
    /// The last processor is not started; it is named, and the others do without.
    SilentCpu,
    /// One wake is left out.
    LoseWake,
}

/// The options of every action.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Machine")]
pub struct Options {
    /// Memory, with K, M or G.
    #[arg(long, global = true, default_value = "128M", value_name = "SIZE")]
    pub mem: Memory,
    /// Processors [else 1; for smp 4].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=255))]
    pub cpus: Option<u32>,
    /// Board.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub machine: Board,
    /// How QEMU executes the guest.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub accel: Accel,
    /// QEMU's name of the processor model, with features if any.
    #[arg(long, global = true, default_value = "max", value_name = "MODEL")]
    pub cpu: String,
    /// A file that is its disk; made, with a kosfs of 64 MiB, if it is missing [else, for the shell on a terminal,
    /// target/demo/disk.img].
    #[arg(long, global = true, value_name = "FILE")]
    pub disk: Option<PathBuf>,
    /// No disk, for the shell too: files are gone at power-off.
    #[arg(long, global = true, conflicts_with = "disk")]
    pub no_disk: bool,
    /// The shell asks who is there before there is a prompt.
    #[arg(long)]
    pub login: bool,
    /// A network card on a network of QEMU's own; the shell has one [microvm has no place for it].
    #[arg(long, global = true)]
    pub net: bool,
    /// No network card, for the shell too.
    #[arg(long, global = true, conflicts_with_all = ["net", "forward"])]
    pub no_net: bool,
    /// The port of 127.0.0.1 that leads to the guest's port 80; means --net.
    #[arg(long, global = true, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub forward: Option<u16>,
    /// Nodes of memory and processors that the firmware tells apart; not on the board microvm.
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub nodes: u32,
    /// A device of random numbers, which the shell has anyway; not on the board microvm.
    #[arg(long, global = true)]
    pub rng: bool,
    /// A Unix socket for who talks to the guest's /dev/hvc0, a virtio console; not on the board microvm.
    #[arg(long, global = true, value_name = "SOCKET")]
    pub hvc: Option<PathBuf>,
    /// A cpio archive (newc) that is unpacked into the root where that is in memory, as without a disk.
    #[arg(long, global = true, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Build Python in, and bring it: npm fetches MicroPython once. The root is in memory.
    #[arg(long, global = true, conflicts_with_all = ["initrd", "disk"])]
    pub python: bool,
    /// Let the machine's clock count instructions, one a nanosecond: every run is the same. Emulation only.
    #[arg(long, global = true)]
    pub icount: bool,
    /// The guest's screen and keyboard, beside the serial console; not on the board microvm.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub screen: Screen,
    /// Longest time of a run in seconds; of an interactive one, up to the prompt [else 60; for smp 900].
    #[arg(long, global = true, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: Option<u64>,
    /// QEMU to use [else KOS_QEMU, else PATH].
    #[arg(long, global = true, value_name = "PATH", help_heading = "Tools")]
    pub qemu: Option<PathBuf>,
    /// Do not install QEMU when it is missing.
    #[arg(long, global = true, help_heading = "Tools")]
    pub no_install: bool,
    /// Boot this image instead of building one [else KOS_IMAGE].
    #[arg(long, global = true, value_name = "PATH", help_heading = "Tools")]
    pub image: Option<PathBuf>,
    /// Build the image for this target [else the bare-metal one if installed, else the host].
    #[arg(long, global = true, value_name = "TRIPLE", conflicts_with = "image", help_heading = "Tools")]
    pub target: Option<String>,
    /// Show the boot log, the tools' output and the times.
    #[arg(long, short, global = true, help_heading = "Tools")]
    pub verbose: bool,
}

impl Args {
    /// The machine asked for.
    #[must_use]
    pub fn board(&self) -> Machine {
        let Options { mem: memory, machine: board, accel, screen, icount: counts_instructions, .. } =
            self.options;
        let cpus = self.options.cpus.unwrap_or(if self.is_smp() { 4 } else { 1 });
        let (cpu, disk) = (self.options.cpu.clone(), self.options.disk.clone());
        let line = self.options.hvc.clone();
        let net = self.wants_net().then_some(Net::User { forward: self.options.forward });
        let (dice, nodes) = (self.options.rng || self.is_shell(), self.options.nodes);
        let (reboots, pcap, between) = (false, None, Between::default());
        let debugger = match self.action {
            Some(Action::Gdb { port }) => Some(port),
            _ => None,
        };
        Machine {
            board,
            memory,
            cpus,
            nodes,
            cpu,
            accel,
            screen,
            reboots,
            counts_instructions,
            disk,
            net,
            dice,
            line,
            pcap,
            between,
            debugger,
        }
    }

    /// The longest time of a run.
    #[must_use]
    pub fn limit(&self) -> Duration {
        let usual = match self.action {
            Some(Action::Smp { .. }) => 900,
            Some(Action::Net { .. }) => 3600,
            // Who looks for a fault takes a day.
            Some(Action::Gdb { .. }) => 86_400,
            _ => 60,
        };
        Duration::from_secs(self.options.timeout.unwrap_or(usual))
    }

    /// Whether the machine gets Python.
    #[must_use]
    pub fn wants_python(&self) -> bool {
        self.options.python || matches!(self.action, Some(Action::Py { .. }))
    }

    /// Whether the machine gets a disk without being asked for: its shell, on a board that has a place for one.
    #[must_use]
    pub fn wants_disk(&self) -> bool {
        self.is_shell()
            && !self.options.no_disk
            && !self.options.python
            && self.options.machine != Board::Microvm
    }

    /// Whether the machine gets a network card.
    fn wants_net(&self) -> bool {
        let Options { net, no_net, forward, .. } = &self.options;
        let wheels = matches!(self.action, Some(Action::Py { wheels: Some(_), .. }));
        *net || forward.is_some() || wheels || self.is_shell() && !no_net
    }

    fn is_shell(&self) -> bool {
        matches!(self.action, None | Some(Action::Gdb { .. }))
    }

    fn is_smp(&self) -> bool {
        matches!(self.action, Some(Action::Smp { .. }))
    }
}

impl Action {
    /// What the shell gets on the kernel command line beside its mode.
    #[must_use]
    pub const fn login(action: Option<&Self>, login: bool) -> &'static str {
        if action.is_none() && login { " login" } else { "" }
    }

    /// The kernel command line of the action, or of the interactive shell.
    #[must_use]
    pub fn command_line(action: Option<&Self>) -> String {
        match action {
            None | Some(Self::Shot { .. } | Self::Py { exec: None, .. } | Self::Gdb { .. }) => {
                "mode=shell".into()
            }
            // The rest of the line belongs to `exec`, so it comes last.
            Some(Self::Run { exec, user, get, .. }) => {
                let user = user.as_ref().map(|user| format!(" user={user}")).unwrap_or_default();
                format!("mode=run{user} exec={}", transfer::commands(exec, get))
            }
            Some(Self::Py { exec: Some(exec), .. }) => format!("mode=run exec={exec}"),
            Some(Self::Test { filter, sabotage }) => {
                let filter = filter.as_ref().map(|filter| format!(" filter={filter}"));
                let sabotage = sabotage.and_then(|fault| fault.to_possible_value());
                let sabotage = sabotage.map(|fault| format!(" sabotage={}", fault.get_name()));
                format!("mode=test{}{}", filter.unwrap_or_default(), sabotage.unwrap_or_default())
            }
            Some(Self::Smp { moves, sabotage: None }) => format!("mode=run exec=smp-demo {moves}"),
            Some(Self::Smp { moves, sabotage: Some(SmpSabotage::SilentCpu) }) => {
                format!("mode=run sabotage=silent-cpu exec=smp-demo {moves}")
            }
            Some(Self::Smp { moves, sabotage: Some(SmpSabotage::LoseWake) }) => {
                format!("mode=run exec=smp-demo {moves} lose-wake")
            }
            Some(Self::Bench { .. }) => "mode=run exec=bench".into(),
            Some(Self::Crash { errors: Some(_), .. }) => "mode=run exec=durability 40; echo over".into(),
            Some(Self::Crash { points: None, .. }) => "mode=run exec=durability".into(),
            // The first number is one above the highest that is there.
            Some(Self::Crash { points: Some(_), .. }) => {
                format!("mode=run exec=mkdir /crash; echo > /crash/{FLOOR}; durability {FILES}")
            }
            // Each of its kernels gets another.
            Some(Self::Net { .. }) => "mode=run exec=true".into(),
        }
    }
}

fn commands(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("no command given"),
        text if text.contains(char::is_control) => Err("a command is one line without control characters"),
        text if text.len() > MAX_COMMANDS => Err("the commands are too long for a kernel command line"),
        text => Ok(text.into()),
    }
}

/// What pip does not take for an option, nor for a file.
fn package(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!=".contains(c);
    match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        true => Ok(text.into()),
        false => Err("a package is NAME or NAME==VERSION"),
    }
}

fn filter(text: &str) -> Result<String, &'static str> {
    word(text).ok_or("a filter is one word")
}

/// The kernel says whether there is such a user.
fn user(text: &str) -> Result<String, &'static str> {
    word(text).ok_or("a user is one word: NAME, UID or UID:GID")
}

fn word(text: &str) -> Option<String> {
    let ends = |c: char| c.is_whitespace() || c.is_control();
    (!text.is_empty() && !text.contains(ends)).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, clap::error::ErrorKind> {
        Args::try_parse_from([&["cargo demo"], words].concat()).map_err(|error| error.kind())
    }

    fn line(words: &[&str]) -> String {
        Action::command_line(parse(words).unwrap().action.as_ref())
    }

    #[test]
    fn definition_is_sound() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn kernel_command_lines() {
        assert_eq!(line(&[]), "mode=shell");
        assert_eq!(line(&["run", "--exec", " free; memstat "]), "mode=run exec=free; memstat");
        assert_eq!(line(&["run", "--user", "7:8", "--exec", "id"]), "mode=run user=7:8 exec=id");
        assert!(parse(&["run", "--user", "a b", "--exec", "id"]).is_err());
        assert_eq!([Action::login(None, true), Action::login(None, false)], [" login", ""]);
        assert_eq!(line(&["test"]), "mode=test");
        assert_eq!(line(&["gdb"]), "mode=shell");
        assert_eq!(line(&["crash"]), "mode=run exec=durability");
        assert_eq!(line(&["crash", "--errors", "7"]), "mode=run exec=durability 40; echo over");
        let points = line(&["crash", "--points", "7"]);
        assert_eq!(points, "mode=run exec=mkdir /crash; echo > /crash/100000; durability 300");
        assert_eq!(line(&["bench"]), "mode=run exec=bench");
        assert_eq!([line(&["py"]), line(&["py", "--exec", "py x"])], ["mode=shell", "mode=run exec=py x"]);
        assert_eq!(line(&["smp"]), "mode=run exec=smp-demo 1000000");
        let silent = line(&["smp", "--moves", "5", "--sabotage", "silent-cpu"]);
        assert_eq!(silent, "mode=run sabotage=silent-cpu exec=smp-demo 5");
        assert_eq!(line(&["test", "heap", "--sabotage", "triple"]), "mode=test filter=heap sabotage=triple");
    }

    #[test]
    fn options_stand_anywhere() {
        let words = [
            "run",
            "--mem",
            "16M",
            "--exec",
            "free",
            "--machine",
            "microvm",
            "--cpus",
            "2",
            "--timeout",
            "9",
        ];
        let args = parse(&words).unwrap();
        let machine = args.board();
        assert_eq!(
            (machine.board, machine.memory, machine.cpus),
            (Board::Microvm, Memory::mib(16).unwrap(), 2)
        );
        assert_eq!(
            (machine.accel, machine.cpu.as_str(), args.limit()),
            (Accel::Tcg, "max", Duration::from_secs(9))
        );
        assert_eq!(args.board().net, None);
        assert_eq!(parse(&[]).map(|args| args.board().net), Ok(Some(Net::User { forward: None })));
        let forward = parse(&["test", "--forward", "8080"]).map(|args| args.board().net);
        assert_eq!(forward, Ok(Some(Net::User { forward: Some(8080) })));
        let gdb = parse(&["gdb", "--port", "7"]).map(|args| (args.board().debugger, args.board().net));
        assert_eq!(gdb, Ok((Some(7), Some(Net::User { forward: None }))));
        let wheels = parse(&["py", "--wheels", "w", "--fetch", "a", "--fetch", "b==1"]).unwrap();
        assert_eq!(wheels.board().net, Some(Net::User { forward: None }));
        assert!(
            matches!(wheels.action, Some(Action::Py { fetch, .. }) if fetch == ["a".to_owned(), "b==1".into()])
        );
        assert_eq!(parse(&["py"]).map(|args| args.board().net), Ok(None));
        assert_eq!(parse(&["--no-net"]).map(|args| args.board().net), Ok(None));
        assert_eq!(parse(&["smp"]).map(|args| (args.board().cpus, args.limit().as_secs())), Ok((4, 900)));
        assert_eq!(parse(&["smp", "--cpus", "64"]).map(|args| args.board().cpus), Ok(64));
        assert_eq!(parse(&["--cpu", "qemu64", "-v"]).map(|args| args.options.verbose), Ok(true));
    }

    #[test]
    fn nonsense_is_refused() {
        let long = "x".repeat(MAX_COMMANDS + 1);
        for words in [
            &["run"][..],
            &["run", "--exec", "  "],
            &["run", "--exec", "a\nb"],
            &["run", "--exec", &long],
            &["test", "two words"],
            &["test", ""],
            &["--mem", "64"],
            &["--cpus", "0"],
            &["--cpus", "256"],
            &["--machine", "vax"],
            &["--timeout", "0"],
            &["--image", "a", "--target", "b"],
            &["smp", "--moves", "0"],
            &["--no-net", "--forward", "80"],
            &["--forward", "0"],
            &["--python", "--initrd", "x"],
            &["py", "--exec", ""],
            &["py", "--fetch", "a"],
            &["py", "--wheels", "w", "--fetch", "-r"],
            &["py", "--wheels", "w", "--fetch", "../a"],
            &["py", "--wheels", "w", "--no-net"],
            &["gdb", "--port", "0"],
            &["crash", "--points", "0"],
            &["crash", "--points", "5", "--kill", "5"],
            &["crash", "--points", "5", "--errors", "5"],
            &["crash", "--errors", "0"],
            &["crash", "--replay"],
            &["fly"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}

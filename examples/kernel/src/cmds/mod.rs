//! The commands of the shell, one list.

mod alloc_bench;
mod bench;
mod cpus;
mod drill;
mod files;
mod filters;
mod frames;
mod free;
mod gc;
mod heap;
pub(crate) mod inject;
mod ipc;
mod jobs;
mod memdemo;
pub(crate) mod memory;
mod memstat;
pub(crate) mod mode;
mod monitor;
mod net;
mod nodes;
mod pagemap;
pub(crate) mod programs;
#[cfg(feature = "python")]
mod python;
mod slabs;
mod storm;
mod svc;
mod system;
mod tests;
mod threads;
pub(crate) mod txn;
mod users;
mod variables;
mod view;
mod zones;

use core::fmt::Write;
use core::marker::PhantomData;

use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Session, Streams};
use crate::text::Text;
use crate::user::roles::Role;

/// One command.
pub(crate) struct Command<P: Platform> {
    pub(crate) name: &'static str,
    /// Its arguments, as `help` shows them.
    pub(crate) arguments: &'static str,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
    pub(crate) run: Run<P>,
    /// The role that it needs, and when.
    needs: Option<(Role, When)>,
}

/// When a command needs its role.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Whatever its arguments.
    Always,
    /// Unless there are none, or the first is one of these: then it only tells.
    Unless(&'static [&'static str]),
}

impl<P: Platform> Command<P> {
    const fn needs(self, role: Role, when: When) -> Self {
        let Self { name, arguments, summary, run, .. } = self;
        Self { name, arguments, summary, run, needs: Some((role, when)) }
    }

    /// The role that it needs for these arguments.
    fn role(&self, arguments: &[&str]) -> Option<Role> {
        let (role, when) = self.needs?;
        let needed = match when {
            When::Always => true,
            When::Unless(harmless) => arguments.first().is_some_and(|first| !harmless.contains(first)),
        };
        needed.then_some(role)
    }
}

/// What a command works on.
pub(crate) enum Run<P: Platform> {
    /// The kernel.
    Kernel(fn(&Kernel<P>, &[&str], &mut dyn Write) -> CommandResult),
    /// What its user may do, where he stands.
    Session(for<'k> fn(&mut Session<'k, P>, &[&str], &mut Streams<'_, 'k, P>) -> CommandResult),
}

struct Table<P>(PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Command<P>] = &[
        command("help", "", "this list", system::help),
        command(
            "free",
            "[-b|-h]",
            "memory in KiB (bytes, units): total, used, free, reserved, firmware",
            free::run,
        ),
        command(
            "memstat",
            "[-z|-s|-p|PROCESS]",
            "frames, heap, health; by zone, size class, process; one process",
            memstat::run,
        ),
        command("slabtop", "", "how full the slabs of each size class are", slabs::top),
        command("frames", "", "a map of physical memory by zone and buddy order", frames::run),
        of_user(
            "pagemap",
            "[PROGRAM [WORD...]]",
            "what is mapped where and how; of a program at its end",
            programs::pagemap,
        ),
        of_user("vmmap", "PROGRAM [WORD...]", "what a program has mapped at its end", programs::vmmap),
        command("alloc", "BYTES [ALIGN]", "allocate, say where, free again", heap::alloc),
        command("kmalloc-demo", "", "allocate, zero, free; show that nothing leaked", heap::demo),
        command("memdemo", "", "that, a transaction that fails, no memory: nothing is lost", memdemo::run),
        command("gc", "", "give back what is kept for later; look for frames of nobody", gc::run),
        command(
            "storm",
            "[OPERATIONS]",
            "work the heap while a 10 kHz timer's handler does so too",
            storm::run,
        ),
        command("heapmode", "[MODE]", "who serves the heap's blocks; another from now on", mode::run)
            .needs(Role::Inject, When::Unless(&[])),
        command("alloc-bench", "", "the modes of the heap side by side", alloc_bench::run),
        command("bench", "[PART OF NAME]", "the instructions of each path that has a budget", bench::run),
        command("txn-demo", "", "all-or-nothing allocation: each step fails in turn, then none", txn::run),
        command(
            "inject",
            "[oom|eio|enospc|drop K|1/N, slow MS] [PROCESS|next], or off",
            "frames, disk requests, packets to fail, of all or one process",
            inject::run,
        )
        .needs(Role::Inject, When::Unless(&[])),
        command("dmesg", "", "the boot log", system::dmesg),
        command("lscpu", "", "the CPUs: numbers, APIC ids, who is online, what they can do", cpus::lscpu),
        command("nodes", "", "which CPUs and which memory are near each other", nodes::nodes),
        command("lspci", "", "the devices on the buses", system::lspci),
        command("metrics", "", "figures as OpenMetrics: memory, CPUs, pressure, network", monitor::metrics),
        command(
            "pressure",
            "[limits | limit cpu|io|memory PERCENT]",
            "the share of time in which somebody waited; when the log tells",
            monitor::pressure,
        )
        .needs(Role::Audit, When::Unless(&["limits"])),
        of_user(
            "view",
            "[-n FRAMES] [MS]",
            "memory, run queues, page cache as a picture that moves",
            view::run,
        ),
        command("irq", "[CPU]", "traps and interrupts taken, by CPU", cpus::irq),
        command(
            "smp-demo",
            "[MOVES] [lose-wake]",
            "threads between CPUs, shootdowns, wakes: all counted",
            drill::smp,
        ),
        command("fpu-demo", "[SECONDS]", "registers of preempted and moved threads: all kept", drill::fpu),
        command("ps", "", "the threads, and where the time of the CPUs went", threads::ps::run),
        command(
            "top",
            "[-n LOOKS] [MILLISECONDS]",
            "what each process, thread and CPU gets while one watches",
            threads::top::run,
        ),
        of_user(
            "spin",
            "[COUNT [NICE]]",
            "start threads that compute until they are killed",
            threads::spin::run,
        ),
        of_user("kill", "ID|%JOB...", "tell threads or jobs to end; wait until threads have", jobs::kill),
        of_user(
            "nice",
            "ID VALUE",
            "give a fair thread another weight, -20 (most) to 19",
            threads::control::nice,
        ),
        of_user(
            "taskset",
            "ID [CPUS]",
            "where a thread runs; from now on there only",
            threads::control::taskset,
        ),
        command("timers", "", "when the timer of each CPU comes, and for whom", threads::timers::run),
        command(
            "sched-demo",
            "[MILLISECONDS]",
            "threads of each class compete: what was due, what they got",
            threads::demo::run,
        ),
        of_user(
            "ls",
            "[-adilh1] [PATH...]",
            "names in directories; -l: with all that is known",
            files::list::ls,
        ),
        of_user("cat", "[FILE...]", "the bytes of files, or of what < names", files::read::cat),
        of_user("hexdump", "[FILE...]", "the same in hexadecimal", files::read::hexdump),
        of_user("stat", "FILE...", "all that is known of files", files::stat::run),
        of_user(
            "find",
            "[PATH...] [-name PATTERN] [-type KIND]",
            "walk trees of directories",
            files::find::run,
        ),
        of_user("echo", "[-n] [WORD...]", "say words; with > into a file", files::read::echo),
        of_user("wc", "", "lines, words and bytes of what it reads", filters::wc),
        of_user("head", "[COUNT]", "the first lines of what it reads", filters::head),
        of_user("grep", "[-v] TEXT", "the lines it reads that hold a text; -v: the others", filters::grep),
        of_user("yes", "[WORD...]", "say the same for ever", filters::yes),
        of_user("sleep", "SECONDS", "wait, 0.5 or longer", filters::sleep),
        of_user("jobs", "", "what runs in the background, or has ended there", jobs::jobs),
        of_user("fg", "[%JOB]", "show what a job says until it has ended; ctrl-c ends it", jobs::fg),
        of_user("wait", "[%JOB...]", "the same, for jobs or all; ctrl-c ends the wait", jobs::wait),
        of_user("history", "", "the lines that were typed", jobs::history),
        of_user("export", "[NAME[=VALUE]...]", "variables that programs get, too", variables::export),
        of_user("unset", "NAME...", "forget variables", variables::unset),
        of_user("env", "", "the variables that programs get", variables::env),
        of_user("sh", "FILE [WORD...]", "the commands of a file; $1 and so on are the words", variables::sh),
        of_user("touch", "FILE...", "make files, or change their times to now", files::make::touch),
        of_user("cp", "[-r] SOURCE... TARGET", "copy files, with -r directories", files::copy::cp),
        of_user("mv", "SOURCE... TARGET", "move or rename", files::copy::mv),
        of_user(
            "rm",
            "[-rf] FILE...",
            "remove names, with -r directories and all in them",
            files::remove::rm,
        ),
        of_user("mkdir", "[-p] [-m MODE] DIR...", "make directories", files::make::mkdir),
        of_user("rmdir", "DIR...", "remove empty directories", files::remove::rmdir),
        of_user("ln", "[-s] TARGET [NAME]", "give a file one more name; -s: a symlink", files::make::ln),
        of_user("chmod", "[-R] MODE FILE...", "permission bits: 640, u+x, go-w, a=r", files::owner::chmod),
        of_user("chown", "[-R] UID[:GID] FILE...", "owner and group", files::owner::chown),
        of_user("cd", "[DIR]", "stand in another directory", files::place::cd),
        of_user("pwd", "", "where one stands", files::place::pwd),
        of_user(
            "mount",
            "[-t TYPE] [-o OPTIONS] [SOURCE DIR]",
            "what is mounted; mount something",
            files::mounts::mount,
        )
        .needs(Role::Mount, When::Unless(&[])),
        of_user("umount", "[-l] DIR", "take a mount away, when all is written", files::mounts::umount)
            .needs(Role::Mount, When::Always),
        of_user(
            "pivot_root",
            "NEW PUT_OLD",
            "make the mount at NEW the root, and put the old one on PUT_OLD",
            files::mounts::pivot_root,
        )
        .needs(Role::Mount, When::Always),
        of_user("unshare", "", "have mounts of one's own from now on", files::mounts::unshare)
            .needs(Role::Mount, When::Always),
        of_user("df", "[-h] [PATH...]", "how full file systems are", files::mounts::df),
        command("cachestat", "", "what the page cache holds, and what it did", files::mounts::cachestat),
        of_user(
            "fsck",
            "[DISK...]",
            "look at volumes as they are on the disk; mends nothing",
            files::mounts::fsck,
        ),
        of_user("sync", "[FILE...]", "wait until all that was written is durable", files::mounts::sync),
        of_user(
            "durability",
            "[COUNT]",
            "write numbered files, each durable before the next",
            files::durability::run,
        ),
        of_user(
            "su",
            "[USER|UID[:GID] [COMMAND...]]",
            "be another user, or root, for a command or until exit",
            users::switch::su,
        ),
        of_user("login", "USER", "the same by a password, whoever asks, in his home", users::switch::login),
        of_user("exit", "", "be again who one was before su or login", users::switch::exit),
        of_user("id", "[USER]", "who one is, or somebody: user and groups", users::who::id),
        of_user("whoami", "", "one's name", users::who::whoami),
        of_user("umask", "[MODE]", "permission bits that new files do not get", users::who::umask),
        of_user(
            "useradd",
            "USER [UID[:GID]]",
            "a user without a password, and a home for him",
            users::change::useradd,
        )
        .needs(Role::Users, When::Always),
        of_user(
            "userdel",
            "USER",
            "take a user away, with his roles; his files stay",
            users::change::userdel,
        )
        .needs(Role::Users, When::Always),
        of_user(
            "passwd",
            "[[-l] USER]",
            "one's password, or another's; -l: nobody logs in as him",
            users::change::passwd,
        ),
        of_user("roles", "[grant|revoke ROLE USER]", "who may what beside what files say", users::roles::run)
            .needs(Role::Users, When::Unless(&[])),
        command(
            "ifconfig",
            "[ADDRESS/PREFIX | del ADDRESS]",
            "the network card, its addresses, what it carried",
            net::ifconfig::run,
        )
        .needs(Role::Net, When::Unless(&[])),
        command(
            "ping",
            "[-o] HOST [COUNT [BYTES]]",
            "ask a host whether it answers; -o: until it does",
            net::ping::run,
        ),
        command("dig", "NAME [TYPE]", "what name servers say of a name", net::dig::run),
        command("nameserver", "[SERVER...]", "whom names are asked of; others", net::dig::nameserver)
            .needs(Role::Net, When::Unless(&[])),
        command("dhcp", "", "wait for a leased address; say what came with it", net::httpd::dhcp),
        of_user(
            "httpd",
            "[-t TOKEN|@FILE|new] [-u USER] [-r DIR] [PORT] | -n COUNT",
            "serve pages; with a token files and services, too; -n: wait",
            net::httpd::httpd,
        )
        .needs(Role::Net, When::Always),
        command("arp", "", "the hosts of the link, and how far they are known", net::tables::arp),
        command("route", "[GATEWAY]", "where packets go; the router for all others", net::tables::route)
            .needs(Role::Net, When::Unless(&[])),
        command("netstat", "[tcp|udp]", "what became of each packet; the sockets", net::tables::netstat),
        of_user(
            "firewall",
            "[add|insert N RULE | del N | flush | default [in|out] accept|drop | load [FILE] | dump]",
            "which packets pass; a rule: in drop tcp from 10.0.0.0/8 port 80",
            net::firewall::run,
        )
        .needs(Role::Net, When::Unless(&["list", "dump"])),
        of_user("wget", "[-s] URL", "what a server has; -s: only its length and hash", net::wget::run),
        of_user("run", "PROGRAM [WORD...]", "a program in ring 3, until it has ended", programs::run),
        of_user(
            "strace",
            "PROGRAM [WORD...]",
            "the same, with each system call that it makes",
            programs::strace,
        ),
        #[cfg(feature = "python")]
        of_user("py", "[-c CODE|FILE [WORD...]]", "a program of Python, or its prompt", python::py),
        #[cfg(feature = "python")]
        of_user(
            "venv",
            "[create DIR|activate DIR|deactivate]",
            "a directory that Python sees alone, with packages of its own",
            python::venv,
        ),
        #[cfg(feature = "python")]
        of_user(
            "pip",
            "install [--index URL] NAME[==VERSION]|FILE.whl, uninstall NAME, list",
            "packages of Python, from an index or a file",
            python::pip,
        ),
        of_user(
            "limit",
            "[mem=4M] [cpu=20%] [pids=8] [fds=16] PROGRAM [WORD...]",
            "the same; it and its descendants take so much, no more",
            programs::limit,
        ),
        of_user(
            "fork-demo",
            "",
            "children that copy on write, and shared memory they count in",
            programs::fork_demo,
        ),
        of_user("mmap-demo", "[FILE]", "a file doubled through a mapping of it", programs::mmap_demo),
        of_user(
            "crashme",
            "",
            "seven hostile programs: each dies alone, all frames come back",
            programs::crashme,
        ),
        command(
            "caps",
            "[PROCESS]",
            "the capabilities of processes: to what, which rights, which badge",
            ipc::caps,
        ),
        command("ipcs", "", "endpoints and notifications, and who holds them", ipc::ipcs),
        command("shm", "", "memory that processes share by name: bytes, mappings, seals", ipc::shm),
        of_user(
            "audit",
            "[all|denied|open|closed]",
            "what people did, what programs were refused; how it is recorded",
            users::audit::run,
        )
        .needs(Role::Audit, When::Always),
        of_user(
            "policy",
            "[load [FILE] | reset]",
            "what programs may do to each other, whatever capabilities they have",
            ipc::policy,
        )
        .needs(Role::Policy, When::Unless(&[])),
        command(
            "srv",
            "[start|stop|kill|drill]",
            "files of a program on /srv; drill: it dies amid 10,000 operations",
            ipc::srv,
        )
        .needs(Role::Svc, When::Unless(&["status"])),
        of_user(
            "svc",
            "[list | start|stop|restart|status|log|ready|forget NAME]",
            "services: what units in /etc/svc say; start alone: all of them",
            svc::run,
        )
        .needs(Role::Svc, When::Unless(&["list", "status", "log"])),
        command("uptime", "", "time since entry", system::uptime),
        command("selftest", "[PART OF NAME]", "run the in-kernel tests", tests::run)
            .needs(Role::Inject, When::Always),
        command("poweroff", "", "end the machine", system::poweroff).needs(Role::Power, When::Always),
        command("reboot", "", "start it again", system::reboot).needs(Role::Power, When::Always),
        command("true", "", "succeed", system::succeed),
        command("false", "", "fail", system::fail),
    ];
}

const fn command<P: Platform>(
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: fn(&Kernel<P>, &[&str], &mut dyn Write) -> CommandResult,
) -> Command<P> {
    Command { name, arguments, summary, run: Run::Kernel(run), needs: None }
}

/// A command of a user who stands somewhere.
const fn of_user<P: Platform>(
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: for<'k> fn(&mut Session<'k, P>, &[&str], &mut Streams<'_, 'k, P>) -> CommandResult,
) -> Command<P> {
    Command { name, arguments, summary, run: Run::Session(run), needs: None }
}

/// Every command, in the order of `help`.
pub(crate) fn all<P: Platform>() -> &'static [Command<P>] {
    Table::<P>::ALL
}

/// The command of this name.
pub(crate) fn find<P: Platform>(name: &str) -> Option<&'static Command<P>> {
    // Most names of this length begin otherwise: that is cheaper to see than that they differ.
    let alike =
        |known: &str| known.len() == name.len() && known.as_bytes().first() == name.as_bytes().first();
    all::<P>().iter().find(|command| alike(command.name) && command.name == name)
}

/// Runs a command, if the session's user has the role that it needs.
pub(crate) fn invoke<'k, P: Platform>(
    session: &mut Session<'k, P>,
    command: &Command<P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    if session.ctx().cred.uid == 0 {
        return call(session, command, arguments, streams);
    }
    let Some(role) = command.role(arguments) else { return call(session, command, arguments, streams) };
    session.require(role, command.name)?;
    let own = session.lend(role.caps());
    let result = call(session, command, arguments, streams);
    session.take_back(own);
    result
}

fn call<'k, P: Platform>(
    session: &mut Session<'k, P>,
    command: &Command<P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    match command.run {
        Run::Kernel(run) => run(session.kernel, arguments, streams),
        Run::Session(run) => run(session, arguments, streams),
    }
}

/// Refuses any argument.
fn no_arguments(arguments: &[&str]) -> Result<(), CommandError> {
    match arguments.first() {
        None => Ok(()),
        Some(word) => Err(CommandError::Usage(Text::new(format_args!("unexpected '{word}'")))),
    }
}

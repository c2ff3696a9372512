//! Every command of the shell, on a machine of 64 MiB.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

use kos_demo_kernel::shell::Status;
use kos_demo_kernel::{End, Kernel};
use kos_hosted::platform::Hosted;
use kos_hosted::{Machine, MachineConfig, Output};

fn machine() -> Machine {
    Machine::boot(MachineConfig::with_memory(64 << 20)).unwrap()
}

fn run(command: &str) -> Output {
    machine().exec(command)
}

fn status(output: &Output) -> u32 {
    output.statuses.last().unwrap().1.0
}

/// Runs a command that must succeed; its text.
fn good(command: &str) -> String {
    let output = run(command);
    assert!(output.succeeded(), "{command}: {}", output.text());
    output.text()
}

/// Runs a command that must end with `expected`; its text, one line or two.
fn bad(command: &str, expected: Status) -> String {
    let output = run(command);
    assert_eq!(status(&output), expected.0, "{command}: {}", output.text());
    output.text()
}

#[test]
fn memdemo_is_refused_what_it_should_be_and_loses_nothing() {
    let text = good("memdemo");
    for part in
        ["nothing leaked", "a wrong free is refused", "2097152 bytes are refused: no memory", "and come back"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(bad("memdemo now", Status::USAGE).contains("usage: memdemo"));
}

#[test]
fn gc_gives_back_what_is_kept_for_later_and_finds_no_frame_of_nobody() {
    let output = machine().exec("mkdir -p /a/b/c; ls /a/b; storm 1K; gc; gc");
    assert!(output.succeeded(), "{}", output.text());
    let text = output.text();
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    // The second finds nothing that the first left: what is in use is the same to the byte.
    let [first, second] = lines("in use ")[..] else { panic!("{text}") };
    assert_eq!(first.split(';').next(), second.split(';').next(), "{text}");
    assert!(
        lines("programs ").iter().all(|line| line.contains(" 0 frames of 0 processes and 0 B")),
        "{text}"
    );
}

/// What people read fits a terminal of 100 columns, and has no blanks at the ends of lines.
#[test]
fn output_fits_100_columns() {
    let machine = Machine::boot(MachineConfig::with_memory(4096 << 20)).unwrap();
    let said = machine
        .exec("help; free; free -h; free -b; memstat; memstat -z; memstat -s; slabtop; frames; pagemap; kmalloc-demo; memdemo; gc; heapmode; heapmode twotier; alloc-bench; txn-demo; inject; storm 1K; irq; dmesg");
    let bad = said.text();
    let bad = bad.lines().find(|line| line.chars().count() > 100 || line.ends_with(' '));
    assert_eq!(bad, None);
}

#[test]
fn help_lists_every_command_and_each_of_them_exists() {
    let text = good("help");
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in [
        "help",
        "free",
        "memstat",
        "slabtop",
        "frames",
        "pagemap",
        "alloc",
        "kmalloc-demo",
        "heapmode",
        "alloc-bench",
        "txn-demo",
        "inject",
        "storm",
        "dmesg",
        "irq",
        "uptime",
        "selftest",
        "poweroff",
        "reboot",
        "true",
        "false",
    ] {
        assert!(names.contains(&name), "{name} is not in\n{text}");
        assert_ne!(status(&run(name)), Status::UNKNOWN.0, "{name}");
    }
}

#[test]
fn free_adds_up_and_names_what_is_reserved() {
    let text = good("free -b");
    let numbers = |line: &str| -> Vec<u64> {
        line.split_whitespace().filter_map(|word| word.replace(',', "").parse().ok()).collect()
    };
    let row = |name: &str| numbers(text.lines().find(|line| line.starts_with(name)).unwrap());
    let memory = row("memory");
    assert_eq!(memory[0], memory[1] + memory[2] + memory[3], "{text}");
    assert_eq!(row("map")[0], memory[0] + row("firmware")[0], "{text}");
    // 64 MiB without the hole between 640 KiB and 960 KiB, and with the firmware's window below 4 GiB.
    assert_eq!(row("map")[0], (64 << 20) - (320 << 10) + (256 << 10), "{text}");
    for name in ["image", "page 0", "boot metadata"] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    assert!(good("free -h").contains("MiB"));
    assert!(good("free").starts_with("KiB"));
    assert!(bad("free -x", Status::USAGE).contains("usage: free [-b|-h]"));
    assert!(bad("free -h -h", Status::USAGE).contains("unexpected '-h'"));
}

#[test]
fn free_follows_allocations() {
    let machine = machine();
    let used = |machine: &Machine| {
        let text = machine.exec("free -b").text();
        let line = text.lines().nth(1).unwrap().to_owned();
        line.split_whitespace().nth(2).unwrap().replace(',', "").parse::<u64>().unwrap()
    };
    let before = used(&machine);
    let block = kos_demo_kernel::owned::Block::zeroed(
        machine.kernel().heap(),
        core::alloc::Layout::from_size_align(10 << 20, 1).unwrap(),
    );
    assert_eq!(used(&machine), before + (10 << 20));
    drop(block);
    assert_eq!(used(&machine), before);
}

#[test]
fn memstat_shows_figures_and_health() {
    let machine = machine();
    let text = machine.exec("alloc 100; memstat").text();
    for part in ["frames ", "heap ", "failed:", "tables ", "health   ok; every invariant"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(bad("memstat -x", Status::USAGE).contains("usage: memstat [-z|-s|-p|PROCESS]"));
    assert!(bad("memstat 1", Status::FAILED).contains("no process 1"));
}

#[test]
fn frames_in_use_are_all_somebodys() {
    let text = good("free -b; memstat -p");
    let row = |name: &str| numbers(text.lines().find(|line| line.starts_with(name)).unwrap());
    // used = kernel + programs; kernel = heap + tables + stacks + CPUs + devices.
    let (used, kernel, memory) = (row("used"), row("kernel"), row("memory"));
    assert_eq!((used[0], used[1], used[2]), (memory[1], kernel[0], 0), "{text}");
    assert_eq!(kernel[0], kernel[1..].iter().sum::<usize>(), "{text}");
    assert!(kernel[1] > 0 && kernel[2] > 0 && kernel[3] > 0, "{text}");
    let found = text.lines().find(|line| line.ends_with(" frames, each found once")).unwrap();
    assert_eq!(*numbers(found).last().unwrap(), used[0] / 4096, "{text}");
}

/// The numbers of a line.
fn numbers(line: &str) -> Vec<usize> {
    line.split_whitespace().filter_map(|word| word.replace(',', "").parse().ok()).collect()
}

/// What a command says, and what is seen while the thread that ran it still has its stack.
fn beside<R: Send + 'static>(
    machine: &Machine,
    command: &'static str,
    look: fn(&Kernel<Hosted>) -> R,
) -> (String, R) {
    let done = machine.on_first_cpu(move |kernel| {
        kernel.on_main_thread(|| {
            let mut output = Output::default();
            kernel.script(command, &mut output);
            (output.text(), look(kernel))
        })
    });
    done.unwrap().unwrap()
}

#[test]
fn memstat_z_shows_each_zone_and_order() {
    let machine = Machine::boot(MachineConfig::with_memory(6 << 30)).unwrap();
    let (text, (stats, largest)) = beside(&machine, "memstat -z", |kernel| {
        (kernel.frames().stats(), kernel.frames().histogram().of(18))
    });
    let row = |name: &str| text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
    let (mut managed, mut free) = (0, 0);
    for zone in ["DMA", "DMA32", "Normal"] {
        let [has, left, cached, min, low, high] = numbers(row(zone))[..] else { panic!("{text}") };
        assert!(min < low && low < high && high < left && cached <= left && left <= has, "{text}");
        assert!(row(zone).ends_with("  ok"), "{text}");
        (managed, free) = (managed + has, free + left);
    }
    assert_eq!((managed, free), (stats.managed, stats.free), "{text}");
    for order in 0..19 {
        assert!(row(&order.to_string()).ends_with("-1.000"), "order {order}: {text}");
    }
    let blocks = |order: &str| numbers(row(order)).into_iter().rev().take(3).sum::<usize>();
    assert_eq!(blocks("18"), largest, "{text}");
}

#[test]
fn a_machine_without_high_memory_shows_an_empty_zone() {
    let text = good("memstat -z");
    assert!(text.lines().any(|line| line.starts_with("Normal ") && line.ends_with("  empty")), "{text}");
}

#[test]
fn memstat_s_and_slabtop_show_size_classes() {
    let machine = machine();
    let layout = core::alloc::Layout::from_size_align(100, 4).unwrap();
    let blocks: Vec<_> = (0..5)
        .map(|_| kos_demo_kernel::owned::Block::zeroed(machine.kernel().heap(), layout).unwrap())
        .collect();
    let text = machine.exec("memstat -s").text();
    let row = numbers(text.lines().find(|line| line.starts_with("heap-112 ")).unwrap());
    let [active, cached, objects, size, each, slabs, ..] = row[..] else { panic!("{text}") };
    assert_eq!((active, objects, size), (5, each * slabs, 112), "{text}");
    assert!(active + cached <= objects, "{text}");
    let text = machine.exec("slabtop").text();
    assert!(text.contains("Active / Total Objects (% used)"), "{text}");
    let row = text.lines().find(|line| line.ends_with(" heap-112")).unwrap();
    assert_eq!(numbers(row)[1], 5, "{text}");
    drop(blocks);
}

#[test]
fn frames_fits_the_screen_and_explains_itself() {
    for memory in [8 << 20, 64 << 20, 5 << 30] {
        let text = Machine::boot(MachineConfig::with_memory(memory)).unwrap().exec("frames").text();
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(text.lines().count() < 60, "{text}");
        for part in ["R  reserved", "in use", "one character is"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}

#[test]
fn frames_picture_counts_what_is_free() {
    // One character a frame: the digits and colons of the picture are the free frames.
    let machine = Machine::boot(MachineConfig::with_memory(6 << 20)).unwrap();
    let (text, stats) = beside(&machine, "frames", |kernel| kernel.frames().stats());
    assert!(text.contains("one character is 4 KiB"), "{text}");
    let rows = text.lines().filter(|line| line.trim_start().starts_with("0x"));
    let picture = rows.filter_map(|line| line.get(18..));
    let free = picture.flat_map(str::chars).filter(|c| c.is_ascii_digit() || ('a'..='i').contains(c)).count();
    assert_eq!(free, stats.free, "{text}");
}

#[test]
fn pagemap_shows_rights_leaves_and_guards() {
    let text = good("pagemap");
    let line = |name: &str| text.lines().find(|line| line.ends_with(name)).unwrap().to_owned();
    assert!(line("text").contains(" r-x-g- 4 KiB"), "{text}");
    assert!(line("   rodata").contains(" r---g- 4 KiB"), "{text}");
    assert!(line("direct map of text, rodata").contains(" r---g- 4 KiB"), "{text}");
    assert!(text.contains("rights: r read, w write, x execute"), "{text}");
    assert!(line("guard below stack").contains("none"), "{text}");
    assert!(text.contains("rw--g- 2 MiB   direct map"), "{text}");
    assert!(!text.contains("rwx"), "{text}");
    assert!(text.lines().last().unwrap().contains("tables"), "{text}");
}

#[test]
fn alloc_says_where_and_gives_back() {
    assert!(good("alloc 100").contains("a block of class 112"));
    assert!(good("alloc 1M").contains("256 frames, 1 MiB"));
    assert!(good("alloc 0").contains("nothing is allocated"));
    assert!(good("alloc 64 2M").contains("0000: "));
    let text = good("alloc 0x2000 4096");
    let [before, after] = numbers(text.split_once("live bytes ").unwrap().1)[..] else { panic!("{text}") };
    assert_eq!(before, after, "{text}");
}

#[test]
fn hostile_arguments_are_errors_that_help() {
    for command in ["alloc", "alloc x", "alloc -1", "alloc 1 2 3", "alloc 99999999999999999999999999"] {
        assert!(bad(command, Status::USAGE).contains("usage: alloc BYTES [ALIGN]"), "{command}");
    }
    for command in
        ["alloc max", "alloc 1 0", "alloc 1 3", "alloc 0x8000000000000000", "alloc 0x7fffffffffffffff 2"]
    {
        assert!(bad(command, Status::FAILED).contains("align to a power of two"), "{command}");
    }
    assert!(bad("alloc 1G", Status::FAILED).contains("largest free block"));
    assert!(bad("alloc 1 0x4000000000000000", Status::FAILED).starts_with("alloc: "));
    assert!(bad("uptime now", Status::USAGE).contains("unexpected 'now'"));
    assert!(bad("nonsense", Status::UNKNOWN).contains("'help' lists them"));
    let long = ["true"; 33].join(" ");
    assert!(bad(&long, Status::USAGE).contains("more than 32 words"));
}

#[test]
fn refused_allocations_leave_no_trace() {
    let machine = machine();
    let before = machine.kernel().frames().stats().free;
    machine.exec("alloc 1G; alloc max; alloc 1 0x4000000000000000");
    assert_eq!(machine.kernel().frames().stats().free, before);
    machine.kernel().check().unwrap();
}

#[test]
fn kmalloc_demo_leaks_nothing() {
    let text = good("kmalloc-demo; kmalloc-demo");
    for part in [
        "kmalloc(1024)",
        "kmalloc(2048)",
        "kcalloc(10, 64)",
        "all zero",
        "points into the block",
        "nothing leaked",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn storm_counts_and_leaks_nothing() {
    let text = good("storm 50K");
    for part in ["kernel ", " heap operations in ", "ticks at 10,000 Hz", "no deadlock", "nothing leaked"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let counted = text.split_whitespace().nth(1).unwrap().replace(',', "").parse::<u32>().unwrap();
    assert!(counted >= 50 << 10, "{text}");
    assert!(bad("storm now", Status::USAGE).contains("usage: storm [OPERATIONS]"));
}

#[test]
fn heapmode_shows_and_switches_with_live_blocks() {
    let machine = machine();
    assert!(machine.exec("heapmode").text().contains("\n* hybrid "), "the heap starts in mode hybrid");
    let before = machine.kernel().frames().stats().allocated();
    let (mut said, mut from) = (String::new(), "hybrid");
    for to in ["twotier", "hybrid", "hybrid", "twotier", "twotier", "hybrid"] {
        said = machine.exec(&format!("heapmode {to}; heapmode; alloc 100")).text();
        assert!(said.starts_with(&format!("{from} -> {to}: 28 blocks ")), "{said}");
        assert!(said.contains(&format!("* {to} ")), "{said}");
        from = to;
    }
    assert!(machine.exec("heapmode simple; alloc 100").text().contains(" bytes of the pool\n"));
    machine.exec("heapmode hybrid");
    machine.kernel().check().unwrap();
    machine.kernel().heap().shrink();
    assert_eq!(machine.kernel().frames().stats().allocated(), before, "{said}");
    assert!(bad("heapmode fast", Status::USAGE).contains("there is no mode 'fast'"));
    assert!(bad("heapmode hybrid twotier", Status::USAGE).contains("usage: heapmode [MODE]"));
}

#[test]
fn alloc_bench_compares_the_modes_and_changes_nothing() {
    let machine = machine();
    let blocks = machine.kernel().heap().stats().live_blocks();
    let text = machine.exec("heapmode twotier; alloc-bench; heapmode").text();
    for part in [
        "\nworkload ",
        " twotier ",
        "  hybrid\n",
        "\npair ",
        "\nbatch ",
        "\nchurn ",
        "\nlarge ",
        "* twotier ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(machine.kernel().heap().stats().live_blocks(), blocks);
    machine.kernel().check().unwrap();
}

#[test]
fn txn_demo_fails_at_each_step_and_leaves_nothing() {
    let text = good("txn-demo; txn-demo");
    assert_eq!(text.matches("as before\n").count(), 2 * 7, "{text}");
    for part in
        ["before     ", "nested: 16 frames", "no memory: 512 bytes asked", "commit     ", "taken apart again"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let line = |word: &str| text.lines().find(|line| line.starts_with(word)).unwrap().to_owned();
    let [before, commit] = ["before ", "commit "].map(|word| numbers(&line(word))[1]);
    assert_eq!(commit, before + 3, "blocks: {text}");
}

#[test]
fn injected_failures_are_named_and_leak_nothing() {
    let machine = machine();
    let kernel = machine.kernel();
    for k in 1..4 {
        let output = machine.exec(&format!("inject oom {k}; inject; kmalloc-demo; inject; kmalloc-demo"));
        let text = output.text();
        let statuses: Vec<_> = output.statuses.iter().map(|(_, status)| status.0).collect();
        assert_eq!(statuses, [0, 0, 1, 0, 0], "{text}");
        for part in [
            &format!("frame allocation: number {k} from now, and all after it"),
            "kmalloc-demo: no memory",
            "inject: refused ",
            "; nothing leaked: ",
            "nothing is to fail",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        kernel.check().unwrap();
    }
    assert_eq!(machine.exec("inject oom 1; inject off; kmalloc-demo").statuses[2].1, Status::SUCCESS);
    assert!(bad("inject oom 0", Status::USAGE).contains("usage: inject [oom|eio|enospc"));
    for command in [
        "inject oom",
        "inject oom x",
        "inject fire",
        "inject oom 1 x",
        "inject eio 1 next next",
        "inject eio 1/0",
        "inject drop 2/3",
        "inject drop 2 next",
    ] {
        bad(command, Status::USAGE);
    }
    assert!(bad("inject oom 1 2", Status::FAILED).contains("there is no process 2"));
    // Of a process that never comes.
    let text = machine.exec("inject oom 1 next; inject slow 9 next; inject; kmalloc-demo; inject off").text();
    for part in [
        "frame allocation: number 1 from now, and all after it, of process 1\n",
        "disk request: each 9 ms late, of process 1\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("inject: refused"), "{text}");
}

#[test]
fn dmesg_is_the_boot_log() {
    let machine = machine();
    assert_eq!(machine.exec("dmesg").text(), machine.log());
    assert!(machine.log().starts_with("kos "));
    assert_eq!(machine.log().lines().count(), 19, "{}", machine.log());
}

#[test]
fn irq_and_uptime_count() {
    let machine = machine();
    let text = machine.exec("irq").text();
    assert!(text.contains("page fault") && text.contains("all"), "{text}");
    assert!(machine.exec("uptime").text().starts_with("up 0:0"));
}

#[test]
fn selftest_passes_and_filters() {
    let text = good("selftest");
    assert!(text.contains("tests passed") && !text.contains("FAIL"), "{text}");
    let part = good("selftest guard");
    assert_eq!(part.lines().count(), 2, "{part}");
    assert!(bad("selftest no-such-test", Status::FAILED).contains("no test has"));
}

#[test]
fn statuses_are_kept_apart() {
    let output = run("true; false; true;; nonsense");
    let statuses: Vec<_> =
        output.statuses.iter().map(|(command, status)| (command.as_str(), status.0)).collect();
    assert_eq!(statuses, [("true", 0), ("false", 1), ("true", 0), ("nonsense", 127)]);
    assert!(!output.succeeded());
}

#[test]
fn poweroff_and_reboot_end_the_script() {
    let output = run("true; poweroff; false");
    assert_eq!((output.statuses.len(), output.end), (2, Some(End::Success)));
    assert_eq!(run("reboot").end, Some(End::Reboot));
}

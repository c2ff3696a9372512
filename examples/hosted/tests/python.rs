//! Python on a machine of 64 MiB, with the MicroPython that npm has; without npm each test says that it is skipped.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "common/typed.rs"]
mod typed;

use std::sync::OnceLock;

use kos_demo::interrupt::Interrupt;
use kos_demo::python;
use kos_demo::report::Report;
use kos_demo_kernel::wheel::testing::{deflated, wheel};
use kos_hosted::{Machine, MachineConfig, Output};
use kos_vfs::testing::CpioWriter;

use typed::Typed;

/// MicroPython. [`None`]: it is not to be had.
fn module() -> Option<&'static [u8]> {
    static MODULE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let fetch = || match python::fetch(&mut Report::new(false), &Interrupt::default()) {
        Ok(module) => Some(module),
        Err(why) => {
            eprintln!("SKIP: {why}");
            None
        }
    };
    MODULE.get_or_init(fetch).as_deref()
}

/// A machine with Python and these files, each a path without its first slash. [`None`]: there is no MicroPython.
fn machine(files: &[(&str, &[u8])]) -> Option<Machine> {
    machine_of(64 << 20, files)
}

/// The same with so much memory.
fn machine_of(memory: u64, files: &[(&str, &[u8])]) -> Option<Machine> {
    let module = module()?;
    let folders = ["usr", "usr/lib", "usr/lib/python", "usr/lib/python/site-packages", "w", "etc"];
    let archive = folders.iter().fold(CpioWriter::new(), |archive, name| archive.add(name, 0o040_755, b""));
    let archive = archive.add("usr/lib/python/micropython.wasm", 0o100_644, module);
    let archive =
        files.iter().fold(archive, |archive, (name, bytes)| archive.add(name, 0o100_644, bytes)).finish();
    let config = MachineConfig { archive: Some(archive), ..MachineConfig::with_memory(memory) };
    Some(Machine::boot(config).unwrap())
}

/// Statuses of the commands, and what they said.
fn run(files: &[(&str, &[u8])], commands: &str) -> Option<(Vec<u32>, String)> {
    let output: Output = machine(files)?.exec(commands);
    assert!(output.death.is_none(), "{:?}", output.death);
    Some((output.statuses.iter().map(|(_, status)| status.0).collect(), output.text()))
}

/// Runs commands, the last of which must end with `status`; what they said.
#[track_caller]
fn ends(status: u32, files: &[(&str, &[u8])], commands: &str, said: &[&str]) {
    let Some((statuses, text)) = run(files, commands) else { return };
    let (last, before) = statuses.split_last().unwrap();
    assert!(*last == status && before.iter().all(|status| *status == 0), "{commands}: {statuses:?}\n{text}");
    for said in said {
        assert!(text.contains(said), "{commands}: no '{said}' in\n{text}");
    }
}

#[test]
fn python_runs_without_std() {
    ends(0, &[], "py -c 'print(6*7)'", &["42\n"]);
    ends(
        0,
        &[("w/a.py", b"import sys\nprint(sys.argv)\n")],
        "py /w/a.py x 'y z'",
        &["['/w/a.py', 'x', 'y z']\n"],
    );
    ends(3, &[], "py -c 'import sys; sys.exit(3)'", &[]);
    ends(1, &[], "py -c '1/0'", &["ZeroDivisionError"]);
    ends(1, &[], "py -c 'def f(): f()\nf()'", &["RuntimeError: maximum recursion depth exceeded"]);
    ends(1, &[], "py -c 'import js; js.document'", &["AttributeError"]);
    ends(0, &[], "py -c 'try:\n  1/0\nexcept ZeroDivisionError: print(1)\nfinally: print(2)'", &["1\n2\n"]);
}

#[test]
fn modules_come_from_files() {
    let files: [(&str, &[u8]); 2] = [
        ("w/here.py", b"x = 'here'\n"),
        ("usr/lib/python/site-packages/there.py", b"import here\nx = here.x + 'there'\n"),
    ];
    ends(0, &files, "cd /w; py -c 'import there; print(there.x)'", &["herethere\n"]);
    ends(1, &files, "cd /w; py -c 'import nowhere'", &["ImportError"]);
}

#[test]
fn files_are_those_below() {
    let write = "cd /w; py -c 'f = open(\"f\", \"w\"); f.write(\"hi\"); f.close(); import os; os.mkdir(\"d\"); print(os.listdir())'; cat f";
    ends(0, &[], write, &["['f', 'd']\nhi"]);
    for path in ["../etc/secret", "/etc/secret", "/w/../etc/secret", "link", "d/../../etc/secret"] {
        let open = format!("cd /w; mkdir d; ln -s /etc/secret link; py -c 'open(\"{path}\")'");
        ends(1, &[("etc/secret", b"!")], &open, &["OSError"]);
    }
    let package = "cd /w; py -c 'open(\"/usr/lib/python/site-packages/x.py\", \"w\")'";
    ends(1, &[], package, &["OSError: 69\n"]);
}

#[test]
fn denied_imports_are_denied_and_logged() {
    let files: [(&str, &[u8]); 3] = [
        ("etc/python.deny", b"# these\nsocket\nbad # and this\n"),
        ("usr/lib/python/site-packages/bad.py", b"print('ran')\n"),
        ("usr/lib/python/site-packages/good.py", b"print('good')\n"),
    ];
    ends(0, &files, "cd /w; py -c 'import good'", &["good\n"]);
    let Some((statuses, text)) = run(&files, "cd /w; py -c 'import bad'; py -c 'import socket'; dmesg")
    else {
        return;
    };
    assert_eq!(statuses, [0, 1, 1, 0], "{text}");
    assert!(!text.contains("ran\n") && text.contains("ImportError: import of 'bad' is denied"), "{text}");
    assert!(text.contains("python: import of 'bad' is denied\n"), "{text}");
    assert!(text.contains("python: import of 'socket' is denied\n"), "{text}");
    // Past the hook the file is refused, too.
    let open = "cd /w; py -c 'open(\"/usr/lib/python/site-packages/bad.py\")'";
    ends(1, &files, open, &["OSError: [Errno 2]"]);
}

#[test]
fn quotas_end_who_takes_too_much() {
    ends(
        1,
        &[],
        "PYTHONFUEL=300000000 py -c 'while True: pass'",
        &["py: its fuel of 300,000,000 is used up\n"],
    );
    let hog = "py -c 'l = []\ntry:\n  while True: l.append(bytearray(100000))\nexcept MemoryError: n = len(l); l = None; print(n > 50)'";
    ends(0, &[], hog, &["True\n"]);
    ends(1, &[], "py -c 'x = bytearray(1 << 28)'", &["MemoryError"]);
}

#[test]
fn a_small_machine_refuses_python() {
    let Some(small) = machine_of(16 << 20, &[]) else { return };
    let output = small.exec("py -c 'print(1)'; free");
    assert!(output.death.is_none(), "{:?}", output.death);
    assert!(output.text().contains("py: Python takes 24.1 MiB of memory"), "{}", output.text());
}

#[test]
fn memory_is_as_before() {
    let Some(machine) = machine(&[]) else { return };
    let frames = "memstat";
    machine.exec("py -c 'print(1)'");
    let before = machine.kernel().frames().stats().free;
    machine
        .exec("py -c 'x = list(range(10000))'; PYTHONFUEL=100000000 py -c 'while True: pass'; py -c '1/0'");
    machine.exec(frames);
    assert_eq!(machine.kernel().frames().stats().free, before);
}

#[test]
fn packages_come_and_go_whole() {
    let package =
        wheel("Some_Thing", "1.2", &[("some/__init__.py", b"from .x import y\n"), ("some/x.py", b"y = 5\n")]);
    let files: [(&str, &[u8]); 1] = [("w/Some_Thing-1.2-py3-none-any.whl", &package)];
    let install = "cd /w; pip install ./Some_Thing-1.2-py3-none-any.whl";
    let site = "/usr/lib/python/site-packages";
    ends(
        0,
        &files,
        &format!("{install}; pip list; py -c 'import some; print(some.y)'"),
        &["Some_Thing 1.2\n5\n"],
    );
    ends(
        0,
        &files,
        &format!("{install}; cat {site}/installed.json"),
        &["{\"name\": \"Some_Thing\", \"version\": \"1.2\""],
    );
    ends(1, &files, &format!("{install}; {install}"), &["pip: Some_Thing 1.2 is installed already"]);
    let gone = format!("{install}; pip uninstall some.thing; ls -a {site}; pip list");
    ends(0, &files, &gone, &["Some_Thing 1.2 is gone\n.\n..\ninstalled.json\n"]);
    ends(1, &files, "pip uninstall nothing", &["pip: nothing is not installed"]);
    let other: [(&str, &[u8]); 1] = [("w/numpy-2.0-cp313-cp313-linux_x86_64.whl", &package)];
    ends(
        1,
        &other,
        "pip install /w/numpy-2.0-cp313-cp313-linux_x86_64.whl",
        &["it is for cp313-cp313-linux_x86_64; only"],
    );
    let escape = wheel("a", "1", &[("../../../../etc/evil", b"")]);
    let escape: [(&str, &[u8]); 1] = [("w/a-1-py3-none-any.whl", &escape)];
    ends(
        1,
        &escape,
        "pip install /w/a-1-py3-none-any.whl",
        &["the path '../../../../etc/evil' is not one of a wheel"],
    );
}

#[test]
fn deflated_packages_are_installed_and_bombs_are_not() {
    let text = "x = 0\n".to_owned() + &"x += 1\n".repeat(300);
    let package = deflated(
        "thing",
        "1",
        &[("thing/__init__.py", b"from .y import x\n"), ("thing/y.py", text.as_bytes())],
    );
    assert!(package.len() < text.len());
    let bomb = deflated("bomb", "1", &[("bomb.py", &[b'#'; 1 << 20])]);
    let files: [(&str, &[u8]); 2] =
        [("w/thing-1-py3-none-any.whl", &package), ("w/bomb-1-py3-none-any.whl", &bomb)];
    ends(
        0,
        &files,
        "pip install /w/thing-1-py3-none-any.whl; py -c 'import thing; print(thing.x)'",
        &["300\n"],
    );
    let site = "/usr/lib/python/site-packages";
    let install = format!("pip install /w/bomb-1-py3-none-any.whl || ls -a {site}");
    ends(0, &files, &install, &["it unpacks to more than 50 times its size\n.\n..\ninstalled.json\n"]);
}

#[test]
fn a_venv_is_another_world() {
    let package = wheel("thing", "1", &[("thing.py", b"x = 7\n")]);
    let files: [(&str, &[u8]); 2] = [("w/thing-1-py3-none-any.whl", &package), ("etc/secret", b"!")];
    let make = "venv create /w/one; venv create /w/two; venv activate /w/one; pip install /w/thing-1-py3-none-any.whl";
    ends(0, &files, &format!("{make}; py -c 'import thing; print(thing.x)'"), &["7\n"]);
    ends(
        1,
        &files,
        &format!("{make}; venv activate /w/two; pip list; py -c 'import thing'"),
        &["ImportError"],
    );
    ends(1, &files, &format!("{make}; venv deactivate; py -c 'import thing'"), &["ImportError"]);
    ends(1, &files, &format!("{make}; py -c 'open(\"/etc/secret\")'"), &["OSError: [Errno 2]"]);
    ends(1, &files, "venv activate /etc", &["no venv"]);
}

#[test]
fn failed_installs_leave_nothing() {
    let package = wheel("thing", "1", &[("thing/__init__.py", b"x = 7\n"), ("thing/y.py", b"")]);
    for k in (1..200).step_by(7) {
        let files: [(&str, &[u8]); 1] = [("w/thing-1-py3-none-any.whl", &package)];
        let Some(machine) = machine(&files) else { return };
        let output =
            machine.exec(&format!("inject oom {k}; pip install /w/thing-1-py3-none-any.whl; inject off"));
        let installed = output.statuses.get(1).is_some_and(|(_, status)| status.0 == 0);
        let list = machine.exec("pip list").text();
        assert_eq!(list, if installed { "thing 1\n" } else { "" }, "k = {k}: {}", output.text());
        let again =
            machine.exec("pip install /w/thing-1-py3-none-any.whl; py -c 'import thing; print(thing.x)'");
        assert!(again.text().ends_with("7\n"), "k = {k}: {}", again.text());
    }
}

/// A shell at a terminal, in which nobody else has taken memory; [`None`]: there is no MicroPython.
fn typed() -> Option<Typed> {
    module()?;
    let mut shell = Typed::with(&["--mem", "64M"]);
    shell.expect("kos> ");
    Some(shell)
}

#[test]
fn the_prompt_keeps_its_state_past_errors() {
    let Some(mut shell) = typed() else { return };
    shell.say("py\r");
    shell.expect("MicroPython v1.27.0");
    let seen = shell.talk(&[
        (">>> ", "x = 6"),
        (">>> ", "x * 7"),
        ("\r\n42\r\n", "1/0"),
        ("ZeroDivisionError: divide by zero\r\n", "def f(n):"),
        ("... ", "return n + x"),
        ("... ", "\x08"),
        (">>> ", "f(1)"),
        ("\r\n7\r\n", "import nowhere"),
        ("ImportError", "syntax error"),
        ("SyntaxError", "bytearray(1 << 28)"),
        ("MemoryError", "x"),
        ("\r\n6\r\n", "fa\x08\x08x + \x1b[D\x1b[C1"),
    ]);
    assert!(!seen.contains("py: "), "{seen}");
    // At the prompt Ctrl-C drops the line.
    shell.expect("\r\n7\r\n>>> ");
    shell.say("junk");
    shell.expect("junk");
    shell.say("\x03");
    shell.talk(&[
        (">>> ", "x, x"),
        ("\r\n(6, 6)\r\n>>> ", "\x04echo =$?="),
        ("=0=", "py"),
        (">>> ", "import sys; sys.exit(3)"),
        ("kos> ", "echo gone"),
        ("\r\ngone\r\n", ""),
    ]);
}

/// Frames that are free, as the shell says it.
fn free(shell: &mut Typed) -> String {
    shell.say("gc; memstat | grep managed; echo end=\r");
    shell.expect("\r\nend=\r\n");
    shell.say("memstat | grep managed; echo end=\r");
    let seen = shell.expect("\r\nend=\r\n");
    shell.expect("kos> ");
    seen.split(", ").find(|part| part.contains(" used")).unwrap().trim().to_owned()
}

#[test]
fn control_c_raises_keyboard_interrupt() {
    let Some(mut shell) = typed() else { return };
    // What is kept for the next time is kept before.
    shell.say("py -c 1\r");
    shell.expect("kos> ");
    let before = free(&mut shell);
    for (program, said) in [
        ("print(1)\nwhile True: pass", "\r\nKeyboardInterrupt:\r\n"),
        ("import time\nprint(1)\nwhile True: time.sleep(1)", "\r\nKeyboardInterrupt:\r\n"),
        ("try:\n  print(1)\n  while True: pass\nfinally: print(\"end\")", "\r\nend\r\n"),
        ("while True: print(1)", "\r\nKeyboardInterrupt:\r\n"),
        // Who does not end when he is told gets a little time, and no more.
        (
            "print(1)\nwhile True:\n  try:\n    while True: pass\n  except KeyboardInterrupt: print(2)",
            "\r\n2\r\n",
        ),
    ] {
        // Of a file: a line has no other lines.
        shell.say(&format!("echo 'exec({program:?})' > /p; py /p\r"));
        shell.expect("\r\n1\r\n");
        shell.say("\x03");
        let seen = shell.expect("kos> ");
        assert!(seen.contains("^C\r\n") && seen.contains(said), "{program}: {seen:?}");
        shell.say("echo =$?=\r");
        shell.expect("=130=\r\n");
        shell.expect("kos> ");
    }
    assert_eq!(free(&mut shell), before);
}

#[test]
fn lines_of_the_prompt_have_quotas_and_are_interrupted() {
    let Some(mut shell) = typed() else { return };
    shell.say("py -c 1\r");
    shell.expect("kos> ");
    let before = free(&mut shell);
    shell.say("PYTHONFUEL=300000000 py\r");
    shell.talk(&[
        (">>> ", "x = 5"),
        (">>> ", "while 1: pass"),
        ("... ", "\x08"),
        ("KeyboardInterrupt: \r\n", ""),
        ("the line's fuel of 300,000,000 is used up", "x"),
        ("\r\n5\r\n", "\x04"),
    ]);
    shell.say("py\r");
    shell.talk(&[(">>> ", "x = 5"), (">>> ", "exec('print(1)\\nwhile 1: pass')"), ("\r\n1\r\n", "\x03")]);
    shell.talk(&[("KeyboardInterrupt: \r\n", "x"), ("\r\n5\r\n", "\x04"), ("kos> ", "")]);
    assert_eq!(free(&mut shell), before);
}

#[test]
fn programs_are_read() {
    ends(0, &[("w/p", b"print(6 * 7)\n")], "echo 'print(1)' | py; py < /w/p; py - < /w/p", &["1\n42\n42\n"]);
    ends(2, &[], "py", &["py: which program?"]);
}

//! The language of the shell, as its commands see it: scripts in, output and statuses out.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "common/typed.rs"]
mod typed;

use std::process::Command;

use kos_demo_kernel::shell::Status;
use kos_hosted::{Machine, MachineConfig};

use typed::Typed;

/// Scripts, what they say, and with which statuses. Each runs on a machine that ran those before it.
const SCRIPTS: &[(&str, &str, &[u32])] = &[
    // Lists.
    ("echo a; echo b", "a\nb\n", &[0, 0]),
    ("true && echo yes || echo no", "yes\n", &[0]),
    ("false && echo yes || echo no", "no\n", &[0]),
    ("false || false && echo never; echo $?", "1\n", &[1, 0]),
    ("nothing-such; echo $?", "nothing-such: no such command; 'help' lists them\n127\n", &[127, 0]),
    // Quotes and variables.
    ("A=1; B=\"$A 2\"; echo $B '$B' \"<$NONE>\" $NONE x", "1 2 $B <> x\n", &[0, 0, 0]),
    ("C=3 env; echo $C", "C=3\n\n", &[0, 0]),
    ("export D=4 E; env; unset D; env", "D=4\nE=\nE=\n", &[0, 0, 0, 0]),
    ("export 1A", "export: 1A: no variable is called so\n", &[1]),
    // Streams.
    ("mkdir /s; cd /s; echo one > f; echo two >> f; cat < f", "one\ntwo\n", &[0, 0, 0, 0, 0]),
    ("cd /s; cat gone 2> e; cat e", "cat: gone: no such file or directory\n", &[0, 1, 0]),
    ("cd /s; > empty; wc < empty", "      0       0       0\n", &[0, 0, 0]),
    ("N=/s/f; wc < $N", "      2       2       8\n", &[0, 0]),
    // Pipes.
    ("echo a b | wc", "      1       2       4\n", &[0]),
    ("cat /s/f | grep two | cat", "two\n", &[0]),
    ("cat /s/f | grep -v two > /s/g; cat /s/g", "one\n", &[0, 0]),
    ("yes | head 2", "y\ny\n", &[0]),
    ("yes no | cat | cat | cat | cat | cat | head 1", "no\n", &[0]),
    ("echo a | false; false | true", "", &[1, 0]),
    // Whose reader is gone ends without a word; whose output is not taken says why, once.
    (
        "hexdump /dev/zero | head 1",
        "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n",
        &[0],
    ),
    (
        "cat /dev/zero | true; cat /dev/zero /dev/zero | wc -x; find / | true",
        "wc: unexpected '-x'\nusage: wc \n",
        &[0, 2, 0],
    ),
    ("hexdump /dev/zero /s/f > /dev/full", "hexdump: cannot write: no space left on device\n", &[1]),
    (
        "cat /dev/zero > /dev/full; hexdump /s/f > /dev/full",
        "cat: cannot write: no space left on device\nhexdump: cannot write: no space left on device\n",
        &[1, 1],
    ),
    (
        "ls -l /dev /s > /dev/full; stat /s /dev > /dev/full",
        "ls: cannot write: no space left on device\nstat: cannot write: no space left on device\n",
        &[1, 1],
    ),
    ("mkdir /s/t; cd /s/t; touch a b c d e f g h i j k l m n o p q r s t u v w x y z", "", &[0, 0, 0]),
    (
        "cd /; find /s /proc /dev /s /s /s > /dev/full",
        "find: cannot write: no space left on device\n",
        &[0, 1],
    ),
    ("rm -r /s/t", "", &[0]),
    ("false | grep x; echo x | grep x && echo found", "x\nfound\n", &[1, 0]),
    ("nothing | wc", "nothing: no such command; 'help' lists them\n      0       0       0\n", &[0]),
    ("cd /s; echo x | cd /; pwd", "/\n", &[0, 0, 0]),
    ("cd / | true; cd /s; true | pwd", "/s\n", &[0, 0, 0]),
    // Scripts.
    ("echo 'echo $1 $0; X=9; cd /; false' > /s/sh", "", &[0]),
    ("cd /s; sh sh word; pwd; echo $X.", "word sh\n/s\n.\n", &[0, 1, 0, 0]),
    (
        "echo 'sh /s/again' > /s/again; sh /s/again",
        "sh: /s/again: too many scripts within each other\n",
        &[0, 1],
    ),
    ("echo 'echo \"' > /s/bad; sh /s/bad", "sh: /s/bad: column 6: nothing ends \"\n", &[0, 1]),
    ("sh /s/sh > /s/out; wc < /s/out", "      1       1       6\n", &[1, 0]),
    // Jobs.
    (
        "sleep 0.1 && echo late & echo now; wait; echo $?",
        "[1] sleep 0.1 && echo late\nnow\nlate\n0\n",
        &[0, 0, 0, 0],
    ),
    ("false & wait %1; echo $?", "[1] false\n1\n", &[0, 1, 0]),
    ("sleep 1000 & kill %1; wait %1; jobs", "[1] sleep 1000\n", &[0, 0, 130, 0]),
    ("sleep 1000 & jobs", "[1] sleep 1000\n[1] runs      sleep 1000\n", &[0, 0]),
    ("Z=7; echo $Z | cat & Z=8; fg", "[1] echo $Z | cat\n7\n", &[0, 0, 0, 0]),
    ("yes | head 5000 & fg > /s/y; wc < /s/y", "[1] yes | head 5000\n   5000    5000   10000\n", &[0, 0, 0]),
    (
        "fg; wait %3; kill %x",
        "fg: there is no job\nwait: no job 3\nkill: '%x' is no job such as %1\nusage: kill ID|%JOB...\n",
        &[1, 1, 2],
    ),
    // What is none.
    ("echo a; echo 'b", "column 14: nothing ends '\n", &[2]),
    ("true; # nothing but a comment", "", &[0]),
    ("", "", &[]),
];

#[test]
fn scripts_say_what_they_should() {
    let machine = Machine::boot(MachineConfig::with_memory(64 << 20)).unwrap();
    for (script, said, statuses) in SCRIPTS {
        let output = machine.exec(script);
        let ended: Vec<_> = output.statuses.iter().map(|(_, status)| status.0).collect();
        assert_eq!((output.text().as_str(), ended.as_slice()), (*said, *statuses), "{script}");
    }
    assert!(machine.kernel().check().is_ok());
}

#[test]
fn pipelines_give_back_what_they_take() {
    let machine = Machine::boot(MachineConfig::with_memory(64 << 20)).unwrap();
    machine.exec("echo a | cat; mkdir /s");
    let frames = |machine: &Machine| {
        let text = machine.exec("memstat | grep managed").text();
        text.split(", ").find(|part| part.contains(" used")).unwrap().split(' ').next().unwrap().to_owned()
    };
    let before = frames(&machine);
    for _ in 0..20 {
        assert_eq!(machine.exec("yes | head 3000 | wc").text(), "   3000    3000    6000\n");
        assert_eq!(machine.exec("yes | cat | true").statuses[0].1, Status::SUCCESS);
    }
    assert_eq!(frames(&machine), before);
}

/// Each allocation of frames of a pipeline fails in turn: it says so or does its work, and nothing is left.
#[test]
fn pipelines_without_memory_leave_nothing() {
    let machine = Machine::boot(MachineConfig::with_memory(64 << 20)).unwrap();
    machine.exec("echo a | cat");
    for k in 1.. {
        let output = machine.exec(&format!("inject oom {k}; echo a | cat | cat; inject off"));
        assert!(!output.text().contains("; leaked: "), "{k}: {}", output.text());
        if !output.text().contains("inject: refused") {
            assert!(output.text().contains("\na\n"), "{k}: {}", output.text());
            assert!(k > 2, "nothing was refused");
            return;
        }
        assert!(output.text().contains("nothing leaked"), "{k}: {}", output.text());
    }
}

/// A shell at its prompt.
fn at_prompt() -> Typed {
    let mut typed = Typed::with(&[]);
    typed.expect("kos> ");
    typed
}

#[test]
fn control_c_ends_what_runs_and_the_shell_goes_on() {
    let mut shell = at_prompt();
    for line in ["sleep 1000", "yes | cat > /dev/null", "sleep 1000 | cat; echo not this", "yes | sleep 1000"]
    {
        shell.say(&format!("echo begins; {line}\r"));
        shell.expect("begins\r\n");
        shell.say("\x03");
        let seen = shell.expect("kos> ");
        assert!(seen.contains("^C\r\n") && !seen.contains("not this\r\n"), "{line}: {seen:?}");
        shell.say("echo =$?=\r");
        shell.expect("=130=\r\n");
        shell.expect("kos> ");
    }
    // So it ends a job that is shown, which is named at the next prompt.
    shell.say("sleep 1000 &\rfg\r");
    shell.expect("fg\r\n");
    shell.say("\x03");
    shell.expect("[1] status 130  sleep 1000\r\n");
    shell.expect("kos> ");
    // What is typed ahead is kept, and on an empty line Ctrl-C drops the line.
    shell.say("sleep 0.2; echo one\recho two\rjunk\x03");
    shell.expect("\r\ntwo\r\n");
    shell.expect("junk^C");
    shell.say("poweroff\r");
    assert_eq!(shell.child.wait().unwrap().code(), Some(0));
}

#[test]
fn tab_completes_commands_and_paths_and_history_lists_lines() {
    let mut shell = at_prompt();
    for (typed, said) in [
        ("mkdir /folder; echo found > /folder/file\r", "kos> "),
        ("cat /fo\tfi\t\r", "\r\nfound\r\n"),
        ("cd /folder\r", "kos> "),
        ("cat f\t| wc\r", "\r\n      1       1       6\r\n"),
        ("histo\t\r", "cat /folder/file \r\n"),
        // Nothing begins so: a bell, and the line as it was.
        ("echo /none\t.\r", "\r\n/none.\r\n"),
    ] {
        shell.say(typed);
        shell.expect(said);
    }
}

#[test]
fn passwords_show_nowhere() {
    let mut shell = at_prompt();
    let mut seen = shell.talk(&[
        ("", "useradd alice"),
        ("kos> ", "passwd alice"),
        ("a new password: ", "sesame, open"),
        ("once more: ", "sesame, opem\x7fn"),
        ("kos> ", "login alice"),
        ("password: ", "sesame, close"),
        ("login: name or password is wrong", "login alice"),
        ("password: ", "sesamx\x15sesame, open"),
        ("kos> ", "whoami; pwd; echo $HOME"),
        ("\r\nalice\r\n/home/alice\r\n/home/alice\r\n", "passwd"),
        ("the password until now: ", "sesame, open"),
        ("a new password: ", "short"),
        ("a password has 6 bytes at least", "poweroff"),
        ("poweroff: this needs the role 'power'", "echo =$?="),
        ("=126=", "su"),
        ("password: ", ""),
        ("su: name or password is wrong", "history; exit; whoami; cat /var/log/audit"),
        ("\r\nroot\r\n", ""),
    ]);
    // Ctrl-C ends a question.
    shell.say("login alice\r");
    seen += &shell.expect("password: ");
    shell.say("sesame\x03");
    seen += &shell.expect("^C\r\n");
    shell.say("echo =$?=\r");
    seen += &shell.expect("=130=\r\n");
    for secret in ["sesame", "sesam", "short"] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}

#[test]
fn who_cannot_log_in_gets_no_prompt() {
    let disk = std::env::temp_dir().join(format!("kos-login-{}", std::process::id()));
    let path = disk.to_str().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_kos-hosted")).args(["mkfs", path, "--size", "8M"]).output();
    assert!(made.unwrap().status.success());
    // While nobody has a password nobody could give one.
    let mut shell = Typed::with(&["--login", "--disk", path]);
    shell.talk(&[
        ("kos: nobody has a password", "useradd alice; echo sesame | passwd alice; poweroff"),
        ("alice is user 1000", ""),
    ]);
    assert_eq!(shell.child.wait().unwrap().code(), Some(0));
    let mut shell = Typed::with(&["--login", "--disk", path]);
    let seen = shell.talk(&[
        ("login: ", "root"),
        ("password: ", ""),
        ("login: name or password is wrong", "alice"),
        ("password: ", "sesame"),
        ("kos> ", "id; exit"),
        ("uid=1000(alice) gid=100(users)", ""),
        ("login: ", "alice"),
        ("password: ", "sesame"),
        ("kos> ", "poweroff"),
        ("poweroff: this needs the role 'power'", ""),
    ]);
    assert!(!seen.contains("sesame") && !seen.contains("exit: "), "{seen}");
    drop(shell);
    std::fs::remove_file(disk).unwrap();
}

//! The shell's file commands, on a machine of 64 MiB without a disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

use kos_hosted::{Machine, MachineConfig, Output};

fn machine() -> Machine {
    Machine::boot(MachineConfig::with_memory(64 << 20)).unwrap()
}

/// Runs commands on a new machine, all of which must succeed; what they say.
#[track_caller]
fn good(commands: &str) -> String {
    let output = machine().exec(commands);
    assert!(output.succeeded(), "{commands}: {:?}\n{}", output.statuses, output.text());
    output.text()
}

/// Runs commands on a new machine, the last of which must fail; what that one says.
#[track_caller]
fn refused(commands: &str) -> String {
    let output = machine().exec(commands);
    let (last, before) = output.statuses.split_last().unwrap();
    let text = output.text();
    assert!(before.iter().all(|(_, status)| status.0 == 0) && last.1.0 == 1, "{:?}\n{text}", output.statuses);
    text.lines().last().unwrap().to_owned()
}

#[test]
fn redirected_output_is_a_file() {
    assert_eq!(good("mkdir /a; echo hi > /a/f; cat /a/f"), "hi\n");
    assert_eq!(good("echo 'a  b' > f; echo c >> f; cat < f; echo d>f; cat f"), "a  b\nc\nd\n");
    assert_eq!(good("free > /tmp/free; cat /tmp/free > /tmp/two; find /tmp -name 't?o'"), "/tmp/two\n");
    assert_eq!(refused("cat nosuch > f"), "cat: nosuch: no such file or directory");
    assert_eq!(refused("free > /nodir/f"), "free: /nodir/f: no such file or directory");
}

#[test]
fn listings_say_everything() {
    let text =
        good("umask 027; mkdir d; echo hello > d/f; ln -s f d/l; ln d/f d/g; chmod u+s,o=r d/f; ls -l d");
    let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let [f, g, l] = lines.as_slice() else { panic!("{text}") };
    assert_eq!((&f[..5], f[7]), (&["-rwSr--r--", "2", "0", "0", "6"][..], "f"));
    assert_eq!((g[0], g[7], l[0], &l[7..]), (f[0], "g", "lrwxrwxrwx", &["l", "->", "f"][..]));
    assert!(f[5].len() == 10 && f[5].starts_with("20") && f[6].len() == 5, "{text}");
    assert_eq!(good("mkdir -p a/b/c; touch a/.x a/y; ls a; ls -a a; ls -d a"), "b\ny\n.\n..\n.x\nb\ny\na\n");
}

#[test]
fn names_move_and_go() {
    assert_eq!(
        good("echo x > a; mv a b; cat b; cp b c; mkdir d; mv b c d; ls d; rm -r d; ls /"),
        "x\nb\nc\ndev\netc\nmnt\nproc\ntmp\n"
    );
    assert_eq!(refused("mkdir a; touch a/b; rmdir a"), "rmdir: a: directory not empty");
    assert_eq!(refused("mkdir a; rm a"), "rm: a: is a directory");
    // Of a symlink its target is copied, with -r the symlink itself.
    assert_eq!(good("echo x > a; ln -s a b; cp b c; cp -r b d; echo y > a; cat c d"), "x\ny\n");
    assert!(good("ln -s /dev/null b; cp b c; ls -l c").starts_with("crw"));
    assert_eq!(refused("ln -s nosuch b; cp b c"), "cp: b: no such file or directory");
    assert_eq!(refused("mkdir a; ln -s a b; cp b c"), "cp: b: a directory; -r copies it with all in it");
    assert_eq!(refused("mkdir a; cp -r a a/b"), "cp: a: it would come into itself");
    assert_eq!(refused("echo x > a; ln a b; cp a b"), "cp: a: it would be copied onto itself");
    assert_eq!(refused("rm nosuch"), "rm: nosuch: no such file or directory");
    assert_eq!(
        good("rm -f nosuch; mkdir -p t/u; echo 1 > t/u/v; cp -r t w; rm -r t; find w -type f"),
        "w/u/v\n"
    );
}

#[test]
fn a_user_may_what_the_modes_say() {
    assert_eq!(good("su 1000:100 id; id"), "uid=1000 gid=100(users)\nuid=0(root) gid=0(root)\n");
    assert_eq!(refused("su 1000 touch /f"), "touch: /f: permission denied");
    assert_eq!(refused("echo x > f; chmod 600 f; su 1000; cat f"), "cat: f: permission denied");
    assert_eq!(refused("su 1000; su 0"), "su: operation not permitted");
    assert_eq!(
        refused("su 1000 exit; exit"),
        "exit: one was nobody else before; 'poweroff' ends the machine"
    );
    assert_eq!(
        good("echo x > f; chown 1000 f; su 1000; chmod 400 f; exit; stat f").lines().nth(2).unwrap(),
        "  mode -r-------- (0400), uid 1000, gid 0"
    );
}

#[test]
fn mounts_come_and_go() {
    let text = good("mkdir /m; mount -t tmpfs none /m; echo x > /m/f; mount; df; umount /m; ls /m; mount");
    assert!(text.matches("tmpfs   on /m ").count() == 1, "{text}");
    assert_eq!(refused("mkdir /m; mount -t tmpfs none /m; cd /m; umount /m"), "umount: /m: busy");
    assert_eq!(
        refused("mkdir /m; mount -t tmpfs -o ro none /m; touch /m/f"),
        "touch: /m/f: read-only file system"
    );
    assert_eq!(good("mkdir /m; mount -o bind /etc /m; touch /m/f; ls /etc; cd /m; pwd"), "f\n/m\n");
    assert_eq!(refused("umount /"), "umount: /: invalid argument");
}

#[test]
fn wrong_lines_are_usage() {
    for line in [
        "echo 'x",
        "cat",
        "ls -q",
        "chmod 9 f",
        "find -name",
        "cp a",
        "mount -o fly a b",
        "free < f",
        "echo >",
    ] {
        let output = machine().exec(&format!("touch f; {line}"));
        assert_eq!(output.statuses.last().unwrap().1.0, 2, "{line}: {}", output.text());
    }
}

/// Bytes that are no text come out as they went in.
#[test]
fn bytes_survive() {
    let Output { bytes, .. } = machine().exec("echo -n 'ä' > f; cat f f > g; cat g; hexdump f");
    assert_eq!(
        bytes,
        "ää00000000  c3 a4                                             |..|\n00000002\n".as_bytes()
    );
}

/// A file system that is full says so, and goes on.
#[test]
fn a_full_file_system_is_named() {
    let machine = Machine::boot(MachineConfig::with_memory(16 << 20)).unwrap();
    let output = machine.exec("free > a; cat a a a a a a a a > b; cat b b b b b b b b b b b b b b b b > c; cat c c c c c c c c c c c c c c c c c c c c c c c c > d; cat d d d d d d d d d d > e; rm e; echo x > e; cat e");
    let text = output.text();
    assert!(text.contains("cat: cannot write: no space left on device"), "{text}");
    assert!(text.ends_with("x\n"), "{text}");
}

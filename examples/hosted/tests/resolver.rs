//! Paths in random trees, by `openat2` on a file system of kos and on the host's: the same error, or the same file.
//!
//! Trees have directories that some may not search, symlinks of every kind and binds where the host allows them; each file is
//! known by the time of its last change. `KOS_RESOLVER_PATHS` and `KOS_RESOLVER_SEED` make it longer, or another.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panic")]

mod common;

use common::{Scratch, answer, number};
use kos_hosted::fs::{HostBackend, on_tmpfs};
use kos_vfs::testing::script::{Answer, Backend, Engine, Generator};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "long-name-of-more-than-thirty-one-bytes"];
/// Of each tree.
const PATHS: u64 = 20;
const TREES: u64 = 20;

struct Random(Generator);

impl Random {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.0.below(from.len() as u64)).unwrap()]
    }

    /// Up to five components, absolute at times.
    fn path(&mut self) -> String {
        let mut path = String::from(if self.0.below(4) == 0 { "/" } else { "" });
        for _ in 0..=self.0.below(5) {
            path.push_str(match self.0.below(10) {
                0 | 1 => "..",
                2 => ".",
                _ => self.pick(&NAMES),
            });
            path.push_str(if self.0.below(12) == 0 { "//" } else { "/" });
        }
        if self.0.below(6) > 0 {
            path.truncate(path.trim_end_matches('/').len());
        }
        if path.is_empty() { "/".to_string() } else { path }
    }

    /// A path without symlinks' ways about it, to build at.
    fn spot(&mut self) -> String {
        let mut path = String::new();
        for _ in 0..=self.0.below(3) {
            path.push('/');
            path.push_str(self.pick(&NAMES));
        }
        path
    }

    fn building(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut spots = Vec::new();
        for _ in 0..12 {
            let spot = self.spot();
            lines.push(match self.0.below(8) {
                0..4 => format!("mkdir {spot} {}", self.pick(&["0755", "0755", "0755", "0700"])),
                4..7 => format!("symlink {} {spot}", self.path()),
                _ => format!("mknod {spot} f 0644 0 0"),
            });
            spots.push(spot);
        }
        for (mark, spot) in (1_u64..).zip(&spots) {
            lines.push(format!("utimensat AT_FDCWD {spot} 0 0 {mark} 0 AT_SYMLINK_NOFOLLOW"));
        }
        lines.push("utimensat AT_FDCWD / 0 0 99 0".to_string());
        lines
    }

    fn query(&mut self) -> String {
        let mut resolve = "0".to_string();
        for flag in ["NO_XDEV", "NO_MAGICLINKS", "NO_SYMLINKS", "BENEATH", "IN_ROOT"] {
            if self.0.below(4) == 0 {
                resolve = format!("{resolve},RESOLVE_{flag}").trim_start_matches("0,").to_string();
            }
        }
        let flags = self.pick(&["O_PATH", "O_PATH", "O_PATH,O_NOFOLLOW", "O_PATH,O_DIRECTORY"]);
        let dir = self.pick(&["AT_FDCWD", "0"]);
        format!("openat2 {dir} \"{}\" {flags} 0 {resolve}", self.path())
    }
}

/// What a path leads to: the error, or kind and mark of the file. A host is asked again when others moved something meanwhile.
fn found(engine: &mut Engine<impl Backend>, line: &str) -> String {
    let mut opened = answer(engine, line);
    for _ in 0..1000 {
        if opened.to_string() != "EAGAIN" {
            break;
        }
        opened = answer(engine, line);
    }
    let Answer::Value(fd) = &opened else { return opened.to_string() };
    let file = answer(engine, &format!("fstat {fd} type,mtime"));
    answer(engine, &format!("close {fd}"));
    file.to_string()
}

/// Asks about `TREES` trees; the differences.
fn compare(seed: u64) -> Vec<String> {
    let scratch = Scratch::new(&format!("resolver-{seed}"));
    let dir = scratch.0.clone();
    // A thread of its own: its root directory is another one afterwards.
    let thread = std::thread::spawn(move || {
        let mut host = match HostBackend::new(&dir) {
            Ok(host) => Engine::new(host),
            Err(error) => {
                eprintln!("not compared: {error}");
                return Vec::new();
            }
        };
        on_tmpfs(|ours| {
            let mut ours = Engine::new(ours);
            let mut random = Random(Generator::new(seed));
            let mut differences = Vec::new();
            for tree in 0..TREES {
                differences.extend(compare_tree(&mut ours, &mut host, &mut random, tree));
            }
            differences
        })
    });
    thread.join().unwrap()
}

fn compare_tree(
    ours: &mut Engine<impl Backend>,
    host: &mut Engine<impl Backend>,
    random: &mut Random,
    tree: u64,
) -> Option<String> {
    let mut story = Vec::new();
    let mut both = |line: &str| {
        let (left, right) = (answer(ours, line), answer(host, line));
        assert_eq!(left, right, "{line}");
        story.push(format!("{line} -> {left}"));
        left
    };
    both("proc main");
    both(&format!("mkdir /t{tree} 0755"));
    both(&format!("proc tree-{tree}"));
    both(&format!("chroot /t{tree}"));
    both("chdir /");
    random.building().iter().for_each(|line| drop(both(line)));
    // Where it starts, with its descriptor: a directory that may not be there.
    let start = random.spot();
    if both(&format!("open {start} O_PATH,O_DIRECTORY")) != Answer::Value("0".to_string()) {
        both("open / O_PATH,O_DIRECTORY");
    }
    if random.0.below(2) == 0 {
        both(&format!("chdir {}", random.spot()));
    }
    let bind = format!("mount --bind {} {}", random.spot(), random.spot());
    if random.0.below(2) == 0 {
        let done = answer(host, &bind);
        if done == Answer::Done {
            assert_eq!(answer(ours, &bind), done, "{bind}");
            story.push(bind);
        }
    }
    let user = random.pick(&["as 0 0", "as 0 0", "as 1000 1000"]);
    for engine in [&mut *ours as &mut dyn Lines, host] {
        engine.say(user);
    }
    for _ in 0..PATHS {
        let line = random.query();
        let (left, right) = (found(ours, &line), found(host, &line));
        if left != right {
            let story = story.join("\n  ");
            return Some(format!("{line}: kos {left}, host {right}, {user}, after\n  {story}"));
        }
    }
    None
}

/// An engine of either backend.
trait Lines {
    fn say(&mut self, line: &str);
}

impl<B: Backend> Lines for Engine<B> {
    fn say(&mut self, line: &str) {
        answer(self, line);
    }
}

#[test]
fn paths_lead_where_openat2_leads() {
    let paths = number("KOS_RESOLVER_PATHS", 4000);
    let first = number("KOS_RESOLVER_SEED", 1);
    let mut differences = Vec::new();
    for seed in first..first + paths.div_ceil(PATHS * TREES) {
        differences.extend(compare(seed));
        assert!(differences.len() < 5, "{}", differences.join("\n"));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

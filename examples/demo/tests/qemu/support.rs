//! Runs the command, at most two at once: each boot keeps a processor busy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};

use kos_demo::build;
use kos_demo::interrupt::Interrupt;
use kos_demo::qemu::Search;
use kos_demo::report::Report;

/// What the command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Panics with everything that was said unless the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// What was said besides the status lines, `… (2 s)`, that come when the host is slow.
    pub(crate) fn complaints(&self) -> String {
        self.stderr.lines().filter(|line| !line.ends_with(" s)")).collect()
    }
}

/// Runs the command with the real kernel.
pub(crate) fn demo(words: &[&str]) -> Answer {
    demo_with(image(), words)
}

/// Runs the command with this image.
pub(crate) fn demo_with(image: &Path, words: &[&str]) -> Answer {
    let _turn = Turn::take();
    answer(&mut command(image, words))
}

/// The command, ready to run. Evidence of wanted failures does not mix with that of real ones.
pub(crate) fn command(image: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kos-demo"));
    command.arg("--image").arg(image).args(words);
    command.env("KOS_QEMU", qemu()).env("CARGO_TARGET_DIR", folder("evidence")).env_remove("KOS_IMAGE");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn answer(command: &mut Command) -> Answer {
    let output = command.output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Answer { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A folder of this test program.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

/// QEMU, found or installed as the command does it, once.
pub(crate) fn qemu() -> &'static Path {
    static QEMU: OnceLock<PathBuf> = OnceLock::new();
    QEMU.get_or_init(|| {
        let found = Search::here(None, true).find(&mut Report::new(true), &Interrupt::default());
        found.unwrap_or_else(|error| panic!("{error}"))
    })
}

/// The kernel image, `KOS_IMAGE` or built once.
pub(crate) fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let given = std::env::var_os("KOS_IMAGE").filter(|path| !path.is_empty());
        let build = || build::image(None, false, &mut Report::new(true), &Interrupt::default());
        given.map_or_else(|| build().unwrap_or_else(|error| panic!("{error}")), PathBuf::from)
    })
}

static FREE_TURNS: Mutex<u32> = Mutex::new(2);
static TURN_ENDED: Condvar = Condvar::new();

/// The right to boot; given back on drop, also by a failed test.
pub(crate) struct Turn;

impl Turn {
    pub(crate) fn take() -> Self {
        let free = FREE_TURNS.lock().expect("nobody panics with the lock");
        *TURN_ENDED.wait_while(free, |free| *free == 0).expect("nobody panics with the lock") -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE_TURNS.lock().expect("nobody panics with the lock") += 1;
        TURN_ENDED.notify_one();
    }
}

//! `cargo demo shot`: pictures of the kernel's screen. The kernel's shell is typed at as a user would; after each line QEMU
//! writes what its screen shows. A picture without text is a failure.

mod picture;

use core::time::Duration;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Session;
use crate::build;
use crate::error::Error;
use crate::guest::{Ending, Event, Guest, Next, screendump};
use crate::machine::Screen;
use crate::monitor::Monitor;
use crate::report::Report;
use crate::status::Status;
use picture::Picture;

/// The pictures of the README: their names, and what is typed before each.
const SHOTS: [(&str, &str); 4] = [
    ("boot", ""),
    ("memory", "free -h; kmalloc-demo"),
    ("threads", "sched-demo 200"),
    ("shell", "A=42; echo \"it is $A\" | wc; ls -l /; sleep 9 & jobs; df; run hello"),
];

/// The kernel's prompt with nothing typed, as the line editor draws it: the prompt, nothing to the end of the row, the cursor behind it.
const EMPTY_LINE: &[u8] = b"kos> \x1b[K\r\x1b[5C";

/// Takes the pictures, one after the other.
struct Photographer<'a> {
    input: UnixStream,
    monitor: Monitor,
    folder: &'a Path,
    left: &'a [(&'a str, &'a str)],
    /// The newest output since something was typed.
    heard: Vec<u8>,
    /// The name of what was typed, until the prompt is back.
    typed: Option<&'a str>,
    /// Pictures and the part of each that is text, in thousandths.
    taken: Vec<(PathBuf, usize)>,
    started: Instant,
}

pub(super) fn execute(session: &mut Session<'_>, out: Option<&Path>) -> Result<Status, Error> {
    let usual = build::workspace().join("examples/demo/shots");
    let folder = out.unwrap_or(&usual);
    fs::create_dir_all(folder).map_err(Error::io("make the folder of the pictures"))?;
    let folder = &folder.canonicalize().map_err(Error::io("find the folder of the pictures"))?;
    let mut boot = session.boot()?;
    boot.machine.screen = Screen::Hidden;
    let guest = Guest::start(&boot)?;
    let mut photographer = Photographer {
        input: guest.input()?,
        monitor: guest.monitor()?,
        folder,
        left: &SHOTS,
        heard: Vec::new(),
        typed: None,
        taken: Vec::new(),
        started: Instant::now(),
    };
    let report = &mut session.report;
    let run = guest.listen(session.interrupt, &mut |event| photographer.take(event, report))?;
    let taken = photographer.taken;
    if run.ending != Ending::Stopped || taken.len() != SHOTS.len() {
        session.show_log(&run);
        session.report.say("cargo demo: not all pictures were taken");
        session.keep_evidence(&run, "not all pictures were taken");
        return Ok(Status::Broken);
    }
    for (path, text) in &taken {
        let line = format!("{}: {}.{} % text\n", path.display(), text / 10, text % 10);
        session.report.output(line.as_bytes()).map_err(Error::io("write to stdout"))?;
    }
    if let Some((path, _)) = taken.iter().find(|(_, text)| *text == 0) {
        session.report.say(&format!("cargo demo: {} shows nothing", path.display()));
        return Ok(Status::Failed);
    }
    Ok(Status::Success)
}

impl Photographer<'_> {
    fn take(&mut self, event: Event<'_>, report: &mut Report) -> Result<Next, Error> {
        match event {
            Event::Log(bytes) => self.heard.extend_from_slice(bytes),
            // Nothing more comes, and the last that came was the prompt.
            Event::Idle if self.heard.ends_with(EMPTY_LINE) => return self.turn(),
            Event::Idle | Event::Records(_) => report.tick("the kernel is being photographed", self.started),
        }
        Ok(Next::Continue)
    }

    /// The kernel waits for a line.
    fn turn(&mut self) -> Result<Next, Error> {
        if let Some(name) = self.typed.take() {
            self.photograph(name)?;
        }
        let Some((&(name, line), left)) = self.left.split_first() else { return Ok(Next::Stop) };
        (self.left, self.typed) = (left, Some(name));
        self.heard.clear();
        // A screen of its own for each but the boot: ctrl-L clears it.
        let line = if line.is_empty() { "\r".into() } else { format!("\x0c{line}\r") };
        self.input.write_all(line.as_bytes()).map_err(Error::io("type at the kernel"))?;
        Ok(Next::Continue)
    }

    fn photograph(&mut self, name: &str) -> Result<(), Error> {
        let (raw, png) = (self.folder.join(format!("{name}.ppm")), self.folder.join(format!("{name}.png")));
        for (format, path) in [("ppm", &raw), ("png", &png)] {
            self.monitor.ask(&screendump(path, format), Duration::from_secs(10))?;
        }
        let bytes = fs::read(&raw).map_err(Error::io("read the picture"))?;
        let _ = fs::remove_file(&raw);
        let text = Picture::parse(&bytes).map_or(0, |picture| picture.text());
        self.taken.push((png, text));
        Ok(())
    }
}

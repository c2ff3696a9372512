//! File operations through the server, which is killed in the middle.

use kos_vfs::{At, AtFlags, Ctx, Errno, FileError, How, Mode, OpenFlags};

use super::{PLACE, SrvError};
use crate::Kernel;
use crate::platform::Platform;
use crate::text::Text;
use crate::time::{Duration, Instant};

/// Operations that the command asks for.
pub(crate) const OPERATIONS: u32 = 10_000;
/// Files are made, used and removed so many operations at a time.
const ROUND: u32 = 20;
/// How long the next server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that are written and read at a time.
const BYTES: usize = 100;

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Operations that went well.
    pub(crate) good: u32,
    /// Refused for want of a server.
    pub(crate) refused: u32,
    /// From the kill to the first that was refused.
    pub(crate) told: Duration,
    /// From the kill to the first that went well again.
    pub(crate) back: Duration,
}

/// What went wrong, by name.
pub(crate) type Wrong = Text;

fn wrong(what: core::fmt::Arguments<'_>) -> Wrong {
    Text::new(what)
}

impl<P: Platform> Kernel<P> {
    /// Uses files of the service until `operations` went well, and kills the server after half of them.
    ///
    /// # Errors
    /// What was not as it must be, in words.
    pub(crate) fn drill_srv(&self, operations: u32) -> Result<Seen, Wrong> {
        let service =
            self.srv.service().ok_or_else(|| wrong(format_args!("{}", SrvError::State("it is not up"))))?;
        let none = Duration::from_ticks(0);
        let mut seen = Seen { good: 0, refused: 0, told: none, back: none };
        let before = service.link.incarnation();
        while seen.good < operations / 2 {
            self.round(&mut seen)
                .map_err(|errno| wrong(format_args!("before the kill: {}", errno.meaning())))?;
        }
        let kept = self.open(b"kept").map_err(|errno| wrong(format_args!("{}", errno.meaning())))?;
        let start = self.now_of_threads();
        if !service.kill(self) {
            return Err(wrong(format_args!("there is no server to kill")));
        }
        self.until_told(&mut seen, start)?;
        self.until_back(&mut seen, start)?;
        match kept.pread(&mut [0; 1], 0).map_err(|error: FileError| error.errno()) {
            Err(Errno::ESTALE) => {}
            other => return Err(wrong(format_args!("a file of the dead server: {other:?}"))),
        }
        if service.link.incarnation() == before {
            return Err(wrong(format_args!("nobody else serves now")));
        }
        while seen.good < operations {
            self.round(&mut seen)
                .map_err(|errno| wrong(format_args!("after the kill: {}", errno.meaning())))?;
        }
        Ok(seen)
    }

    fn now_of_threads(&self) -> Instant {
        self.threads.runtime().now()
    }

    fn since(&self, start: Instant) -> Duration {
        self.now_of_threads().checked_duration_since(start).unwrap_or(Duration::from_ticks(0))
    }

    /// Rounds until one meets the death of the server.
    fn until_told(&self, seen: &mut Seen, start: Instant) -> Result<(), Wrong> {
        while self.since(start) < PATIENCE {
            match self.round(seen) {
                Ok(()) => {}
                Err(Errno::EIO | Errno::ESTALE) => {
                    seen.refused += 1;
                    seen.told = self.since(start);
                    return Ok(());
                }
                Err(errno) => return Err(wrong(format_args!("a dead server: {}", errno.meaning()))),
            }
        }
        Err(wrong(format_args!("nobody was told that the server is dead")))
    }

    /// Rounds until one goes well.
    fn until_back(&self, seen: &mut Seen, start: Instant) -> Result<(), Wrong> {
        while self.since(start) < PATIENCE {
            match self.round(seen) {
                Ok(()) => {
                    seen.back = self.since(start);
                    return Ok(());
                }
                Err(Errno::EIO | Errno::ESTALE) => seen.refused += 1,
                Err(errno) => return Err(wrong(format_args!("no server: {}", errno.meaning()))),
            }
            let _ = self.threads.sleep(Duration::from_millis(1));
        }
        Err(wrong(format_args!("nobody started a server again")))
    }

    fn open(&self, name: &[u8]) -> Result<crate::shell::File<'_, P>, Errno> {
        let view = self.files().and_then(|files| files.view()).ok_or(Errno::EIO)?;
        let mut path = heapless::Vec::<u8, 64>::new();
        // Both are short.
        let _ = path.extend_from_slice(PLACE.as_bytes());
        let _ = path.push(b'/');
        let _ = path.extend_from_slice(name);
        let (ctx, how) =
            (Ctx::root(), How::create(OpenFlags::READ_WRITE | OpenFlags::TRUNCATE, Mode::of(0o600)));
        view.call(&ctx).open(At::Cwd, &path, &how).map_err(|error| error.errno())
    }

    /// Makes a file, writes and reads it, asks for it and removes it: as many operations as a round has.
    fn round(&self, seen: &mut Seen) -> Result<(), Errno> {
        const PAIRS: u32 = (ROUND - 4) / 2;
        let view = self.files().and_then(|files| files.view()).ok_or(Errno::EIO)?;
        let (ctx, mut back) = (Ctx::root(), [0; BYTES]);
        let call = view.call(&ctx);
        let file = self.open(b"round")?;
        seen.good += 1;
        for pair in 0..PAIRS {
            let (bytes, at) = ([pair.to_le_bytes()[0] | 0x40; BYTES], u64::from(pair) * 1000);
            call.pwrite(&file, &bytes, at).map_err(|error| error.errno())?;
            let read = file.pread(&mut back, at).map_err(|error| error.errno())?;
            if read != BYTES || back != bytes {
                return Err(Errno::EUCLEAN);
            }
            seen.good += 2;
        }
        let size = call.stat(file.place()).map_err(|error| error.errno())?.attr.size;
        let found = call.stat_at(At::Cwd, b"/srv/round", AtFlags::empty()).map_err(|error| error.errno())?;
        if found.attr.size != size || size != u64::from(PAIRS - 1) * 1000 + BYTES as u64 {
            return Err(Errno::EUCLEAN);
        }
        seen.good += 2;
        drop(file);
        call.unlink(At::Cwd, b"/srv/round").map_err(|error| error.errno())?;
        seen.good += 1;
        Ok(())
    }
}

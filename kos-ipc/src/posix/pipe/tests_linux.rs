//! The pipe beside Linux's: the same answers, bytes, poll mask and FIONREAD after each random step.

use alloc::vec;
use alloc::vec::Vec;
use std::env;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread, read, write};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::{PIPE_BUF, Pipe, PipeError, PipePage, PipeReader, PipeWriter, Readiness, ResizeError};
use crate::caller::Caller;
use crate::policy::NoPolicy;
use crate::testing::{Rng, StdEnv, StdPark};

/// What Linux calls our error.
fn errno(error: PipeError) -> Errno {
    match error {
        PipeError::Broken => Errno::PIPE,
        PipeError::WouldBlock => Errno::AGAIN,
        other => panic!("{other}"),
    }
}

/// A length around the limits, or any.
fn length(rng: &mut Rng) -> usize {
    const NEAR: [usize; 6] = [0, 1, PIPE_BUF, 2 * PIPE_BUF, 16 * PIPE_BUF, 100];
    match rng.below(4) {
        0 => (NEAR[rng.below(6)] + rng.below(3)).saturating_sub(1),
        1 => rng.below(40),
        2 => rng.below(PIPE_BUF + 10),
        _ => rng.below(5 * PIPE_BUF),
    }
}

/// Both pipes, and those of their ends that are open.
struct Both<'a, 'p> {
    ours: &'a Pipe<'p, StdEnv>,
    reader: Option<PipeReader<'a, 'p, StdEnv>>,
    writer: Option<PipeWriter<'a, 'p, StdEnv>>,
    linux: [Option<OwnedFd>; 2],
}

impl Both<'_, '_> {
    fn step(&mut self, caller: &Caller<'_, StdEnv>, rng: &mut Rng) {
        match rng.below(16) {
            0 => self.resize(length(rng)),
            1..=8 => self.write(caller, rng),
            _ => self.read(caller, length(rng)),
        }
    }

    fn write(&self, caller: &Caller<'_, StdEnv>, rng: &mut Rng) {
        let (Some(writer), Some(linux)) = (&self.writer, &self.linux[1]) else { return };
        let (len, mut tag) = (length(rng), rng.next());
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                tag = tag.rotate_left(7).wrapping_add(1);
                tag.to_le_bytes()[0]
            })
            .collect();
        assert_eq!(writer.try_write(caller, &bytes).map_err(errno), write(linux, &bytes), "write {len}");
    }

    fn read(&self, caller: &Caller<'_, StdEnv>, len: usize) {
        let (Some(reader), Some(linux)) = (&self.reader, &self.linux[0]) else { return };
        let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
        let result = reader.try_read(caller, &mut ours).map_err(errno);
        assert_eq!(result, read(linux, &mut theirs), "read {len}");
        assert!(ours == theirs, "other bytes");
    }

    fn resize(&self, bytes: usize) {
        let Some(linux) = &self.linux[1] else { return };
        let bytes = bytes.clamp(1, 16 * PIPE_BUF);
        let resized = self.ours.set_capacity(bytes).map_err(|error| match error {
            ResizeError::Busy => Errno::BUSY,
            other => panic!("{other}"),
        });
        assert_eq!(resized, fcntl_setpipe_size(linux, bytes), "resize to {bytes}");
    }

    fn compare(&self) {
        assert_eq!(self.ours.check(), Ok(()));
        if let (Some(reader), Some(linux)) = (&self.reader, &self.linux[0]) {
            assert_eq!(self.ours.len() as u64, ioctl_fionread(linux).unwrap());
            assert_eq!(reader.readiness(), polled(linux, PollFlags::IN));
        }
        if let (Some(writer), Some(linux)) = (&self.writer, &self.linux[1]) {
            assert_eq!(writer.readiness(), polled(linux, PollFlags::OUT));
        }
    }
}

fn polled(file: &OwnedFd, wanted: PollFlags) -> Readiness {
    let mut fds = [PollFd::new(file, wanted)];
    poll(&mut fds, Some(&Timespec::default())).unwrap();
    let flags = [
        (PollFlags::IN, Readiness::READABLE),
        (PollFlags::OUT, Readiness::WRITABLE),
        (PollFlags::HUP, Readiness::HUNG_UP),
        (PollFlags::ERR, Readiness::BROKEN),
    ];
    let found = fds[0].revents();
    flags.into_iter().filter(|&(flag, _)| found.contains(flag)).map(|(_, ready)| ready).collect()
}

/// 20,000 steps by default; `KOS_PIPE_STEPS` for more. Each pipe has 200, then one of its ends is closed and it has 20 more.
#[test]
fn a_pipe_answers_as_linux() {
    let steps: u64 = env::var("KOS_PIPE_STEPS").map_or(20_000, |steps| steps.parse().unwrap());
    let mut pages = vec![PipePage::new(); 16];
    let park = StdPark::new();
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    for seed in 0..steps.div_ceil(220) {
        let mut rng = Rng::new(seed);
        let ours = Pipe::new(park.clone(), &mut pages, 0, 0);
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let mut both = Both {
            reader: Some(ours.reader()),
            writer: Some(ours.writer()),
            ours: &ours,
            linux: [Some(reader), Some(writer)],
        };
        for step in 0..220 {
            match (step, rng.below(2)) {
                (200, 0) => (both.reader, both.linux[0]) = (None, None),
                (200, _) => (both.writer, both.linux[1]) = (None, None),
                _ => both.step(&caller, &mut rng),
            }
            both.compare();
        }
    }
}

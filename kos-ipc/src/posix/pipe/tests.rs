//! Pipes between threads that sleep, are interrupted and go.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::{Mutex, OnceLock};

use embedded_io::{Read as _, Write as _};

use super::*;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::testing::{Rng, SimBody, SimEnv, SimPark, SimToken, StdEnv, StdPark, cases, simulate};

/// A story with a pipe of so many pages in the order of events of a seed.
fn with_pipe<'a>(
    seed: u64,
    pages: &'a mut [PipePage],
    pipe: &'a OnceLock<Pipe<'a, SimEnv>>,
    bodies: impl FnOnce(&'a Pipe<'a, SimEnv>, &SimPark) -> Vec<SimBody<'a>>,
) {
    simulate(seed, |park| {
        let pipe = pipe.get_or_init(|| Pipe::new(park.clone(), pages, 0, 0));
        bodies(pipe, park)
    })
    .unwrap();
    let pipe = pipe.get().unwrap();
    assert_eq!(pipe.check(), Ok(()), "seed {seed}");
}

/// Two writers of pieces of one letter each, of up to PIPE_BUF bytes: two readers get all bytes, and no piece is cut by another.
fn pieces_arrive_whole(seed: u64) {
    const PIECES: [usize; 4] = [10, PIPE_BUF, 3000, 1];
    let (mut pages, pipe, read) = (vec![PipePage::new(); 2], OnceLock::new(), Mutex::new(Vec::new()));
    with_pipe(seed, &mut pages, &pipe, |pipe, _| {
        let write = |letter: u8| {
            let writer = pipe.writer();
            Box::new(move |me: SimToken| {
                let caller = Caller::new(&me, (), &NoPolicy);
                for (number, len) in (0..).zip(PIECES) {
                    assert_eq!(writer.write(&caller, &vec![letter + number; len], None), Ok(len));
                }
            }) as SimBody<'_>
        };
        let (reader, read, mut rng) = (pipe.reader(), &read, Rng::new(seed));
        let reading = Box::new(move |me: SimToken| {
            let caller = Caller::new(&me, (), &NoPolicy);
            loop {
                let mut bytes = vec![0; 1 + rng.below(6000)];
                match reader.read(&caller, &mut bytes, None).unwrap() {
                    0 => break,
                    count => read.lock().unwrap().extend_from_slice(&bytes[..count]),
                }
            }
        });
        vec![write(b'a'), write(b'A'), reading]
    });
    let read = read.into_inner().unwrap();
    let mut pieces: Vec<(u8, usize)> = read.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    pieces.sort_unstable();
    let expected = |letter: u8| (0..).zip(PIECES).map(move |(number, len)| (letter + number, len));
    let expected: Vec<_> = expected(b'A').chain(expected(b'a')).collect();
    assert_eq!(pieces, expected, "seed {seed}");
}

#[test]
fn pieces_of_up_to_pipe_buf_are_never_cut() {
    (0..u64::from(cases()) / 4).for_each(pieces_arrive_whole);
}

/// rcore-os/tgoskits#1925: what went before the signal is what the write says.
#[test]
fn interrupted_pipe_write_returns_the_count() {
    let (park, mut pages) = (StdPark::new(), vec![PipePage::new(); 2]);
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let pipe = Pipe::<StdEnv>::new(park.clone(), &mut pages, 0, 0);
    let (reader, writer) = (pipe.reader(), pipe.writer());
    park.interrupt(&token);
    assert_eq!(writer.write(&caller, &[1; 3 * PIPE_BUF], None), Ok(2 * PIPE_BUF));
    park.interrupt(&token);
    assert_eq!(writer.write(&caller, &[1; 1], None), Err(PipeError::Wait(WaitError::Interrupted)));
    let gone = Some(Instant::from_ticks(0));
    assert_eq!(writer.write(&caller, &[1; 1], gone), Err(PipeError::Wait(WaitError::TimedOut)));
    assert_eq!(pipe.len(), 2 * PIPE_BUF);
    drop(reader);
    assert_eq!(writer.write(&caller, &[1; 1], None), Err(PipeError::Broken));
}

/// Who sleeps at one end is told when the last of the other goes, in any order.
#[test]
fn the_last_end_to_go_wakes_the_other() {
    for seed in 0..u64::from(cases()) / 4 {
        let (mut pages, pipe) = (vec![PipePage::new(); 1], OnceLock::new());
        with_pipe(seed, &mut pages, &pipe, |pipe, park| {
            let (reader, other, writer) = (pipe.reader(), pipe.reader(), pipe.writer());
            let writing = Box::new(move |me: SimToken| {
                let written = writer.write(&Caller::new(&me, (), &NoPolicy), &[7; 3 * PIPE_BUF], None);
                assert!(
                    written == Ok(PIPE_BUF)
                        || written == Ok(2 * PIPE_BUF)
                        || written == Err(PipeError::Broken)
                );
            }) as SimBody<'_>;
            let park = park.clone();
            let leaving = Box::new(move |me: SimToken| {
                park.yield_now(me);
                drop(reader);
                park.yield_now(me);
                drop(other);
            });
            vec![writing, leaving]
        });
    }
}

#[test]
fn a_future_that_is_dropped_moves_nothing() {
    use core::future::Future;
    use core::task::{Context, Poll, Waker};
    let (park, mut pages) = (StdPark::new(), vec![PipePage::new(); 1]);
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let pipe = Pipe::<StdEnv>::new(park, &mut pages, 0, 0);
    let (reader, writer) = (pipe.reader(), pipe.writer());
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut first, mut second) = ([0; 4], [0; 4]);
    let mut dropped = Box::pin(reader.read_async(&caller, &mut first));
    let mut kept = Box::pin(reader.read_async(&caller, &mut second));
    assert!(dropped.as_mut().poll(cx).is_pending() && kept.as_mut().poll(cx).is_pending());
    writer.try_write(&caller, b"abcd").unwrap();
    drop(dropped);
    assert_eq!(kept.as_mut().poll(cx), Poll::Ready(Ok(4)), "the wake-up went to the next");
    drop(kept);
    assert_eq!((&first, &second), (&[0; 4], b"abcd"));
}

#[test]
fn the_streams_of_embedded_io_move_bytes() {
    let (park, mut pages) = (StdPark::new(), vec![PipePage::new(); 2]);
    let pipe = Pipe::<StdEnv>::new(park.clone(), &mut pages, 0, 0);
    let (reader, writer) = (pipe.reader(), pipe.writer());
    let sent: Vec<u8> = (0..40_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let received = std::thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            let token = park.token();
            let caller = Caller::new(&token, (), &NoPolicy);
            let (mut stream, mut all, mut bytes) = (reader.stream(&caller), Vec::new(), [0; 777]);
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                all.extend_from_slice(&bytes[..count]);
            }
            all
        });
        let token = park.token();
        writer.stream(&Caller::new(&token, (), &NoPolicy)).write_all(&sent).unwrap();
        drop(writer);
        receiving.join().unwrap()
    });
    assert!(received == sent);
}

//! Pipes: bytes, ends, breaks.

use alloc::vec::Vec;

use kos_ipc::Caller;
use kos_ipc::policy::NoPolicy;
use kos_ipc::posix::pipe::{Pipe, PipeError, PipePage};

use super::{PATIENCE, TestEnv, beside, me, soon};
use crate::Kernel;
use crate::ensure;
use crate::glue::ipc::Sleeper;
use crate::platform::Platform;
use crate::selftest::Failure;

fn pages(count: usize) -> Result<Vec<PipePage>, Failure> {
    let mut pages = Vec::new();
    pages.try_reserve_exact(count)?;
    pages.resize_with(count, PipePage::new);
    Ok(pages)
}

pub(super) fn pipe<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const BYTES: usize = 64 << 10;
    let mut pages = pages(2)?;
    let pipe = Pipe::<TestEnv<P>>::new(Sleeper::new(), &mut pages, 0, 1);
    let (reader, writer) = (pipe.reader(), pipe.writer());
    let writer = spin::Mutex::new(Some(writer));
    let send = || {
        let (me, Some(writer)) = (me(kernel), writer.lock().take()) else { return };
        let caller = Caller::new(&me, (), &NoPolicy);
        let mut piece = [0; 600];
        let mut sent = 0;
        while sent < BYTES {
            let count = piece.len().min(BYTES - sent);
            for (place, byte) in (sent..).zip(&mut piece) {
                *byte = (place % 251).to_le_bytes()[0];
            }
            match writer.write(&caller, piece.get(..count).unwrap_or_default(), soon(kernel, PATIENCE)) {
                Ok(count) => sent += count,
                Err(_) => return,
            }
        }
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let (came, wrong) = beside(kernel, &send, || {
        let (mut came, mut wrong, mut piece) = (0_usize, 0, [0; 777]);
        while let Ok(count @ 1..) = reader.read(&caller, &mut piece, soon(kernel, PATIENCE)) {
            let piece = piece.get(..count).unwrap_or_default();
            wrong +=
                (came..).zip(piece).filter(|(place, byte)| (place % 251).to_le_bytes()[0] != **byte).count();
            came += count;
        }
        (came, wrong)
    })?;
    ensure!(came == BYTES && wrong == 0, "{came} bytes of {BYTES}, {wrong} of them others");
    Ok(())
}

pub(super) fn pipe_end<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut pages = pages(1)?;
    let pipe = Pipe::<TestEnv<P>>::new(Sleeper::new(), &mut pages, 0, 1);
    let (reader, writer, me) = (pipe.reader(), pipe.writer(), me(kernel));
    let caller = Caller::new(&me, (), &NoPolicy);
    let empty = reader.try_read(&caller, &mut [0]);
    ensure!(empty == Err(PipeError::WouldBlock), "{empty:?}");
    writer.write(&caller, b"abc", None)?;
    drop(writer);
    let mut bytes = [0; 8];
    ensure!(reader.read(&caller, &mut bytes, None)? == 3 && reader.read(&caller, &mut bytes, None)? == 0);
    Ok(())
}

pub(super) fn pipe_broken<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut pages = pages(1)?;
    let pipe = Pipe::<TestEnv<P>>::new(Sleeper::new(), &mut pages, 0, 1);
    let (reader, writer, me) = (pipe.reader(), pipe.writer(), me(kernel));
    let caller = Caller::new(&me, (), &NoPolicy);
    ensure!(writer.try_write(&caller, &[1; 4096])? == 4096, "a page does not take a page");
    let full = writer.try_write(&caller, &[1]);
    ensure!(full == Err(PipeError::WouldBlock), "{full:?}");
    drop(reader);
    let broken = writer.write(&caller, b"a", None);
    ensure!(broken == Err(PipeError::Broken), "{broken:?}");
    Ok(())
}

//! A disk as a power cut left it: [`Cut`].

use std::collections::HashMap;

use kos_vfs::DeviceError;
use kos_vfs::block::{BlockDevice, DeviceFeatures, Geometry, WriteMode};

use super::log::Step;

/// Bytes that are old or new as a whole, whatever happens.
pub const PIECE: usize = SECTOR as usize;
const SECTOR: u32 = 512;

/// What is given up reads as this.
static NOTHING: [u8; PIECE] = [0; PIECE];

/// What was flushed, and of what was not, some pieces. Takes no writes.
#[derive(Clone, Debug)]
pub struct Cut<'i> {
    flushed: &'i [u8],
    /// By number of the piece.
    left: HashMap<usize, &'i [u8]>,
    geometry: Geometry,
}

impl<'i> Cut<'i> {
    /// What was flushed alone, a whole number of pieces.
    ///
    /// # Errors
    /// More bytes than a disk may have.
    pub fn new(flushed: &'i [u8]) -> Result<Self, DeviceError> {
        let sectors = (flushed.len() / PIECE) as u64;
        let geometry = Geometry::new(SECTOR, sectors, DeviceFeatures::READ_ONLY);
        let geometry = geometry.map_err(|_| DeviceError::OutOfRange { sector: sectors, sectors })?;
        Ok(Self { flushed, left: HashMap::new(), geometry })
    }

    /// Of a step that was not flushed, leaves the pieces for which `keep` says so.
    pub fn leave(&mut self, step: &Step<'i>, keep: &mut dyn FnMut() -> bool) {
        let mut each = |at: u64, piece: &'i [u8]| {
            if let Some(number) = usize::try_from(at).ok().filter(|_| keep()) {
                self.left.insert(number / PIECE, piece);
            }
        };
        match *step {
            Step::Flush => {}
            Step::Write { at, data, .. } => {
                (at..).step_by(PIECE).zip(data.chunks(PIECE)).for_each(|(at, piece)| each(at, piece));
            }
            Step::Discard { at, length } => {
                (at..at.saturating_add(length)).step_by(PIECE).for_each(|at| each(at, &NOTHING));
            }
        }
    }
}

/// Does a step to the bytes of a disk.
pub fn apply(disk: &mut [u8], step: &Step<'_>) {
    let (at, length) = match *step {
        Step::Flush => return,
        Step::Write { at, data, .. } => (at, data.len() as u64),
        Step::Discard { at, length } => (at, length),
    };
    // A log is read for a disk of this size, so there is such a range.
    let range = usize::try_from(at).ok().zip(usize::try_from(at.saturating_add(length)).ok());
    let Some(bytes) = range.and_then(|(from, to)| disk.get_mut(from..to)) else { return };
    match *step {
        Step::Write { data, .. } => bytes.copy_from_slice(data),
        _ => bytes.fill(0),
    }
}

impl BlockDevice for Cut<'_> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.geometry.check(sector, out.len())?;
        let failed = DeviceError::Failed { sector };
        let first = usize::try_from(sector).map_err(|_| failed)?;
        for (number, piece) in (first..).zip(out.chunks_mut(PIECE)) {
            let flushed = || self.flushed.get(number * PIECE..(number + 1) * PIECE);
            piece.copy_from_slice(self.left.get(&number).copied().or_else(flushed).ok_or(failed)?);
        }
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8], _: WriteMode) -> Result<(), DeviceError> {
        Err(DeviceError::ReadOnly)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn discard(&self, _: u64, _: u64) -> Result<(), DeviceError> {
        Err(DeviceError::ReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use kos_vfs::testing::check_block_device;

    use super::*;

    #[test]
    fn it_is_a_block_device_that_takes_no_writes() {
        check_block_device(&Cut::new(&[3; 64 * PIECE]).unwrap());
    }

    #[test]
    fn pieces_that_are_left_lie_over_what_was_flushed() {
        let (flushed, data) = (vec![1; 4 * PIECE], [[2; PIECE], [3; PIECE]].concat());
        let mut cut = Cut::new(&flushed).unwrap();
        let write = Step::Write { at: 512, data: &data, through: false };
        let mut turn = false;
        cut.leave(&write, &mut || !core::mem::replace(&mut turn, true));
        cut.leave(&Step::Discard { at: 0, length: 512 }, &mut || true);
        let mut all = vec![9; 4 * PIECE];
        cut.read(0, &mut all).unwrap();
        assert_eq!(all, [[0; PIECE], [2; PIECE], [1; PIECE], [1; PIECE]].concat());
        let mut flushed = flushed.clone();
        apply(&mut flushed, &write);
        apply(&mut flushed, &Step::Discard { at: 0, length: 512 });
        assert_eq!(flushed, [[0; PIECE], [2; PIECE], [3; PIECE], [1; PIECE]].concat());
    }
}

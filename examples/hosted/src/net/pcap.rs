//! What goes over the device, for tshark: [`Pcap`].
//!
//! Source: the classic format of libpcap, times in nanoseconds.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::SystemTime;

const MAGIC_NS: u32 = 0xa1b2_3c4d;
const LONGEST: u32 = 65_535 + 14;
const ETHERNET: u32 = 1;

#[derive(Debug)]
pub(super) struct Pcap(BufWriter<File>);

impl Pcap {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&MAGIC_NS.to_ne_bytes())?;
        for version in [2_u16, 4] {
            file.write_all(&version.to_ne_bytes())?;
        }
        for word in [0, 0, LONGEST, ETHERNET] {
            file.write_all(&word.to_ne_bytes())?;
        }
        Ok(Self(file))
    }

    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        for word in [seconds, now.subsec_nanos(), length, length] {
            self.0.write_all(&word.to_ne_bytes())?;
        }
        self.0.write_all(frame)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

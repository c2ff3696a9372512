//! What goes over the device, for tshark: [`Pcap`].

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::SystemTime;

use kos_net::dev::{Medium, pcap};
use kos_net::time::Instant;

#[derive(Debug)]
pub(super) struct Pcap(BufWriter<File>);

impl Pcap {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&pcap::file_header(Medium::Ethernet))?;
        Ok(Self(file))
    }

    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
        let now = Instant::from_ticks(u64::try_from(now.as_nanos()).map_err(io::Error::other)?);
        self.0.write_all(&pcap::record_header(now, frame.len()))?;
        self.0.write_all(frame)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

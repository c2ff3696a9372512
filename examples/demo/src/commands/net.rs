//! `cargo demo net`: the network from one end to the other.
//!
//! First a kernel on a network of QEMU's own leases an address, resolves a name, pings, fetches, and serves curl, each piece
//! compared; all frames go to a file for tshark. Then two kernels on one cable fetch from each other; the hashes must be those of
//! the bytes that were asked for.

use alloc::sync::Arc;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::thread;

use super::Session;
use super::run::{Ended, listen};
use crate::build;
use crate::error::Error;
use crate::guest::Boot;
use crate::machine::Net;
use crate::report::Report;
use crate::status::Status;
use crate::tour::{self, Tour};
use crate::verdict::Exit;

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Pieces of 1 MiB that curl fetches.
    pub(super) count: u32,
    /// MiB that each of two kernels fetches from the other; 0: there are no two.
    pub(super) exchange: u32,
    /// Where all frames of the first kernel go.
    pub(super) pcap: Option<PathBuf>,
}

pub(super) fn execute(session: &mut Session<'_>, plan: &Plan) -> Result<Status, Error> {
    let boot = session.boot()?;
    match serve(session, boot.clone(), plan)? {
        Status::Success if plan.exchange > 0 => exchange(session, &boot, plan.exchange),
        status => Ok(status),
    }
}

/// One kernel and the host.
fn serve(session: &mut Session<'_>, mut boot: Boot, plan: &Plan) -> Result<Status, Error> {
    let port = tour::free_port().map_err(Error::io("find a free port"))?;
    let tour = Tour::start(port, plan.count).map_err(Error::io("start the servers of the tour"))?;
    let pcap = plan.pcap.clone().unwrap_or_else(|| build::folder().join("net.pcap"));
    boot.machine.net = Some(Net::User { forward: Some(port) });
    boot.machine.pcap = Some(pcap.clone());
    let (name, names, pages) = (tour::NAME, tour.names, tour.pages);
    boot.command_line = format!(
        "mode=run exec=dhcp; nameserver 10.0.2.2:{names}; dig {name}; ping {name} 3; \
         wget -s http://{name}:{pages}/piece; httpd; wget http://{name}:{pages}/tour; arp; netstat"
    );
    let ended =
        listen(session.interrupt, &mut session.report, &boot, &mut |bytes, report| report.output(bytes))?;
    let status = session.conclude(&ended.run, ended.verdict, &ended.failed);
    let words = match tour.fetched() {
        None => "curl was not asked for".into(),
        Some(tour::Fetched { fault: Some(fault), .. }) => format!("curl: {fault}"),
        Some(fetched) => {
            let (took, frames) = (fetched.took.as_secs_f64(), frames(&pcap));
            let line = format!(
                "curl: {} x 1 MiB in {took:.1} s; {frames} frames are in {}\n",
                fetched.pieces,
                pcap.display()
            );
            session.report.output(line.as_bytes()).map_err(Error::io("write to stdout"))?;
            return Ok(status);
        }
    };
    session.report.say(&format!("cargo demo: {words}"));
    Ok(if status == Status::Success { Status::Failed } else { status })
}

/// How many frames a file of libpcap holds.
fn frames(path: &std::path::Path) -> usize {
    const FILE_HEADER: usize = 24;
    const HEADER: usize = 16;
    let bytes = std::fs::read(path).unwrap_or_default();
    let (mut at, mut count) = (FILE_HEADER, 0);
    while let Some([a, b, c, d]) = bytes.get(at + 8..at + 12) {
        at += HEADER + u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        count += 1;
    }
    count
}

/// Two kernels on one cable.
fn exchange(session: &mut Session<'_>, boot: &Boot, mib: u32) -> Result<Status, Error> {
    let (one, other) = UnixDatagram::pair().map_err(Error::io("make a cable"))?;
    let (interrupt, verbose) = (session.interrupt, session.options().verbose);
    let end = |number: u8, cable: UnixDatagram| {
        let mut boot = boot.clone();
        let (peer, bytes) = (3 - number, u64::from(mib) << 20);
        boot.cable = Some((Arc::new(OwnedFd::from(cable)), number));
        boot.command_line = format!(
            "mode=run exec=httpd; ifconfig 10.1.0.{number}/24; ping -o 10.1.0.{peer} 60; \
             wget -s http://10.1.0.{peer}/bytes/{bytes}; httpd -n 1"
        );
        boot
    };
    let boots = [end(1, one), end(2, other)];
    let run = |boot: &Boot| -> Result<(Ended, Vec<u8>), Error> {
        let mut said = Vec::new();
        let ended = listen(interrupt, &mut Report::new(verbose), boot, &mut |bytes, _| {
            said.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((ended, said))
    };
    let [first, second] = thread::scope(|scope| {
        let handles = boots.each_ref().map(|boot| scope.spawn(move || run(boot)));
        handles.map(|handle| handle.join().unwrap_or(Err(Error::Interrupted)))
    });
    let mut hashes = Vec::new();
    for (number, ended) in (1..).zip([first, second]) {
        let (ended, said) = ended?;
        let good = matches!(ended.verdict, Ok(Exit::Success));
        let text = String::from_utf8_lossy(&said);
        let hash = text.lines().find(|line| line.contains(" bytes, hash ")).unwrap_or_default();
        let line = format!("kernel {number} fetched {hash}\n");
        session.report.output(line.as_bytes()).map_err(Error::io("write to stdout"))?;
        hashes.push(hash.to_owned());
        if !good {
            session.report.raw(&said);
            return Ok(session.conclude(&ended.run, ended.verdict, &ended.failed));
        }
    }
    let wanted = tour::hash_of(u64::from(mib) << 20);
    if hashes.iter().all(|hash| hash.ends_with(&format!("hash {wanted:016x}"))) {
        return Ok(Status::Success);
    }
    session.report.say(&format!("cargo demo: the hash of {mib} MiB is {wanted:016x}"));
    Ok(Status::Failed)
}

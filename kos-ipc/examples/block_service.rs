//! A block service found by its name in a directory: `cargo run -p kos-ipc --features rpc,testing --example block_service`.
extern crate alloc;

use alloc::sync::Arc;
use core::error::Error;
use std::io::{self, Write};
use std::{sync::Mutex, thread};

use kos_ipc::cap::{CapSlot, CapSpace, Cell, Cells, DirEntry, Directory, Object, Rights};
use kos_ipc::endpoint::{Access, CallSlot, Endpoint, Lease, Lent, Msg};
use kos_ipc::quota::{Limits, QuotaNode, Quotas};
use kos_ipc::rpc::{Ask, Failure, Request};
use kos_ipc::testing::{StdEnv, StdPark};
use kos_ipc::{Caller, CallerMemory, Env, Fault, ipc_protocol, policy::NoPolicy};

ipc_protocol! {
    /// Blocks of 16 bytes, from and to memory that the client lends.
    pub protocol Blocks, client BlocksClient, version 1 {
        /// Copies a block to lent memory.
        1 => read(u64) -> u64 { leases: [Access::Write], caps: [] },
        /// Copies lent memory to a block.
        2 => write(u64) -> u64 { leases: [Access::Read], caps: [] },
    }
}

#[derive(Clone)]
struct Memory(Arc<Mutex<[u8; 32]>>); // of a client

impl CallerMemory for Memory {
    fn copy_in(&self, at: usize, to: &mut [u8]) -> Result<(), Fault> {
        let memory = self.0.lock().map_err(|_| Fault { at })?;
        to.copy_from_slice(memory.get(at..at + to.len()).ok_or(Fault { at })?);
        Ok(())
    }

    fn copy_out(&self, at: usize, from: &[u8]) -> Result<(), Fault> {
        let mut memory = self.0.lock().map_err(|_| Fault { at })?;
        memory.get_mut(at..at + from.len()).ok_or(Fault { at })?.copy_from_slice(from);
        Ok(())
    }
}

struct Disk([[u8; 16]; 8]);

impl<'c, E: Env, O: Object> Blocks<'c, E, O, Memory> for Disk {
    fn read(&mut self, at: u64, ask: &mut Request<'_, '_, '_, 'c, E, O, Memory>) -> Result<u64, Failure> {
        let block = self.0.get(usize::try_from(at).unwrap_or(9)).ok_or(Failure(5))?;
        ask.token.write(0, 0, block).map_err(|_| Failure(14)).map(|()| 16)
    }

    fn write(&mut self, at: u64, ask: &mut Request<'_, '_, '_, 'c, E, O, Memory>) -> Result<u64, Failure> {
        let block = self.0.get_mut(usize::try_from(at).unwrap_or(9)).ok_or(Failure(5))?;
        ask.token.read(0, 0, block).map_err(|_| Failure(14)).map(|()| 16)
    }
}

type Service = Endpoint<'static, StdEnv, Msg<'static, StdEnv, Handle>, Memory>;

#[derive(Clone)]
struct Handle(&'static Service);

impl Object for Handle {
    fn kind(&self) -> u8 {
        1
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (park, calls) = (StdPark::new(), Box::leak(Box::new([const { CallSlot::new() }; 4])));
    let service: &'static Service = Box::leak(Box::new(Service::new(park.clone(), calls, 0, 1)));
    let (mut nodes, mut cells) = ([QuotaNode::new()], [const { Cell::new() }; 4]);
    let quotas = Quotas::<StdEnv>::new(&mut nodes);
    let (cells, quota) = (Cells::new(&mut cells, &quotas), quotas.root(Limits::UNLIMITED)?);
    let (mut ours, mut theirs) = ([const { CapSlot::new() }; 4], [const { CapSlot::new() }; 4]);
    let server = CapSpace::<_, Handle>::new(&mut ours, &cells, quota.clone(), 1)?;
    let client = CapSpace::<_, Handle>::new(&mut theirs, &cells, quota, 2)?;
    let mut names = [const { DirEntry::new() }; 4];
    let directory = Directory::new(park, &mut names, 0, 0);
    let id = server.insert(Handle(service), Rights::all(), 7).map_err(|error| error.reason)?;
    let (token, mut disk) = (StdPark::new().token(), Disk([[0; 16]; 8]));
    let caller = Caller::new(&token, (), &NoPolicy);
    server.prepare(&[id])?.commit(|_, cap| drop(directory.publish(&caller, b"blocks", cap)));
    thread::scope(|scope| {
        scope.spawn(|| {
            let token = StdPark::new().token();
            let next = || service.recv(&Caller::new(&token, (), &NoPolicy), None);
            (0..3).try_for_each(|_| next().map(|call| _ = disk.serve(call))) // the client is told of a bad request
        });
        let id = directory.open(&caller, b"blocks", &client, Rights::WRITE)?;
        let (service, memory) = (client.get(id, 1, Rights::WRITE)?, Arc::new(Mutex::new([b'x'; 32])));
        let lend = |leases| Some(Lent { memory: Memory(Arc::clone(&memory)), leases });
        let [from, to] = [(0, Access::Read), (16, Access::Write)]
            .map(|(start, access)| [Lease { start, len: 16, access }]);
        let blocks = BlocksClient(service.0);
        let wrote = blocks.write(&caller, &3, Ask { lent: lend(&from), ..Ask::new(service.badge()) })?.value;
        let missing = blocks.read(&caller, &9, Ask { lent: lend(&to), ..Ask::new(service.badge()) });
        let wrong = blocks.read(&caller, &3, Ask { lent: lend(&from), ..Ask::new(service.badge()) });
        Ok(writeln!(io::stdout(), "wrote {wrote} bytes; {:?}; {:?}", missing.err(), wrong.err())?)
    })
}

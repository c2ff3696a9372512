//! Typed calls, and what a client can do wrong.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::Mutex;

use super::*;
use crate::caller::Caller;
use crate::cap::{CapSlot, CapSpace, Carried, Cell, Cells, Object, Rights};
use crate::endpoint::{Access, CallSlot, Endpoint, Lease, Lent, MAX_CAPS, Msg};
use crate::policy::NoPolicy;
use crate::ports::{CallerMemory, Env, Fault};
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::testing::{Choices, StdEnv, StdPark, fuzz, rpc_model};

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Range {
    start: u32,
    len: u32,
}

crate::ipc_protocol! {
    /// A store of bytes.
    protocol Store, client StoreClient, version 2 {
        /// Adds the two; fails with their difference if they are the same.
        1 => sum(Range) -> u64 { leases: [], caps: [] },
        /// Copies a range to lent memory.
        4 => read(Range) -> u64 { leases: [Access::Write], caps: [] },
        /// Answers with the capability that it was given.
        5 => keep(u64) -> u64 { leases: [], caps: [(1, Rights::READ)] },
    }
}

#[derive(Clone, Debug)]
struct Thing(u8);

impl Object for Thing {
    fn kind(&self) -> u8 {
        self.0
    }
}

/// A caller's memory from address 0 on.
#[derive(Clone, Debug, Default)]
struct Bytes(Arc<Mutex<[u8; 16]>>);

impl CallerMemory for Bytes {
    fn copy_in(&self, at: usize, _: &mut [u8]) -> Result<(), Fault> {
        Err(Fault { at })
    }

    fn copy_out(&self, at: usize, from: &[u8]) -> Result<(), Fault> {
        let mut bytes = self.0.lock().unwrap();
        bytes.get_mut(at..at + from.len()).ok_or(Fault { at })?.copy_from_slice(from);
        Ok(())
    }
}

/// Counts what reaches it.
#[derive(Debug, Default)]
struct Server(u32);

impl<'c, E: Env, O: Object, A: Send + Clone + CallerMemory> Store<'c, E, O, A> for Server
where
    A: 'static,
{
    fn sum(&mut self, range: Range, _: &mut Request<'_, '_, '_, 'c, E, O, A>) -> Result<u64, Failure> {
        self.0 += 1;
        let differ = range.start != range.len;
        differ.then_some(u64::from(range.start) + u64::from(range.len)).ok_or(Failure(77))
    }

    fn read(&mut self, range: Range, request: &mut Request<'_, '_, '_, 'c, E, O, A>) -> Result<u64, Failure> {
        self.0 += 1;
        let bytes: Vec<u8> = (range.start..range.start + range.len).map(|at| at.to_le_bytes()[0]).collect();
        request.token.write(0, 0, &bytes).map_err(|_| Failure(14))?;
        Ok(u64::from(range.len))
    }

    fn keep(&mut self, number: u64, request: &mut Request<'_, '_, '_, 'c, E, O, A>) -> Result<u64, Failure> {
        self.0 += 1;
        request.answer_caps.swap_with_slice(&mut request.caps);
        Ok(number)
    }
}

type Cap = Carried<'static, StdEnv, Thing>;
type Service = Endpoint<'static, StdEnv, Msg<'static, StdEnv, Thing>, Bytes>;
type Space = CapSpace<'static, StdEnv, Thing>;

/// The service is closed with it: a client that panics leaves no server waiting.
struct End<'a>(&'a Service);

impl Drop for End<'_> {
    fn drop(&mut self) {
        while self.0.close().step(8, |_| true) == crate::wait::Progress::More {}
    }
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// Runs `client` beside a server of as many calls as it makes: how many reached the server's code, and how many were refused.
fn with(calls: usize, client: impl FnOnce(&Service, &Caller<'_, StdEnv>, &'static Space)) -> (u32, usize) {
    let park = StdPark::new();
    let slots: &'static mut [_] = leak([const { CallSlot::new() }; 4]);
    let service: &Service = leak(Service::new(park.clone(), slots, 0, 0));
    let quotas = leak(Quotas::new(leak([QuotaNode::new()])));
    let cells = leak(Cells::new(leak([(); 4].map(|()| Cell::new())), quotas));
    let quota = quotas.root(Limits::UNLIMITED).unwrap();
    let space: &Space = leak(Space::new(leak([(); 8].map(|()| CapSlot::new())), cells, quota, 1).unwrap());
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let (park, mut server) = (StdPark::new(), Server::default());
            let token = park.token();
            let caller = Caller::new(&token, (), &NoPolicy);
            let served = (0..calls).map(|_| server.serve(service.recv(&caller, None).unwrap()).is_err());
            let refused = served.collect::<Vec<_>>().into_iter().filter(|&refused| refused).count();
            (server.0, refused)
        });
        let (token, _end) = (park.token(), End(service));
        client(service, &Caller::new(&token, (), &NoPolicy), space);
        server.join().unwrap()
    })
}

fn cap(space: &'static Space, kind: u8, rights: Rights) -> Cap {
    let id = space.insert(Thing(kind), rights | Rights::TRANSFER, 0).unwrap();
    let mut carried = None;
    space.prepare(&[id]).unwrap().commit(|_, cap| carried = Some(cap));
    carried.unwrap()
}

fn caps(given: Vec<Cap>) -> [Option<Cap>; MAX_CAPS] {
    let mut given = given.into_iter();
    [(); MAX_CAPS].map(|()| given.next())
}

#[test]
fn structs_memory_and_capabilities_go_and_come() {
    let counts = with(4, |service, caller, space| {
        let client = StoreClient(service);
        let range = Range { start: 3, len: 4 };
        assert_eq!(client.sum(caller, &range, Ask::new(0)).unwrap().value, 7);
        let same = client.sum(caller, &Range { start: 3, len: 3 }, Ask::new(0));
        assert_eq!(same.unwrap_err().to_string(), "the server failed with 77");
        let memory = Bytes::default();
        let leases = [Lease { start: 2, len: 4, access: Access::Write }];
        let lent = Some(Lent { memory: memory.clone(), leases: &leases });
        assert_eq!(client.read(caller, &range, Ask { lent, ..Ask::new(0) }).unwrap().value, 4);
        assert_eq!(memory.0.lock().unwrap()[..7], [0, 0, 3, 4, 5, 6, 0]);
        let given = caps(Vec::from([cap(space, 1, Rights::READ)]));
        let kept = client.keep(caller, &9, Ask { caps: given, ..Ask::new(0) }).unwrap();
        assert_eq!((kept.value, kept.caps.iter().flatten().count()), (9, 1));
    });
    assert_eq!(counts, (4, 0));
}

/// hubris#1083, #172, idolatry#70: a client who sends what the protocol does not say learns why, and the server's code sees nothing
/// of it, nor does the next client.
#[test]
fn bad_lease_count_hits_only_the_client() {
    let counts = with(12, |service, caller, space| {
        let client = StoreClient(service);
        let range = Range { start: 1, len: 2 };
        let leases = [Lease { start: 0, len: 4, access: Access::Read }; 2];
        let lend = |count: usize| Ask {
            lent: Some(Lent { memory: Bytes::default(), leases: &leases[..count] }),
            ..Ask::new(0)
        };
        let bad = |result: Result<Answered<'static, StdEnv, Thing, u64>, RpcError<_>>| match result {
            Err(RpcError::BadRequest(bad)) => bad,
            other => panic!("{other:?}"),
        };
        let count = |expected, found| BadRequest::LeaseCount { expected, found };
        assert_eq!(bad(client.read(caller, &range, Ask::new(0))), count(1, 0));
        assert_eq!(bad(client.read(caller, &range, lend(2))), count(1, 2));
        assert_eq!(bad(client.sum(caller, &range, lend(1))), count(0, 1));
        assert_eq!(bad(client.read(caller, &range, lend(1))), BadRequest::LeaseAccess { at: 0 });
        let raw =
            |version, opcode, args: &u64| bad(call(service, caller, (version, opcode), args, Ask::new(0)));
        assert_eq!(raw(1, 1, &0), BadRequest::Version { expected: 2, found: 1 });
        assert_eq!(raw(2, 2, &0), BadRequest::Opcode { found: 2 });
        let short = call::<_, _, _, u32, u64>(service, caller, (2, 1), &0, Ask::new(0));
        assert_eq!(bad(short), BadRequest::Length { expected: 8, found: 4 });
        let keep = |given| bad(client.keep(caller, &0, Ask { caps: caps(given), ..Ask::new(0) }));
        assert_eq!(keep(Vec::new()), BadRequest::CapCount { expected: 1, found: 0 });
        let other = cap(space, 2, Rights::READ);
        assert_eq!(keep(Vec::from([other])), BadRequest::CapKind { at: 0, expected: 1, found: 2 });
        let weak = cap(space, 1, Rights::WRITE);
        assert_eq!(keep(Vec::from([weak])), BadRequest::CapRights { at: 0, missing: Rights::READ });
        let origin = space.insert(Thing(1), Rights::all(), 0).unwrap();
        let copy = space.duplicate(origin, Rights::READ | Rights::TRANSFER).unwrap();
        let mut revoked = Vec::new();
        space.prepare(&[copy]).unwrap().commit(|_, cap| revoked.push(cap));
        space.revoke(origin).unwrap().finish();
        assert_eq!(keep(revoked), BadRequest::CapRevoked { at: 0 });
        assert_eq!(client.sum(caller, &range, Ask::new(0)).unwrap().value, 3);
    });
    assert_eq!(counts, (1, 11));
}

#[test]
fn what_passes_is_what_the_protocol_says() {
    (0..2000).for_each(|seed| rpc_model::run(&mut Choices::random(seed, 50)));
}

#[test]
fn the_corpus_of_rpc_decode_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/rpc_decode");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz::rpc_decode(&std::fs::read(path).unwrap()));
}

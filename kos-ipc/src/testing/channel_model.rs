//! A channel beside two queues of byte strings: [`run`].
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a model: what it says that is there, is there, or the test is to end"
)]

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::{Choices, StdEnv, StdPark};
use crate::caller::Caller;
use crate::cap::{CapId, CapSlot, CapSpace, Carried, Cell, Cells, Object, Rights};
use crate::channel::{
    Block, CallError, CallPlace, CapPlace, Channel, Config, End, Levels, Memory, Permit, ReceiveError,
    Received, SendReason, Side, ToSpace, Txid,
};
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::quota::{Limits, QuotaNode, Quotas, Resource};
use crate::wait::Progress;

const BLOCKS: usize = 12;
const PLACES: usize = 5;
const CALLS: usize = 2;
const SLOTS: usize = 6;
const CLOSED: WaitError = WaitError::PeerClosed;

/// An object with a number.
#[derive(Clone, Debug)]
struct Thing(Arc<usize>);

impl Object for Thing {
    fn kind(&self) -> u8 {
        1
    }
}

type Space<'s> = CapSpace<'s, StdEnv, Thing>;
/// How a call ended, and what was put where its answer goes.
type Outcome<'s> = (Result<Received, CallError<()>>, Vec<u8>, Vec<Option<Carried<'s, StdEnv, Thing>>>);

type Pending<'w, 's> = Pin<Box<dyn Future<Output = Outcome<'s>> + 'w>>;

/// Blocks and places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need(usize, usize);

impl Need {
    fn of(len: usize, caps: usize) -> Self {
        Self(Block::count_for(len), caps)
    }
}

/// A message, and the objects of its capabilities.
#[derive(Clone, Debug, Default)]
struct Message {
    bytes: Vec<u8>,
    objects: Vec<usize>,
    /// Which call it begins.
    call: Option<usize>,
}

/// A call: what may be answered, or was.
#[derive(Debug)]
struct Call {
    most: Need,
    len: usize,
    txid: Option<Txid>,
    answer: Option<Message>,
    ended: bool,
}

/// One direction, as it should be.
#[derive(Debug, Default)]
struct Way {
    queue: VecDeque<Message>,
    promised: Vec<Need>,
    /// Calls whose answers come by it.
    calls: Vec<Call>,
    sender_gone: bool,
    receiver_gone: bool,
}

impl Way {
    fn fits(&self, need: Need) -> bool {
        let of = |message: &Message| Need::of(message.bytes.len(), message.objects.len());
        let calls = self.calls.iter().filter(|call| !call.ended);
        let called = calls.map(|call| call.answer.as_ref().map_or(call.most, of));
        let all = self.queue.iter().map(of).chain(self.promised.iter().copied()).chain(called);
        let used = all.fold(Need::default(), |sum, need| Need(sum.0 + need.0, sum.1 + need.1));
        used.0 + need.0 <= BLOCKS && used.1 + need.1 <= PLACES
    }

    fn refusal(&self, need: Need) -> Option<SendReason> {
        match (self.sender_gone, self.receiver_gone) {
            (true, _) => Some(SendReason::Closed),
            (_, true) => Some(SendReason::Wait(CLOSED)),
            _ => (!self.fits(need)).then_some(SendReason::Full),
        }
    }
}

struct World<'w, 'm, 's> {
    ends: [End<'w, 'm, 's, StdEnv, Thing>; 2],
    caller: &'w Caller<'w, StdEnv>,
    spaces: [&'w Space<'s>; 2],
    /// What is in each space.
    held: [Vec<(CapId, usize)>; 2],
    ways: [Way; 2],
    permits: [Vec<Permit<'w, 'm, 's, StdEnv, Thing>>; 2],
    /// Calls of each side, by their index in the other way.
    futures: [Vec<(usize, Pending<'w, 's>)>; 2],
    /// Calls that each side received.
    asked: [Vec<(Txid, usize)>; 2],
    objects: usize,
}

/// Does what `choices` say, and compares each result.
///
/// # Panics
/// If channel and queues differ.
pub(crate) fn run(choices: &mut Choices<'_>) {
    let (mut nodes, mut cells) = ([(); 1].map(|()| QuotaNode::new()), [(); 4].map(|()| Cell::new()));
    let tree = Quotas::new(&mut nodes);
    let cells = Cells::new(&mut cells, &tree);
    let levels = Levels::new(&cells);
    let quota = tree.root(Limits::UNLIMITED).unwrap();
    let mut slots = [(); 2].map(|()| [(); SLOTS].map(|()| CapSlot::new()));
    let [first, second] = &mut slots;
    let spaces = [(first, 1), (second, 2)]
        .map(|(slots, salt)| Space::new(slots, &cells, quota.clone(), salt).unwrap());
    let mut memory = [(); 2].map(|()| {
        (
            vec![Block::new(); BLOCKS],
            [(); PLACES].map(|()| CapPlace::new()),
            [(); CALLS].map(|()| CallPlace::new()),
        )
    });
    let lent = memory.each_mut().map(|(blocks, caps, calls)| Memory { blocks, caps, calls });
    let park = StdPark::new();
    let (token, config) = (park.token(), Config::of(BLOCKS, PLACES));
    let channel = Channel::new(park, lent, &levels, quota.clone(), config, 0, 0).unwrap();
    let caller = Caller::new(&token, (), &NoPolicy);
    let mut world = World {
        ends: [Side::A, Side::B].map(|side| channel.end(side)),
        caller: &caller,
        spaces: spaces.each_ref(),
        held: Default::default(),
        ways: Default::default(),
        permits: Default::default(),
        futures: Default::default(),
        asked: Default::default(),
        objects: 0,
    };
    while choices.more() {
        world.step(choices);
        assert_eq!(channel.check(), Ok(()));
    }
    let left = world.ways.iter().all(|way| way.queue.is_empty());
    drop(world);
    assert_eq!(channel.is_idle(), left, "what was promised went back");
    drop(channel);
    assert_eq!(quota.used(Resource::Bytes), 0);
}

impl<'w, 'm, 's: 'w> World<'w, 'm, 's> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let side = choices.below(2);
        match choices.below(24) {
            0..=5 => self.send(side, choices),
            6..=10 => self.receive(side, choices),
            11 | 12 => self.reserve(side, choices),
            13 | 14 => self.use_permit(side, choices),
            15 | 16 => self.call(side, choices),
            17..=19 => self.reply(side, choices),
            20 | 21 => self.end_call(side, choices),
            22 => self.clear(side),
            _ if choices.once_in(8) => self.close(side),
            _ => {}
        }
    }

    fn some_bytes(choices: &mut Choices<'_>) -> Vec<u8> {
        let len = [0, 1, 30, 100, 101, 224, 700, 1464, 1465][choices.below(9)];
        let first = choices.below(256);
        (first..first + len).map(|byte| byte.to_le_bytes()[0]).collect()
    }

    /// Some capabilities of a side, made for it if it has too few.
    fn some_caps(&mut self, side: usize, choices: &mut Choices<'_>) -> Vec<(CapId, usize)> {
        let count = choices.below(8).saturating_sub(4);
        while self.held[side].len() < count {
            let object = Thing(Arc::new(self.objects));
            let id = self.spaces[side].insert(object, Rights::READ | Rights::TRANSFER, 0).unwrap();
            self.held[side].push((id, self.objects));
            self.objects += 1;
        }
        self.held[side][..count].to_vec()
    }

    fn sent(&mut self, side: usize, caps: &[(CapId, usize)]) {
        self.held[side].retain(|held| !caps.contains(held));
    }

    fn send(&mut self, side: usize, choices: &mut Choices<'_>) {
        let (bytes, caps) = (Self::some_bytes(choices), self.some_caps(side, choices));
        let ids: Vec<CapId> = caps.iter().map(|&(id, _)| id).collect();
        let transfer = self.spaces[side].prepare(&ids).unwrap();
        let result = self.ends[side].try_send(self.caller, &bytes, transfer);
        let expected = match bytes.len() {
            len @ 1465.. => Some(SendReason::TooBig { len, max: 1464 }),
            len => self.ways[side].refusal(Need::of(len, caps.len())),
        };
        assert_eq!(result.map_err(|error| error.reason).err(), expected);
        if expected.is_none() {
            self.sent(side, &caps);
            let objects = caps.into_iter().map(|(_, object)| object).collect();
            self.ways[side].queue.push_back(Message { bytes, objects, call: None });
        }
    }

    fn receive(&mut self, side: usize, choices: &mut Choices<'_>) {
        let mut bytes = vec![0; [1464, 1464, 100, 0][choices.below(4)]];
        let mut ids = vec![CapId::from_raw(0); [PLACES, 1][choices.below(2)]];
        let to = ToSpace { space: self.spaces[side], ids: &mut ids };
        let result = self.ends[side].try_receive(self.caller, &mut bytes, to);
        let way = &mut self.ways[1 - side];
        let Some(first) = way.queue.front() else {
            let ended = match (way.receiver_gone, way.sender_gone) {
                (true, _) => ReceiveError::Closed,
                (_, true) => ReceiveError::Wait(CLOSED),
                _ => ReceiveError::WouldBlock,
            };
            return assert_eq!(result, Err(ended));
        };
        let (len, caps) = (first.bytes.len(), first.objects.len());
        if len > bytes.len() || caps > ids.len() {
            return assert_eq!(result, Err(ReceiveError::TooShort { len, caps }));
        }
        if self.held[side].len() + caps > SLOTS {
            assert!(matches!(result, Err(ReceiveError::Cap(_))));
            return self.make_room(side);
        }
        let (got, message) = (result.unwrap(), way.queue.pop_front().unwrap());
        assert_eq!((got.len, got.caps, &bytes[..len]), (len, caps, &message.bytes[..]));
        for (&id, &object) in ids.iter().zip(&message.objects) {
            assert_eq!(*self.spaces[side].get(id, 1, Rights::READ).unwrap().0, object);
            self.held[side].push((id, object));
        }
        assert_eq!(got.txid.is_some(), message.call.is_some());
        if let (Some(txid), Some(call)) = (got.txid, message.call) {
            self.asked[side].push((txid, call));
            self.ways[side].calls[call].txid = Some(txid);
        }
    }

    /// Closes what a side holds.
    fn make_room(&mut self, side: usize) {
        self.held[side].drain(..).for_each(|(id, _)| self.spaces[side].close(id).unwrap());
    }

    fn reserve(&mut self, side: usize, choices: &mut Choices<'_>) {
        let (len, caps) = ([0, 100, 400][choices.below(3)], choices.below(3));
        let result = self.ends[side].try_reserve(self.caller, len, caps);
        let expected = self.ways[side].refusal(Need::of(len, caps));
        assert_eq!(result.as_ref().err(), expected.as_ref());
        if let Ok(permit) = result {
            self.permits[side].push(permit);
            self.ways[side].promised.push(Need::of(len, caps));
        }
    }

    /// Sends what fits by a permit, or drops it.
    fn use_permit(&mut self, side: usize, choices: &mut Choices<'_>) {
        if self.permits[side].is_empty() {
            return;
        }
        let at = choices.below(self.permits[side].len());
        let (permit, _) = (self.permits[side].swap_remove(at), self.ways[side].promised.swap_remove(at));
        if choices.once_in(3) {
            return;
        }
        let bytes = vec![9; choices.below(2)];
        let result = permit.send(self.caller, &bytes, ()).map_err(|error| error.reason);
        let way = &mut self.ways[side];
        match (way.sender_gone, way.receiver_gone, bytes.len()) {
            (_, _, 1) if result == Err(SendReason::TooBig { len: 1, max: 0 }) => {}
            (true, ..) => assert_eq!(result, Err(SendReason::Closed)),
            (_, true, _) => assert_eq!(result, Err(SendReason::Wait(CLOSED))),
            _ => {
                assert_eq!(result, Ok(()));
                way.queue.push_back(Message { bytes, ..Message::default() });
            }
        }
    }

    fn call(&mut self, side: usize, choices: &mut Choices<'_>) {
        let (len, caps) = ([0, 100, 300][choices.below(3)], choices.below(3));
        let request = vec![7; choices.below(200)];
        // Who would wait for room to send is left to other tests.
        if !self.ways[side].fits(Need::of(request.len(), 0)) {
            return;
        }
        let (end, caller, bytes) = (self.ends[side], self.caller, request.clone());
        let mut future: Pending<'w, 's> = Box::pin(async move {
            let (mut answer, mut places) = (vec![0; len], Vec::new());
            places.resize_with(caps, || None);
            let result = end.call_async(caller, &bytes, (), (&mut answer, &mut places)).await;
            (result, answer, places)
        });
        let most = Need::of(len, caps);
        let way = &self.ways[1 - side];
        let under_way = self.futures[side].len();
        let expected = match (way.receiver_gone, way.sender_gone) {
            (true, _) => Some(SendReason::Closed),
            (_, true) => Some(SendReason::Wait(CLOSED)),
            _ => (!way.fits(most) || under_way == CALLS).then_some(SendReason::Full),
        };
        match (future.as_mut().poll(&mut Context::from_waker(Waker::noop())), expected) {
            (Poll::Pending, None) => {
                let number = self.ways[1 - side].calls.len();
                self.ways[1 - side].calls.push(Call { most, len, txid: None, answer: None, ended: false });
                self.futures[side].push((number, future));
                self.ways[side].queue.push_back(Message {
                    bytes: request,
                    objects: vec![],
                    call: Some(number),
                });
            }
            (Poll::Ready((Err(CallError::Unsent(unsent)), ..)), Some(reason)) => {
                assert_eq!(unsent.reason, reason);
            }
            (Poll::Ready((result, ..)), expected) => panic_of(&result, expected),
            (Poll::Pending, Some(reason)) => panic_of(&(), Some(reason)),
        }
    }

    fn reply(&mut self, side: usize, choices: &mut Choices<'_>) {
        if self.asked[side].is_empty() {
            return;
        }
        let (txid, number) = self.asked[side][choices.below(self.asked[side].len())];
        let bytes = vec![3; [0, 90, 101, 301][choices.below(4)]];
        let caps = self.some_caps(side, choices);
        let ids: Vec<CapId> = caps.iter().map(|&(id, _)| id).collect();
        let transfer = self.spaces[side].prepare(&ids).unwrap();
        let result = self.ends[side].reply(self.caller, txid, &bytes, transfer);
        let call = &mut self.ways[side].calls[number];
        let expected = match (call.ended || call.answer.is_some(), bytes.len() > call.len) {
            (true, _) => Some(SendReason::Stale),
            (_, true) => Some(SendReason::TooBig { len: bytes.len(), max: call.len }),
            _ if caps.len() > call.most.1 => {
                Some(SendReason::TooManyCaps { caps: caps.len(), max: call.most.1 })
            }
            _ => None,
        };
        assert_eq!(result.map_err(|error| error.reason).err(), expected);
        if expected.is_none() {
            let objects = caps.iter().map(|&(_, object)| object).collect();
            call.answer = Some(Message { bytes, objects, call: None });
            self.sent(side, &caps);
        }
    }

    /// Looks whether a call has ended, or drops it.
    fn end_call(&mut self, side: usize, choices: &mut Choices<'_>) {
        if self.futures[side].is_empty() {
            return;
        }
        let at = choices.below(self.futures[side].len());
        let (number, mut future) = self.futures[side].swap_remove(at);
        let call = &mut self.ways[1 - side].calls[number];
        if choices.once_in(3) {
            call.ended = true;
            return;
        }
        match (future.as_mut().poll(&mut Context::from_waker(Waker::noop())), &call.answer) {
            (Poll::Pending, None) if !call.ended => self.futures[side].push((number, future)),
            (Poll::Ready((Ok(got), bytes, places)), Some(answer)) => {
                call.ended = true;
                assert_eq!(&bytes[..got.len], &answer.bytes[..]);
                let objects: Vec<usize> = places.iter().flatten().map(|cap| *cap.object().0).collect();
                assert_eq!((got.caps, &objects), (objects.len(), &answer.objects));
            }
            (Poll::Ready((Err(CallError::Wait(CLOSED)), ..)), None) if call.ended => {}
            (outcome, answer) => {
                let ready = outcome.is_ready();
                assert!(!ready && answer.is_none() && !call.ended, "a call ended otherwise than it should");
            }
        }
    }

    fn clear(&mut self, side: usize) {
        let empty = self.ways[1 - side].queue.pop_front().is_none();
        let progress = self.ends[side].clear(1);
        assert_eq!(progress, if empty { Progress::Done } else { Progress::More });
    }

    fn close(&mut self, side: usize) {
        let mut closing = self.ends[side].close();
        while closing.step(1) == Progress::More {}
        self.ways[side].sender_gone = true;
        self.ways[1 - side].receiver_gone = true;
        self.ways[1 - side].queue.clear();
        for call in self.ways.iter_mut().flat_map(|way| &mut way.calls) {
            call.ended |= call.answer.is_none();
        }
    }
}

#[expect(clippy::panic, reason = "a model that differs")]
fn panic_of<T: core::fmt::Debug>(result: &T, expected: Option<SendReason>) {
    panic!("a call began with {result:?} where {expected:?} was expected");
}

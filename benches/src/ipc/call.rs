//! What does a call cost that is answered?

use core::hint::black_box;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use kos_ipc::Caller;
use kos_ipc::cap::Object;
use kos_ipc::endpoint::{CallSlot, Endpoint, Msg};
use kos_ipc::policy::NoPolicy;

use super::stacks::{Name, Switching, Two, threads};
use super::{Awake, Nobody, leak, places, steps};
use crate::harness::must;
use crate::harness::question::{Promise, Question, Shape};
use crate::sched::linux;

/// The name of the question whose instructions have a limit.
pub(super) const FAST_PATH: &str = "ipc-call-reply";

/// Instructions of a call and its answer at most, two switches of the stack included: the aim. They are 387; in a program of these
/// questions alone, where less is inlined, 409.
pub(super) const LIMIT: f64 = 400.0;

/// Calls that are under way at most.
const SLOTS: usize = 16;

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    let (one, words) = (Promise::Exclusive, "the server waits; two switches of the stack");
    let ours = "kos-ipc Endpoint, two stacks";
    let mut subjects = vec![
        steps(ours, one, words, || calls(|| [black_box(1_u64); 9])),
        steps(format!("{ours}, Msg"), one, "as above, with places for capabilities", || {
            calls(|| Msg::<Switching, Nothing>::new(1, [black_box(1); 8]))
        }),
        steps("kos-ipc Endpoint, polled", one, "nobody sleeps", polled),
    ];
    subjects.extend(linux::subjects());
    subjects.push(linux::eventfds());
    vec![Question {
        name: FAST_PATH,
        what: "A client calls with a label and eight words, and a server that waits answers with as many, on one CPU."
            .to_owned(),
        operation: "call and answer",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects,
    }]
}

/// No capability is sent.
#[derive(Clone)]
struct Nothing;

impl Object for Nothing {
    fn kind(&self) -> u8 {
        0
    }
}

/// What the server has.
struct Server<M: Send + 'static> {
    endpoint: Endpoint<'static, Switching, M>,
    me: Name,
}

/// Where it begins: it answers what it was sent.
unsafe extern "C" fn serve<M: Send + 'static>(arg: *mut ()) -> ! {
    // SAFETY: `calls` passes it, and it is never freed.
    let server = unsafe { &*arg.cast_const().cast::<Server<M>>() };
    let caller = Caller::new(&server.me, (), &NoPolicy);
    let mut call = must(server.endpoint.recv(&caller, None).ok());
    loop {
        let answered = server.endpoint.reply_recv(call.token, call.message, &caller, None);
        let (Ok(()), Ok(next)) = answered else { std::process::abort() };
        call = next;
    }
}

/// A client's calls of a server on another stack, with what `message` makes.
fn calls<M: Send + 'static>(message: impl Fn() -> M) -> impl FnMut() {
    let [first, second] = threads();
    let slots = places(SLOTS, CallSlot::new);
    let endpoint = Endpoint::<Switching, M>::new(Two, slots, 0, 0);
    let server = leak(Server { endpoint, me: second });
    // SAFETY: the entry takes a server of this type, which is leaked.
    unsafe { second.start(serve::<M>, (&raw mut *server).cast()) };
    let endpoint = &server.endpoint;
    move || {
        let caller = Caller::new(&first, (), &NoPolicy);
        let answer = endpoint.call(&caller, 7, message(), None, None);
        assert!(black_box(&answer).is_ok());
    }
}

/// The same by futures on one stack: begun, received, answered, seen.
fn polled() -> impl FnMut() {
    let slots = places(SLOTS, CallSlot::new);
    let endpoint = leak(Endpoint::<Awake, [u64; 9]>::new(Nobody, slots, 0, 0));
    move || {
        let caller = Caller::new(&0, (), &NoPolicy);
        let mut call = must(endpoint.call_async(&caller, 7, black_box([1; 9])).ok());
        let received = must(endpoint.try_recv(&caller).ok());
        must(received.token.reply(received.message).ok());
        let polled = Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(Ok([1; 9])));
    }
}

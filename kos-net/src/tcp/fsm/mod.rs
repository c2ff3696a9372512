//! The states of a connection, and what moves it from one to the next: [`State`], [`Event`], [`step`].
//!
//! A pure function without buffers: the product of states and events is enumerated in a test and compared with a table. A
//! passive open does not pass through here: until its handshake ends it is a record of the listener.
//! Source: RFC 9293 sections 3.3.2 and 3.10, RFC 5961 sections 3 to 5.

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// There is no connection.
    #[default]
    Closed,
    /// Our SYN is out.
    SynSent,
    /// Both SYN are out, ours is not acknowledged.
    SynReceived,
    /// Data flow both ways.
    Established,
    /// We send no more; our FIN is not acknowledged.
    FinWait1,
    /// We send no more, and the peer knows.
    FinWait2,
    /// The peer sends no more.
    CloseWait,
    /// Both send no more; our FIN is not acknowledged.
    Closing,
    /// The peer sent no more first; our FIN is not acknowledged.
    LastAck,
    /// Both know; old segments may still be under way.
    TimeWait,
}

/// Where a segment lies to what is wanted next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It begins with the next wanted.
    Next,
    /// It begins elsewhere, and some of it is in the window.
    Inside,
    /// It is the peer's SYN again, before anything else came.
    First,
    /// Nothing of it is wanted.
    Outside,
}

/// What a segment acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It does not say.
    Nothing,
    /// Something older than the largest window.
    Ancient,
    /// What was acknowledged already.
    Known,
    /// More, but not our FIN.
    New,
    /// All, our FIN too.
    Fin,
    /// What was never sent.
    Unsent,
}

/// What a segment means to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Where it lies.
    pub(crate) place: Place,
    /// What it acknowledges.
    pub(crate) answer: Answer,
    /// It has SYN.
    pub(crate) syn: bool,
    /// It has RST.
    pub(crate) rst: bool,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A segment came.
    Segment(Arrival),
    /// All the peer's data came, and then its FIN.
    PeerFinished,
    /// The user sends no more.
    Finish,
    /// The connection is given up, by the user or for want of an answer.
    Abort,
}

bitflags::bitflags! {
    /// What is to be done after a step.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Actions: u16 {
        /// Use the acknowledgement and the window.
        const TAKE_ACK = 1 << 0;
        /// Use the data and FIN.
        const TAKE_DATA = 1 << 1;
        /// Acknowledge at once.
        const ACK = 1 << 2;
        /// Acknowledge if this connection has not just done so: nothing of the segment is wanted.
        const ANSWER = 1 << 3;
        /// Acknowledge if the limit of all connections permits: somebody may be guessing (RFC 5961).
        const CHALLENGE = 1 << 4;
        /// Send a reset.
        const RESET = 1 << 5;
        /// The peer's SYN is to be taken.
        const TAKE_SYN = 1 << 6;
        /// The peer has reset the connection.
        const PEER_RESET = 1 << 7;
    }
}

/// The state after `event`, and what to do.
pub(crate) fn step(state: State, event: Event) -> (State, Actions) {
    match event {
        Event::Segment(arrival) if state == State::Closed => closed(arrival),
        Event::Segment(arrival) if state == State::SynSent => syn_sent(arrival),
        Event::Segment(arrival) => synchronized(state, arrival),
        Event::PeerFinished => (peer_finished(state), Actions::ACK),
        Event::Finish => (finish(state), Actions::empty()),
        Event::Abort if matches!(state, State::Closed | State::SynSent | State::TimeWait) => {
            (State::Closed, Actions::empty())
        }
        Event::Abort => (State::Closed, Actions::RESET),
    }
}

const fn closed(arrival: Arrival) -> (State, Actions) {
    (State::Closed, if arrival.rst { Actions::empty() } else { Actions::RESET })
}

/// RFC 9293, section 3.10.7.3.
fn syn_sent(arrival: Arrival) -> (State, Actions) {
    const CONNECTED: Actions =
        Actions::TAKE_SYN.union(Actions::TAKE_ACK).union(Actions::TAKE_DATA).union(Actions::ACK);
    match (arrival.answer, arrival.rst, arrival.syn) {
        (Answer::New | Answer::Fin, true, _) => (State::Closed, Actions::PEER_RESET),
        (_, true, _) => (State::SynSent, Actions::empty()),
        (Answer::New | Answer::Fin, false, true) => (State::Established, CONNECTED),
        (Answer::Nothing, false, true) => (State::SynReceived, Actions::TAKE_SYN),
        (Answer::Nothing | Answer::New | Answer::Fin, false, false) => (State::SynSent, Actions::empty()),
        (Answer::Ancient | Answer::Known | Answer::Unsent, false, _) => (State::SynSent, Actions::RESET),
    }
}

/// RFC 9293, section 3.10.7.4, with the stricter rules of RFC 5961.
fn synchronized(state: State, arrival: Arrival) -> (State, Actions) {
    if arrival.rst {
        return match arrival.place {
            Place::Next => (State::Closed, Actions::PEER_RESET),
            Place::Inside => (state, Actions::CHALLENGE),
            Place::First | Place::Outside => (state, Actions::empty()),
        };
    }
    if state == State::SynReceived && arrival.place == Place::First {
        return simultaneous(arrival);
    }
    if arrival.syn {
        return (state, Actions::CHALLENGE);
    }
    match (arrival.place, arrival.answer) {
        (Place::First | Place::Outside, _) => (state, Actions::ANSWER),
        (_, Answer::Nothing) => (state, Actions::empty()),
        (_, Answer::Ancient | Answer::Unsent) if state != State::SynReceived => (state, Actions::CHALLENGE),
        (_, Answer::Ancient | Answer::Known | Answer::Unsent) if state == State::SynReceived => {
            (state, Actions::RESET)
        }
        (_, answer) => acknowledged(state, answer),
    }
}

/// The peer's SYN comes once more, after both had sent one.
fn simultaneous(arrival: Arrival) -> (State, Actions) {
    match arrival.answer {
        Answer::New | Answer::Fin => (State::Established, Actions::TAKE_ACK | Actions::ACK),
        _ => (State::SynReceived, Actions::ACK),
    }
}

fn acknowledged(state: State, answer: Answer) -> (State, Actions) {
    let after = match (state, answer) {
        (State::SynReceived, _) => State::Established,
        (State::FinWait1, Answer::Fin) => State::FinWait2,
        (State::Closing, Answer::Fin) => State::TimeWait,
        (State::LastAck, Answer::Fin) => State::Closed,
        (state, _) => state,
    };
    let open = matches!(after, State::Established | State::FinWait1 | State::FinWait2);
    let data = if open { Actions::TAKE_DATA } else { Actions::empty() };
    (after, Actions::TAKE_ACK | data)
}

const fn peer_finished(state: State) -> State {
    match state {
        State::Established | State::SynReceived => State::CloseWait,
        State::FinWait1 => State::Closing,
        State::FinWait2 => State::TimeWait,
        other => other,
    }
}

const fn finish(state: State) -> State {
    match state {
        State::SynSent => State::Closed,
        State::SynReceived | State::Established => State::FinWait1,
        State::CloseWait => State::LastAck,
        other => other,
    }
}

#[cfg(test)]
mod table;

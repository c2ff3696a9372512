//! The transition table, and the whole product of states and events compared with it.
//!
//! One row: the states, where the segment lies, what it acknowledges, its flags (`r` RST, `s` SYN, `-` neither), the state
//! after, what is done. `*` is any; the first row that fits counts. Written from RFC 9293 and RFC 5961, not from the code.

use super::{Actions, Answer, Arrival, Event, Place, State, step};

use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent, TimeWait,
};

const STATES: [State; 10] =
    [Closed, SynSent, SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait];
const PLACES: [(Place, &str); 4] =
    [(Place::Next, "next"), (Place::Inside, "in"), (Place::First, "first"), (Place::Outside, "out")];
const ANSWERS: [(Answer, &str); 6] = [
    (Answer::Nothing, "none"),
    (Answer::Ancient, "ancient"),
    (Answer::Known, "known"),
    (Answer::New, "new"),
    (Answer::Fin, "fin"),
    (Answer::Unsent, "unsent"),
];

const TABLE: &str = "
    Closed       *         *                     r   =            -
    Closed       *         *                     *   =            RESET
    SynSent      *         new,fin               r   Closed       PEER_RESET
    SynSent      *         *                     r   =            -
    SynSent      *         ancient,known,unsent  *   =            RESET
    SynSent      *         new,fin               s   Established  TAKE_SYN,TAKE_ACK,TAKE_DATA,ACK
    SynSent      *         none                  s   SynReceived  TAKE_SYN
    SynSent      *         *                     -   =            -
    *            next      *                     r   Closed       PEER_RESET
    *            in        *                     r   =            CHALLENGE
    *            *         *                     r   =            -
    SynReceived  first     new,fin               *   Established  TAKE_ACK,ACK
    SynReceived  first     *                     *   =            ACK
    *            *         *                     s   =            CHALLENGE
    *            out,first *                     -   =            ANSWER
    *            *         none                  -   =            -
    SynReceived  *         ancient,known,unsent  -   =            RESET
    *            *         ancient,unsent        -   =            CHALLENGE
    SynReceived  *         new,fin               -   Established  TAKE_ACK,TAKE_DATA
    Established  *         *                     -   =            TAKE_ACK,TAKE_DATA
    FinWait1     *         fin                   -   FinWait2     TAKE_ACK,TAKE_DATA
    FinWait1     *         *                     -   =            TAKE_ACK,TAKE_DATA
    FinWait2     *         *                     -   =            TAKE_ACK,TAKE_DATA
    CloseWait    *         *                     -   =            TAKE_ACK
    Closing      *         fin                   -   TimeWait     TAKE_ACK
    Closing      *         *                     -   =            TAKE_ACK
    LastAck      *         fin                   -   Closed       TAKE_ACK
    LastAck      *         *                     -   =            TAKE_ACK
    TimeWait     *         *                     -   =            TAKE_ACK
";

fn fits(pattern: &str, name: &str) -> bool {
    pattern == "*" || pattern.split(',').any(|one| one == name)
}

/// What the table says.
fn looked_up(state: State, place: &str, answer: &str, flag: &str) -> (State, Actions) {
    let name = alloc::format!("{state:?}");
    for row in TABLE.lines().map(|line| line.split_whitespace().collect::<alloc::vec::Vec<_>>()) {
        let [from, at, ack, flags, to, actions] = row[..] else { continue };
        if fits(from, &name) && fits(at, place) && fits(ack, answer) && fits(flags, flag) {
            let after = STATES.into_iter().find(|state| alloc::format!("{state:?}") == to).unwrap_or(state);
            let actions = actions.split(',').map(|name| Actions::from_name(name).unwrap_or_default());
            return (after, actions.collect());
        }
    }
    panic!("no row for {state:?} {place} {answer} {flag}");
}

#[test]
fn every_segment_in_every_state_does_what_the_table_says() {
    let mut count = 0;
    for state in STATES {
        for (place, at) in PLACES {
            for (answer, ack) in ANSWERS {
                for (syn, rst, flag) in
                    [(false, false, "-"), (true, false, "s"), (false, true, "r"), (true, true, "r")]
                {
                    let arrival = Arrival { place, answer, syn, rst };
                    let expected = looked_up(state, at, ack, flag);
                    assert_eq!(step(state, Event::Segment(arrival)), expected, "{state:?} {arrival:?}");
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 10 * 4 * 6 * 4);
}

#[test]
fn the_other_events_do_what_the_table_says() {
    let none = Actions::empty();
    let (ack, reset) = (Actions::ACK, Actions::RESET);
    // State, after the peer's FIN, after the user sends no more, what an abort tells the peer.
    let rows = [
        (Closed, Closed, Closed, none),
        (SynSent, SynSent, Closed, none),
        (SynReceived, CloseWait, FinWait1, reset),
        (Established, CloseWait, FinWait1, reset),
        (FinWait1, Closing, FinWait1, reset),
        (FinWait2, TimeWait, FinWait2, reset),
        (CloseWait, CloseWait, LastAck, reset),
        (Closing, Closing, Closing, reset),
        (LastAck, LastAck, LastAck, reset),
        (TimeWait, TimeWait, TimeWait, none),
    ];
    assert_eq!(rows.map(|row| row.0), STATES);
    for (state, finished, closed, told) in rows {
        assert_eq!(step(state, Event::PeerFinished), (finished, ack), "{state:?}");
        assert_eq!(step(state, Event::Finish), (closed, none), "{state:?}");
        assert_eq!(step(state, Event::Abort), (Closed, told), "{state:?}");
    }
}

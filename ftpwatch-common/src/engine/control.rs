//! Segments of control connections: whose they are, what of them is new, and what that says of endpoints.

mod command;
mod early;
mod reply;
mod session;

use self::{
    command::Commands,
    early::hold,
    reply::Replies,
    session::{Greeting, ends_line, greeting, is_another, see_again},
};
use super::{Found, Interest, Payload, Said, Scene, Store, tls};
use crate::{
    command::CommandDecoder,
    control::{Arrival, Control, Queue, READ},
    counter::Counter,
    endpoint::{GiveUp, missed},
    packet::{Segment, flag},
};

pub use self::{
    command::{command, take_command},
    early::{early_byte, late},
    reply::{advertise, reply, take_reply},
    session::{begin, end, lose_sight, tell_session, turn_to_text},
};

const CLIENT_FIN: u8 = 1;
const SERVER_FIN: u8 = 2;

/// Finds out which side the segment comes from, and takes it in. Returns whether a segment is held that came
/// too early.
#[inline(always)]
pub fn take<P: Payload, S: Store>(
    packet: &P,
    store: &S,
    scene: &mut Scene,
    interest: Interest,
) -> bool {
    store.count(Counter::ControlSegments);
    let (fate, held) = read(packet, store, scene, interest);
    store.count(fate);
    held
}

/// Returns what became of the segment (one of [`Counter::FATES`]), and whether one is held.
#[inline(always)]
fn read<P: Payload, S: Store>(
    packet: &P,
    store: &S,
    scene: &mut Scene,
    interest: Interest,
) -> (Counter, bool) {
    if interest.to_server {
        scene.sent_by_client();
        match store.control(&scene.flow) {
            Found::Held(mut control) => {
                let fate = from_client(packet, store, &scene.segment, &mut control);
                return (fate, control.early.length > 0);
            }
            Found::Busy => return (Counter::Busy, false),
            Found::Missing => {}
        }
    }
    if interest.from_server {
        scene.sent_by_server();
        let mut control = store.control(&scene.flow);
        let known = match &control {
            Found::Held(control) => !is_another(control, &scene.segment),
            Found::Busy => true,
            Found::Missing => false,
        };
        if !known {
            drop(control);
            let greeting = greeting(packet, &scene.segment);
            if greeting != Greeting::Other {
                scene.blind = (greeting == Greeting::Tls) as u8;
                store.begin(scene);
            }
            control = store.control(&scene.flow);
        }
        match control {
            Found::Held(mut control) => {
                let fate = from_server(packet, store, &scene.segment, &mut control);
                return (fate, control.early.length > 0);
            }
            Found::Busy => return (Counter::Busy, false),
            Found::Missing => {}
        }
    }
    (Counter::Stray, false)
}

#[inline(always)]
fn from_client<P: Payload, S: Store>(
    packet: &P,
    store: &S,
    segment: &Segment,
    control: &mut Control,
) -> Counter {
    if is_new_connection(control, segment) {
        store.end(control, GiveUp::ClientClosed);
    }
    if control.ended_at != 0 || segment.has(flag::SYN) {
        return Counter::Stray;
    }
    let arrival = control.from_client.take(segment.sequence, segment.length);
    if arrival == Arrival::Foreign {
        return Counter::Stray;
    }
    let mut fate = fate(control, segment, arrival);
    control.last_at = store.about_now();
    control.client_visible = 1;
    if segment.has(flag::ACK) {
        acknowledge(store, control, segment.acknowledgement);
    }
    if let Arrival::New { skip, gap } = arrival
        && control.blind == 0
    {
        // A segment without payload tells of a gap as well: what fills it later is taken for old.
        if gap {
            lose(store, control, missed::COMMANDS);
            control.command = CommandDecoder::START;
        }
        let mut commands = Commands {
            control: &mut *control,
            store,
        };
        let whole = segment.length == 0
            || !segment.fragment
                && packet.scan(segment.payload + skip, segment.length - skip, &mut commands);
        if !whole {
            fate = Counter::OutOfReach;
            store.count(Counter::Unreadable);
            lose(store, control, missed::COMMANDS);
            // What comes next does not end the line that began here.
            control.command = CommandDecoder::START;
        }
    }
    if segment.has(flag::RST) {
        store.end(control, GiveUp::ClientReset);
    } else if segment.has(flag::FIN) {
        close(store, control, segment, CLIENT_FIN);
    }
    fate
}

#[inline(always)]
fn from_server<P: Payload, S: Store>(
    packet: &P,
    store: &S,
    segment: &Segment,
    control: &mut Control,
) -> Counter {
    if control.ended_at != 0 || segment.has(flag::SYN) {
        return Counter::Stray;
    }
    let before = control.from_server;
    let arrival = control.from_server.take(segment.sequence, segment.length);
    if arrival == Arrival::Foreign {
        return Counter::Stray;
    }
    control.last_at = store.about_now();
    if arrival == Arrival::Old {
        resent(store, control, segment);
    }
    if control.early.length > 0 && control.early.sequence == segment.sequence {
        // The same again, or from another interface.
        control.from_server = before;
        return Counter::Repeated;
    }
    if let Arrival::New { gap: true, .. } = arrival
        && hold(packet, segment, control)
    {
        // It may never come, and nobody say so.
        lose(store, control, missed::REPLIES);
        control.from_server = before;
        return Counter::Early;
    }
    if segment.has(flag::ACK) && control.from_client.acknowledged(segment.acknowledgement) {
        lose(store, control, missed::COMMANDS);
        control.command = CommandDecoder::START;
    }
    if control.blind == READ && !store.hears(&control.object) {
        tls::lose(store, control);
    }
    // The reply to AUTH may come again, and is in clear text.
    if control.blind != 0
        && matches!(arrival, Arrival::New { .. })
        && greeting(packet, segment) == Greeting::Reply
        && ends_line(packet, segment)
    {
        see_again(store, control);
    }
    let mut fate = fate(control, segment, arrival);
    if let Arrival::New { skip, gap } = arrival
        && control.blind == 0
    {
        if gap {
            lose(store, control, missed::REPLIES);
            control.reply.resume();
            control.queue = Queue::EMPTY;
        }
        let mut replies = Replies {
            control: &mut *control,
            store,
            sequence: segment.sequence.wrapping_add(skip),
        };
        let whole = segment.length == 0
            || !segment.fragment
                && packet.scan(segment.payload + skip, segment.length - skip, &mut replies);
        if !whole {
            fate = Counter::OutOfReach;
            store.count(Counter::Unreadable);
            lose(store, control, missed::REPLIES);
            control.reply.resume();
        }
    }
    if segment.has(flag::RST) {
        store.end(control, GiveUp::ServerClosed);
    } else if segment.has(flag::FIN) {
        close(store, control, segment, SERVER_FIN);
    }
    fate
}

/// What becomes of a segment of the connection's that is not out of reach.
#[inline(always)]
const fn fate(control: &Control, segment: &Segment, arrival: Arrival) -> Counter {
    match arrival {
        _ if segment.length == 0 => Counter::Empty,
        Arrival::New { .. } if control.blind != 0 => Counter::Encrypted,
        Arrival::New { .. } => Counter::Scanned,
        Arrival::Old | Arrival::Foreign => Counter::Repeated,
    }
}

/// A SYN that opens the four-tuple again: the old connection's end went unseen.
#[inline(always)]
fn is_new_connection(control: &Control, segment: &Segment) -> bool {
    // A late copy of the old SYN is just behind what was read since.
    let mut stream = control.from_client;
    segment.has(flag::SYN) && stream.take(segment.sequence, 0) != Arrival::Old
}

/// The client acknowledged the server's bytes up to `acknowledgement`.
#[inline(always)]
fn acknowledge<S: Store>(store: &S, control: &mut Control, acknowledgement: u32) {
    if control.from_server.acknowledged(acknowledgement) {
        // Counted already, where what comes after the gap is held.
        if control.early.length == 0 {
            lose(store, control, missed::REPLIES);
        }
        control.reply.resume();
        control.queue = Queue::EMPTY;
        // What is held was not missed, and is read next.
        let early = &control.early;
        if early.length > 0 && (acknowledgement.wrapping_sub(early.sequence) as i32) >= 0 {
            control.from_server.next = early.sequence;
        }
    }
    if control.awaiting != 0 && (acknowledgement.wrapping_sub(control.reply_end) as i32) >= 0 {
        control.awaiting = 0;
        store.say(control.current, Said::Acknowledged);
    }
}

/// The server sent again what it has sent before: a part of a reply that waits for its acknowledgement, or what comes
/// before it and did not arrive either. A keep-alive probe has no bytes.
#[inline(always)]
fn resent<S: Store>(store: &S, control: &Control, segment: &Segment) {
    let offset = control.reply_end.wrapping_sub(segment.sequence);
    if control.awaiting != 0 && segment.length != 0 && (offset as i32) > 0 {
        store.say(control.current, Said::Resent);
    }
}

/// Something went by unread: of the endpoint at hand, absence proves nothing any more.
#[inline(always)]
fn lose<S: Store>(store: &S, control: &Control, what: u32) {
    store.count(Counter::Gaps);
    store.say(control.current, Said::Missed(what));
}

/// One side sent FIN.
#[inline(always)]
fn close<S: Store>(store: &S, control: &mut Control, segment: &Segment, side: u8) {
    let (stream, how) = if side == CLIENT_FIN {
        (&mut control.from_client, GiveUp::ClientClosed)
    } else {
        (&mut control.from_server, GiveUp::ServerClosed)
    };
    if control.fins & side == 0 && stream.next == segment.sequence.wrapping_add(segment.length) {
        control.fins |= side;
        stream.next = segment.end();
        give_up(store, control, how);
    }
    if control.fins == CLIENT_FIN | SERVER_FIN {
        store.end(control, how);
    }
}

/// The client is done with the endpoint at hand, as far as the control connection shows.
#[inline(always)]
fn give_up<S: Store>(store: &S, control: &Control, how: GiveUp) {
    store.say(control.current, Said::GaveUp(how));
}

/// What comes from now on is not about the endpoint at hand.
#[inline(always)]
fn release<S: Store>(store: &S, control: &mut Control) {
    store.say(control.current, Said::Released);
    turn_away(control);
}

/// There is no endpoint at hand.
#[inline(always)]
fn turn_away(control: &mut Control) {
    control.current = 0;
    control.awaiting = 0;
}

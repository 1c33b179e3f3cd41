//! How a control connection begins, goes out of sight, comes back, and ends.

use super::{give_up, release, reply::tell_line};
use crate::{
    address::Flow,
    command::CommandDecoder,
    control::{Arrival, Control, Queue, Stream},
    counter::Counter,
    endpoint::{GiveUp, missed},
    engine::{
        Found, Payload, Said, Scene, Store,
        endpoint::find,
        guess::{go_blind, stop_guessing},
    },
    packet::{Segment, flag},
    record::{About, Kind, Progress},
    reply::{ReplyDecoder, begins_reply},
    tls::Object,
};

/// What a segment of the server's begins like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// A reply.
    Reply,
    /// A TLS record, on the port of implicit FTPS.
    Tls,
    /// Something else.
    Other,
}

/// The port of implicit FTPS (IANA: ftps).
const IMPLICIT_TLS: u16 = 990;

/// A TLS handshake record (RFC 8446, section 5.1), as far as its version's first byte.
const TLS_HANDSHAKE: [u8; 2] = [22, 3];

/// A connection is first seen by what its server says, since anybody can send a SYN, and on a wide range of
/// control ports not everything is FTP.
#[cfg_attr(target_arch = "bpf", inline(never))]
pub(super) fn greeting<P: Payload>(packet: &P, segment: &Segment) -> Greeting {
    if segment.length < 4 || segment.flags & (flag::SYN | flag::RST | flag::FIN) != 0 {
        return Greeting::Other;
    }
    match packet.peek::<4>(segment.payload) {
        Some(bytes) if begins_reply(bytes) => Greeting::Reply,
        Some([a, b, ..]) if segment.source == IMPLICIT_TLS && [a, b] == TLS_HANDSHAKE => {
            Greeting::Tls
        }
        _ => Greeting::Other,
    }
}

/// Makes an entry for the control connection, unless there is one; anew where the four-tuple was used
/// again and the entry is the old connection's.
#[inline(always)]
pub fn begin<S: Store>(store: &S, scene: &Scene) {
    let Scene { segment, flow, .. } = scene;
    match store.control(flow) {
        Found::Missing if is_data(store, flow) => {}
        Found::Missing => {
            let opened = store.open_control(flow, |control| open(control, store, scene));
            if opened && scene.blind != 0 {
                store.adjust_blind(&flow.pair(), 1);
            }
        }
        Found::Held(mut control) => {
            if is_another(&control, segment) {
                end(store, &mut control, GiveUp::ServerClosed);
                open(&mut control, store, scene);
                if scene.blind != 0 {
                    store.adjust_blind(&flow.pair(), 1);
                }
            }
        }
        Found::Busy => {}
    }
}

/// Whether the segment, of the server's, belongs to another connection than the one that had the four-tuple.
#[inline(always)]
pub(super) fn is_another(control: &Control, segment: &Segment) -> bool {
    let mut stream = control.from_server;
    match stream.take(segment.sequence, segment.length) {
        Arrival::Foreign => true,
        Arrival::New { .. } => control.ended_at != 0,
        Arrival::Old => false,
    }
}

/// Whether the four-tuple is a data connection's: with many control ports, a passive port may be one of them,
/// and what is transferred may look like a reply.
#[inline(always)]
fn is_data<S: Store>(store: &S, flow: &Flow) -> bool {
    let id = find(store, &flow.server, flow.server_port, &flow.client);
    match store.endpoint(id) {
        Found::Held(mut endpoint) => {
            let attempt = endpoint.attempt_of(&flow.client, flow.client_port);
            attempt.is_some()
        }
        _ => false,
    }
}

/// Begins a control connection with a segment of its server's.
#[inline(always)]
fn open<S: Store>(control: &mut Control, store: &S, scene: &Scene) {
    let Scene { segment, flow, .. } = scene;
    let now = store.now();
    control.id = store.new_id();
    control.current = 0;
    control.opened_at = now;
    control.last_at = now;
    control.ended_at = 0;
    control.fingerprint = u64::from(segment.sequence) << 32 | u64::from(segment.acknowledgement);
    control.queue = Queue::EMPTY;
    control.flow = *flow;
    control.from_client = Stream {
        next: segment.acknowledgement,
    };
    control.from_server = Stream {
        next: segment.sequence,
    };
    control.reply_end = 0;
    control.transfer = [0; 4];
    control.command = CommandDecoder::START;
    control.reply = ReplyDecoder::START;
    control.early.length = 0;
    control.object = Object::NONE;
    control.awaiting = 0;
    control.client_visible = 0;
    control.blind = scene.blind;
    control.fins = 0;
    tell_session(store, control, Progress::Opened);
    if control.blind != 0 {
        tell_session(store, control, Progress::Blind);
    }
}

#[inline(always)]
pub fn tell_session<S: Store>(store: &S, control: &Control, progress: Progress) {
    store.tell_session(|session| {
        session.kind = Kind::Session as u32;
        session.progress = progress as u32;
        session.id = control.id;
        session.at = store.now();
        session.fingerprint = control.fingerprint;
        session.flow = control.flow;
        session.pad = 0;
    });
}

/// Whether the segment ends like a line. Ciphertext that begins like a reply does not end like one as well.
#[cfg_attr(target_arch = "bpf", inline(never))]
pub(super) fn ends_line<P: Payload>(packet: &P, segment: &Segment) -> bool {
    let end = segment.payload + segment.length;
    packet.peek::<2>(end - 2) == Some(*b"\r\n")
}

/// The control connection cannot be read any more, and the endpoint at hand, which was advertised before, is out of sight.
#[inline(always)]
pub fn lose_sight<S: Store>(store: &S, control: &mut Control) {
    go_blind(store, control);
    store.say(
        control.current,
        Said::Missed(missed::REPLIES | missed::COMMANDS),
    );
    tell_session(store, control, Progress::Blind);
}

/// After CCC the control connection is in clear text again (RFC 4217, section 12.3). The reply that says so is
/// the last one in ciphertext, so what shows it is the first one in clear.
#[inline(always)]
pub(super) fn see_again<S: Store>(store: &S, control: &mut Control) {
    stop_guessing(store, control);
    control.blind = 0;
    control.object = Object::NONE;
    turn_to_text(control);
}

/// What comes next is text, of which nothing was read yet.
#[inline(always)]
pub fn turn_to_text(control: &mut Control) {
    control.reply = ReplyDecoder::START;
    control.command = CommandDecoder::START;
    control.queue = Queue::EMPTY;
}

/// The control connection is over.
#[inline(always)]
pub fn end<S: Store>(store: &S, control: &mut Control, how: GiveUp) {
    if control.ended_at != 0 {
        return;
    }
    control.ended_at = store.now();
    control.early.length = 0;
    stop_guessing(store, control);
    if let Some(code) = control.reply.cut() {
        store.count(Counter::PassiveReplies);
        store.count(Counter::Undecodable);
        tell_line(store, control, About::Undecodable, code);
    }
    give_up(store, control, how);
    release(store, control);
    tell_session(store, control, Progress::Ended);
}

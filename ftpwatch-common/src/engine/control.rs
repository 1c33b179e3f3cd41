//! Segments of control connections: commands and replies, and what they say of endpoints.

use super::{
    Found, Interest, Payload, Said, Scene, Store, Visit,
    endpoint::{find, publish},
};
use crate::{
    address::{Address, Flow},
    command::{CommandDecoder, Verb},
    control::{Arrival, Control, HELD_BYTES, Queue, Stream},
    counter::Counter,
    endpoint::{Attempt, Endpoint, GiveUp, RejectedSegment, missed},
    packet::{Bytes, Segment, flag},
    record::{About, Kind, Progress, Why},
    reply::{Advertised, ReplyDecoder},
};

const CLIENT_FIN: u8 = 1;
const SERVER_FIN: u8 = 2;

/// Finds out which side the segment comes from, and takes it in. Returns whether a segment is held that came
/// too early.
#[inline(always)]
pub fn take<P: Bytes + Payload, S: Store>(
    packet: &P,
    store: &S,
    scene: &mut Scene,
    interest: Interest,
) -> bool {
    store.count(Counter::ControlSegments);
    if interest.to_server {
        scene.sent_by_client();
        match store.control(&scene.flow) {
            Found::Held(mut control) => {
                from_client(packet, store, &scene.segment, &mut control);
                return control.early.length > 0;
            }
            Found::Busy => return false,
            Found::Missing => {}
        }
    }
    if interest.from_server {
        scene.sent_by_server();
        let greeting = greeting(packet, &scene.segment);
        if greeting != Greeting::Other {
            scene.blind = (greeting == Greeting::Tls) as u8;
            store.begin(scene);
        }
        if let Found::Held(mut control) = store.control(&scene.flow) {
            from_server(packet, store, &scene.segment, &mut control, greeting);
            return control.early.length > 0;
        }
    }
    false
}

/// What a segment of the server's begins like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Greeting {
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
fn greeting<P: Bytes>(packet: &P, segment: &Segment) -> Greeting {
    if segment.length < 4 || segment.flags & (flag::SYN | flag::RST | flag::FIN) != 0 {
        return Greeting::Other;
    }
    match packet.load::<4>(segment.payload as usize) {
        Some([a, b, c, d])
            if (b'1'..=b'6').contains(&a)
                && b.is_ascii_digit()
                && c.is_ascii_digit()
                && matches!(d, b' ' | b'-' | b'\r' | b'\n') =>
        {
            Greeting::Reply
        }
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
            store.open_control(flow, |control| open(control, store, scene));
        }
        Found::Held(mut control) => {
            let mut stream = control.from_server;
            let again = match stream.take(segment.sequence, segment.length) {
                Arrival::Foreign => true,
                Arrival::New { .. } => control.ended_at != 0,
                Arrival::Old => false,
            };
            if again {
                end(store, &mut control, GiveUp::ServerClosed, store.now());
                open(&mut control, store, scene);
            }
        }
        Found::Busy => {}
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
    control.awaiting = 0;
    control.client_visible = 0;
    control.blind = scene.blind;
    control.fins = 0;
    tell_session(store, control, Progress::Opened, now);
    if control.blind != 0 {
        tell_session(store, control, Progress::Blind, now);
    }
}

#[inline(always)]
fn tell_session<S: Store>(store: &S, control: &Control, progress: Progress, now: u64) {
    store.tell_session(|session| {
        session.kind = Kind::Session as u32;
        session.progress = progress as u32;
        session.id = control.id;
        session.at = now;
        session.fingerprint = control.fingerprint;
        session.flow = control.flow;
        session.pad = 0;
    });
}

#[inline(always)]
fn tell_line<S: Store>(store: &S, control: &Control, about: About, code: u16, now: u64) {
    store.tell_line(|line| {
        line.kind = Kind::Line as u32;
        line.about = about as u32;
        line.control = control.id;
        line.endpoint = control.current;
        line.at = now;
        line.text = *control.reply.text();
        line.code = code;
        line.pad = [0; 3];
    });
}

#[inline(always)]
fn from_client<P: Payload, S: Store>(
    packet: &P,
    store: &S,
    segment: &Segment,
    control: &mut Control,
) {
    let now = store.now();
    if is_new_connection(control, segment) {
        store.end(control, GiveUp::ClientClosed, now);
    }
    if control.ended_at != 0 || segment.has(flag::SYN) {
        return;
    }
    let arrival = control.from_client.take(segment.sequence, segment.length);
    if arrival == Arrival::Foreign {
        return;
    }
    control.last_at = now;
    control.client_visible = 1;
    if segment.has(flag::ACK) {
        acknowledge(store, control, segment.acknowledgement, now);
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
            now,
        };
        let whole = segment.length == 0
            || !segment.fragment
                && packet.scan(segment.payload + skip, segment.length - skip, &mut commands);
        if !whole {
            store.count(Counter::Unreadable);
            lose(store, control, missed::COMMANDS);
            // What comes next does not end the line that began here.
            control.command = CommandDecoder::START;
        }
    }
    if segment.has(flag::RST) {
        store.end(control, GiveUp::ClientReset, now);
    } else if segment.has(flag::FIN) {
        close(store, control, segment, CLIENT_FIN, now);
    }
}

#[inline(always)]
fn from_server<P: Bytes + Payload, S: Store>(
    packet: &P,
    store: &S,
    segment: &Segment,
    control: &mut Control,
    greeting: Greeting,
) {
    let now = store.now();
    if control.ended_at != 0 || segment.has(flag::SYN) {
        return;
    }
    let before = control.from_server;
    let arrival = control.from_server.take(segment.sequence, segment.length);
    if arrival == Arrival::Foreign {
        return;
    }
    control.last_at = now;
    if control.early.length > 0 && control.early.sequence == segment.sequence {
        // The same again, or from another interface.
        control.from_server = before;
        return;
    }
    if let Arrival::New { gap: true, .. } = arrival
        && hold(packet, segment, control)
    {
        // It may never come, and nobody say so.
        lose(store, control, missed::REPLIES);
        control.from_server = before;
        return;
    }
    if segment.has(flag::ACK) && control.from_client.acknowledged(segment.acknowledgement) {
        lose(store, control, missed::COMMANDS);
        control.command = CommandDecoder::START;
    }
    if control.blind != 0 && greeting == Greeting::Reply && ends_line(packet, segment) {
        see_again(control);
    }
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
            now,
        };
        let whole = segment.length == 0
            || !segment.fragment
                && packet.scan(segment.payload + skip, segment.length - skip, &mut replies);
        if !whole {
            store.count(Counter::Unreadable);
            lose(store, control, missed::REPLIES);
            control.reply.resume();
        }
    }
    if segment.has(flag::RST) {
        store.end(control, GiveUp::ServerClosed, now);
    } else if segment.has(flag::FIN) {
        close(store, control, segment, SERVER_FIN, now);
    }
}

/// Keeps a segment that came before the one that goes before it. `false` when it cannot be kept, or another is.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn hold<P: Payload>(packet: &P, segment: &Segment, control: &mut Control) -> bool {
    let early = &mut control.early;
    let ends = segment.flags & (flag::FIN | flag::RST) != 0;
    let fits = segment.length > 0 && segment.length as usize <= HELD_BYTES;
    if control.blind != 0 || early.length > 0 || ends || segment.fragment || !fits {
        return false;
    }
    if !packet.keep(segment.payload, segment.length, &mut early.bytes) {
        return false;
    }
    early.sequence = segment.sequence;
    early.length = segment.length;
    true
}

/// Reads the segment that was held, where its time has come: everything before it has been read, or is known
/// to be missing.
#[inline(always)]
pub fn late<S: Store>(store: &S, scene: &Scene) {
    let Found::Held(mut control) = store.control(&scene.flow) else {
        return;
    };
    let now = store.now();
    let Some((first, length)) = control.early.due(control.from_server.next) else {
        return;
    };
    if length > 0 && control.blind == 0 {
        control.from_server.next = control.early.sequence.wrapping_add(control.early.length);
        store.scan_early(&mut control, first, length, now);
    }
    control.early.length = 0;
}

/// Takes the byte number `at` of the segment that was held.
#[inline(always)]
pub fn early_byte<S: Store>(store: &S, control: &mut Control, at: u32, now: u64) {
    let byte = control.early.bytes[at as usize & (HELD_BYTES - 1)];
    let sequence = control.early.sequence.wrapping_add(at);
    Replies {
        control,
        store,
        sequence,
        now,
    }
    .byte(byte);
}

/// Whether the segment ends like a line. Ciphertext that begins like a reply does not end like one as well.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn ends_line<P: Bytes>(packet: &P, segment: &Segment) -> bool {
    let end = segment.payload + segment.length;
    packet.load::<2>(end as usize - 2) == Some(*b"\r\n")
}

/// After CCC the control connection is in clear text again (RFC 4217, section 12.3). The reply that says so is
/// the last one in ciphertext, so what shows it is the first one in clear.
#[inline(always)]
fn see_again(control: &mut Control) {
    control.blind = 0;
    control.reply = ReplyDecoder::START;
    control.command = CommandDecoder::START;
    control.queue = Queue::EMPTY;
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
fn acknowledge<S: Store>(store: &S, control: &mut Control, acknowledgement: u32, now: u64) {
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
        store.say(control.current, Said::Acknowledged, now);
    }
}

/// Something went by unread: of the endpoint at hand, absence proves nothing any more.
#[inline(always)]
fn lose<S: Store>(store: &S, control: &Control, what: u32) {
    store.count(Counter::Gaps);
    store.say(control.current, Said::Missed(what), 0);
}

/// One side sent FIN.
#[inline(always)]
fn close<S: Store>(store: &S, control: &mut Control, segment: &Segment, side: u8, now: u64) {
    let (stream, how) = if side == CLIENT_FIN {
        (&mut control.from_client, GiveUp::ClientClosed)
    } else {
        (&mut control.from_server, GiveUp::ServerClosed)
    };
    if control.fins & side == 0 && stream.next == segment.sequence.wrapping_add(segment.length) {
        control.fins |= side;
        stream.next = segment.end();
        give_up(store, control, how, now);
    }
    if control.fins == CLIENT_FIN | SERVER_FIN {
        store.end(control, how, now);
    }
}

/// The control connection is over.
#[inline(always)]
pub fn end<S: Store>(store: &S, control: &mut Control, how: GiveUp, now: u64) {
    if control.ended_at != 0 {
        return;
    }
    control.ended_at = now;
    control.early.length = 0;
    if let Some(code) = control.reply.cut() {
        store.count(Counter::Undecodable);
        tell_line(store, control, About::Undecodable, code, now);
    }
    give_up(store, control, how, now);
    release(store, control);
    tell_session(store, control, Progress::Ended, now);
}

/// The client is done with the endpoint at hand, as far as the control connection shows.
#[inline(always)]
fn give_up<S: Store>(store: &S, control: &Control, how: GiveUp, now: u64) {
    store.say(control.current, Said::GaveUp(how), now);
}

/// What comes from now on is not about the endpoint at hand.
#[inline(always)]
fn release<S: Store>(store: &S, control: &mut Control) {
    store.say(control.current, Said::Released, 0);
    control.current = 0;
    control.awaiting = 0;
}

struct Commands<'a, S: Store> {
    control: &'a mut Control,
    store: &'a S,
    now: u64,
}

impl<S: Store> Visit for Commands<'_, S> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        if self.control.command.step(byte) {
            self.store.command(self.control, self.now);
        }
    }
}

/// A command is complete: `control.command` has it.
#[inline(always)]
pub fn command<S: Store>(store: &S, control: &mut Control, now: u64) {
    control.reply.close_open_reply();
    let verb = control.command.verb();
    let waiting = control.queue.has_transfer();
    if !control.queue.push(verb) {
        lose(store, control, missed::PIPELINE);
    }
    match verb {
        Verb::Transfer => {
            control.transfer = control.command.name();
            store.say(control.current, Said::Command(control.transfer), now);
        }
        Verb::Abort => give_up(store, control, GiveUp::Abort, now),
        // Pipelined behind a transfer, QUIT waits for its end.
        Verb::Quit if !waiting => give_up(store, control, GiveUp::Quit, now),
        _ => {}
    }
}

struct Replies<'a, S: Store> {
    control: &'a mut Control,
    store: &'a S,
    sequence: u32,
    now: u64,
}

impl<S: Store> Visit for Replies<'_, S> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.sequence = self.sequence.wrapping_add(1);
        // What follows the reply to AUTH in its segment is TLS, whatever it looks like.
        if self.control.blind != 0 {
            return;
        }
        if self.control.reply.step(byte) && self.store.reply(self.control, self.now) {
            self.store.advertise(self.control, self.sequence, self.now);
        }
    }
}

/// A reply is complete: `control.reply` has it. Returns whether it goes on to [`advertise`]: that is the
/// caller's to do, since the kernel's stack has no room for one below the other.
#[inline(always)]
#[must_use]
pub fn reply<S: Store>(store: &S, control: &mut Control, now: u64) -> bool {
    let advertises = matches!(control.reply.advertised(), Advertised::Endpoint(..));
    Reply {
        control,
        store,
        now,
    }
    .take();
    advertises
}

/// A complete reply.
struct Reply<'a, S: Store> {
    control: &'a mut Control,
    store: &'a S,
    now: u64,
}

impl<S: Store> Reply<'_, S> {
    #[inline(always)]
    fn take(&mut self) {
        let code = self.control.reply.code();
        match self.control.reply.advertised() {
            Advertised::Endpoint(..) => {
                self.control.queue.pop_passive();
                self.replace();
            }
            Advertised::Undecodable => {
                self.control.queue.pop_passive();
                self.replace();
                self.store.count(Counter::Undecodable);
                self.tell_line(About::Undecodable, code);
            }
            Advertised::Nothing if code < 200 => {
                if code == 125 || code == 150 {
                    self.announced(code);
                }
            }
            Advertised::Nothing => self.answered(code),
        }
        if code == 220 {
            self.tell_line(About::Banner, code);
        }
    }

    /// A preliminary reply (RFC 959, section 4.2: 1yz).
    #[inline(always)]
    fn announced(&mut self, code: u16) {
        let of_transfer = match self.control.queue.oldest() {
            Some(verb) => verb == Verb::Transfer,
            None => self.control.client_visible == 0,
        };
        if !of_transfer {
            return;
        }
        self.say(Said::Announced(code));
    }

    /// A final reply: it answers the oldest command.
    #[inline(always)]
    fn answered(&mut self, code: u16) {
        let of_transfer = match self.control.queue.pop() {
            Some(Verb::Transfer) => true,
            Some(Verb::Passive | Verb::Active) => {
                self.replace();
                return;
            }
            Some(Verb::Auth) if code == 234 => {
                self.control.blind = 1;
                // An endpoint that was advertised before is out of sight.
                self.say(Said::Missed(missed::REPLIES | missed::COMMANDS));
                tell_session(self.store, self.control, Progress::Blind, self.now);
                return;
            }
            Some(_) => false,
            None => self.control.client_visible == 0,
        };
        // Servers say 421 unasked when they have waited for the data connection long enough.
        if of_transfer || code == 421 {
            self.finished(code);
        }
    }

    /// Of the endpoint at hand.
    #[inline(always)]
    fn say(&self, said: Said) {
        self.store.say(self.control.current, said, self.now);
    }

    /// The final reply to the transfer command.
    #[inline(always)]
    fn finished(&mut self, code: u16) {
        // Its words first: whoever hears that it failed, wants to know them.
        if matches!(code, 421 | 425 | 522) {
            self.tell_line(About::Failure, code);
        }
        self.say(Said::Finished(code));
    }

    /// The server answered a PASV, EPSV, PORT or EPRT: what it advertised before is not waited for.
    #[inline(always)]
    fn replace(&mut self) {
        give_up(self.store, self.control, GiveUp::Replaced, self.now);
        release(self.store, self.control);
    }

    #[inline(always)]
    fn tell_line(&self, about: About, code: u16) {
        tell_line(self.store, self.control, about, code, self.now);
    }
}

/// The reply just completed advertises an endpoint, and ends before `sequence`.
#[inline(always)]
pub fn advertise<S: Store>(store: &S, control: &mut Control, sequence: u32, now: u64) {
    let Advertised::Endpoint(address, port) = control.reply.advertised() else {
        return;
    };
    let address = address.unwrap_or(control.flow.server);
    let id = store.new_id();
    let stored = store.with_room(|endpoint| {
        {
            // Every field is named, so that a new one cannot be forgotten.
            let Endpoint {
                kind,
                why,
                id: its_id,
                control: its_control,
                previous: its_previous,
                advertised_at,
                acked_at,
                gave_up_at,
                command_at,
                announced_at,
                final_at,
                flow,
                reply_end: its_reply_end,
                address: its_address,
                port: its_port,
                code: its_code,
                announced,
                final_code,
                command,
                missed,
                lock,
                gave_up,
                client_visible,
                released,
                connected,
                half_open,
                rejected_at,
                rejected_by,
                rejected_type,
                rejected_code,
                rejected,
                pad,
                attempts,
                text,
            } = endpoint;
            *kind = Kind::Endpoint as u32;
            *why = Why::Advertised as u32;
            *its_id = id;
            *its_control = control.id;
            *its_previous = 0;
            *advertised_at = now;
            *acked_at = 0;
            *gave_up_at = 0;
            *command_at = 0;
            *announced_at = 0;
            *final_at = 0;
            *flow = control.flow;
            *its_reply_end = sequence;
            *its_address = address;
            *its_port = port;
            *its_code = control.reply.code();
            *announced = 0;
            *final_code = 0;
            *command = [0; 4];
            *missed = 0;
            *lock = 0;
            *gave_up = GiveUp::None as u8;
            *client_visible = control.client_visible;
            *released = 0;
            *connected = 0;
            *half_open = 0;
            *rejected_at = 0;
            *rejected_by = Address::ANY;
            *rejected_type = 0;
            *rejected_code = 0;
            *rejected = RejectedSegment::None as u8;
            *pad = [0; 5];
            *attempts = [Attempt::FREE; 4];
            *text = *control.reply.text();
        }
        publish(store, endpoint)
    });
    if stored == Some(true) {
        control.current = id;
        control.reply_end = sequence;
        control.awaiting = 1;
    }
}

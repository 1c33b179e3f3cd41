//! Segments of control connections: commands and replies, and what they say of endpoints.

use super::{Found, Interest, Payload, Store, Visit, for_each_key};
use crate::{
    address::{Address, Flow, IndexKey},
    command::{CommandDecoder, Verb},
    control::{Arrival, Control, Queue, Stream},
    counter::Counter,
    endpoint::{Attempt, Endpoint, GiveUp, missed},
    packet::{Bytes, Segment, flag},
    record::{About, Kind, Progress, Session, Why},
    reply::{Advertised, ReplyDecoder},
};

const CLIENT_FIN: u8 = 1;
const SERVER_FIN: u8 = 2;

/// Finds out which side the segment comes from, and takes it in.
#[inline(always)]
pub fn take<P: Bytes + Payload, S: Store>(
    packet: &P,
    store: &S,
    segment: &Segment,
    interest: Interest,
    source: Address,
    destination: Address,
) {
    store.count(Counter::ControlSegments);
    if interest.to_server {
        let flow = Flow {
            client: source,
            server: destination,
            client_port: segment.source,
            server_port: segment.destination,
        };
        match store.control(&flow) {
            Found::Held(mut control) => {
                return from_client(packet, store, segment, &mut control);
            }
            Found::Busy => return,
            Found::Missing => {}
        }
    }
    if interest.from_server {
        let flow = Flow {
            client: destination,
            server: source,
            client_port: segment.destination,
            server_port: segment.source,
        };
        if speaks_ftp(packet, segment) {
            begin(store, segment, &flow);
        }
        if let Found::Held(mut control) = store.control(&flow) {
            from_server(packet, store, segment, &mut control);
        }
    }
}

/// Whether the segment begins like a reply. A connection is first seen by what its server says, since
/// anybody can send a SYN, and on a wide range of control ports not everything is FTP.
#[inline(always)]
fn speaks_ftp<P: Bytes>(packet: &P, segment: &Segment) -> bool {
    if segment.length < 4 || segment.flags & (flag::SYN | flag::RST | flag::FIN) != 0 {
        return false;
    }
    match packet.load::<4>(segment.payload as usize) {
        Some([a, b, c, d]) => {
            (b'1'..=b'6').contains(&a)
                && b.is_ascii_digit()
                && c.is_ascii_digit()
                && matches!(d, b' ' | b'-' | b'\r' | b'\n')
        }
        None => false,
    }
}

/// Makes an entry for the control connection, unless there is one; anew where the four-tuple was used
/// again and the entry is the old connection's.
#[inline(always)]
fn begin<S: Store>(store: &S, segment: &Segment, flow: &Flow) {
    match store.control(flow) {
        Found::Missing => {
            store.open_control(flow, |control| open(control, store, segment, flow));
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
                open(&mut control, store, segment, flow);
            }
        }
        Found::Busy => {}
    }
}

/// Begins a control connection with a segment of its server's.
#[inline(always)]
fn open<S: Store>(control: &mut Control, store: &S, segment: &Segment, flow: &Flow) {
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
    control.awaiting = 0;
    control.client_visible = 0;
    control.blind = 0;
    control.fins = 0;
    tell_session(store, control, Progress::Opened, now);
}

#[inline(always)]
fn tell_session<S: Store>(store: &S, control: &Control, progress: Progress, now: u64) {
    store.tell_session(Session {
        kind: Kind::Session as u32,
        progress: progress as u32,
        id: control.id,
        at: now,
        fingerprint: control.fingerprint,
        flow: control.flow,
        pad: 0,
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
        end(store, control, GiveUp::ClientClosed, now);
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
        && segment.length > 0
        && control.blind == 0
    {
        if gap {
            lose(store, control, missed::COMMANDS);
            control.command = CommandDecoder::START;
        }
        let mut commands = Commands {
            control: &mut *control,
            store,
            now,
        };
        let whole = !segment.fragment
            && packet.scan(segment.payload + skip, segment.length - skip, &mut commands);
        if !whole {
            store.count(Counter::Unreadable);
            lose(store, control, missed::COMMANDS);
        }
    }
    if segment.has(flag::RST) {
        end(store, control, GiveUp::ClientReset, now);
    } else if segment.has(flag::FIN) {
        close(store, control, segment, CLIENT_FIN, now);
    }
}

#[inline(always)]
fn from_server<P: Payload, S: Store>(
    packet: &P,
    store: &S,
    segment: &Segment,
    control: &mut Control,
) {
    let now = store.now();
    if control.ended_at != 0 || segment.has(flag::SYN) {
        return;
    }
    let arrival = control.from_server.take(segment.sequence, segment.length);
    if arrival == Arrival::Foreign {
        return;
    }
    control.last_at = now;
    if segment.has(flag::ACK) && control.from_client.acknowledged(segment.acknowledgement) {
        lose(store, control, missed::COMMANDS);
        control.command = CommandDecoder::START;
    }
    if let Arrival::New { skip, gap } = arrival
        && segment.length > 0
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
        let whole = !segment.fragment
            && packet.scan(segment.payload + skip, segment.length - skip, &mut replies);
        if !whole {
            store.count(Counter::Unreadable);
            lose(store, control, missed::REPLIES);
            control.reply.resume();
        }
    }
    if segment.has(flag::RST) {
        end(store, control, GiveUp::ServerClosed, now);
    } else if segment.has(flag::FIN) {
        close(store, control, segment, SERVER_FIN, now);
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
fn acknowledge<S: Store>(store: &S, control: &mut Control, acknowledgement: u32, now: u64) {
    if control.from_server.acknowledged(acknowledgement) {
        lose(store, control, missed::REPLIES);
        control.reply.resume();
        control.queue = Queue::EMPTY;
    }
    if control.awaiting != 0 && (acknowledgement.wrapping_sub(control.reply_end) as i32) >= 0 {
        control.awaiting = 0;
        if let Found::Held(mut endpoint) = store.endpoint(control.current) {
            endpoint.acked_at = now;
        }
    }
}

/// Something went by unread: of the endpoint at hand, absence proves nothing any more.
#[inline(always)]
fn lose<S: Store>(store: &S, control: &Control, what: u32) {
    store.count(Counter::Gaps);
    if let Found::Held(mut endpoint) = store.endpoint(control.current) {
        endpoint.missed |= what;
    }
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
        end(store, control, how, now);
    }
}

/// The control connection is over.
#[inline(always)]
fn end<S: Store>(store: &S, control: &mut Control, how: GiveUp, now: u64) {
    if control.ended_at != 0 {
        return;
    }
    control.ended_at = now;
    give_up(store, control, how, now);
    release(store, control);
    tell_session(store, control, Progress::Ended, now);
}

/// The client is done with the endpoint at hand, as far as the control connection shows.
#[inline(always)]
fn give_up<S: Store>(store: &S, control: &Control, how: GiveUp, now: u64) {
    if let Found::Held(mut endpoint) = store.endpoint(control.current)
        && endpoint.gave_up_at == 0
    {
        endpoint.gave_up_at = now;
        endpoint.gave_up = how as u8;
        if endpoint.connected == 0 {
            endpoint.why = Why::GaveUp as u32;
            store.tell_endpoint(&endpoint);
        }
    }
}

/// What comes from now on is not about the endpoint at hand.
#[inline(always)]
fn release<S: Store>(store: &S, control: &mut Control) {
    if let Found::Held(mut endpoint) = store.endpoint(control.current) {
        endpoint.released = 1;
    }
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
            self.command();
        }
    }
}

impl<S: Store> Commands<'_, S> {
    #[inline(always)]
    fn command(&mut self) {
        let Self {
            control,
            store,
            now,
        } = self;
        let (store, now) = (*store, *now);
        control.reply.close_open_reply();
        let verb = control.command.verb();
        let waiting = control.queue.has_transfer();
        if !control.queue.push(verb) {
            lose(store, control, missed::PIPELINE);
        }
        match verb {
            Verb::Transfer => {
                control.transfer = control.command.name();
                if let Found::Held(mut endpoint) = store.endpoint(control.current)
                    && endpoint.command_at == 0
                {
                    endpoint.command_at = now;
                    endpoint.command = control.transfer;
                }
            }
            Verb::Abort => give_up(store, control, GiveUp::Abort, now),
            // Pipelined behind a transfer, QUIT waits for its end.
            Verb::Quit if !waiting => give_up(store, control, GiveUp::Quit, now),
            _ => {}
        }
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
        if self.control.reply.step(byte) {
            self.reply();
        }
    }
}

impl<S: Store> Replies<'_, S> {
    /// A reply is complete.
    #[inline(always)]
    fn reply(&mut self) {
        let code = self.control.reply.code();
        match self.control.reply.advertised() {
            Advertised::Endpoint(address, port) => {
                self.control.queue.pop_passive();
                self.replace();
                self.advertise(address.unwrap_or(self.control.flow.server), port, code);
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
        let transfer = self.control.transfer;
        if let Found::Held(mut endpoint) = self.store.endpoint(self.control.current)
            && endpoint.announced_at == 0
        {
            endpoint.announced_at = self.now;
            endpoint.announced = code;
            if endpoint.command_at == 0 {
                endpoint.command = transfer;
            }
            if endpoint.connected == 0 {
                endpoint.why = Why::Announced as u32;
                self.store.tell_endpoint(&endpoint);
            }
        }
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
                lose_to_tls(self.store, self.control);
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

    /// The final reply to the transfer command.
    #[inline(always)]
    fn finished(&mut self, code: u16) {
        let failed = matches!(code, 421 | 425 | 426 | 522);
        let transfer = self.control.transfer;
        if let Found::Held(mut endpoint) = self.store.endpoint(self.control.current)
            && endpoint.final_at == 0
        {
            endpoint.final_at = self.now;
            endpoint.final_code = code;
            if endpoint.command_at == 0 {
                endpoint.command = transfer;
            }
            endpoint.why = Why::Final as u32;
            self.store.tell_endpoint(&endpoint);
        }
        if failed && code != 426 {
            self.tell_line(About::Failure, code);
        }
    }

    /// The server answered a PASV, EPSV, PORT or EPRT: what it advertised before is not waited for.
    #[inline(always)]
    fn replace(&mut self) {
        give_up(self.store, self.control, GiveUp::Replaced, self.now);
        release(self.store, self.control);
    }

    #[inline(always)]
    fn tell_line(&self, about: About, code: u16) {
        let Self {
            control,
            store,
            now,
            ..
        } = self;
        store.tell_line(|line| {
            line.kind = Kind::Line as u32;
            line.about = about as u32;
            line.control = control.id;
            line.endpoint = control.current;
            line.at = *now;
            line.text = *control.reply.text();
            line.code = code;
            line.pad = [0; 3];
        });
    }

    #[inline(always)]
    fn advertise(&mut self, address: Address, port: u16, code: u16) {
        let Self {
            control,
            store,
            sequence,
            now,
        } = self;
        let (store, now, reply_end) = (*store, *now, *sequence);
        let id = store.new_id();
        let previous = store.index(&IndexKey::new(
            control.flow.server,
            port,
            control.flow.client,
        ));
        shadow(store, previous, control.id);
        store.count(Counter::Advertised);
        let stored = store.insert_endpoint(id, |endpoint| {
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
                attempts,
                text,
            } = endpoint;
            *kind = Kind::Endpoint as u32;
            *why = Why::Advertised as u32;
            *its_id = id;
            *its_control = control.id;
            *its_previous = previous;
            *advertised_at = now;
            *acked_at = 0;
            *gave_up_at = 0;
            *command_at = 0;
            *announced_at = 0;
            *final_at = 0;
            *flow = control.flow;
            *its_reply_end = reply_end;
            *its_address = address;
            *its_port = port;
            *its_code = code;
            *announced = 0;
            *final_code = 0;
            *command = [0; 4];
            *missed = 0;
            *lock = 0;
            *gave_up = GiveUp::None as u8;
            *client_visible = control.client_visible;
            *released = 0;
            *connected = 0;
            *attempts = [Attempt::FREE; 4];
            *text = *control.reply.text();
        });
        if !stored {
            return;
        }
        store.adjust_port(port, 1, 0);
        let mut indexed = true;
        for_each_key(address, &control.flow, port, |key| {
            indexed &= store.set_index(key, id)
        });
        if !indexed && let Found::Held(mut endpoint) = store.endpoint(id) {
            endpoint.missed |= missed::INDEX;
        }
        control.current = id;
        control.reply_end = reply_end;
        control.awaiting = 1;
    }
}

/// Two control connections of one client were given the same address and port: a SYN can only be the
/// newer one's, so the older one's absence proves nothing.
#[inline(always)]
fn shadow<S: Store>(store: &S, previous: u64, control: u64) {
    if previous != 0
        && let Found::Held(mut endpoint) = store.endpoint(previous)
        && endpoint.control != control
        && endpoint.released == 0
    {
        endpoint.missed |= missed::SHADOWED;
    }
}

/// What follows AUTH cannot be read, and an endpoint that was advertised before it is out of sight.
#[inline(always)]
fn lose_to_tls<S: Store>(store: &S, control: &Control) {
    if let Found::Held(mut endpoint) = store.endpoint(control.current) {
        endpoint.missed |= missed::REPLIES | missed::COMMANDS;
    }
}

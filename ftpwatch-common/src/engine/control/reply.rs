//! The server's replies, and the endpoints that they advertise.

use super::{session::lose_sight, turn_away};
use crate::{
    command::Verb,
    control::Control,
    counter::Counter,
    engine::{
        Said, Store, Visit,
        endpoint::{blank, publish},
    },
    record::{About, Kind, Why},
    reply::Advertised,
    window::{Taken, Window},
};

#[inline(always)]
pub(super) fn tell_line<S: Store>(store: &S, control: &Control, about: About, code: u16) {
    store.tell_line(|line| {
        line.kind = Kind::Line as u32;
        line.about = about as u32;
        line.control = control.id;
        line.endpoint = control.current;
        line.at = store.now();
        line.text = *control.reply.text();
        line.code = code;
        line.pad = [0; 3];
    });
}

pub(super) struct Replies<'a, S: Store> {
    pub(super) control: &'a mut Control,
    pub(super) store: &'a S,
    pub(super) sequence: u32,
}

impl<S: Store> Visit for Replies<'_, S> {
    #[inline(always)]
    fn take<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> u32 {
        // What follows the reply to AUTH in its segment is TLS, whatever it looks like.
        if self.control.blind != 0 {
            return end - at;
        }
        let Taken { bytes, complete } = self.control.reply.take(window, at, end);
        self.sequence = self.sequence.wrapping_add(bytes);
        if complete {
            take_reply(self.store, self.control, self.sequence);
        }
        bytes
    }
}

impl<S: Store> Replies<'_, S> {
    /// One byte.
    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8) {
        self.sequence = self.sequence.wrapping_add(1);
        if self.control.blind == 0 && self.control.reply.step(byte) {
            take_reply(self.store, self.control, self.sequence);
        }
    }
}

/// A reply is complete, before `sequence`: `control.reply` has it.
#[inline(always)]
pub fn take_reply<S: Store>(store: &S, control: &mut Control, sequence: u32) {
    if says_nothing(control) {
        control.queue.pop();
    } else if store.reply(control) {
        let previous = store.advertise(control, sequence);
        if previous != 0 {
            store.say(previous, Said::Shadowed(sequence));
            store.reindex(control.current);
        }
    }
}

/// Whether the reply just completed is of no more interest than that it answers the oldest command. Nearly all are.
#[inline(always)]
fn says_nothing(control: &Control) -> bool {
    let code = control.reply.code();
    let oldest = control.queue.oldest();
    let answers_other = match oldest {
        Some(Verb::Other) => true,
        Some(_) => false,
        None => control.client_visible != 0,
    };
    let plain = code >= 200 && code != 220 && code != 421;
    plain && answers_other && control.reply.advertised() == Advertised::Nothing
}

/// A reply is complete: `control.reply` has it. Returns whether it goes on to [`advertise`]: that is the
/// caller's to do, since the kernel's stack has no room for one below the other.
#[inline(always)]
#[must_use]
pub fn reply<S: Store>(store: &S, control: &mut Control) -> bool {
    let advertises = matches!(control.reply.advertised(), Advertised::Endpoint(..));
    Reply { control, store }.take();
    advertises
}

/// A complete reply.
struct Reply<'a, S: Store> {
    control: &'a mut Control,
    store: &'a S,
}

impl<S: Store> Reply<'_, S> {
    #[inline(always)]
    fn take(&mut self) {
        let code = self.control.reply.code();
        match self.control.reply.advertised() {
            Advertised::Endpoint(..) => {
                self.store.count(Counter::PassiveReplies);
                self.control.queue.pop_passive();
                self.replace();
            }
            Advertised::Undecodable => {
                self.store.count(Counter::PassiveReplies);
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
            Some(verb @ (Verb::Passive | Verb::Active)) => {
                self.replace();
                if verb == Verb::Passive && code >= 400 {
                    self.tell_line(About::Refusal, code);
                }
                return;
            }
            Some(Verb::Auth) if code == 234 => {
                lose_sight(self.store, self.control);
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
        self.store.say(self.control.current, said);
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
        self.say(Said::Replaced);
        turn_away(self.control);
    }

    #[inline(always)]
    fn tell_line(&self, about: About, code: u16) {
        tell_line(self.store, self.control, about, code);
    }
}

/// The reply just completed advertises an endpoint, and ends before `sequence`. Returns the endpoint that had its
/// address, port and client before, or zero: it is the caller's to tell it that, as the kernel's stack has no room for one
/// below the other.
#[inline(always)]
pub fn advertise<S: Store>(store: &S, control: &mut Control, sequence: u32) -> u64 {
    let Advertised::Endpoint(address, port) = control.reply.advertised() else {
        return 0;
    };
    let address = address.unwrap_or(control.flow.server);
    let id = store.new_id();
    let stored = store.with_room(|endpoint| {
        blank(endpoint, &control.flow, store.now());
        endpoint.why = Why::Advertised as u32;
        endpoint.id = id;
        endpoint.control = control.id;
        endpoint.reply_end = sequence;
        endpoint.address = address;
        endpoint.port = port;
        endpoint.code = control.reply.code();
        endpoint.client_visible = control.client_visible;
        endpoint.text = *control.reply.text();
        (publish(store, endpoint), endpoint.previous)
    });
    let (stored, previous) = stored.unwrap_or_default();
    if stored {
        control.current = id;
        control.reply_end = sequence;
        control.awaiting = 1;
    }
    previous
}

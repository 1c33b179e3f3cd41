//! The client's commands.

use super::{give_up, lose};
use crate::{
    command::Verb,
    control::Control,
    endpoint::{GiveUp, missed},
    engine::{Said, Store, Visit},
};

pub(super) struct Commands<'a, S: Store> {
    pub(super) control: &'a mut Control,
    pub(super) store: &'a S,
    pub(super) now: u64,
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

//! The client's commands.

use super::{give_up, lose};
use crate::{
    command::Verb,
    control::Control,
    endpoint::{GiveUp, missed},
    engine::{Said, Store, Visit},
    window::Window,
};

pub(super) struct Commands<'a, S: Store> {
    pub(super) control: &'a mut Control,
    pub(super) store: &'a S,
}

impl<S: Store> Visit for Commands<'_, S> {
    #[inline(always)]
    fn take<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> u32 {
        let taken = self.control.command.take(window, at, end);
        if taken.complete {
            take_command(self.store, self.control);
        }
        taken.bytes
    }
}

/// A command is complete: `control.command` has it.
#[inline(always)]
pub fn take_command<S: Store>(store: &S, control: &mut Control) {
    if !passes(control) {
        store.command(control);
    }
}

/// Takes the command just completed, if it is of no more interest than that it waits for a reply. Nearly all are.
#[inline(always)]
fn passes(control: &mut Control) -> bool {
    let other = control.command.verb() == Verb::Other;
    if other && control.queue.push(Verb::Other) {
        control.reply.close_open_reply();
        return true;
    }
    false
}

/// The command just completed, if it does not pass.
#[inline(always)]
pub fn command<S: Store>(store: &S, control: &mut Control) {
    control.reply.close_open_reply();
    let verb = control.command.verb();
    let waiting = control.queue.has_transfer();
    if !control.queue.push(verb) {
        lose(store, control, missed::PIPELINE);
    }
    match verb {
        Verb::Transfer => {
            control.transfer = control.command.name();
            store.say(control.current, Said::Command(control.transfer));
        }
        Verb::Abort => give_up(store, control, GiveUp::Abort),
        // Pipelined behind a transfer, QUIT waits for its end.
        Verb::Quit if !waiting => give_up(store, control, GiveUp::Quit),
        _ => {}
    }
}

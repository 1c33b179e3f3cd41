//! Data connections of encrypted sessions: followed, learnt from, and never counted as endpoints.

use super::*;
use crate::history::Pattern;

/// A stage on which a session is encrypted.
fn encrypted() -> (Stage, Conversation) {
    let (mut stage, mut talk) = Stage::begun();
    let [ask, agree] = [talk.client("AUTH TLS"), talk.server("234 Go on")];
    stage.send_all([ask, agree]);
    (stage, talk)
}

impl Stage {
    fn pattern(&self) -> Option<&Discovery> {
        self.events.iter().find_map(|event| match event {
            Event::Pattern(found) => Some(&**found),
            _ => None,
        })
    }

    #[track_caller]
    fn assert_nothing_left(&self) {
        assert_eq!(self.memory.endpoints(), []);
        assert_eq!(self.tracker.books().endpoints, 0);
    }
}

#[test]
fn nobody_answers() {
    let (mut stage, mut talk) = encrypted();
    for port in PORT..PORT + 3 {
        stage.send(talk.data(port).syn());
    }
    stage.wait(TIMEOUT - SECOND);
    assert!(stage.pattern().is_none());
    stage.wait(SECOND);
    let found = stage.pattern().unwrap();
    assert!(matches!(
        found.pattern,
        Pattern::TlsData {
            unanswered: 3,
            refused: 0,
            clients: 1,
            ..
        }
    ));
    assert_eq!(found.flow.server_port, 21);
    stage.assert_nothing_left();
}

#[test]
fn each_is_refused() {
    let (mut stage, mut talk) = encrypted();
    for port in PORT..PORT + 3 {
        let data = talk.data(port);
        stage.send_all([data.syn(), data.refusal()]);
    }
    assert!(stage.pattern().is_some());
    stage.assert_nothing_left();
}

#[test]
fn one_connects() {
    let (mut stage, mut talk) = encrypted();
    stage.send_all(talk.data(PORT).handshake());
    for port in PORT + 1..PORT + 9 {
        stage.send(talk.data(port).syn());
    }
    stage.wait(TIMEOUT);
    assert!(stage.pattern().is_none());
    stage.assert_nothing_left();
}

/// What may have been missed proves nothing.
#[test]
fn something_is_missed() {
    let (mut stage, mut talk) = encrypted();
    for port in PORT..PORT + 9 {
        stage.send(talk.data(port).syn());
    }
    stage.tracker.miss(stage.now, &mut &stage.memory);
    stage.after();
    stage.wait(TIMEOUT);
    assert!(stage.pattern().is_none());
    stage.assert_nothing_left();
}

/// News are lost, and the comparison finds them.
#[test]
fn the_news_are_lost() {
    let (mut stage, mut talk) = encrypted();
    stage.deaf = true;
    for port in PORT..PORT + 3 {
        stage.send(talk.data(port).syn());
    }
    stage.deaf = false;
    stage.reconcile();
    stage.wait(TIMEOUT);
    assert!(stage.pattern().is_some());
    stage.assert_nothing_left();
}

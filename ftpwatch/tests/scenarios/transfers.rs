//! What the control connection says of an endpoint: only replies to a transfer command of its own count.

use ftpwatch_common::{
    counter::Counter,
    endpoint::{Endpoint, GiveUp, missed},
    record::Record,
};

use super::replies::{assert_advertised, begun};
use super::{Scenario, Script, Seen};
use crate::packets::{Conversation, Family};

const PORT: u16 = 50_006;

fn advertised(family: Family) -> (Conversation, Script) {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    (talk, script)
}

fn gave_up(endpoint: &Endpoint) -> GiveUp {
    assert_eq!(endpoint.gave_up_at != 0, endpoint.gave_up != 0);
    GiveUp::from_number(endpoint.gave_up)
}

/// The reply to nothing that matters here.
fn assert_unanswered(seen: &Seen) {
    let endpoint = seen.endpoint();
    assert_eq!((endpoint.announced, endpoint.announced_at), (0, 0));
    assert_eq!((endpoint.final_code, endpoint.final_at), (0, 0));
    assert_eq!(endpoint.missed, 0);
}

pub fn from_greeting_to_goodbye(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send_all(talk.data(PORT).handshake());
    for (command, replies) in [
        ("RETR a", ["150 Here it comes", "226 Done"].as_slice()),
        ("QUIT", &["221 Goodbye"]),
    ] {
        script.send(talk.client(command));
        script.send_all(replies.iter().map(|reply| talk.server(reply)));
        script.send(talk.client_acks());
    }
    script.send_all(talk.closing());
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert_advertised(endpoint, family, PORT);
        assert_eq!(&endpoint.command, b"RETR");
        assert_eq!((endpoint.announced, endpoint.final_code), (150, 226));
        assert!(endpoint.command_at < endpoint.announced_at);
        assert!(endpoint.announced_at < endpoint.final_at);
        assert_eq!(gave_up(endpoint), GiveUp::Quit);
        assert_eq!((endpoint.connected, endpoint.released), (1, 1));
        assert_ne!(seen.control().ended_at, 0);
        // After the handshake, the final reply alone is news of the endpoint.
        assert_eq!(
            seen.news(),
            [
                "opened",
                "banner",
                "advertised",
                "connected",
                "final",
                "ended"
            ]
        );
        assert_eq!(seen.count(Counter::Gaps), 0);
    })
}

/// A client that does not wait for answers: they come in the order of the commands, and QUIT waits for the transfer.
pub fn pipelined(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client_sends(b"CWD a\r\nPASV\r\nRETR a\r\nQUIT\r\n"));
    script.send(talk.server("250 Fine"));
    script.send(talk.passive(PORT));
    script.send(talk.server("150 Here it comes"));
    script.send(talk.server("226 Done"));
    script.send(talk.server("221 Goodbye"));
    script.send(talk.server_fin());
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        assert_eq!((endpoint.announced, endpoint.final_code), (150, 226));
        assert_eq!(gave_up(endpoint), GiveUp::ServerClosed);
        assert_eq!(
            seen.news_of_endpoints(),
            ["advertised", "announced", "final", "gave up"]
        );
    })
}

/// A 250 to CWD, a 150 to STAT, a 550 to SIZE: none is about the endpoint.
pub fn of_others(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    for (command, replies) in [
        ("CWD a", ["250 Fine"].as_slice()),
        ("STAT", &["150 It follows", "226 It followed"]),
        ("SIZE a", &["550 No"]),
        ("TYPE I", &["200 Fine"]),
        ("NOOP", &["425 Odd"]),
        ("REST 0", &["350 Go on"]),
    ] {
        script.send(talk.client(command));
        script.send_all(replies.iter().map(|reply| talk.server(reply)));
    }
    // An answer to nothing.
    script.send(talk.server("226 Done"));
    Scenario::new(script, |seen| {
        assert_unanswered(seen);
        assert_eq!(seen.news(), ["opened", "banner", "advertised"]);
    })
}

/// 426 answers the transfer command, 226 answers ABOR.
pub fn aborted(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("RETR a"));
    script.send(talk.server("150 Here it comes"));
    script.send(talk.client("ABOR"));
    script.send(talk.server("426 Cut off"));
    script.send(talk.server("226 As you wish"));
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        assert_eq!((endpoint.announced, endpoint.final_code), (150, 426));
        assert_eq!(gave_up(endpoint), GiveUp::Abort);
        assert_eq!(
            seen.news_of_endpoints(),
            ["advertised", "announced", "gave up", "final"]
        );
    })
}

pub fn aborted_before_it_began(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("ABOR"));
    script.send(talk.server("226 As you wish"));
    Scenario::new(script, |seen| {
        assert_unanswered(seen);
        assert_eq!(gave_up(seen.endpoint()), GiveUp::Abort);
    })
}

/// A client that goes on in active mode: what its transfer comes to is not the endpoint's.
pub fn active_instead(family: Family) -> Scenario {
    let with = |command: &str| {
        let (mut talk, mut script) = advertised(family);
        script.send(talk.client(command));
        script.send(talk.server("200 Fine"));
        script.send(talk.client("RETR a"));
        script.send(talk.server("150 Here it comes"));
        script.send(talk.server("226 Done"));
        script
    };
    let commands = ["PORT 198,51,100,7,200,10", "EPRT |1|198.51.100.7|51210|"];
    Scenario::any(commands.map(with).to_vec(), |seen| {
        assert_unanswered(seen);
        assert_eq!(gave_up(seen.endpoint()), GiveUp::Replaced);
        assert_eq!(seen.endpoint().released, 1);
        assert_eq!(seen.control().current, 0);
    })
}

/// The client asks for another endpoint. That alone is not enough, …
pub fn passive_asked(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("EPSV"));
    Scenario::new(script, |seen| {
        assert_unanswered(seen);
        assert_eq!(gave_up(seen.endpoint()), GiveUp::None);
        assert_eq!(seen.endpoint().released, 0);
    })
}

/// … but when the server answers, with whatever, the client is done with the first.
pub fn passive_refused(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("EPSV"));
    script.send(talk.server("500 What?"));
    Scenario::new(script, |seen| {
        assert_unanswered(seen);
        assert_eq!(gave_up(seen.endpoint()), GiveUp::Replaced);
        assert_eq!(seen.endpoint().released, 1);
        assert_eq!(seen.news().last(), Some(&"refusal"));
    })
}

/// Servers that are tired of waiting say so without being asked.
pub fn closed_unasked(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.server("421 Timeout."));
    script.send(talk.server_fin());
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        assert_eq!(endpoint.final_code, 421);
        assert_eq!(gave_up(endpoint), GiveUp::ServerClosed);
        let news = [
            "opened",
            "banner",
            "advertised",
            "failure",
            "final",
            "gave up",
        ];
        assert_eq!(seen.news(), news);
    })
}

/// 425 and 522 come with their text, and are the endpoint's.
pub fn without_data_connection(family: Family) -> Scenario {
    let texts = [
        "425 Security: Bad IP connecting.",
        "522 SSL connection failed; session reuse required: see require_ssl_reuse",
    ];
    let with = |text: &str| {
        let (mut talk, mut script) = advertised(family);
        script.send(talk.client("list"));
        script.send(talk.server(text));
        script
    };
    Scenario::any(texts.map(with).to_vec(), move |seen| {
        let endpoint = seen.endpoint();
        assert_eq!(&endpoint.command, b"LIST");
        assert_eq!((endpoint.gave_up_at, endpoint.released), (0, 0));
        // The text comes first, so that whoever hears of the failure has it.
        let [.., Record::Line(line), Record::Endpoint(_)] = seen.records.as_slice() else {
            panic!("{:?}", seen.records);
        };
        let text = texts
            .iter()
            .find(|text| text.as_bytes() == line.text.as_bytes());
        assert!(text.is_some_and(|text| text.starts_with(&line.code.to_string())));
        assert_eq!(
            (line.endpoint, line.control),
            (endpoint.id, endpoint.control)
        );
        assert_eq!(endpoint.final_code, line.code);
        assert_eq!(
            seen.news(),
            ["opened", "banner", "advertised", "failure", "final"]
        );
    })
}

pub fn refused_for_its_file(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("STOR a"));
    script.send(talk.server("553 Not allowed"));
    Scenario::new(script, |seen| {
        assert_eq!(seen.endpoint().final_code, 553);
        assert_eq!(seen.news(), ["opened", "banner", "advertised", "final"]);
    })
}

/// The client gives up: with QUIT, …
pub fn quit(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("QUIT"));
    script.send(talk.server("221 Goodbye"));
    script.send_all(talk.closing());
    Scenario::new(script, |seen| assert_given_up(seen, GiveUp::Quit))
}

/// … by closing, …
pub fn client_closes(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send_all(talk.closing());
    Scenario::new(script, |seen| assert_given_up(seen, GiveUp::ClientClosed))
}

/// … or with a reset.
pub fn client_resets(family: Family) -> Scenario {
    let (talk, mut script) = advertised(family);
    script.send(talk.client_rst());
    Scenario::new(script, |seen| assert_given_up(seen, GiveUp::ClientReset))
}

/// Or the server does.
pub fn server_closes(family: Family) -> Scenario {
    let (talk, script) = advertised(family);
    let (mut reset, mut closed) = (script.clone(), script);
    reset.send(talk.server_rst());
    let mut closing = talk.clone();
    closed.send(closing.server_fin());
    closed.send(closing.client_acks());
    closed.send(closing.client_fin());
    Scenario::any(vec![reset, closed], |seen| {
        assert_given_up(seen, GiveUp::ServerClosed)
    })
}

fn assert_given_up(seen: &Seen, how: GiveUp) {
    assert_unanswered(seen);
    let endpoint = seen.endpoint();
    assert_eq!((gave_up(endpoint), endpoint.released), (how, 1));
    assert_ne!(seen.control().ended_at, 0);
    assert_eq!(seen.control().current, 0);
    let news = ["opened", "banner", "advertised", "gave up", "ended"];
    assert_eq!(seen.news(), news);
}

/// Replies cannot be told apart any more, and that is noted.
pub fn more_commands_than_fit(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client_sends(&b"NOOP\r\n".repeat(17)));
    Scenario::new(script, |seen| {
        assert_eq!(seen.endpoint().missed, missed::PIPELINE);
    })
}

/// What clients send before ABOR, and how some of them write.
pub fn telnet(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("rEtR a"));
    script.send(talk.client_sends(b"\xff\xf4\xff\xf2abor\r\n"));
    Scenario::new(script, |seen| {
        assert_eq!(&seen.endpoint().command, b"RETR");
        assert_eq!(gave_up(seen.endpoint()), GiveUp::Abort);
    })
}

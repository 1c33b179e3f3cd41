//! How far what is reported can be relied on: one word, and why.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    escape::printable,
    source::kernel::{Failure, Way},
};

/// How long nobody may have looked for news before it counts as blindness: the loop looks once a second.
pub const SILENCE: Duration = Duration::from_secs(10);

/// For how long a loss degrades what is reported. What it touched is `unknown`, and what comes later is as good as before.
pub const LATELY: Duration = Duration::from_secs(600);

/// How far what is reported can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All that went by was seen.
    Ok,
    /// Something was lost, or is not seen; outcomes that it touches are `unknown`.
    Degraded,
    /// Nothing is seen.
    Blind,
}

impl State {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Degraded, Self::Blind];

    /// Its name in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Blind => "blind",
        }
    }
}

/// Packets that pass the hook by: of many, none reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypassed {
    /// The interface's name.
    pub interface: String,
    /// Which way they went.
    pub way: Way,
    /// How many.
    pub packets: u64,
    /// In how long.
    pub time: Duration,
}

impl fmt::Display for Bypassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (went, takers) = match self.way {
            Way::In => (
                "came in on",
                "an XDP program in front, another filter, or an offload",
            ),
            Way::Out => (
                "went out of",
                "another filter, an offload, or a sender that goes past tc",
            ),
        };
        write!(
            f,
            "none of the {} packets that {went} {} in {} s reached the hook: {takers} takes them",
            self.packets,
            printable(self.interface.as_bytes()),
            self.time.as_secs()
        )
    }
}

/// What the state follows from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// How many interfaces are watched.
    pub interfaces: usize,
    /// How many are not, and how many namespaces are not there, that were asked for by name.
    pub missing: usize,
    /// How much was lost lately: see [`LATELY`].
    pub lost: u64,
    /// Why the last self-test failed, if it did.
    pub failure: Option<Failure>,
    /// What passes the hook by, if anything does.
    pub bypassed: Option<Bypassed>,
    /// How many sums of the books do not hold.
    pub unbalanced: usize,
}

/// The state, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The state.
    pub state: State,
    /// Why it is not [`State::Ok`]; else empty.
    pub reason: String,
}

impl Health {
    /// What `vitals` come to that were taken `silence` ago. The worst is said.
    #[must_use]
    pub fn judge(vitals: &Vitals, silence: Duration) -> Self {
        let (state, reason) = match vitals {
            _ if silence > SILENCE => (
                State::Blind,
                format!("nobody has looked for news for {} s", silence.as_secs()),
            ),
            Vitals { interfaces: 0, .. } => (State::Blind, "no interface is watched".into()),
            Vitals {
                failure: Some(failure),
                ..
            } => (State::Blind, format!("the self-test failed: {failure}")),
            Vitals {
                bypassed: Some(bypassed),
                ..
            } => (State::Blind, bypassed.to_string()),
            Vitals { missing: 1.., .. } => (
                State::Degraded,
                format!(
                    "interfaces or namespaces that are not there: {}",
                    vitals.missing
                ),
            ),
            Vitals {
                unbalanced: 1.., ..
            } => (
                State::Degraded,
                format!("books that do not balance: {}", vitals.unbalanced),
            ),
            Vitals { lost: 1.., .. } => (
                State::Degraded,
                format!("{} losses, the last within ten minutes", vitals.lost),
            ),
            _ => (State::Ok, String::new()),
        };
        Self { state, reason }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.name())?;
        if self.reason.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const FINE: Vitals = Vitals {
        interfaces: 1,
        missing: 0,
        lost: 0,
        failure: None,
        bypassed: None,
        unbalanced: 0,
    };

    fn said(vitals: Vitals, silence: Duration) -> String {
        Health::judge(&vitals, silence).to_string()
    }

    #[test]
    fn what_is_fine_is_ok() {
        assert_eq!(said(FINE, NOW), "ok");
        assert_eq!(said(FINE, SILENCE), "ok");
    }

    #[test]
    fn a_loss_degrades() {
        assert_eq!(
            said(Vitals { lost: 3, ..FINE }, NOW),
            "degraded: 3 losses, the last within ten minutes"
        );
    }

    #[test]
    fn books_that_do_not_balance_degrade() {
        let vitals = Vitals {
            unbalanced: 2,
            ..FINE
        };
        assert_eq!(said(vitals, NOW), "degraded: books that do not balance: 2");
    }

    #[test]
    fn a_named_interface_that_is_gone_degrades() {
        let vitals = Vitals { missing: 1, ..FINE };
        assert_eq!(
            said(vitals, NOW),
            "degraded: interfaces or namespaces that are not there: 1"
        );
    }

    #[test]
    fn nothing_attached_is_blind_whatever_else() {
        let vitals = Vitals {
            interfaces: 0,
            missing: 1,
            lost: 9,
            failure: None,
            bypassed: None,
            unbalanced: 1,
        };
        assert_eq!(said(vitals, NOW), "blind: no interface is watched");
    }

    #[test]
    fn a_self_test_that_failed_is_blindness() {
        let vitals = Vitals {
            lost: 9,
            failure: Some(Failure::NotSeen("ftpwatch_ether")),
            ..FINE
        };
        assert_eq!(
            said(vitals, NOW),
            "blind: the self-test failed: ftpwatch_ether passes a 227 over"
        );
    }

    #[test]
    fn packets_that_pass_the_hook_by_are_blindness() {
        let vitals = Vitals {
            lost: 9,
            bypassed: Some(Bypassed {
                interface: "eth\u{1b}0".into(),
                way: Way::In,
                packets: 5_200,
                time: Duration::from_millis(5_900),
            }),
            ..FINE
        };
        assert_eq!(
            said(vitals, NOW),
            "blind: none of the 5200 packets that came in on eth\\u{1b}0 in 5 s reached the hook: an XDP program in front, \
             another filter, or an offload takes them"
        );
    }

    #[test]
    fn news_that_nobody_reads_are_blindness() {
        let long = SILENCE + Duration::from_secs(1);
        assert_eq!(
            said(FINE, long),
            "blind: nobody has looked for news for 11 s"
        );
    }
}

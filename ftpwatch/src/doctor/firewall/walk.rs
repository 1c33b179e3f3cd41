//! What becomes of a client's SYN in the rules. It is careful: what is not understood may hold or not, and an answer is
//! given only where it comes out the same either way.

use super::rules::{Base, Fate, Holds, Packet, Ruleset, Then};

/// How deep chains may jump; the kernel allows 16 (NFT_JUMP_STACK_SIZE).
const DEEPEST: usize = 32;

/// So many rules are followed for a packet: chains may call each other in more ways than anybody can wait for.
const MOST: usize = 200_000;

/// What may become of it in one chain.
#[derive(Default)]
struct Possible {
    accepted: bool,
    dropped: bool,
    helped: bool,
    elsewhere: bool,
    doubt: Option<String>,
    unknown: bool,
    followed: usize,
}

impl Ruleset {
    /// What becomes of `packet`. It must pass every base chain.
    pub fn fate(&self, packet: &Packet<'_>) -> Fate {
        let mut worst = Fate::Open;
        for base in &self.bases {
            if !(if packet.v6 { base.v6 } else { base.v4 }) {
                continue;
            }
            let mut possible = Possible::default();
            if self.walk(&base.chain, packet, &mut possible, 0) {
                *(if base.drops {
                    &mut possible.dropped
                } else {
                    &mut possible.accepted
                }) = true;
            }
            let fate = possible.fate(base);
            // Where it goes elsewhere, nothing else about this port counts.
            if possible.elsewhere {
                return fate;
            }
            worst = worse(worst, fate);
        }
        worst
    }

    /// Follows `packet` through a chain. Returns whether it may come out at the end.
    fn walk(
        &self,
        chain: &str,
        packet: &Packet<'_>,
        possible: &mut Possible,
        depth: usize,
    ) -> bool {
        let (Some(rules), true) = (self.chains.get(chain), depth < DEEPEST) else {
            possible.doubt(&format!("chain {chain}"));
            possible.unknown = true;
            return true;
        };
        let mut returns = false;
        for rule in rules {
            possible.followed += 1;
            if possible.followed > MOST {
                possible.doubt("more rules than can be followed");
                possible.unknown = true;
                return true;
            }
            let mut tests = rule.tests.iter();
            let holds = tests.try_fold(Holds::Yes, |all, test| match all.and(test(packet)) {
                Holds::No => None,
                holds => Some(holds),
            });
            let surely = match holds {
                None | Some(Holds::No) => continue,
                Some(Holds::ForHelper) => {
                    possible.helped |=
                        matches!(rule.then, Then::Accept | Then::Jump(_) | Then::Goto(_));
                    continue;
                }
                Some(Holds::Perhaps) => {
                    if !matches!(rule.then, Then::Nothing) {
                        possible.doubt(&rule.text);
                    }
                    false
                }
                Some(Holds::Yes) => true,
            };
            let goes_on = match &rule.then {
                Then::Nothing => true,
                Then::Accept => {
                    possible.accepted = true;
                    false
                }
                Then::Drop => {
                    possible.dropped = true;
                    false
                }
                Then::Elsewhere => {
                    possible.elsewhere = true;
                    possible.doubt(&rule.text);
                    false
                }
                Then::Unknown => {
                    possible.unknown = true;
                    possible.doubt(&rule.text);
                    true
                }
                Then::Return => {
                    returns = true;
                    false
                }
                Then::Jump(chain) => self.walk(chain, packet, possible, depth + 1),
                Then::Goto(chain) => {
                    returns |= self.walk(chain, packet, possible, depth + 1);
                    false
                }
            };
            if surely && !goes_on {
                return returns;
            }
        }
        true
    }
}

impl Possible {
    /// The first is the one to look at.
    fn doubt(&mut self, text: &str) {
        self.doubt.get_or_insert_with(|| text.to_owned());
    }

    fn fate(&self, base: &Base) -> Fate {
        let doubt = || {
            let rule = self.doubt.clone();
            Fate::CannotTell(rule.unwrap_or_else(|| format!("chain {}", base.chain)))
        };
        if self.elsewhere || self.unknown || (self.accepted && self.dropped) {
            doubt()
        } else if !self.dropped {
            Fate::Open
        } else if base.partial {
            doubt()
        } else if self.helped {
            Fate::OnlyHelper
        } else {
            Fate::Closed
        }
    }
}

/// What two chains that both must be passed make of it. One that surely drops decides.
fn worse(one: Fate, other: Fate) -> Fate {
    let weight = |fate: &Fate| match fate {
        Fate::Open => 0,
        Fate::CannotTell(_) => 1,
        Fate::OnlyHelper => 2,
        Fate::Closed => 3,
    };
    if weight(&other) > weight(&one) {
        other
    } else {
        one
    }
}

//! Control connections.

use std::collections::{BTreeSet, HashMap, HashSet};

use foldhash::fast::RandomState;
use ftpwatch_common::{
    address::{Address, Flow},
    control::{Control, ENCRYPTED, READ},
    endpoint::Endpoint,
    engine::Request,
    record::{Kind, Progress, Session as News},
    text::Text,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Outcome, SECOND};

/// Whether a control connection could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// In clear text.
    Clear,
    /// Not since the server accepted AUTH.
    Tls,
    /// It is encrypted, and was read on the server's own host.
    TlsRead,
}

impl Visibility {
    const fn is_unreadable(self) -> bool {
        matches!(self, Self::Tls)
    }
}

/// A control connection, seen once or, on a gateway that translates addresses, on either side.
#[derive(Clone, Debug)]
pub struct Session {
    /// The id of the view that was seen first.
    pub id: u64,
    /// The client's view of it.
    pub flow: Flow,
    /// When it was first seen.
    pub opened_at: u64,
    /// When it ended, or watching did.
    pub ended_at: u64,
    /// It was still open when watching ended.
    pub still_open: bool,
    /// Whether it could be read.
    pub visibility: Visibility,
    /// Endpoints advertised on it.
    pub endpoints: u64,
    /// How many of each [`Outcome`], in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Advertisements that could not be decoded.
    pub undecodable: u64,
    /// The server's greeting.
    pub banner: Option<Text>,
    /// Endpoints that are being watched.
    pub(super) open_endpoints: BTreeSet<u64>,
    /// The last endpoint advertised.
    pub(super) latest: Option<u64>,
    fingerprint: u64,
    /// Views that have not ended.
    open: usize,
    /// It was told of, before the last of its endpoints was found.
    told: bool,
    /// Its client or server is to be left out, seen from either side.
    pub(super) ignored: bool,
}

impl Session {
    const fn is_to_be_told(&self) -> bool {
        !self.told && !self.ignored
    }
}

/// A view of a session.
#[derive(Debug)]
struct View {
    session: u64,
    flow: Flow,
    ended: bool,
}

/// All control connections that are open, or ended a moment ago.
#[derive(Debug, Default)]
pub struct Sessions {
    sessions: HashMap<u64, Session, RandomState>,
    views: HashMap<u64, View, RandomState>,
    fingerprints: HashMap<u64, u64, RandomState>,
    /// When to let go of which view.
    expiry: BTreeSet<(u64, u64)>,
    seen: u64,
    blind: u64,
    ignored: u64,
    /// Whose sessions are left out.
    networks: Vec<IpNet>,
}

impl Sessions {
    /// How many were seen, how many of them blind; and how many were left out.
    #[must_use]
    pub const fn books(&self) -> (u64, u64, u64) {
        (self.seen, self.blind, self.ignored)
    }

    /// The same, of those that are over and told of.
    #[must_use]
    pub fn settled(&self) -> (u64, u64, u64) {
        let (mut seen, mut blind, mut ignored) = self.books();
        for session in self.sessions.values().filter(|session| !session.told) {
            let unreadable = session.visibility.is_unreadable();
            if session.ignored {
                ignored -= 1;
            } else {
                seen -= 1;
                blind -= u64::from(unreadable);
            }
        }
        (seen, blind, ignored)
    }

    /// Goes on from what was counted before.
    pub const fn resume(&mut self, (seen, blind, ignored): (u64, u64, u64)) {
        self.seen += seen;
        self.blind += blind;
        self.ignored += ignored;
    }

    /// The control connection's end was told of, and its entry is still there.
    pub fn adopt_ended(&mut self, control: &Control, expiry: u64) {
        self.expiry.insert((expiry, control.id));
        self.views.insert(
            control.id,
            View {
                session: control.id,
                flow: control.flow,
                ended: true,
            },
        );
    }

    /// Leaves out clients and servers in `networks`, in sessions that are new.
    pub fn ignore(&mut self, networks: Vec<IpNet>) {
        self.networks = networks;
    }

    /// Whether a control connection between these two is left out.
    #[must_use]
    pub fn ignores(&self, flow: &Flow) -> bool {
        let ends = [flow.client.ip(), flow.server.ip()];
        let mut networks = self.networks.iter();
        networks.any(|network| ends.iter().any(|end| network.contains(end)))
    }

    /// When [`Self::expire`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.expiry.first().map(|(at, _)| *at)
    }

    /// Lets go of views that ended long enough ago.
    pub fn expire(&mut self, now: u64) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Some(&(at, id)) = self.expiry.first()
            && at <= now
        {
            self.expiry.pop_first();
            if let Some(view) = self.views.remove(&id) {
                requests.push(Request {
                    endpoint: 0,
                    flow: view.flow,
                    pad: 0,
                    control: id,
                });
            }
        }
        requests
    }

    /// Takes in news of a control connection. Returns its session's id when that is over now; its entry is
    /// let go at `expiry`.
    pub fn take(&mut self, news: &News, expiry: u64) -> Option<u64> {
        self.open(news.id, news.flow, news.fingerprint, news.at);
        let view = self.views.get_mut(&news.id)?;
        let session = self.sessions.get_mut(&view.session)?;
        let before = session.visibility.is_unreadable();
        if news.progress == Progress::Blind as u32 {
            session.visibility = Visibility::Tls;
        } else if news.progress == Progress::Read as u32 {
            session.visibility = Visibility::TlsRead;
        }
        if !session.ignored {
            self.blind += u64::from(session.visibility.is_unreadable());
            self.blind -= u64::from(before);
        }
        if news.progress != Progress::Ended as u32 || view.ended {
            return None;
        }
        view.ended = true;
        self.expiry.insert((expiry, news.id));
        session.ended_at = news.at;
        session.open -= 1;
        (session.open == 0).then_some(session.id)
    }

    /// The session of the control connection `id`, which is new or known.
    fn open(&mut self, id: u64, flow: Flow, fingerprint: u64, at: u64) {
        if self.views.contains_key(&id) {
            return;
        }
        // The same connection on the other side of an address translation begins with the same sequence
        // numbers, a moment later, and has another address. Its greeting passed the server's side first, so
        // the newer view is the client's.
        let is_twin = |twin: &&mut Session| {
            let translated = twin.flow.client != flow.client || twin.flow.server != flow.server;
            fingerprint != 0 && translated && twin.opened_at.abs_diff(at) < SECOND
        };
        let ignored = self.ignores(&flow);
        let twin = self.fingerprints.get(&fingerprint).copied();
        let twin = twin.and_then(|twin| self.sessions.get_mut(&twin));
        let session = match twin.filter(is_twin) {
            Some(session) => {
                session.open += 1;
                session.flow = flow;
                if ignored && !session.ignored {
                    session.ignored = true;
                    self.ignored += 1;
                    self.seen -= 1;
                    self.blind -= u64::from(session.visibility.is_unreadable());
                }
                session.id
            }
            None => {
                self.seen += u64::from(!ignored);
                self.ignored += u64::from(ignored);
                self.fingerprints.insert(fingerprint, id);
                self.sessions.insert(
                    id,
                    Session {
                        id,
                        flow,
                        opened_at: at,
                        ended_at: at,
                        still_open: false,
                        visibility: Visibility::Clear,
                        endpoints: 0,
                        outcomes: [0; Outcome::ALL.len()],
                        undecodable: 0,
                        banner: None,
                        open_endpoints: BTreeSet::new(),
                        latest: None,
                        fingerprint,
                        open: 1,
                        told: false,
                        ignored,
                    },
                );
                id
            }
        };
        self.views.insert(
            id,
            View {
                session,
                flow,
                ended: false,
            },
        );
    }

    /// The session of an endpoint. News of it may have been lost, so it may be new; or those of the endpoint,
    /// and the session was told of without it.
    pub fn of(&mut self, endpoint: &Endpoint) -> &mut Session {
        let id = endpoint.control;
        let known = self.views.get(&id).map(|view| view.session);
        let key = known.filter(|session| self.sessions.contains_key(session));
        let key = key.unwrap_or_else(|| {
            let told = self.views.remove(&id).is_some();
            self.open(id, endpoint.flow, 0, endpoint.advertised_at);
            if told && let Some(session) = self.sessions.get_mut(&id) {
                session.told = true;
                self.seen -= u64::from(!session.ignored);
                self.ignored -= u64::from(session.ignored);
            }
            id
        });
        self.sessions
            .get_mut(&key)
            .expect("the session was found or opened just now")
    }

    /// The endpoints of the session that are being watched.
    #[must_use]
    pub fn open_endpoints(&self, id: u64) -> Vec<u64> {
        let session = self.sessions.get(&id);
        session.map_or_else(Vec::new, |session| {
            session.open_endpoints.iter().copied().collect()
        })
    }

    /// The same, of the session that the control connection `id` is a view of.
    #[must_use]
    pub fn open_endpoints_of_view(&self, id: u64) -> Vec<u64> {
        self.views
            .get(&id)
            .map_or_else(Vec::new, |view| self.open_endpoints(view.session))
    }

    /// The endpoint is not watched any more.
    pub fn forget_endpoint(&mut self, id: u64, key: u64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.open_endpoints.remove(&key);
        }
    }

    /// The sessions of which no view is among `present`: they are over, and nobody said so.
    pub fn end_absent(&mut self, present: &HashSet<u64>, now: u64) -> Vec<u64> {
        let mut alive = HashSet::new();
        self.views.retain(|id, view| {
            let keep = present.contains(id);
            if keep {
                alive.insert(view.session);
            }
            keep
        });
        let mut absent: Vec<u64> = self
            .sessions
            .keys()
            .copied()
            .filter(|id| !alive.contains(id))
            .collect();
        absent.sort_unstable();
        for id in &absent {
            if let Some(session) = self.sessions.get_mut(id) {
                session.ended_at = now;
            }
        }
        absent
    }

    /// A control connection between these two that cannot be read.
    #[must_use]
    pub fn blind_between(&self, client: Address, server: Address) -> Option<Flow> {
        let mut sessions = self.sessions.values();
        let session = sessions.find(|session| {
            session.visibility.is_unreadable()
                && (session.flow.client, session.flow.server) == (client, server)
        });
        session.map(|session| session.flow)
    }

    /// The client's view of the control connection `id`, unless it is left out.
    #[must_use]
    pub fn flow(&self, id: u64) -> Option<Flow> {
        let view = self.views.get(&id)?;
        let session = self.sessions.get(&view.session)?;
        (!session.ignored).then_some(session.flow)
    }

    /// An advertisement on the control connection `id` could not be decoded. `None` when that was said
    /// already, of the other view.
    pub fn undecodable(&mut self, id: u64) -> Option<Flow> {
        let view = self.views.get(&id)?;
        let session = self.sessions.get_mut(&view.session)?;
        if session.id != id || session.ignored {
            return None;
        }
        session.undecodable += 1;
        Some(session.flow)
    }

    /// An endpoint of the session `id` has its outcome.
    pub fn count(&mut self, id: u64, outcome: Outcome) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.outcomes[outcome as usize] += 1;
        }
    }

    /// The session is over. Returned where it is to be told of.
    pub fn end(&mut self, id: u64) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.fingerprints.remove(&session.fingerprint);
        Some(session).filter(Session::is_to_be_told)
    }

    /// Watching is over: the sessions that are still open, in the order they were opened.
    pub fn finish(&mut self, now: u64) -> Vec<Session> {
        let mut sessions: Vec<Session> = self
            .sessions
            .drain()
            .map(|(_, session)| session)
            .filter(Session::is_to_be_told)
            .collect();
        sessions.sort_by_key(|session| (session.opened_at, session.id));
        for session in &mut sessions {
            session.ended_at = now;
            session.still_open = true;
        }
        sessions
    }
}

/// What news there were of a control connection before its end, as its entry tells.
pub fn news_of(control: &Control) -> impl Iterator<Item = News> {
    let opened = Some(news(control, Progress::Opened, control.opened_at));
    let progress = match control.blind {
        ENCRYPTED => Some(Progress::Blind),
        READ => Some(Progress::Read),
        _ => None,
    };
    let blind = progress.map(|progress| news(control, progress, control.last_at));
    opened.into_iter().chain(blind)
}

/// News of a control connection.
pub const fn news(control: &Control, progress: Progress, at: u64) -> News {
    News {
        kind: Kind::Session as u32,
        progress: progress as u32,
        id: control.id,
        at,
        fingerprint: control.fingerprint,
        flow: control.flow,
        pad: 0,
    }
}

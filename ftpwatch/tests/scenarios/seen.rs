//! What a store has made of a script, in a form that is the same for every store.

use std::collections::HashMap;

use ftpwatch_common::{
    control::Control,
    counter::{COUNTERS, Counter},
    endpoint::{Attempt, Endpoint},
    record::{About, Progress, Record, Why},
};

/// What was seen. Ids are counted from one in the order of the news. A time is the number of the step in which it
/// happened, counted from one as well, so that zero still stands for "not seen".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The endpoints in the store, in the order they were advertised.
    pub endpoints: Vec<Endpoint>,
    /// The control connections in the store, in the order they were opened.
    pub controls: Vec<Control>,
    /// The news.
    pub records: Vec<Record>,
    /// What was counted.
    pub counters: [u64; COUNTERS],
}

impl Seen {
    /// What a store has: raw, but for the time at which each step began.
    pub fn new(
        controls: Vec<Control>,
        endpoints: Vec<Endpoint>,
        records: Vec<Record>,
        counters: [u64; COUNTERS],
        times: &[u64],
    ) -> Self {
        let mut plain = Plain {
            times,
            ids: HashMap::from([(0, 0)]),
        };
        let mut seen = Self {
            endpoints,
            controls,
            records,
            counters,
        };
        seen.records.iter_mut().for_each(|r| plain.record(r));
        seen.endpoints.iter_mut().for_each(|e| plain.endpoint(e));
        seen.controls.iter_mut().for_each(|c| plain.control(c));
        seen.endpoints.sort_by_key(|endpoint| endpoint.id);
        seen.controls.sort_by_key(|control| control.id);
        seen
    }

    /// The endpoint, where there is just one.
    #[track_caller]
    pub fn endpoint(&self) -> &Endpoint {
        assert_eq!(self.endpoints.len(), 1, "{:?}", self.endpoints);
        &self.endpoints[0]
    }

    /// The control connection, where there is just one.
    #[track_caller]
    pub fn control(&self) -> &Control {
        assert_eq!(self.controls.len(), 1, "{:?}", self.controls);
        &self.controls[0]
    }

    /// How often something was counted.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// The news, each in a word.
    pub fn news(&self) -> Vec<&'static str> {
        self.records.iter().map(word).collect()
    }

    /// The news of endpoints, each in a word.
    pub fn news_of_endpoints(&self) -> Vec<&'static str> {
        let endpoints = self.records.iter();
        endpoints
            .filter(|record| matches!(record, Record::Endpoint(_)))
            .map(word)
            .collect()
    }

    /// All bytes that leave the engine, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for endpoint in &self.endpoints {
            bytes.extend(bytemuck::bytes_of(endpoint));
        }
        for control in &self.controls {
            bytes.extend(bytemuck::bytes_of(control));
        }
        for record in &self.records {
            bytes.extend(match record {
                Record::Endpoint(endpoint) => bytemuck::bytes_of(endpoint),
                Record::Session(session) => bytemuck::bytes_of(session),
                Record::Line(line) => bytemuck::bytes_of(line),
            });
        }
        bytes
    }
}

/// The attempts of an endpoint that were made.
pub fn attempts(endpoint: &Endpoint) -> Vec<&Attempt> {
    endpoint.attempts.iter().filter(|a| a.syn_at != 0).collect()
}

/// A record in a word.
pub fn word(record: &Record) -> &'static str {
    const WHY: [(Why, &str); 7] = [
        (Why::Advertised, "advertised"),
        (Why::Connected, "connected"),
        (Why::Refused, "refused"),
        (Why::Announced, "announced"),
        (Why::Final, "final"),
        (Why::GaveUp, "gave up"),
        (Why::Unstored, "unstored"),
    ];
    const PROGRESS: [(Progress, &str); 4] = [
        (Progress::Opened, "opened"),
        (Progress::Blind, "blind"),
        (Progress::Ended, "ended"),
        (Progress::Read, "read"),
    ];
    const ABOUT: [(About, &str); 4] = [
        (About::Banner, "banner"),
        (About::Undecodable, "undecodable"),
        (About::Failure, "failure"),
        (About::Refusal, "refusal"),
    ];
    let name = match record {
        Record::Endpoint(endpoint) => WHY
            .iter()
            .find(|(why, _)| *why as u32 == endpoint.why)
            .map(|(_, name)| name),
        Record::Session(session) => PROGRESS
            .iter()
            .find(|(p, _)| *p as u32 == session.progress)
            .map(|(_, name)| name),
        Record::Line(line) => ABOUT
            .iter()
            .find(|(about, _)| *about as u32 == line.about)
            .map(|(_, name)| name),
    };
    name.copied().unwrap_or("strange")
}

/// Takes out what differs from run to run.
struct Plain<'a> {
    times: &'a [u64],
    ids: HashMap<u64, u64>,
}

impl Plain<'_> {
    fn time(&self, time: &mut u64) {
        let begun = self.times.partition_point(|begin| begin <= time);
        *time = u64::try_from(begun).expect("no script is that long");
    }

    fn id(&mut self, id: &mut u64) {
        let next = u64::try_from(self.ids.len()).expect("there are not that many");
        *id = *self.ids.entry(*id).or_insert(next);
    }

    fn record(&mut self, record: &mut Record) {
        match record {
            Record::Endpoint(endpoint) => self.endpoint(endpoint),
            Record::Session(session) => {
                self.id(&mut session.id);
                self.time(&mut session.at);
            }
            Record::Line(line) => {
                self.id(&mut line.control);
                self.id(&mut line.endpoint);
                self.time(&mut line.at);
            }
        }
    }

    fn endpoint(&mut self, endpoint: &mut Endpoint) {
        for id in [
            &mut endpoint.control,
            &mut endpoint.previous,
            &mut endpoint.id,
        ] {
            self.id(id);
        }
        for time in [
            &mut endpoint.advertised_at,
            &mut endpoint.acked_at,
            &mut endpoint.gave_up_at,
            &mut endpoint.command_at,
            &mut endpoint.announced_at,
            &mut endpoint.final_at,
            &mut endpoint.resent_at,
            &mut endpoint.rejected_at,
        ] {
            self.time(time);
        }
        for attempt in &mut endpoint.attempts {
            for time in [
                &mut attempt.syn_at,
                &mut attempt.last_syn_at,
                &mut attempt.syn_ack_at,
                &mut attempt.ack_at,
                &mut attempt.rst_at,
            ] {
                self.time(time);
            }
        }
        // A record is sent while its entry is held.
        endpoint.lock = 0;
    }

    fn control(&mut self, control: &mut Control) {
        self.id(&mut control.id);
        self.id(&mut control.current);
        for time in [&mut control.opened_at, &mut control.ended_at] {
            self.time(time);
        }
        // To within a jiffy.
        control.last_at = 0;
        assert_eq!(control.lock, 0, "a control connection is still held");
    }
}

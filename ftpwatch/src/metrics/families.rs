//! What is measured, by name. Label values come from fixed sets alone, and every series is there from the start: there are
//! never more of them, whoever talks to whom.

use std::{fmt, time::Duration};

use clap::ValueEnum as _;
use ftpwatch_common::{counter::Counter as Counted, record::RING_BYTES};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, prometheus_text, text},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use super::{Shared, Snapshot};
use crate::{diagnose::Cause, health::State, output::Kind, tracker::Outcome, watch::KINDS_OF_LOSS};

/// The label of a failure whose cause is not known.
pub const NO_CAUSE: &str = "none";

/// From connections within a network to clients that are slow, or far away; ten seconds is the time-out unless said.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

type Label = (&'static str, &'static str);

/// In which of its formats Prometheus is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus' text format, 0.0.4.
    Text,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// All families.
#[derive(Debug)]
pub struct Families {
    registry: Registry,
    failures: Family<[Label; 2], Counter>,
    time_to_connect: Histogram,
}

impl Families {
    pub(super) fn new(shared: Shared) -> Self {
        let failures = Family::default();
        for outcome in Outcome::ALL.into_iter().filter(|o| o.is_failure()) {
            let causes = Cause::value_variants().iter().map(|cause| cause.name());
            for cause in causes.chain([NO_CAUSE]) {
                failures.get_or_create_owned(&labels(outcome, cause));
            }
        }
        let families = Self {
            registry: Registry::with_prefix("ftpwatch"),
            failures,
            time_to_connect: Histogram::new(SECONDS),
        };
        families.registered(shared)
    }

    fn registered(mut self, shared: Shared) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "failures",
            "Passive endpoints that failed, by outcome and cause",
            self.failures.clone(),
        );
        registry.register_with_unit(
            "time_to_connect",
            "From the reply that advertised an endpoint to the end of the handshake on it",
            Unit::Seconds,
            self.time_to_connect.clone(),
        );
        registry.register_collector(Box::new(shared));
        self
    }

    pub(super) fn fail(&self, outcome: Outcome, cause: &'static str) {
        self.failures.get_or_create(&labels(outcome, cause)).inc();
    }

    pub(super) fn connect(&self, time: Duration) {
        self.time_to_connect.observe(time.as_secs_f64());
    }

    /// All that is measured, as Prometheus reads it.
    ///
    /// # Errors
    ///
    /// None that writing to a `String` has.
    pub fn encode(&self, format: Format) -> Result<String, fmt::Error> {
        let mut out = String::new();
        match format {
            Format::OpenMetrics => text::encode(&mut out, &self.registry)?,
            Format::Text => prometheus_text::encode(&mut out, &self.registry)?,
        }
        Ok(out)
    }
}

const fn labels(outcome: Outcome, cause: &'static str) -> [Label; 2] {
    [("outcome", outcome.name()), ("cause", cause)]
}

impl Collector for Shared {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.get();
        let mut writer = Writer(encoder);
        writer.state(&now)?;
        writer.books(&now)?;
        writer.kernel(&now)
    }
}

struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn state(&mut self, now: &Snapshot) -> fmt::Result {
        self.0
            .encode_descriptor("build", "What is running", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        let health = now.health();
        self.gauges(
            "state",
            "How far what is reported can be relied on: 1 for the state that it is in",
            "state",
            State::ALL.map(|state| (state.name(), u64::from(state == health.state))),
        )?;
        let vitals = &now.vitals;
        self.gauge(
            "interfaces_watched",
            "Interfaces that are watched",
            count(vitals.interfaces),
        )?;
        self.gauge(
            "interfaces_missing",
            "Interfaces that were asked for by name and are not watched",
            count(vitals.missing),
        )
    }

    fn books(&mut self, now: &Snapshot) -> fmt::Result {
        let books = &now.books;
        self.counters(
            "outcomes",
            "Passive endpoints that have their outcome",
            "outcome",
            Outcome::ALL
                .map(Outcome::name)
                .into_iter()
                .zip(books.outcomes),
        )?;
        self.gauge(
            "endpoints_pending",
            "Passive endpoints without an outcome yet",
            books.pending(),
        )?;
        for (name, help, value) in [
            ("sessions", "Control connections seen", books.sessions),
            (
                "tls_sessions",
                "Control connections that could not be read",
                books.blind,
            ),
            ("endpoints", "Passive endpoints advertised", books.endpoints),
            (
                "late_connections",
                "Endpoints connected after they had been reported as failed",
                books.late,
            ),
            (
                "failed_transfers",
                "Transfers that the server called failed after the endpoint had its outcome",
                books.transfers,
            ),
            (
                "undecodable_advertisements",
                "Advertisements that could not be decoded",
                books.undecodable,
            ),
        ] {
            self.counter(name, help, value)?;
        }
        Ok(())
    }

    fn kernel(&mut self, now: &Snapshot) -> fmt::Result {
        self.counters(
            "losses",
            "What was lost, by what it was",
            "loss",
            KINDS_OF_LOSS.into_iter().zip(now.losses),
        )?;
        self.counters(
            "output_dropped",
            "Results that an output did not write",
            "output",
            Kind::ALL.map(Kind::name).into_iter().zip(now.dropped),
        )?;
        self.counter(
            "control_segments",
            "Segments of control connections seen",
            now.counters[Counted::ControlSegments as usize],
        )?;
        self.counter(
            "control_gaps",
            "Times that bytes were missing between two segments of a control connection",
            now.counters[Counted::Gaps as usize],
        )?;
        self.gauges(
            "map_entries",
            "Entries of the kernel's maps, counted once a minute",
            "map",
            [
                ("controls", count(now.entries.controls)),
                ("endpoints", count(now.entries.endpoints)),
            ],
        )?;
        self.gauges(
            "map_max_entries",
            "Entries that the kernel's maps have room for",
            "map",
            [
                ("controls", now.room.connections.into()),
                ("endpoints", now.room.endpoints.into()),
            ],
        )?;
        self.gauge(
            "books_unbalanced",
            "How many sums of the books do not hold: something was lost that was not counted",
            count(now.vitals.unbalanced),
        )?;
        self.gauge(
            "ring_peak_bytes",
            "The most that was read from the ring buffer in one go",
            now.ring_peak,
        )?;
        self.gauge(
            "ring_size_bytes",
            "Size of the ring buffer",
            RING_BYTES.into(),
        )
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(name, help, ConstCounter::new(value))
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(name, help, ConstGauge::new(value))
    }

    fn one(&mut self, name: &str, help: &str, metric: impl EncodeMetric) -> fmt::Result {
        let kind = metric.metric_type();
        let encoder = self.0.encode_descriptor(name, help, None, kind)?;
        metric.encode(encoder)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let counters = values
            .into_iter()
            .map(|(word, value)| (word, ConstCounter::new(value)));
        self.family(name, help, MetricType::Counter, label, counters)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let gauges = values
            .into_iter()
            .map(|(word, value)| (word, ConstGauge::new(value)));
        self.family(name, help, MetricType::Gauge, label, gauges)
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        label: &'static str,
        metrics: impl Iterator<Item = (&'static str, M)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (word, metric) in metrics {
            metric.encode(family.encode_family(&[(label, word)])?)?;
        }
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

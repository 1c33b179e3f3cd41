//! The live kernel: programs loaded and attached, news from the ring buffer, truth from the maps.

mod attach;
mod bypass;
mod feature;
mod interface;
pub mod libraries;
mod load;
pub(crate) mod netlink;
pub mod pin;
mod selftest;

use std::{io, time::Duration};

use aya::{
    Ebpf,
    maps::{HashMap, MapData, PerCpuArray, RingBuf},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use aya_log::EbpfLogger;
use ftpwatch_common::{
    address::Flow,
    control::Control,
    counter::{COUNTERS, Counter},
    endpoint::Endpoint,
    engine::Request,
    record::{PROMPT, Record},
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::{error::Error, tracker::Truth};
use libraries::{Libraries, News, Wanted};
use pin::{Memory, Pins};

pub use attach::{Attacher, Hook, programs};
pub use bypass::{Seen, Way};
pub use interface::{Host, Interface, InterfaceId, host, is_name_of};
pub(crate) use load::root_cause;
pub use load::{Room, Settings, load as load_object};
pub use selftest::Failure;

// aya reads and writes keys and values as byte arrays; what they mean, `bytemuck` says.
type FlowBytes = [u8; size_of::<Flow>()];
type ControlBytes = [u8; size_of::<Control>()];
type EndpointBytes = [u8; size_of::<Endpoint>()];

/// The name of the program that takes out what is done with.
const RETIRE: &str = "ftpwatch_retire";

/// The kernel takes the first bytes of a test packet for its Ethernet header.
const REQUESTS_OFFSET: usize = 14;

/// How many requests go into one: a test packet has to fit into a page, with the kernel's own around it.
const REQUESTS: usize = 48;

/// How long after news there may be more of which the kernel half does not tell.
const READ_ON: Duration = Duration::from_nanos(2 * PROMPT);

/// The loaded programs and their maps.
pub struct Kernel {
    /// Attaches the programs to interfaces.
    pub attacher: Attacher,
    /// What the user half remembers there, where that outlives it.
    pub memory: Option<Memory>,
    news: AsyncFd<RingBuf<MapData>>,
    log: Option<AsyncFd<EbpfLogger<&'static dyn log::Log>>>,
    /// There were news the last time.
    busy: bool,
    ring_peak: u64,
    /// Records taken out of the ring, of whatever form.
    taken: u64,
    /// The first of the control ports.
    control_port: Option<u16>,
    /// The control connection of the last self-test.
    own: u64,
    counting: Option<bypass::Counting>,
    truth: Maps,
    libraries: Libraries,
    /// Why TLS cannot be heard, where it was to be.
    deaf: Option<Error>,
    ebpf: Ebpf,
}

/// The maps that hold the truth.
pub struct Maps {
    controls: HashMap<MapData, FlowBytes, ControlBytes>,
    endpoints: HashMap<MapData, u64, EndpointBytes>,
    tally: PerCpuArray<MapData, u64>,
    /// What self-tests added to them.
    own: [u64; COUNTERS],
}

impl Kernel {
    /// Loads programs and maps. Nothing is attached yet.
    ///
    /// # Errors
    ///
    /// When this host cannot be watched: privilege, or what the kernel lacks.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        Self::load_onto(settings, None)
    }

    /// [`Self::load`], onto the maps that are pinned.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_pinned(settings: &Settings, pins: Pins) -> Result<Self, Error> {
        Self::load_onto(settings, Some(pins))
    }

    #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
    fn load_onto(settings: &Settings, pins: Option<Pins>) -> Result<Self, Error> {
        let (mut ebpf, deaf) = load::load_hearing(settings, pins.as_ref())?;
        let ring =
            RingBuf::try_from(load::take_map(&mut ebpf, "NEWS")?).map_err(load::map_error)?;
        // SAFETY: the ring buffer keeps its map's descriptor open for as long as it lives, and always tells
        // the same one.
        let news = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
            .map_err(|error| load::poll_error(&io::Error::from(error)))?;
        let truth = Maps {
            controls: load::hash_map(&mut ebpf, "CONTROLS")?,
            endpoints: load::hash_map(&mut ebpf, "ENDPOINTS")?,
            tally: load::take_map(&mut ebpf, "TALLY")?
                .try_into()
                .map_err(load::map_error)?,
            own: [0; COUNTERS],
        };
        Ok(Self {
            memory: pins
                .is_some()
                .then(|| Memory::take(&mut ebpf))
                .transpose()?,
            attacher: Attacher::new(settings.hook, pins),
            news,
            log: None,
            busy: true,
            ring_peak: 0,
            taken: 0,
            control_port: settings.control_ports.first().copied(),
            own: 0,
            counting: None,
            truth,
            libraries: Libraries::default(),
            deaf,
            ebpf,
        })
    }

    /// Shows what the kernel half logs, through `log`.
    ///
    /// # Errors
    ///
    /// When the log's ring buffer cannot be read.
    #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
    pub fn enable_log(&mut self) -> Result<(), Error> {
        let logger = EbpfLogger::init(&mut self.ebpf).map_err(|error| {
            Error::host(
                format!("the kernel half's log cannot be read: {error}"),
                "Run without -vv.",
            )
        })?;
        // SAFETY: the logger keeps its map's descriptor open for as long as it lives, and always tells the
        // same one.
        let logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }
            .map_err(|error| load::poll_error(&io::Error::from(error)))?;
        self.log = Some(logger);
        Ok(())
    }

    /// Attaches the programs to `interface`, which is one of this thread's network namespace.
    ///
    /// # Errors
    ///
    /// When the interface is gone, or the hook is not to be had.
    pub fn attach(&mut self, interface: &Interface) -> Result<(), Error> {
        self.attacher.attach(&mut self.ebpf, interface)
    }

    /// Lets an interface go that went away, or that is not wanted any more. It is one of this thread's network namespace.
    pub fn detach(&mut self, interface: InterfaceId) {
        if self.counting_on() == Some(interface) {
            self.stop_counting();
        }
        self.attacher.detach(&mut self.ebpf, interface);
    }

    /// Why TLS cannot be heard, where it was to be.
    pub fn take_deafness(&mut self) -> Option<Error> {
        self.deaf.take()
    }

    /// Looks for TLS libraries, and probes those that are new.
    pub fn follow_libraries(&mut self, wanted: &Wanted, ports: &[u16]) -> News {
        self.libraries.follow(&mut self.ebpf, wanted, ports)
    }

    /// Whether looking into maps and running a program is permitted.
    pub fn works(&mut self) -> bool {
        // A request to take out what is not there.
        let nothing: Request = bytemuck::Zeroable::zeroed();
        self.truth.tally.get(&0, 0).is_ok() && self.retire(&[nothing]).is_ok()
    }

    /// Waits until there are news, or may be.
    ///
    /// The kernel half wakes for the first record after a pause. For as long as it says nothing after that, the ring is
    /// looked at from time to time, and once more after there was nothing in it.
    pub async fn wait(&mut self) {
        if self.busy {
            // Woken meanwhile or not: that time is up means what readiness does.
            let _ = tokio::time::timeout(READ_ON, self.wait_until_told()).await;
        } else {
            self.wait_until_told().await;
        }
    }

    async fn wait_until_told(&mut self) {
        // Readiness is cleared before the ring is drained: what comes in between makes it ready anew. That
        // waiting fails means that the runtime shuts down.
        let Some(log) = &mut self.log else {
            if let Ok(mut ready) = self.news.readable().await {
                ready.clear_ready();
            }
            return;
        };
        tokio::select! {
            ready = self.news.readable() => if let Ok(mut ready) = ready {
                ready.clear_ready();
            },
            ready = log.readable_mut() => if let Ok(mut ready) = ready {
                ready.clear_ready();
                ready.get_inner_mut().flush();
            },
        }
    }

    /// The news that there are, each given to `each` with the truth at hand. Returns how many records were
    /// none of ours.
    pub fn drain(&mut self, mut each: impl FnMut(Record, &mut Maps)) -> u64 {
        let (mut strange, mut bytes) = (0, 0);
        let ring = self.news.get_mut();
        self.busy = false;
        while let Some(item) = ring.next() {
            self.busy = true;
            bytes += ring_bytes(item.len());
            let record = Record::parse(&item);
            if record.is_some_and(|record| selftest::is_of(&record, self.own)) {
                self.truth.take_off(Counter::Records);
                continue;
            }
            self.taken += 1;
            match record {
                Some(record) => each(record, &mut self.truth),
                None => strange += 1,
            }
        }
        self.ring_peak = self.ring_peak.max(bytes);
        strange
    }

    /// The most bytes that were read from the ring in one go: it was never fuller than that, but for what was lost.
    #[must_use]
    pub const fn ring_peak(&self) -> u64 {
        self.ring_peak
    }

    /// How many records were taken out of the ring so far, but for self-tests'.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// To be called once [`Self::drain`] found nothing more.
    pub fn truth(&mut self) -> &mut Maps {
        &mut self.truth
    }

    /// The loaded object: for tests and tools, which run programs and look into maps by their names.
    pub fn ebpf_mut(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Takes out what is done with, under the locks of the kernel half.
    ///
    /// # Errors
    ///
    /// When the program cannot be run.
    pub fn retire(&mut self, requests: &[Request]) -> io::Result<()> {
        if requests.is_empty() {
            return Ok(());
        }
        let program: &mut SchedClassifier = self
            .ebpf
            .program_mut(RETIRE)
            .and_then(|program| program.try_into().ok())
            .ok_or_else(|| io::Error::other("the program is missing"))?;
        for requests in requests.chunks(REQUESTS) {
            let mut packet = vec![0; REQUESTS_OFFSET];
            packet.extend_from_slice(bytemuck::cast_slice(requests));
            let options = TestRunOptions {
                data_in: Some(&packet),
                ..TestRunOptions::new()
            };
            program.test_run(options).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// How many processors there may be: each may run the programs.
#[must_use]
pub fn processors() -> u64 {
    aya::util::nr_cpus().map_or(1, |count| count as u64)
}

/// What a record takes in the ring: a header of eight bytes, and all in steps of eight.
const fn ring_bytes(length: usize) -> u64 {
    (length as u64 + 8).next_multiple_of(8)
}

impl Maps {
    /// All control connections.
    #[must_use]
    pub fn controls(&self) -> Vec<Control> {
        let entries = self.controls.iter().filter_map(Result::ok);
        entries
            .map(|(_, bytes)| bytemuck::pod_read_unaligned(&bytes))
            .collect()
    }

    /// All endpoints.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let entries = self.endpoints.iter().filter_map(Result::ok);
        entries
            .map(|(_, bytes)| bytemuck::pod_read_unaligned(&bytes))
            .collect()
    }

    /// The kernel half's counters, over all processors, less what self-tests added.
    #[must_use]
    pub fn counters(&self) -> [u64; COUNTERS] {
        let mut totals = [0; COUNTERS];
        for (index, total) in (0..).zip(&mut totals) {
            if let Ok(values) = self.tally.get(&index, 0) {
                *total = values
                    .iter()
                    .sum::<u64>()
                    .saturating_sub(self.own[index as usize]);
            }
        }
        totals
    }
}

impl Truth for Maps {
    fn endpoint(&mut self, id: u64) -> Option<Endpoint> {
        let bytes = self.endpoints.get(&id, 0).ok()?;
        Some(bytemuck::pod_read_unaligned(&bytes))
    }
}

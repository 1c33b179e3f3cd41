//! The engine's store over BPF maps.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    helpers::{bpf_get_smp_processor_id, bpf_jiffies64, bpf_ktime_get_ns},
};
use ftpwatch_common::{
    address::{Address, Flow, IndexKey, Pair},
    control::Control,
    counter::Counter,
    endpoint::{Endpoint, GiveUp},
    engine::{Found, Said, Scene, Store},
    record::{Line, Session, Why},
    tls::Object,
};

use super::{
    gate,
    lock::{Held, add},
    maps::{
        BLIND, CONTROLS, ENDPOINTS, IDS, INDEX, NEWS, SCRATCH, SHARES, TALLY, endpoint_share,
        tls_run,
    },
    news, outline,
    scan::scan_early,
    trace,
};

/// Ids of one processor: enough for 30,000 a second for a year.
const IDS_BITS: u32 = 40;

/// The maps.
pub struct Maps;

impl Store for Maps {
    type ControlRef<'a> = Held<Control>;
    type EndpointRef<'a> = Held<Endpoint>;

    #[inline(always)]
    fn adjust_port(&self, port: u16, pending: i32, half_open: i32) {
        gate::adjust(port, pending, half_open);
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return 0;
        };
        // SAFETY: the scratch space is this processor's own, and the helper takes nothing.
        unsafe {
            if (*scratch).now == 0 {
                (*scratch).now = bpf_ktime_get_ns();
            }
            (*scratch).now
        }
    }

    #[inline(always)]
    fn about_now(&self) -> u64 {
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return 0;
        };
        // SAFETY: the scratch space is this processor's own, and the helpers take nothing.
        unsafe {
            let jiffy = bpf_jiffies64();
            if (*scratch).jiffy != jiffy {
                (*scratch).jiffy = jiffy;
                (*scratch).jiffy_at = bpf_ktime_get_ns();
            }
            (*scratch).jiffy_at
        }
    }

    #[inline(always)]
    fn new_id(&self) -> u64 {
        let Some(last) = IDS.get_ptr_mut(0) else {
            return 0;
        };
        // SAFETY: the value is this processor's own, and the helper takes nothing.
        unsafe {
            *last += 1;
            ((u64::from(bpf_get_smp_processor_id()) + 1) << IDS_BITS) | *last
        }
    }

    #[inline(always)]
    fn count(&self, counter: Counter) {
        if let Some(tally) = TALLY.get_ptr_mut(counter as u32) {
            // SAFETY: the value is this processor's own.
            unsafe { *tally += 1 };
        }
    }

    #[inline(always)]
    fn control(&self, flow: &Flow) -> Found<Held<Control>> {
        let Some(entry) = CONTROLS.get_ptr_mut(flow) else {
            return Found::Missing;
        };
        let Some(control) = Held::take(entry) else {
            self.count(Counter::Contended);
            return Found::Busy;
        };
        // Being removed.
        if control.id == 0 {
            return Found::Missing;
        }
        Found::Held(control)
    }

    #[inline(always)]
    fn open_control(&self, flow: &Flow, fill: impl FnOnce(&mut Control)) -> bool {
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return false;
        };
        // SAFETY: the scratch space is this processor's own, and `control` is used here alone.
        let control = unsafe { &mut (*scratch).control };
        fill(control);
        let stored = CONTROLS
            .insert(flow, &*control, u64::from(BPF_NOEXIST))
            .is_ok();
        if !stored {
            self.count(Counter::ControlsFull);
        }
        stored
    }

    #[inline(always)]
    fn remove_control(&self, flow: &Flow) {
        // Failing means that it is gone already.
        let _ = CONTROLS.remove(flow);
    }

    #[inline(always)]
    fn endpoint(&self, id: u64) -> Found<Held<Endpoint>> {
        if id == 0 {
            return Found::Missing;
        }
        let Some(entry) = ENDPOINTS.get_ptr_mut(id) else {
            return Found::Missing;
        };
        let Some(endpoint) = Held::take(entry) else {
            self.count(Counter::Contended);
            return Found::Busy;
        };
        // The memory of a removed entry may be another's by now.
        if endpoint.id != id {
            return Found::Missing;
        }
        Found::Held(endpoint)
    }

    #[inline(always)]
    fn with_room<R>(&self, make: impl FnOnce(&mut Endpoint) -> R) -> Option<R> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        // SAFETY: the scratch space is this processor's own, and `endpoint` is used here alone.
        Some(make(unsafe { &mut (*scratch).endpoint }))
    }

    #[inline(always)]
    fn insert_endpoint(&self, endpoint: &mut Endpoint) -> bool {
        let stored = ENDPOINTS
            .insert(endpoint.id, &*endpoint, u64::from(BPF_NOEXIST))
            .is_ok();
        trace::advertised(endpoint);
        if stored {
            tell::<Endpoint>(endpoint);
        } else {
            self.count(Counter::EndpointsFull);
            tell_unstored(endpoint);
        }
        stored
    }

    #[inline(always)]
    fn refuse_endpoint(&self, endpoint: &mut Endpoint) {
        self.count(Counter::ShareExceeded);
        tell_unstored(endpoint);
    }

    #[inline(always)]
    fn take_share(&self, client: &Address) -> bool {
        match SHARES.get_ptr_mut(client) {
            Some(endpoints) => {
                // SAFETY: the value is one word, so it is never read half written.
                if unsafe { *endpoints } >= u64::from(endpoint_share()) {
                    return false;
                }
                add(endpoints, 1);
            }
            // That there is no room for a client is no reason to keep anything from it.
            None => drop(SHARES.insert(client, 1, u64::from(BPF_ANY))),
        }
        true
    }

    #[inline(always)]
    fn give_share(&self, client: &Address) {
        if let Some(endpoints) = SHARES.get_ptr_mut(client) {
            // SAFETY: the value is one word, so it is never read half written.
            if unsafe { *endpoints } > 0 {
                add(endpoints, -1);
            }
        }
    }

    #[inline(always)]
    fn remove_endpoint(&self, id: u64) {
        // Failing means that it is gone already.
        let _ = ENDPOINTS.remove(id);
    }

    #[inline(always)]
    fn index(&self, key: &IndexKey) -> u64 {
        // SAFETY: the value is one word, so it is never read half written.
        unsafe { INDEX.get(key) }.copied().unwrap_or(0)
    }

    #[inline(always)]
    fn set_index(&self, key: &IndexKey, id: u64) -> bool {
        let set = INDEX.insert(key, id, u64::from(BPF_ANY)).is_ok();
        if !set {
            self.count(Counter::IndexFull);
        }
        set
    }

    #[inline(always)]
    fn remove_index(&self, key: &IndexKey) {
        // Failing means that it is gone already.
        let _ = INDEX.remove(key);
    }

    #[inline(always)]
    fn hears(&self, object: &Object) -> bool {
        object.process >> 32 == u64::from(tls_run())
    }

    #[inline(always)]
    fn is_blind(&self, pair: &Pair) -> bool {
        BLIND.get_ptr(pair).is_some()
    }

    #[inline(always)]
    fn adjust_blind(&self, pair: &Pair, delta: i32) {
        gate::adjust_blind(delta);
        match BLIND.get_ptr_mut(pair) {
            Some(sessions) => {
                add(sessions, delta.into());
                // SAFETY: the value is one word, so it is never read half written.
                if unsafe { *sessions } == 0 {
                    // Failing means that it is gone already.
                    let _ = BLIND.remove(pair);
                }
            }
            None if delta > 0 && BLIND.insert(pair, 1, u64::from(BPF_ANY)).is_err() => {
                self.count(Counter::GuessesFull);
            }
            None => {}
        }
    }

    #[inline(always)]
    fn adjust_guesses(&self, delta: i32) {
        gate::adjust_guesses(delta);
    }

    #[inline(always)]
    fn tell_endpoint(&self, endpoint: &Endpoint) {
        tell::<Endpoint>(endpoint);
    }

    #[inline(always)]
    fn tell_session(&self, fill: impl FnOnce(&mut Session)) {
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return;
        };
        // SAFETY: the scratch space is this processor's own, and `session` is used here alone.
        let session = unsafe { &mut (*scratch).session };
        fill(session);
        tell::<Session>(session);
    }

    #[inline(always)]
    fn tell_line(&self, fill: impl FnOnce(&mut Line)) {
        let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
            return;
        };
        // SAFETY: the scratch space is this processor's own, and `line` is used here alone.
        let line = unsafe { &mut (*scratch).line };
        fill(line);
        tell::<Line>(line);
    }

    #[inline(always)]
    fn say(&self, id: u64, said: Said) {
        if id != 0 {
            outline::say(id, said.pack());
        }
    }

    #[inline(always)]
    fn reindex(&self, id: u64) {
        outline::reindex(id);
    }

    #[inline(always)]
    fn advertise(&self, control: &mut Control, sequence: u32) -> u64 {
        outline::advertise(control, sequence)
    }

    #[inline(always)]
    fn guess(&self, _: &Scene) -> u64 {
        outline::guess()
    }

    #[inline(always)]
    fn scan_early(&self, control: &mut Control, first: u32, length: u32) {
        scan_early(control, first, length);
    }

    #[inline(always)]
    fn begin(&self, _: &Scene) {
        outline::begin();
    }

    #[inline(always)]
    fn command(&self, control: &mut Control) {
        outline::command(control);
    }

    #[inline(always)]
    fn reply(&self, control: &mut Control) -> bool {
        outline::reply(control) != 0
    }

    #[inline(always)]
    fn end(&self, control: &mut Control, how: GiveUp) {
        outline::end(control, how as u32);
    }
}

/// Sends an endpoint that is in no map.
#[inline(always)]
fn tell_unstored(endpoint: &mut Endpoint) {
    endpoint.why = Why::Unstored as u32;
    // A guess that nobody hears of is none.
    if !tell::<Endpoint>(endpoint) && !endpoint.is_guessed() {
        Maps.count(Counter::Untold);
    }
}

/// Sends a record. Counts it, and once more when there is no room.
#[inline(always)]
fn tell<R: bytemuck::Pod>(record: &R) -> bool {
    let told = NEWS.output::<R>(record, news::flags(Maps.now())).is_ok();
    if !told {
        Maps.count(Counter::RingFull);
    }
    Maps.count(Counter::Records);
    told
}

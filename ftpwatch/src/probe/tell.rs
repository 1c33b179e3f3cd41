//! What came of asking, written out: reports as they come, and what the verdict is made of.

use std::net::IpAddr;

use ftpwatch_common::address::Flow;
use nix::ifaddrs::getifaddrs;

use super::{
    Probe, Stop,
    control::Reply,
    endpoint::{Ask, Came, Tried},
    session::Session,
    target::Family,
    told,
    verdict::{self, Mark},
};
use crate::{
    diagnose::Finding,
    report::{Report, Reporter},
};

impl Probe<'_> {
    /// What there is to say of a session, whatever comes of it.
    pub(super) fn note_session(&mut self, session: &Session) {
        let client = session.control.flow().client.ip();
        self.reporter.interfaces = interface_of(client).into_iter().collect();
        let Some(tls) = &self.terms.tls else {
            return;
        };
        if let Some(problem) = tls.problem() {
            self.verdict.note(format!(
                "The certificate is not trusted: {}. {}",
                problem.what, problem.advice
            ));
        }
        if session.tls.is_none() {
            self.verdict.note(
                "The server leaves data connections in the clear: it did not accept PROT P.".into(),
            );
        }
    }

    /// Writes what came of asking.
    pub(super) fn tell(
        &mut self,
        family: Family,
        way: Ask,
        session: &Session,
        came: Came,
    ) -> Result<(), Stop> {
        let flow = session.control.flow();
        match came {
            Came::Endpoint(tried) => self.tell_endpoint(family, way, session, &tried)?,
            Came::Undecodable(reply) => {
                self.failed = true;
                let report = told::undecodable(&self.reporter, flow, &reply);
                self.output.write(&report)?;
                let line = format!(
                    "fails: no client can make an endpoint of: {}",
                    reply.shown()
                );
                self.verdict.add(way, family, Mark::Fails, vec![line]);
            }
            Came::Refused(reply) => {
                let lines = vec![format!("the server does not do it: {}", reply.shown())];
                self.verdict.add(way, family, Mark::Unsupported, lines);
            }
            Came::Lost(lost) => {
                self.failed = true;
                let seen = format!("after {}, the server {lost}", way.name());
                let report = told::finding(&self.reporter, Finding::NoReply, flow, None, seen);
                self.output.write(&report)?;
                let line = format!("fails: the server {lost}");
                self.verdict.add(way, family, Mark::Fails, vec![line]);
            }
        }
        Ok(())
    }

    fn tell_endpoint(
        &mut self,
        family: Family,
        way: Ask,
        session: &Session,
        tried: &Tried,
    ) -> Result<(), Stop> {
        let report = told::outcome(&self.reporter, tried, session.banner);
        self.output.write(&report)?;
        let (result, lines) = verdict::of_endpoint(tried, &report);
        self.failed |= result != Mark::Works;
        if let Some(report) = told::transfer(&self.reporter, tried, session.banner) {
            self.output.write(&report)?;
        } else if let Some(transfer) = &tried.transfer
            && !transfer.is_good()
            && transfer.refusal().is_none()
        {
            let seen = lines.first().cloned().unwrap_or_default();
            let flow = session.control.flow();
            let stalled = Finding::TransferStalled;
            let report = told::finding(&self.reporter, stalled, flow, Some(&tried.reply), seen);
            self.output.write(&report)?;
        }
        self.verdict.add(way, family, result, lines);
        Ok(())
    }
}

/// The interface that has the address `ip`.
fn interface_of(ip: IpAddr) -> Option<String> {
    let mut entries = getifaddrs().ok()?;
    let entry = entries.find(|entry| {
        let address = entry.address.as_ref();
        let v4 = address.and_then(|address| address.as_sockaddr_in());
        let v6 = address.and_then(|address| address.as_sockaddr_in6());
        let own: Option<IpAddr> = v4
            .map(|v4| v4.ip().into())
            .or_else(|| v6.map(|v6| v6.ip().into()));
        own == Some(ip)
    })?;
    Some(entry.interface_name)
}

/// No way of asking is left.
pub fn refusal(reporter: &Reporter, way: Ask, flow: Flow, reply: &Reply) -> Report {
    let finding = match reply.code {
        421 | 425 => Finding::PassivePortsExhausted,
        _ => Finding::PassiveRefused,
    };
    let seen = format!("{} was answered with {}", way.name(), reply.code);
    told::finding(reporter, finding, flow, Some(reply), seen)
}

//! What reads FTP replies in the kernel, and opens, rewrites or drops by what it reads.

use super::{
    check::{Check, Group},
    feature::{Features, Presence},
    firewall::{Firewall, has_automatic_helpers},
};

const GROUP: Group = Group::Helpers;

/// All of them.
pub fn checks(features: &Features, firewall: &Firewall) -> Vec<Check> {
    let mut checks = vec![conntrack(features, firewall)];
    checks.extend(ip_vs(features));
    checks
}

/// `nf_conntrack_ftp`. Being there is not enough since Linux 4.7: somebody has to give it the control connection.
fn conntrack(features: &Features, firewall: &Firewall) -> Check {
    const NAME: &str = "nf_conntrack_ftp";
    let translates = features.presence("CONFIG_NF_NAT_FTP", "nf_nat_ftp") == Presence::Here;
    match features.presence("CONFIG_NF_CONNTRACK_FTP", NAME) {
        Presence::Missing | Presence::Loadable => return Check::ok(GROUP, NAME, "not loaded"),
        Presence::Unknown => {
            return Check::unknown(GROUP, NAME, "whether it is there cannot be seen")
                .advise("See yourself: `lsmod | grep ftp`.");
        }
        Presence::Here => {}
    }
    match firewall.assigns_helper {
        Some(true) => {}
        Some(false) => {
            let found = "there, and no rule gives it a connection: it does nothing";
            return Check::ok(GROUP, NAME, found);
        }
        None => {
            let found = "there; whether a rule gives it connections could not be read";
            return Check::unknown(GROUP, NAME, found).advise(
                "See yourself: `nft list ruleset | grep 'ct helper'`, `iptables -t raw -S`.",
            );
        }
    }
    let how = if has_automatic_helpers() {
        "it is given every connection to port 21 (nf_conntrack_helper=1)"
    } else {
        "rules give it connections"
    };
    let rewrites = if translates {
        "; with nf_nat_ftp it rewrites advertised addresses where there is NAT"
    } else {
        ""
    };
    Check::warning(
        GROUP,
        NAME,
        format!("{how}: it drops replies that it cannot read, and cannot read FTPS at all{rewrites}"),
    )
    .advise("Rather open the passive range in the firewall, and take the helper's rule out.")
    .advise("If clients hang right after PASV, and the 227 is sent again and again: it is this helper (`reply_dropped`).")
}

fn ip_vs(features: &Features) -> Option<Check> {
    const NAME: &str = "ip_vs_ftp";
    (features.presence("CONFIG_IP_VS_FTP", NAME) == Presence::Here).then(|| {
        Check::warning(
            GROUP,
            NAME,
            "there: on a load balancer it rewrites advertised addresses, and cannot read FTPS",
        )
        .advise("Where FTPS is served, have the servers advertise the virtual address, and forward the passive range.")
    })
}

//! Following the TLS libraries of the servers on this host.

use std::time::{Duration, Instant};

use crate::{
    attacher::Attacher,
    doctor::capability::{Capability, Rights},
    error::Error,
    source::kernel::libraries::{News, Wanted},
};

/// How often it is looked for them: a server that was started, or upgraded.
const OFTEN: Duration = Duration::from_secs(5);

/// When to look, and what was said.
pub struct Libraries {
    /// `None` where nothing is to be heard.
    looked: Option<Instant>,
    verbose: bool,
}

impl Libraries {
    /// Looks for the first time.
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn start(
        wanted: &Wanted,
        deaf: Option<Error>,
        attacher: &mut Attacher,
        verbose: u8,
    ) -> Result<Self, Error> {
        let mut libraries = Self {
            looked: None,
            verbose: verbose > 0,
        };
        if let Some(why) = &deaf {
            eprintln!(
                "ftpwatch: without --tls: what servers say in TLS cannot be heard here. {why}"
            );
        } else if wanted.is_any() {
            let news = attacher.follow_libraries()?;
            let nothing = news == News::default();
            libraries.tell(&news);
            if nothing && !may_look() {
                eprintln!(
                    "ftpwatch: --tls: servers' libraries cannot be looked for: it takes root, or CAP_SYS_ADMIN, CAP_SYS_PTRACE \
                     and CAP_DAC_READ_SEARCH"
                );
            } else if nothing {
                eprintln!(
                    "ftpwatch: --tls: no process with a control port has a TLS library yet; it is looked for one"
                );
            }
            libraries.looked = Some(Instant::now());
        }
        Ok(libraries)
    }

    /// Looks again, if it is time.
    pub fn follow(&mut self, attacher: &mut Attacher) {
        if self.looked.is_none_or(|looked| looked.elapsed() < OFTEN) {
            return;
        }
        // An attacher that has ended is told of by its signal.
        if let Ok(news) = attacher.follow_libraries() {
            self.tell(&news);
        }
        self.looked = Some(Instant::now());
    }

    /// What there is to say of so many sessions that could not be read.
    #[must_use]
    pub const fn advice(&self, unread: u64) -> &'static str {
        match (unread, self.looked) {
            (0, _) => "",
            (_, None) => "sessions in TLS are read with --tls auto, on their server's own host\n",
            (_, Some(_)) => {
                "--tls did not reach sessions in TLS: another host's, a library that is not probed, or one that does not send by itself\n"
            }
        }
    }

    fn tell(&self, news: &News) {
        if self.verbose {
            for heard in &news.heard {
                eprintln!("ftpwatch: --tls: reading through {heard}");
            }
        }
        for refused in &news.refused {
            eprintln!("ftpwatch: --tls: {refused}");
        }
    }
}

/// Whether other users' processes may be looked into, and their libraries probed.
fn may_look() -> bool {
    let rights = Rights::own();
    rights.has(Capability::SysAdmin) && rights.has(Capability::SysPtrace)
}

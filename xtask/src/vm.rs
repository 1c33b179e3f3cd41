//! Other kernels than this machine's: booted in qemu, with the real binary and the tests that look at it.

mod archive;
mod guest;
mod kernels;
mod page;
mod report;
mod userland;

use std::env;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::cargo::workspace;
use crate::install;
use kernels::{Kernels, NEWEST};
use page::{Row, Rows};
use userland::Built;

const PAGE: &str = "docs/KERNELS.md";

/// What has to come about on which kernel.
struct Wanted {
    version: &'static str,
    runs: Runs,
}

enum Runs {
    /// ftpwatch runs, through these hooks; the first is the one that it chooses.
    Through(&'static str),
    /// It says that this is missing.
    Without(&'static str),
}

const KERNELS: [Wanted; 4] = [
    Wanted {
        version: "5.10",
        runs: Runs::Without("bpf_loop"),
    },
    Wanted {
        version: "6.1",
        runs: Runs::Through("clsact xdp"),
    },
    Wanted {
        version: "6.12",
        runs: Runs::Through("tcx clsact xdp"),
    },
    Wanted {
        version: NEWEST,
        runs: Runs::Through("tcx clsact xdp"),
    },
];

/// Of the tests in `faults.rs`, those that are run there: one that works, over IPv4 and IPv6, and one of each kind that
/// does not.
const ROWS: &str = "works_seen_at_server dropped_in_front_seen_at_server dropped_on_server \
                    private_address_seen_at_server";

/// Boots these kernels, or all. What fails on one keeps no other from its turn.
pub fn vm(versions: &[String]) -> Result<()> {
    let wanted = select(versions)?;
    install::toolchain()?;
    install::for_vm()?;
    let built = Built::make()?;
    let userland = userland::pack(&built)?.finish();
    let kernels = Kernels::look()?;
    let path = workspace().join(PAGE);
    let written = || page::read(&fs::read_to_string(&path).unwrap_or_default());
    let before = written();
    let mut now = Rows::new();
    let replace = env::var_os("FTPWATCH_REPLACE_DOCS").is_some();
    let mut wrong = Vec::new();
    for wanted in wanted {
        let row = run(wanted, &kernels, &built, &userland);
        let row = row.with_context(|| format!("Linux {}", wanted.version));
        match row {
            Err(error) => wrong.push(format!("{error:#}")),
            Ok(None) => {}
            Ok(Some(row)) if replace => {
                now.insert(wanted.version.to_owned(), row);
            }
            Ok(Some(row)) => {
                if let Err(error) = page::compare(wanted.version, before.get(wanted.version), &row)
                {
                    wrong.push(format!("{error:#}\nwhere that is as it should be: FTPWATCH_REPLACE_DOCS=1 cargo xtask vm"));
                }
            }
        }
    }
    if replace {
        // Another kernel's row may have been written meanwhile.
        let mut rows = written();
        rows.extend(now);
        fs::write(&path, page::write(&rows)).with_context(|| format!("cannot write {PAGE}"))?;
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn select(versions: &[String]) -> Result<Vec<&'static Wanted>> {
    let known = || KERNELS.map(|wanted| wanted.version).join(", ");
    if versions.is_empty() {
        return Ok(KERNELS.iter().collect());
    }
    versions
        .iter()
        .map(|version| {
            KERNELS
                .iter()
                .find(|wanted| wanted.version == version)
                .with_context(|| {
                    format!(
                        "what is wanted of {version} is not known; of these it is: {}",
                        known()
                    )
                })
        })
        .collect()
}

/// Boots one. Returns its row, where ftpwatch runs.
fn run(wanted: &Wanted, kernels: &Kernels, built: &Built, userland: &[u8]) -> Result<Option<Row>> {
    let kernel = kernels.get(wanted.version)?;
    eprintln!("xtask: Linux {}", kernel.release);
    let (hooks, settings) = match wanted.runs {
        Runs::Through(hooks) => {
            let first = hooks.split(' ').next().unwrap_or(hooks);
            (hooks, format!("FIT=yes HOOKS='{hooks}' FIRST_HOOK={first}"))
        }
        Runs::Without(feature) => ("", format!("FIT=no LACKS={feature}")),
    };
    let settings = format!(
        "{settings}\nFTPWATCH='{}' FAULTS_TEST='{}' KERNEL_TEST='{}' OVERHEAR_TEST='{}'\nROWS='{ROWS}'\n\
         export FTPWATCH_SERVERS='{}'\n",
        built.ftpwatch.display(),
        built.faults.display(),
        built.kernel.display(),
        built.overhear.display(),
        install::servers_dir()?.display()
    );
    let root = workspace()
        .join("target")
        .join(format!("vm-{}.cpio", kernel.release));
    guest::pack(&kernel, &settings, userland, &root)?;
    let report = guest::boot(&kernel, &root);
    // It is large, and made anew each time.
    fs::remove_file(&root)?;
    let mut report = report?;
    if !report.ended {
        report
            .failed
            .push("the guest did not come to its end".to_owned());
    }
    if !report.failed.is_empty() {
        bail!("{}: {}", kernel.release, report.failed.join("; "));
    }
    println!(
        "Linux {}: {} checks hold",
        kernel.release,
        report.held.len()
    );
    if hooks.is_empty() {
        return Ok(None);
    }
    if report.verified.is_empty() {
        bail!("{}: no program was verified", kernel.release);
    }
    Ok(Some(Row {
        release: kernel.release,
        hooks: hooks.to_owned(),
        verified: report.verified,
    }))
}

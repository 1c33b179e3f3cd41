//! A real Prometheus, and what is in contrib for it and for Grafana.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::lab::fault::Fault;
use super::lab::process::{Process, run};
use super::lab::server::{FILE, Package};
use super::lab::stage::{At, Stage};
use super::lab::topology::Family::V4;
use super::lab::watch::{Hook, Watch};
use super::lab::{Directory, SOON, wait_until};
use super::live::{LISTEN, OPTION, scrape_text};
use super::secured::{Files, USER};
use super::{Answer, samples};

/// Where Prometheus listens, in the same namespace.
const PROMETHEUS: &str = "127.0.0.1:9490";

fn contrib(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib");
    root.join(path).canonicalize().expect("it is in contrib")
}

fn promtool(words: &[&str], input: &str) -> String {
    let package = Package::find("prometheus", "promtool");
    let mut command = Command::new(&package.program);
    command.args(words).current_dir(contrib("prometheus"));
    run(&mut command, input)
}

#[test]
#[ignore = "needs promtool: cargo xtask test"]
fn promtool_passes_the_rules_and_their_tests() {
    let checked = promtool(&["check", "rules", "ftpwatch.rules.yml"], "");
    assert!(checked.contains("SUCCESS"), "{checked}");
    let tested = promtool(&["test", "rules", "ftpwatch.rules.test.yml"], "");
    assert!(tested.contains("SUCCESS"), "{tested}");
    // Every alert is shown to go off.
    let rules = fs::read_to_string(contrib("prometheus/ftpwatch.rules.yml")).expect("rules");
    let tests = fs::read_to_string(contrib("prometheus/ftpwatch.rules.test.yml")).expect("tests");
    for alert in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        let fires = format!("alertname: {alert}\n        exp_alerts:\n          - exp_labels");
        assert!(tests.contains(&fires), "no test in which {alert} goes off");
    }
}

/// Prometheus, scraping every second.
struct Prometheus<'a> {
    stage: &'a Stage,
    process: Process,
}

impl<'a> Prometheus<'a> {
    fn start(stage: &'a Stage) -> Self {
        Self::scraping(stage, "")
    }

    /// One that is told more of how to scrape.
    fn scraping(stage: &'a Stage, how: &str) -> Self {
        let directory = Directory::new("prometheus");
        let configuration = directory.path().join("prometheus.yml");
        let rules = contrib("prometheus/ftpwatch.rules.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs:\n  - job_name: ftpwatch\n    static_configs: [{{targets: ['{LISTEN}']}}]\n{how}"
        );
        fs::write(&configuration, text).expect("a configuration");
        let package = Package::find("prometheus", "prometheus");
        let mut command = stage.namespace(At::Server).command(&package.program);
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        command
            .arg(option("config.file", &configuration))
            .arg(option("storage.tsdb.path", &directory.path().join("data")))
            .arg(format!("--web.listen-address={PROMETHEUS}"));
        let process = Process::start(&mut command).keep(directory);
        let mut started = Self { stage, process };
        wait_until("Prometheus is ready", SOON, || {
            assert!(
                !started.process.has_ended(),
                "it ended: {}",
                started.process
            );
            let stream = started.connect()?;
            (Answer::get(stream, "/-/ready").status == 200).then_some(())
        });
        started
    }

    fn connect(&self) -> Option<TcpStream> {
        let at: SocketAddr = PROMETHEUS.parse().expect("an address");
        self.stage.namespace(At::Server).connect(at, SOON).ok()
    }

    /// Asks its API.
    #[track_caller]
    fn api(&self, path: &str) -> Value {
        // In HTTP/1.0 an answer is not cut into chunks.
        let request = format!("GET /api/v1/{path} HTTP/1.0\r\n\r\n");
        let answer = Answer::to(self.connect().expect("it listens"), &request);
        let json: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(json["status"], "success", "{path}: {json}");
        json["data"].clone()
    }

    #[track_caller]
    fn query(&self, expression: &str) -> Vec<Value> {
        let mut path = "query?query=".to_owned();
        for byte in expression.bytes() {
            write!(path, "%{byte:02X}").expect("a string takes it");
        }
        self.api(&path)["result"]
            .as_array()
            .expect("a vector")
            .clone()
    }

    /// Waits until it knows this value.
    #[track_caller]
    fn wait_for(&self, expression: &str, value: &str) {
        wait_until(expression, SOON, || {
            let result = self.query(expression);
            (result.first()?["value"][1] == value).then_some(())
        });
    }
}

#[test]
#[ignore = "needs promtool: cargo xtask test"]
fn promtool_passes_the_web_config_file() {
    let files = Files::make();
    let file = files.config();
    promtool(&["check", "web-config", file.to_str().expect("a name")], "");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn prometheus_scrapes_through_tls_with_a_password() {
    let files = Files::make();
    let stage = Stage::set(Fault::Nothing, V4);
    let server = stage.namespace(At::Server);
    let config = files.config();
    let options = [
        &OPTION[..],
        &["--web.config.file", config.to_str().expect("a name")],
    ]
    .concat();
    let watch = Watch::start(server, At::Server.interfaces(), Hook::Tcx, &options);
    let (name, password) = USER;
    let how = format!(
        "    scheme: https\n    basic_auth: {{username: {name}, password: '{password}'}}\n    \
         tls_config: {{ca_file: {:?}}}\n",
        files.path("server.crt")
    );
    let prometheus = Prometheus::scraping(&stage, &how);
    prometheus.wait_for("up{job='ftpwatch'}", "1");
    prometheus.wait_for("ftpwatch_state{state='ok'}", "1");
    drop(prometheus);
    watch.stop();
}

/// The metrics that an expression is about.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics = words.filter(|word| word.starts_with("ftpwatch_"));
    metrics.map(str::to_owned).collect()
}

/// The expressions of the dashboard, with its variables filled in.
fn dashboard() -> Vec<String> {
    let text = fs::read_to_string(contrib("grafana/ftpwatch.json")).expect("a dashboard");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let panels = json["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array());
    let expressions = targets.flatten().map(|target| {
        let expression = target["expr"].as_str().expect("an expression");
        expression
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1h")
            .replace("$instance", ".*")
    });
    expressions.collect()
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn prometheus_scrapes_a_session() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = stage.namespace(At::Server);
    let mut watch = Watch::start(server, At::Server.interfaces(), Hook::Tcx, &OPTION);
    promtool(&["check", "metrics"], &scrape_text(&stage));
    let prometheus = Prometheus::start(&stage);
    prometheus.wait_for("up{job='ftpwatch'}", "1");
    prometheus.wait_for("ftpwatch_endpoints_total", "0");

    stage.client().curl(&[], &[FILE]).wait(SOON).ok();
    prometheus.wait_for("ftpwatch_outcomes_total{outcome='connected'}", "1");
    prometheus.wait_for("ftpwatch_sessions_total", "1");
    prometheus.wait_for("ftpwatch_time_to_connect_seconds_count", "1");
    prometheus.wait_for("ftpwatch_state{state='ok'}", "1");
    prometheus.wait_for("count(ALERTS) or vector(0)", "0");
    // It asks for OpenMetrics, in which a counter's family has no suffix.
    let metadata = prometheus.api("metadata?metric=ftpwatch_outcomes");
    assert_eq!(metadata["ftpwatch_outcomes"][0]["type"], "counter");
    let targets = prometheus.api("targets");
    assert_eq!(targets["activeTargets"][0]["lastError"], "", "{targets}");

    let text = scrape_text(&stage);
    let known: BTreeSet<String> = samples(&text)
        .keys()
        .flat_map(|series| names(series))
        .collect();
    let expressions = dashboard();
    assert!(!expressions.is_empty());
    for expression in &expressions {
        prometheus.query(expression);
        let unknown: Vec<String> = names(expression).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?} in {expression}");
    }
    let rules = fs::read_to_string(contrib("prometheus/ftpwatch.rules.yml")).expect("rules");
    // Their annotations name one without its labels as well, and the file has them all.
    let unknown: Vec<String> = names(&rules).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?} in the rules");
    drop(prometheus);
    watch.take_what_there_is();
    watch.stop();
}

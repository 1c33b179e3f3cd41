use std::path::Path;

use super::{file, key, show};

/// What is said of `text`.
fn told(text: &str) -> String {
    match file::settings(Path::new("a.toml"), text) {
        Ok(settings) => format!(
            "{:?}",
            settings
                .iter()
                .map(|(k, s)| (k, &s.values))
                .collect::<Vec<_>>()
        ),
        Err(error) => format!("{} | {}", error.what(), error.advice()),
    }
}

#[test]
fn values_are_read_as_flags_are() {
    let text = "timeout = \"30s\"\ncontrol-port = [21, \"2100-2199\"]\ninterface = \"eth0\"\nignore = []\n";
    assert_eq!(
        told(text),
        r#"[("timeout", ["30s"]), ("control-port", ["21", "2100-2199"]), ("interface", ["eth0"]), ("ignore", [])]"#
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_nearest_name() {
    for (text, what) in [
        (
            "\n timeot = 1",
            "a.toml:2:2: there is no key `timeot` | Did you mean `timeout`?",
        ),
        (
            "hook = 'tcy'",
            "a.toml:1:8: `hook`: `tcy` is no value of it | Did you mean `tcx`?",
        ),
        (
            "timeout = 10",
            "a.toml:1:11: `timeout`: `10` is no duration; write 10s, 500ms or 2m | ",
        ),
        (
            "ignore = [\n'10.0.0.0/8',\n'x'\n]",
            "a.toml:3:1: `ignore`: `x` is no network",
        ),
        (
            "timeout = ['1s']",
            "a.toml:1:11: `timeout` takes text, not array",
        ),
        (
            "timeout = true",
            "a.toml:1:11: `timeout` takes text, not boolean",
        ),
        ("[timeout]\nx = 1", "a.toml:1:2: `timeout` is no table"),
        (
            "control-port = []",
            "a.toml:1:1: `control-port` needs a value",
        ),
        ("timeout = ", "a.toml:1:"),
        (
            "timeout = '1s'\ntimeout = '2s'",
            "a.toml:2:1: duplicate key",
        ),
        ("count = 1", "a.toml:1:1: there is no key `count`"),
        (
            "\"\\u001b[2J\" = 1",
            "a.toml:1:1: there is no key `\\u{1b}[2J`",
        ),
    ] {
        let told = told(text);
        assert!(told.starts_with(what), "{text}: {told}");
    }
}

#[test]
fn the_template_says_the_defaults() {
    let template = show::template();
    let set: String = template
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')))
        .map(|line| format!("{line}\n"))
        .collect();
    let read = file::settings(Path::new("a.toml"), &set).expect("the template is right");
    file::settings(Path::new("a.toml"), &template).expect("it is with its comments, too");
    for key in key::all() {
        let name = key.name();
        assert!(
            template.contains(&format!("--{name},")),
            "{name} is missing"
        );
        let found = read.iter().find(|(known, _)| known == name);
        let values = found.map(|(_, setting)| setting.values.clone());
        assert_eq!(values.unwrap_or_default(), key.defaults(), "{name}");
        assert_eq!(
            found.is_some(),
            key.is_list() || !key.defaults().is_empty(),
            "{name}"
        );
    }
}

#[test]
fn the_variables_are_none_of_the_tests() {
    let variables: Vec<String> = key::all().iter().map(key::Key::variable).collect();
    for taken in [
        "SERVERS",
        "CAPTURES",
        "REPLACE_DOCS",
        "BENCH_RENEW",
        "ROWS",
        "PASSWORD",
    ] {
        assert!(!variables.contains(&format!("FTPWATCH_{taken}")), "{taken}");
    }
}

#[test]
fn the_page_is_the_template() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ftpwatch.toml");
    let page = std::fs::read_to_string(&path).expect("docs/ftpwatch.toml");
    assert!(
        page == show::template(),
        "docs/ftpwatch.toml is not what the source makes: cargo xtask docs"
    );
}

use super::*;

#[test]
fn versions() {
    assert_eq!(version("6.1.0-38-amd64").unwrap(), (6, 1));
    assert_eq!(version("5.18-rc1").unwrap(), (5, 18));
    assert_eq!(version("6.18.44-fc-v669").unwrap(), (6, 18));
    for wrong in ["", "linux", "6"] {
        assert!(version(wrong).is_err(), "{wrong}");
    }
}

fn features(config: Option<&str>, loaded: &str, modules: Option<(&str, &str)>) -> Features {
    let set = |text: &str| text.lines().filter_map(module_of_path).collect();
    Features {
        config: config.map(str::to_owned),
        loaded: Some(loaded.split_whitespace().map(str::to_owned).collect()),
        built_in: modules.map(|(built_in, _)| set(built_in)),
        loadable: modules.map(|(_, loadable)| set(loadable)),
        ..Features::default()
    }
}

#[test]
fn from_the_configuration() {
    let config = "CONFIG_NET_CLS_BPF=m\nCONFIG_NET_SCH_INGRESS=y\n# CONFIG_IP_VS_FTP is not set\n";
    let features = features(Some(config), "nf_conntrack", None);
    let of = |option| features.presence(option, "other");
    assert_eq!(of("CONFIG_NET_SCH_INGRESS"), Presence::Here);
    assert_eq!(of("CONFIG_NET_CLS_BPF"), Presence::Loadable);
    assert_eq!(of("CONFIG_NET_CLS"), Presence::Missing);
    assert_eq!(of("CONFIG_IP_VS_FTP"), Presence::Missing);
    assert_eq!(
        features.presence("CONFIG_NF_CONNTRACK", "nf_conntrack"),
        Presence::Here
    );
}

#[test]
fn from_the_modules() {
    let lists = (
        "kernel/net/sched/sch_ingress.ko\n",
        "kernel/net/sched/cls-bpf.ko.xz: kernel/lib/other.ko.xz\n",
    );
    let features = features(None, "", Some(lists));
    assert_eq!(features.presence("", "sch_ingress"), Presence::Here);
    assert_eq!(features.presence("", "cls_bpf"), Presence::Loadable);
    assert_eq!(features.presence("", "other"), Presence::Missing);
}

#[test]
fn where_nothing_tells() {
    let features = features(None, "", None);
    assert_eq!(features.presence("", "cls_bpf"), Presence::Unknown);
}

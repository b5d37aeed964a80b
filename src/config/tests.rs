//! Tests of the whole way from text to data.

use super::*;
use proptest::prelude::*;

const GOOD: &str = r#"
[server]
workers = 2
access-log = { format = "combined", to = "off" }

[listener.web]
bind = ["127.0.0.1:8080", "unix:/run/h.sock"]
trusted-proxies = ["10.0.0.0/8"]

[[rule]]
host = "*.example.com"
path = ["/shop", "/cart"]
path-regex = '^/(shop|cart)/(.*)$'
rewrite = "/$2"
cluster = "app"
request-headers = { set = { X-Real-IP = "{client.ip}" } }

[[rule]]
respond = { body = "$${NO}" }

[cluster.app]
balance = "round-robin"
affinity = { cookie = "SRV", value = "route", domain = "example.com", also = [{ route = "JSESSIONID" }] }
session-idle = "off"

[cluster.app.nodes]
n2 = "http://127.0.0.1:8082"
n1 = { url = "https://[::1]:8443", weight = 50 }
"#;

fn parse(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    parse_str(text, Path::new("homing.toml"))
}

#[test]
#[cfg(not(feature = "otel"))]
fn what_this_binary_has_not_is_said() {
    let found = parse(&format!("{GOOD}\n[server.traces]\nsample = 0.5\n")).unwrap_err();
    assert!(found[0].message.contains("without the feature `otel`"), "{found:?}");
    assert!(found[0].help.as_ref().is_some_and(|help| help.contains("--features otel")), "{found:?}");
}

#[test]
fn a_good_file_loads_in_its_order() {
    let loaded = parse(GOOD).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.cluster["app"].nodes.keys().collect::<Vec<_>>(), ["n2", "n1"]);
    assert_eq!(loaded.config.rule[1].respond.as_ref().unwrap().body, "${NO}");
}

#[test]
fn whose_tokens_count_is_no_secret() {
    let conf = r#"
        [[rule]]
        header = { Token = "s3cret" }
        [cluster.app]
        join = { admit = "10.0.0.0/8", token = "node" }
    "#;
    let (text, hidden) = dump::dump_open(&toml::from_str(conf).unwrap()).unwrap();
    assert!(text.contains("token = \"node\"") && !text.contains("s3cret"), "{text}");
    assert_eq!(hidden, 1, "{text}");
}

#[test]
fn the_dump_reads_back_to_the_same() {
    for text in [GOOD, include_str!("../../conf/homing.toml")] {
        let config = parse(text).unwrap().config;
        let dumped = dump(&config).unwrap();
        assert_eq!(parse(&dumped).unwrap_or_else(|found| panic!("{dumped}{found:?}")).config, config);
        assert_eq!(diff(&config, &parse(&dumped).unwrap().config), Vec::<String>::new());
    }
}

#[test]
fn includes_are_merged_and_duplicates_refused() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("homing.toml");
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "homing.toml",
        "include = [\"conf.d/*.toml\"]\nlistener.web.bind = \"127.0.0.1:0\"\n[[rule]]\npath = \"/a\"\ncluster = \"a\"\n",
    );
    write("conf.d/1.toml", "cluster.a.nodes.n = \"http://127.0.0.1:1\"\n");
    write("conf.d/2.toml", "cluster.b.nodes.n = \"http://127.0.0.1:2\"\n[[rule]]\ncluster = \"b\"\n");
    let loaded = load(&main).unwrap();
    assert_eq!((loaded.config.rule.len(), loaded.config.cluster.len()), (2, 2));
    let (pattern, file) = (
        Watched::matching(folder.path().join("conf.d"), "*.toml"),
        folder.path().join("conf.d/2.toml").into(),
    );
    assert!(loaded.watched.contains(&pattern) && loaded.watched.contains(&file));

    write(
        "conf.d/3.toml",
        "cluster.a.nodes.m = \"http://127.0.0.1:3\"\n\n[server]\nworkers = 1\n[[rule]]\nmethod = \"G T\"\ncluster = \"b\"\n",
    );
    let found = load(&main).unwrap_err();
    let text: String = found.iter().map(|finding| format!("{finding}\n")).collect();
    assert!(
        text.contains("3.toml:1:9: error: the cluster `a` is already defined at")
            && text.contains("1.toml:1:9"),
        "{text}"
    );
    assert!(text.contains("3.toml:3:2: error: `server` can stand only in the main file"), "{text}");
    assert!(text.contains("3.toml:6:10: error: \"G T\" is not a request method"), "{text}");
}

#[test]
fn certificates_are_paired_with_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let one = rcgen::generate_simple_self_signed(["a.example.com".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["b.example.com".to_owned()]).unwrap();
    std::fs::create_dir(folder.path().join("certs")).unwrap();
    write("certs/a.crt", one.cert.pem());
    write("certs/a.key", one.signing_key.serialize_pem());
    write("certs/b.pem", other.cert.pem() + &other.signing_key.serialize_pem());
    let text = "[listener.s]\nbind = \"127.0.0.1:0\"\ntls.certs = [\"certs\"]\n[[rule]]\nrespond = {}\n";
    let main = folder.path().join("homing.toml");
    let loaded = parse_str(text, &main).unwrap();
    assert!(loaded.watched.contains(&folder.path().join("certs").into()));
    write("certs/a.key", other.signing_key.serialize_pem());
    let found = parse_str(text, &main).unwrap_err();
    assert!(found[0].message.contains("does not belong to"), "{found:?}");
    assert_eq!(found[0].place.as_ref().map(|place| place.line), Some(3));
}

#[test]
fn too_large_and_not_text_are_refused() {
    assert!(parse(&" ".repeat((4 << 20) + 1)).unwrap_err()[0].message.contains("4 MiB"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.toml");
    assert!(load(&path).unwrap_err()[0].message.contains("cannot be read"));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(load(&path).unwrap_err()[0].message.contains("UTF-8"));
    assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    /// Good files with pieces cut out, doubled or replaced: refused or read, and what is read can be dumped.
    #[test]
    fn no_mutation_panics(at in 0..GOOD.len(), len in 0usize..30, piece in "[ -~\n]{0,6}|\\[\\[rule\\]\\]|= 0|= \"\"|\\{|\\}|\\$\\{|ä") {
        let end = (at + len).min(GOOD.len());
        let text = format!("{}{piece}{}", &GOOD[..at], &GOOD[end..]);
        match parse(&text) {
            Ok(loaded) => {
                let dumped = dump(&loaded.config).unwrap();
                prop_assert_eq!(parse(&dumped).unwrap().config, loaded.config);
            }
            Err(found) => {
                prop_assert!(!found.is_empty());
                for finding in &found {
                    prop_assert!(!finding.message.starts_with("the file does not fit"), "{}\n{}", finding, text);
                    let _ = finding.to_string();
                }
            }
        }
    }
}

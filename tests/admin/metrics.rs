//! What Prometheus reads: the format to the letter, and what is counted of connections and errors. The
//! dashboard and the alert rules in `conf/` name nothing that is not there.

use crate::support::certs::Certs;
use crate::support::{Client, Conf, Origin, free_addr, until};
use crate::window::Window;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A metric as it is written.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// Reads the text format strictly: what is not in its specification stops the test.
fn read(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(words.ends_with('.') && !families.contains_key(name), "{line}");
            current = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == current && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            families.insert(name.to_owned(), Family { kind: kind.to_owned(), samples: Vec::new() });
        } else {
            let (name, labels, value) = sample(line);
            let family = families.get_mut(&current).unwrap_or_else(|| panic!("{line} before its type"));
            let part =
                name.strip_prefix(&*current).unwrap_or_else(|| panic!("{line} stands under {current}"));
            let parts: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.contains(&part), "{line}");
            let twin = family.samples.iter().any(|(other, known, _)| *other == name && *known == labels);
            assert!(!twin, "{line} comes twice");
            family.samples.push((name, labels, value));
        }
    }
    families
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let name = &line[..end];
    let good = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    assert!(name.starts_with("homing_") && good(name), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = &line[end..];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(good(label) && !label.is_empty(), "{line}");
            let mut end = 0;
            while !value[end..].starts_with('"') {
                end += if value[end..].starts_with('\\') { 2 } else { 1 };
            }
            assert!(labels.insert(label.to_owned(), value[..end].to_owned()).is_none(), "{line}");
            match value[end + 1..].split_at(1) {
                (",", more) => rest = more,
                ("}", more) => {
                    rest = more;
                    break;
                }
                _ => panic!("{line}"),
            }
        }
    }
    (
        name.to_owned(),
        labels,
        rest.strip_prefix(' ').unwrap().parse().unwrap_or_else(|e| panic!("{e}: {line}")),
    )
}

/// A window over two nodes with everything that there are metrics of.
fn full() -> (Vec<Origin>, Window, TempDir) {
    let nodes = Origin::several(2);
    let folder = tempfile::tempdir().unwrap();
    Certs::new().write(folder.path(), &["shop.example.com"]);
    let (bind, certs) = (free_addr().to_string(), folder.path().display().to_string());
    let tls = format!("[listener.secure]\nbind = {bind:?}\ntls = {{ certs = [{certs:?}] }}");
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .with(&nodes[0], "max-sessions = 100")
        .more(&tls);
    let window = Window::with(conf);
    window.all_ready();
    (nodes, window, folder)
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let (_nodes, window, _folder) = full();
    let mut user = Client::with_jar(window.proxy.addr);
    (0..3).for_each(|_| drop(user.get("/")));
    let families = read(&window.get("/metrics").text());
    let of = |name: &str| families.get(name).unwrap_or_else(|| panic!("no {name}"));
    let duration = of("homing_request_duration_seconds");
    let buckets: Vec<(f64, f64)> = duration
        .samples
        .iter()
        .filter(|(name, labels, _)| name.ends_with("_bucket") && labels["cluster"] == "app")
        .map(|(_, labels, count)| (labels["le"].parse().unwrap(), *count))
        .collect();
    assert!(
        buckets.is_sorted()
            && buckets.is_sorted_by_key(|(_, count)| *count)
            && buckets.last().unwrap().0.is_infinite(),
        "{buckets:?}"
    );
    let states: f64 = of("homing_cluster_nodes").samples.iter().map(|(_, _, n)| n).sum();
    assert_eq!(states, 2.0);
    assert!(of("homing_certificate_expiry_timestamp_seconds").samples[0].2 > 1.7e9);
    assert!(of("homing_config_last_reload_success_timestamp_seconds").samples[0].2 > 1.7e9);
    assert!(
        families
            .values()
            .any(|family| family.samples.iter().any(|(_, labels, _)| labels.contains_key("node")))
    );
    assert!(
        families
            .values()
            .flat_map(|family| &family.samples)
            .all(|(_, labels, _)| !labels.values().any(|value| value.contains("127.0.0.1")))
    );

    let text = window.conf.clone().server("node-metrics = false").text();
    assert!(window.proxy.reload_to(&text).applied());
    let fewer = read(&window.get("/metrics").text());
    assert!(
        fewer.values().all(|family| family.samples.iter().all(|(_, labels, _)| !labels.contains_key("node")))
    );
    assert!(fewer.contains_key("homing_cluster_sessions") && fewer.contains_key("homing_current_queue"));
}

#[test]
fn connections_to_nodes_and_what_goes_wrong_there_are_counted() {
    let mut nodes = Origin::several(1);
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .cluster("retries = 0\nhealth = { interval = \"1h\" }");
    let window = Window::with(conf);
    window.all_ready();
    let mut user = Client::with_jar(window.proxy.addr);
    (0..5).for_each(|_| assert_eq!(user.get("/").status, 200));
    let pool = || window.status()["clusters"][0]["pool"].clone();
    let is = |pool: &serde_json::Value, expected: [u64; 4]| {
        let of = ["attempts", "reuses", "open", "idle"].map(|key| pool[key].as_u64().unwrap());
        (of == expected).then_some(())
    };
    until("one connection served all and waits", || is(&pool(), [1, 4, 1, 1]));
    assert_eq!(window.metric("homing_connection_reuses_total{cluster=\"app\"}"), 4.0);
    assert_eq!(window.metric("homing_idle_connections_current{cluster=\"app\"}"), 1.0);
    assert_eq!(user.get("/status?code=503").status, 503);
    nodes.pop();
    assert_eq!(user.get("/").status, 503);
    let node = window.get("/api/clusters/app/nodes/n1").json();
    assert_eq!(
        (node["errors"]["answers"].as_u64(), node["errors"]["response"].as_u64()),
        (Some(1), Some(0)),
        "{node}"
    );
    let refused = node["errors"]["connection"].as_f64().unwrap();
    assert!(refused > 0.0, "{node}");
    let pool = pool();
    assert_eq!(
        (pool["open"].as_u64(), pool["idle"].as_u64(), pool["reuses"].as_u64()),
        (Some(0), Some(0), Some(5)),
        "{pool}"
    );
    assert_eq!(window.metric("homing_connection_errors_total{cluster=\"app\"}"), refused);
    assert_eq!(window.metric("homing_node_errors_total{cluster=\"app\",node=\"n1\"}"), refused + 1.0);
    assert!(window.get("/").text().contains("not connected, 1 of 5xx"));
}

/// The names of metrics in a text, what a histogram is asked for taken off.
fn names(text: &str) -> BTreeSet<String> {
    let words = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("homing_"));
    words
        .map(|word| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| word.strip_suffix(end))
                .unwrap_or(word)
                .to_owned()
        })
        .collect()
}

#[test]
fn dashboard_and_alerts_name_what_is_there() {
    let (_nodes, window, _folder) = full();
    Client::with_jar(window.proxy.addr).get("/");
    let families = until("the request is counted", || {
        Some(read(&window.get("/metrics").text()))
            .filter(|families| !families["homing_requests_total"].samples.is_empty())
    });
    let conf = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    for (file, least) in [("grafana.json", 20), ("alerts.yml", 8)] {
        let text = std::fs::read_to_string(conf.join(file)).unwrap();
        let named = names(&text);
        let unknown: Vec<&String> = named.iter().filter(|name| !families.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
        assert!(named.len() >= least, "{file}: {named:?}");
        // an expression that asks for a label that no sample has shows nothing, and nobody learns why
        let asked = labels_asked(&text);
        assert!(asked.iter().any(|(_, label)| label == "code"), "{asked:?}");
        for (name, label) in asked.iter().filter(|(_, label)| label != "instance") {
            let mut samples = families[name].samples.iter();
            assert!(
                samples.len() == 0 || samples.any(|(_, labels, _)| labels.contains_key(label)),
                "{file}: {name} has no {label}"
            );
        }
    }
    let grafana: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(conf.join("grafana.json")).unwrap()).unwrap();
    let panels = grafana["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has a number of its own");
}

/// The labels that a text asks a metric for.
fn labels_asked(text: &str) -> BTreeSet<(String, String)> {
    let mut asked = BTreeSet::new();
    for (at, _) in text.match_indices("homing_") {
        let Some((name, rest)) = text[at..]
            .split_once('{')
            .filter(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        else {
            continue;
        };
        let name = names(name).pop_first().unwrap();
        let conditions = rest.split_once('}').unwrap().0.split(", ").flat_map(|part| part.split(','));
        asked.extend(
            conditions.map(|one| (name.clone(), one.split(['=', '!']).next().unwrap().trim().to_owned())),
        );
    }
    asked
}

/// Prometheus' own tool says the same, where it is installed.
#[test]
fn promtool_finds_nothing_wrong() {
    let promtool = |arguments: &[&str], input: &str| {
        let mut command = Command::new("promtool");
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    };
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("skipped: promtool is not installed; it comes with Debian's prometheus");
        return;
    }
    let (_nodes, window, _folder) = full();
    Client::with_jar(window.proxy.addr).get("/");
    promtool(&["check", "metrics"], &window.get("/metrics").text());
    promtool(&["test", "rules", "tests/admin/alerts.yml"], "");
}

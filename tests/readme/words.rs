//! Every word that the program writes into logs, metrics and status has its line in the book, and the book
//! has no word of its own.

use crate::commands::World;
use crate::pages::{self, page};
use crate::support::{Client, until};
use crate::told::regex;
use homing::config::model::Affinity;
use homing::table::State;
use homing::table::decide::Why;
use std::collections::BTreeSet;

/// The first cells of the tables' rows, each without its backticks.
fn rows(text: &str) -> impl Iterator<Item = String> {
    let cells = text.lines().filter_map(|line| {
        line.strip_prefix("| `")?.split_once('`').map(|(cell, _)| cell.replace("\\|", "|"))
    });
    cells.collect::<Vec<_>>().into_iter()
}

#[test]
fn every_metric_has_its_line() {
    let world = World::new();
    let _proxy = world.start();
    let metrics = Client::new(world.ours("127.0.0.1:9900").parse().unwrap()).get("/metrics").text();
    let there: BTreeSet<String> =
        regex(r"(?m)^# TYPE (\S+)").captures_iter(&metrics).map(|found| found[1].to_owned()).collect();
    let rows: BTreeSet<String> = rows(&page("docs/src/metrics.md").text)
        .filter(|cell| cell.starts_with("homing_"))
        .map(|cell| cell.split('{').next().unwrap().to_owned())
        // only where requests are traced
        .filter(|name| name != "homing_spans_total")
        .collect();
    assert_eq!(rows, there);
}

#[test]
fn every_key_of_the_log_has_its_line() {
    let world = World::new();
    let proxy = world.start();
    let mut client = Client::new(proxy.addr);
    client.get_with("/shop/", &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]);
    let line = until("its line is written", || proxy.access().pop());
    let text = page("docs/src/metrics.md").text;
    let told: BTreeSet<String> =
        rows(text.split("## The access log").nth(1).unwrap().split("\n## ").next().unwrap()).collect();
    let there: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
    assert_eq!(there.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "{line}");
}

#[test]
fn every_why_has_its_line() {
    let told: Vec<_> = rows(&page("docs/src/explain.md").text).collect();
    for why in Why::ALL {
        assert!(told.iter().any(|row| row == why.word()), "{} is not in docs/src/explain.md", why.word());
    }
}

#[test]
fn every_state_of_a_node_has_its_line() {
    let told: Vec<_> = rows(&page("docs/src/health.md").text).collect();
    for state in State::all_shown().map(State::word) {
        assert!(told.iter().any(|row| row == state), "{state} is not in docs/src/health.md");
    }
}

#[test]
fn every_form_of_affinity_that_is_shown_is_one() {
    let form = regex(r"`(\{ (?:cookie|route|learn|key) = [^`]*\})`");
    let mut seen = 0;
    for page in pages::all() {
        for found in page
            .prose()
            .flat_map(|line| form.captures_iter(line).map(|found| found[1].to_owned()).collect::<Vec<_>>())
        {
            let text = format!("affinity = {found}").replace('…', "x");
            let read: Result<std::collections::BTreeMap<String, Affinity>, _> = toml::from_str(&text);
            assert!(read.is_ok(), "{}: {found}: {read:?}", page.name);
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} are shown");
}

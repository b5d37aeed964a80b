//! Page, command line, API and metrics show one snapshot, whatever happens meanwhile.

use crate::support::load::{Load, failures};
use crate::support::{Client, Origin};
use crate::window::Window;
use std::collections::BTreeMap;

/// What is compared: by node and what it is, and the cluster's own under an empty name.
type Figures = BTreeMap<(String, &'static str), u64>;

#[test]
fn all_views_agree_in_one_snapshot_under_load() {
    let nodes = Origin::several(3);
    let window = Window::over(&nodes);
    window.all_ready();
    let addr = window.proxy.addr;
    let load = Load::start(8, move |_| Client::with_jar(addr), click);
    let (mut seen, mut busy) = (Vec::new(), false);
    for _ in 0..15 {
        load.wait(20);
        let status = window.homing(&["status", "--json"]).json();
        let number = status["snapshot"].as_u64().unwrap();
        let by_command = of_json(&status["clusters"][0]);
        // more is answered before the others look
        load.wait(10);
        let look = |path: &str| {
            let answer = window.get(&format!("{path}?snapshot={number}"));
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answer
        };
        assert_eq!(look("/api/status").json(), status);
        assert_eq!(of_json(&look("/api/clusters/app").json()), by_command);
        assert_eq!(of_metrics(&look("/metrics").text()), by_command);
        let page = look("/").text();
        assert!(page.contains(&format!("snapshot {number}.")), "{page}");
        let sums = sums(&page);
        assert_eq!((sums[0], sums[1]), (by_command[&(String::new(), "sessions")], sums[0]), "{page}");
        assert_eq!(
            of_page(&page),
            by_command.clone().into_iter().filter(|((_, what), _)| *what != "moved").collect::<Figures>()
        );
        busy |= by_command.iter().any(|((_, what), n)| *what == "in flight" && *n > 0);
        seen.push(by_command);
    }
    assert!(busy, "nothing was ever in flight");
    seen.dedup();
    assert!(seen.len() > 10, "the figures did not change under load: {}", seen.len());
    assert_eq!(failures(&load.stop()), [""; 0]);
}

fn click(client: &mut Client, user: usize) -> std::io::Result<crate::support::client::Answer> {
    client.send("GET", if user.is_multiple_of(2) { "/slow?ms=20" } else { "/visit" }, &[], b"")
}

fn of_json(cluster: &serde_json::Value) -> Figures {
    let n = |value: &serde_json::Value| value.as_u64().unwrap();
    let sum = |value: &serde_json::Value| value.as_object().unwrap().values().map(n).sum();
    let mut figures = Figures::from([
        ((String::new(), "sessions"), n(&cluster["sessions"])),
        ((String::new(), "in flight"), n(&cluster["in_flight"])),
        ((String::new(), "requests"), n(&cluster["traffic"]["requests"])),
        ((String::new(), "moved"), sum(&cluster["traffic"]["moved"])),
    ]);
    for node in cluster["nodes"].as_array().unwrap() {
        for (what, key) in [("sessions", "sessions"), ("in flight", "in_flight"), ("requests", "requests")] {
            figures.insert((node["node"].as_str().unwrap().to_owned(), what), n(&node[key]));
        }
    }
    figures
}

fn of_metrics(text: &str) -> Figures {
    let mut figures = Figures::from([((String::new(), "requests"), 0), ((String::new(), "moved"), 0)]);
    for (sample, value) in
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap())
    {
        let what = match sample.split('{').next().unwrap() {
            "homing_sessions" | "homing_cluster_sessions" => "sessions",
            "homing_node_in_flight" | "homing_cluster_in_flight" => "in flight",
            "homing_node_requests_total" | "homing_requests_total" => "requests",
            "homing_sessions_moved_total" => "moved",
            _ => continue,
        };
        if sample.contains("cluster=\"app\"") {
            let node = sample.split_once("node=\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
            *figures.entry((node.to_owned(), what)).or_default() += value.parse::<u64>().unwrap();
        }
    }
    figures
}

/// The numbers as a person reads them.
fn of_page(page: &str) -> Figures {
    let number = |text: &str| {
        let digits: String = text
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '\u{202f}')
            .filter(char::is_ascii_digit)
            .collect();
        digits.parse::<u64>().unwrap_or_else(|e| panic!("{e}: {}", &text[..40.min(text.len())]))
    };
    let after = |text: &str, mark: &str| {
        number(text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {text}")).1)
    };
    let before = |text: &str, mark: &str| {
        let start = text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {text}")).0;
        number(&start[start.rfind('>').unwrap() + 1..])
    };
    let mut figures = Figures::from([
        ((String::new(), "sessions"), after(page, "<dt>Sessions</dt><dd class=\"value\">")),
        ((String::new(), "in flight"), after(page, "<dt>In flight</dt><dd class=\"value\">")),
        ((String::new(), "requests"), before(page, " since the start")),
    ]);
    for row in page.split("<tr id=\"node-app-").skip(1) {
        let node = row.split('"').next().unwrap().to_owned();
        figures.insert((node.clone(), "sessions"), after(row, "data-label=\"Sessions\">"));
        figures.insert((node.clone(), "in flight"), after(row, "data-label=\"In flight\">"));
        figures.insert((node, "requests"), before(row, " in all"));
    }
    figures
}

/// The sessions of all clusters, and those of the line that sums one up.
fn sums(page: &str) -> Vec<u64> {
    let sums = page.split("<dt>Sessions</dt><dd>").skip(1);
    sums.map(|sum| sum.split('<').next().unwrap().replace('\u{202f}', "").parse().unwrap()).collect()
}

#[test]
fn a_snapshot_that_is_not_kept_is_not_made_up() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let number = window.status()["snapshot"].as_u64().unwrap();
    assert_eq!(window.get(&format!("/api/status?snapshot={number}")).json()["snapshot"], number);
    assert!(window.status()["snapshot"].as_u64().unwrap() > number, "each is a new one");
    (0..16).for_each(|_| drop(window.status()));
    for (asked, status, said) in [
        (number.to_string(), 404, "not kept any more"),
        ("99999".into(), 404, "not kept"),
        ("x".into(), 400, "number"),
    ] {
        for path in ["/", "/api/status", "/api/clusters/app/nodes/n1", "/metrics"] {
            let answer = window.get(&format!("{path}?snapshot={asked}"));
            assert!(
                answer.status == status && answer.text().contains(said),
                "{path} {asked}: {}",
                answer.text()
            );
        }
    }
}

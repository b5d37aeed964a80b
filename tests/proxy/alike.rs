//! Readable pins name a node and not whose session it is: an office behind one address is many sessions all
//! the same.

use crate::support::client::Answer;
use crate::support::*;
use std::collections::BTreeMap;

const READABLE: &str = r#"{ cookie = "SRV", value = "route" }"#;

/// A proxy all of whose nodes were checked: the one that is first would else have everybody.
fn with_all_up(nodes: &[Origin], conf: &Conf) -> Proxy {
    let proxy = Proxy::start(&conf.text());
    (1..=nodes.len()).for_each(|n| drop(proxy.log.says(&format!("node n{n} is up"))));
    proxy
}

/// An office: browsers of one kind behind one address.
fn office(proxy: &Proxy, count: usize) -> Vec<Client> {
    (0..count).map(|_| Client::with_jar(proxy.addr)).collect()
}

fn by_node(answers: &[Answer]) -> BTreeMap<String, usize> {
    answers.iter().fold(BTreeMap::new(), |mut counts, answer| {
        *counts.entry(answer.node().to_owned()).or_default() += 1;
        counts
    })
}

#[test]
fn an_office_behind_one_address_is_spread_over_the_nodes() {
    let nodes = Origin::several(3);
    for affinity in [READABLE, r#"{ cookie = "SRV", value = "route", max-idle = "1h" }"#] {
        let proxy = with_all_up(&nodes, &Conf::over(&nodes).affinity(affinity));
        let mut office = office(&proxy, 100);
        let first: Vec<_> = office.iter_mut().map(|client| client.get("/")).collect();
        let counts = by_node(&first);
        assert!(counts.len() == 3 && counts.values().all(|count| (33..=34).contains(count)), "{counts:?}");
        for (client, first) in office.iter_mut().zip(&first) {
            client.hang_up();
            assert_eq!(client.get("/again").node(), first.node(), "each stays where it is");
        }
        let mut later: Vec<_> = (0..30).map(|_| Client::with_jar(proxy.addr).get("/")).collect();
        later.extend(first);
        let counts = by_node(&later);
        assert!(
            counts.values().all(|count| (40..=47).contains(count)),
            "coming back makes no sessions: {counts:?}"
        );
    }
}

#[test]
fn every_readable_pin_that_is_written_takes_a_place() {
    let nodes = Origin::several(3);
    let conf = nodes
        .iter()
        .fold(Conf::over(&nodes).affinity(READABLE), |conf, node| conf.with(node, "max-sessions = 10"));
    let proxy = with_all_up(&nodes, &conf);
    let mut office = office(&proxy, 100);
    let (served, refused): (Vec<_>, Vec<_>) =
        office.iter_mut().map(|client| client.get("/")).partition(|answer| answer.status == 200);
    assert_eq!(
        by_node(&served).into_values().collect::<Vec<_>>(),
        [10, 10, 10],
        "and {} were refused",
        refused.len()
    );
    assert!(refused.len() == 70 && refused.iter().all(|answer| answer.status == 503));
    for client in office.iter_mut().take(30) {
        assert_eq!(client.get("/again").status, 200, "who has a place keeps it");
    }
}

#[test]
fn an_office_that_arrives_at_one_moment_is_spread_as_well() {
    let nodes = Origin::several(4);
    let proxy = with_all_up(&nodes, &Conf::over(&nodes).affinity(READABLE));
    let mut office = office(&proxy, 60);
    // all are on their way before the first is answered
    office
        .iter_mut()
        .for_each(|client| client.write(b"GET /slow?ms=700 HTTP/1.1\r\nHost: app.test\r\n\r\n").unwrap());
    let answers: Vec<_> = office.iter_mut().map(|client| client.answer("GET").unwrap()).collect();
    let counts = by_node(&answers);
    assert!(counts.len() == 4 && counts.values().all(|count| (13..=17).contains(count)), "{counts:?}");
}

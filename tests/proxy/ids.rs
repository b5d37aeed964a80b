//! A request's id and its trace: the same in the log, at the node, and in what Homing answers itself.

use crate::support::{Client, Conf, Origin, Proxy};

const BEHIND: &str = "trusted-proxies = [\"127.0.0.0/8\"]";
const GIVEN: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn id_of(proxy: &Proxy, path: &str) -> String {
    proxy.access_of(path, 1)[0]["id"].as_str().expect("every line has an id").to_owned()
}

#[test]
fn the_node_is_told_the_id_that_the_log_has() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).text());
    let mut client = Client::new(proxy.addr);
    let told: Vec<_> =
        (0..300).map(|n| client.get(&format!("/headers/own/{n}")).seen("x-request-id").concat()).collect();
    let mut logged: Vec<_> = proxy
        .access_of("/headers/own/", 300)
        .iter()
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    logged.sort();
    let mut sorted = told.clone();
    sorted.sort();
    assert_eq!(sorted, logged);
    sorted.dedup();
    assert_eq!(sorted.len(), 300, "each has its own");
}

#[test]
fn a_strangers_id_is_replaced() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).text());
    let answer = Client::new(proxy.addr)
        .get_with("/headers/stranger", &[("X-Request-Id", GIVEN), ("X-Request-Id", "other")]);
    assert_ne!(id_of(&proxy, "/headers/stranger"), GIVEN);
    assert_eq!(answer.seen("x-request-id"), [id_of(&proxy, "/headers/stranger")]);
}

#[test]
fn a_trusted_proxys_id_is_taken_over() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).listener(BEHIND).text());
    let mut client = Client::new(proxy.addr);
    assert_eq!(client.get_with("/headers/given", &[("X-Request-Id", GIVEN)]).seen("x-request-id"), [GIVEN]);
    assert_eq!(id_of(&proxy, "/headers/given"), GIVEN);
    let long = "x".repeat(129);
    for (path, headers) in [
        ("/headers/two", vec![("X-Request-Id", "a"), ("X-Request-Id", "b")]),
        ("/headers/long", vec![("X-Request-Id", &*long)]),
        ("/headers/odd", vec![("X-Request-Id", "a\" onclick=\"b")]),
        ("/headers/none", vec![]),
    ] {
        let told = client.get_with(path, &headers).seen("x-request-id");
        assert_eq!((told.len(), told[0].len(), &told[0]), (1, 16, &id_of(&proxy, path)), "{path}");
    }
}

#[test]
fn the_header_has_the_name_that_the_conf_gives_it() {
    let node = Origin::start("n1");
    let named = Proxy::start(
        &Conf::over([&node]).listener(BEHIND).listener("request-id-header = \"X-Unique-ID\"").text(),
    );
    let answer = Client::new(named.addr)
        .get_with("/headers/named", &[("X-Unique-ID", "u1"), ("X-Request-Id", "mine")]);
    assert_eq!(
        (answer.seen("x-unique-id"), answer.seen("x-request-id")),
        (vec!["u1".into()], vec!["mine".into()])
    );
    assert_eq!(id_of(&named, "/headers/named"), "u1");
    let off =
        Proxy::start(&Conf::over([&node]).listener(BEHIND).listener("request-id-header = \"off\"").text());
    assert_eq!(
        Client::new(off.addr).get_with("/headers/off", &[("X-Request-Id", "mine")]).seen("x-request-id"),
        ["mine"]
    );
    assert_ne!(id_of(&off, "/headers/off"), "mine");
    assert_eq!(Client::new(off.addr).get("/headers/off").seen("x-request-id"), [""; 0]);
}

#[test]
fn an_answer_of_our_own_names_the_request() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).rule("path = \"/app\"").listener(BEHIND).text());
    let said = Client::new(proxy.addr).get("/nowhere").text();
    assert_eq!(
        said,
        format!("404 No rule matches this host and path.\nRequest {}\n", id_of(&proxy, "/nowhere"))
    );
    assert!(
        Client::new(proxy.addr)
            .get_with("/else", &[("X-Request-Id", GIVEN)])
            .text()
            .ends_with(&format!("Request {GIVEN}\n"))
    );
}

#[test]
fn a_trace_passes_through_and_is_logged() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).text());
    let (parent, state) = (
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    );
    let answer = Client::new(proxy.addr)
        .get_with("/headers/traced", &[("traceparent", parent), ("tracestate", state)]);
    assert_eq!(
        (answer.seen("traceparent"), answer.seen("tracestate")),
        (vec![parent.into()], vec![state.into()])
    );
    assert_eq!(proxy.access_of("/headers/traced", 1)[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    Client::new(proxy.addr).get_with("/untraced", &[("traceparent", "nonsense")]);
    assert!(proxy.access_of("/untraced", 1)[0].get("trace_id").is_none());
}

//! What `homing explain` and `homing moves` print.

use crate::ask::telling;
use crate::support::{Client, Conf, Origin, free_addr};
use crate::window::Window;

fn window(nodes: &[Origin]) -> Window {
    let conf = Conf::over(nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .cluster("balance = \"first\"\nslow-start = \"0s\"");
    let window = Window::with(telling(conf.rule(r#"path = "/app""#)));
    window.all_ready();
    window
}

#[test]
fn the_last_request_is_explained_in_a_sentence() {
    let nodes = Origin::several(2);
    let window = window(&nodes);
    let none = window.homing(&["explain"]);
    assert!(none.code == 1 && none.err.contains("No request has come yet"), "{none:?}");
    let mut client = Client::with_jar(window.proxy.addr);
    client.get("/app");
    client.get("/app/again");
    let id = window.proxy.access_of("/app/again", 1)[0]["id"].as_str().unwrap().to_owned();
    for arguments in [&["explain", "--last"][..], &["explain"], &["explain", &id]] {
        let said = window.homing(arguments);
        let lines: Vec<&str> = said.out.lines().collect();
        assert!(
            lines[0].starts_with("n1  cookie: because cookie HOMING pins it (its session began "),
            "{said:?}"
        );
        assert!(lines[1].contains(&format!("request {id} of 127.0.0.1, 0 s ago, answered 200")), "{said:?}");
        assert_eq!(lines[2], "  listener web, rule 1, cluster app, cookie HOMING: pin");
        assert_eq!(lines[3], "  a new session would now go to n1");
        assert!(lines[6].contains("n1") && lines[7].contains("n2") && lines[6].contains("ready"), "{said:?}");
    }
    client.get("/elsewhere");
    window.proxy.access_of("/elsewhere", 1);
    let said = window.homing(&["explain"]);
    assert!(said.out.starts_with("no node  none: because no rule matches it\n"), "{said:?}");
    let unknown = window.homing(&["explain", "00000000000000ff"]);
    assert!(unknown.code == 1 && unknown.err.contains("access log"), "{unknown:?}");
    assert_eq!(window.homing(&["explain", "--cookie", "A=1"]).code, 2, "a cookie of which request?");
    assert_eq!(window.homing(&["explain", "nonsense"]).code, 1);
}

#[test]
fn a_request_that_nobody_has_sent_is_explained() {
    let nodes = Origin::several(2);
    let window = window(&nodes);
    let mut client = Client::with_jar(window.proxy.addr);
    client.get("/app");
    let pin = client.jar.unwrap().remove("HOMING").unwrap();
    let url = format!("http://{}/app", window.proxy.addr);
    let said = window.homing(&[
        "explain",
        "--url",
        &url,
        "--cookie",
        &format!("HOMING={pin}"),
        "--source",
        "10.1.2.3",
    ]);
    assert!(said.code == 0 && said.out.starts_with("n1  cookie: because cookie HOMING pins it"), "{said:?}");
    assert!(!said.out.contains(&pin), "{said:?}");
    let json =
        window.homing(&["explain", "--url", "/app", "--header", "Host: shop.example.com", "--json"]).json();
    assert_eq!(
        (json["node"].as_str(), json["why"].as_str(), &json["request"]),
        (Some("n1"), Some("new"), &serde_json::Value::Null)
    );
    let said = window.homing(&["explain", "--url", "/nowhere"]);
    assert!(said.out.starts_with("no node  none: because no rule matches it"), "{said:?}");
    let said = window.homing(&["explain", "--url", "/app", "--listener", "wbe"]);
    assert!(said.code == 1 && said.err.contains("there are: web"), "{said:?}");
}

#[test]
fn moves_are_listed_by_cause_with_their_latest() {
    let nodes = Origin::several(2);
    let window = window(&nodes);
    let none = window.homing(&["moves"]);
    assert!(
        none.code == 0 && none.out.starts_with("CLUSTER app  0 of 0 requests found their pin broken\n"),
        "{none:?}"
    );
    let mut client = Client::with_jar(window.proxy.addr);
    client.get("/app");
    nodes[0].kill();
    window.node_is("n1", "down");
    client.get("/app/moved");
    let line = window.proxy.access_of("/app/moved", 1).remove(0);
    let said = window.homing(&["moves", "app"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "CLUSTER app  1 of 2 requests found their pin broken: 1 down");
    let columns: Vec<&str> = lines[2].split_whitespace().skip(2).take(5).collect();
    assert_eq!(columns, ["down", "n1", "n2", "127.0.0.1", line["id"].as_str().unwrap()], "{said:?}");
    assert!(lines[2].ends_with("cookie HOMING pins it to n1, which was down"), "{said:?}");
    let unknown = window.homing(&["moves", "ap"]);
    assert!(unknown.code == 1 && unknown.err.contains("there are: app"), "{unknown:?}");
}

#[test]
fn requests_that_no_node_serves_are_explained() {
    let conf = Conf::over(&[])
        .node("n1", &format!("\"http://{}\"", free_addr()))
        .affinity(r#"{ cookie = "HOMING" }"#);
    let more = "[[rule]]\nrespond = { status = 410 }";
    let window = Window::with(telling(conf.rule(r#"path = "/app""#).more(more)));
    window.node_is("n1", "down");
    let mut client = Client::new(window.proxy.addr);
    assert_eq!(client.get("/app").status, 503);
    assert_eq!(client.get("/gone").status, 410);
    window.proxy.access_of("/gone", 1);
    let said = window.homing(&["explain"]);
    assert!(said.out.starts_with("no node  none: because the rule itself answers it, with 410"), "{said:?}");
    let line = window.proxy.access_of("/app", 1).remove(0);
    let said = window.homing(&["explain", line["id"].as_str().unwrap()]);
    assert!(said.code == 0 && said.out.contains("answered 503"), "{said:?}");
}

#[test]
fn a_request_is_found_by_the_id_that_a_proxy_in_front_gave_it() {
    let nodes = Origin::several(1);
    let window = Window::with(telling(Conf::over(&nodes).listener("trusted-proxies = [\"127.0.0.0/8\"]")));
    let answer = Client::new(window.proxy.addr).get_with("/given", &[("X-Request-Id", "web-1/42")]);
    assert!(
        answer.head.get("homing-why").is_some_and(|why| why.ends_with("id=web-1/42")),
        "{:?}",
        answer.head.get("homing-why")
    );
    window.proxy.access_of("/given", 1);
    let said = window.homing(&["explain", "web-1/42"]);
    assert!(said.code == 0 && said.out.contains("request web-1/42 of 127.0.0.1"), "{said:?}");
    let unknown = window.homing(&["explain", "web-1/43"]);
    assert!(unknown.code == 1 && unknown.err.contains("No request of this id"), "{unknown:?}");
}

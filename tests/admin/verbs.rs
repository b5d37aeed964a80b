//! The command line: what it prints, and its exit codes.

use crate::fake::Fake;
use crate::support::{Certs, Client, Conf, Origin, free_addr, until};
use crate::window::{Said, Window, homing};
use homing::base::clock::{rfc3339, unix_ms};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn status_is_a_table_that_a_person_reads() {
    let mut nodes = Origin::several(3);
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .with(&nodes[1], "max-sessions = 200, state = \"draining\"");
    let window = Window::with(conf);
    let gone = nodes.pop().unwrap().name().to_owned();
    window.node_is(&gone, "down");
    window.node_is(nodes[0].name(), "ready");
    Client::with_jar(window.proxy.addr).get("/");
    until("the session counts", || (window.status()["clusters"][0]["sessions"] == 1).then_some(()));
    let said = window.homing(&["status"]);
    assert_eq!(said.code, 0, "{said:?}");
    let table: Vec<&str> = said.out.lines().skip_while(|line| !line.starts_with("CLUSTER")).collect();
    assert!(
        table[0].starts_with("CLUSTER app  degraded, 2 of 3 nodes serve, 1 session, 0 sockets, 1 request"),
        "{}",
        said.out
    );
    let columns: Vec<&str> = table[1].split_whitespace().collect();
    assert_eq!(columns, ["NODE", "ADDRESS", "STATE", "SINCE", "SESSIONS", "IN", "FLIGHT", "SHARE", "WHY"]);
    let state = table[1].find("STATE").unwrap();
    for (line, word) in table[2..].iter().zip(["ready", "drained", "down"]) {
        assert!(line[state..].starts_with(word), "{}", said.out);
    }
    assert!(
        table[2].contains("100 %")
            && table[3].contains("0/200")
            && table[3].contains("the operator drains it"),
        "{}",
        said.out
    );
    assert!(!said.out.contains('\x1b'), "no colours in a pipe");
    let json = window.homing(&["status", "--json"]).json();
    assert_eq!(json["clusters"][0]["nodes"].as_array().map(Vec::len), Some(3));
    assert_eq!(window.homing(&["status", "app", "--json"]).json()["clusters"][0]["cluster"], "app");
    let unknown = window.homing(&["status", "ap"]);
    assert!(unknown.code == 1 && unknown.err.contains("there are: app"), "{unknown:?}");
}

#[test]
fn status_tells_when_certificates_expire() {
    let node = Origin::start("n1");
    let certs = Certs::new();
    let folder = tempfile::tempdir().unwrap();
    certs.write(folder.path(), &["app.test"]);
    let listener =
        format!("[listener.secure]\nbind = \"{}\"\ntls = {{ certs = [{:?}] }}", free_addr(), folder.path());
    let window = Window::with(Conf::over([&node]).more(&listener));
    let said = window.homing(&["status"]);
    let line =
        said.out.lines().find(|line| line.starts_with("certificate ")).unwrap_or_else(|| panic!("{said:?}"));
    assert!(
        line.starts_with("certificate app.test  expires in ") && line.contains("(listener secure, "),
        "{line}"
    );
}

#[test]
fn nodes_are_in_the_order_that_new_sessions_are_given_to() {
    let nodes = Origin::several(2);
    let conf =
        Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).cluster("balance = \"least-sessions\"");
    let window = Window::with(conf);
    window.all_ready();
    let busy = Client::with_jar(window.proxy.addr).get("/").node().to_owned();
    until("the session counts", || (window.status()["clusters"][0]["sessions"] == 1).then_some(()));
    let json = window.homing(&["nodes", "app", "--json"]).json();
    assert_eq!((json[1]["node"].as_str(), json[1]["rank"].as_u64()), (Some(&*busy), Some(2)), "{json}");
    let said = window.homing(&["nodes", "app"]);
    assert!(said.out.lines().nth(2).unwrap().split_whitespace().nth(1) == Some(&busy), "{}", said.out);
}

#[test]
fn reload_waits_and_says_what_came_of_it() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let said = window.homing(&["reload"]);
    assert!(
        said.code == 0 && said.out.starts_with("applied in") && said.out.contains("nothing changed"),
        "{said:?}"
    );
    std::fs::write(window.proxy.conf(), window.conf.text().replace("workers", "wokers")).unwrap();
    let said = window.homing(&["reload"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with("refused: ")
            && said.err.contains("homing.toml:2:1")
            && said.err.contains("workers"),
        "{}",
        said.err
    );
    let status = window.homing(&["status"]);
    assert!(status.out.contains("last reload refused") && status.out.contains("wokers"), "{}", status.out);
}

#[test]
fn a_proxy_that_is_not_there_is_exit_4_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", free_addr());
    for verb in [&["status"][..], &["healthcheck"], &["reload"], &["drain", "app/n1"], &["nodes", "app"]] {
        let said = homing(folder.path(), &[verb, &["--admin", &url]].concat(), &[]);
        assert_eq!(said.code, 4, "{verb:?}: {said:?}");
        assert!(
            said.err.contains(&url) && said.err.contains("server.admin") && said.err.contains("HOMING_ADMIN"),
            "{}",
            said.err
        );
    }
    assert_eq!(homing(folder.path(), &["status", "--admin", "unix:/there/is/none.sock"], &[]).code, 4);
}

#[test]
fn wrong_usage_is_exit_2() {
    for arguments in [
        &["drain"][..],
        &["drain", "app"],
        &["drain", "app/n1", "--deadline", "soon"],
        &["drain", "app/n1", "--then", "kill"],
        &["set", "app/n1"],
        &["set", "app/n1", "wight=5"],
        &["status", "--admin", "ftp://127.0.0.1:9900"],
        &["completions", "cobol"],
    ] {
        let said = homing(Path::new("."), arguments, &[]);
        assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty());
    }
}

#[test]
fn something_else_at_the_address_is_noticed() {
    let other = Fake::start(vec![(200, json!({"hello": "world"}))]);
    let said = homing(Path::new("."), &["status", "--admin", &format!("http://{}", other.addr)], &[]);
    assert!(said.code == 1 && said.err.contains("check --admin"), "{said:?}");
}

/// An answer about a node of which no deadline is known.
pub fn node(state: &str, sessions: u64) -> (u16, Value) {
    let node = json!({
        "node": "n1", "url": "http://127.0.0.1:1", "route": "n1", "state": state, "why": "set to draining",
        "since": "2026-01-01T00:00:00.000Z", "sessions": sessions, "capacity": null, "in_flight": 0, "weight": 100, "load": null,
        "version": null, "set_by": "api", "share": 0.0, "deadline": null, "rank": null, "requests": 0, "heartbeat_ms": null,
    });
    (200, node)
}

/// The same with the deadline of its drain, in so many seconds, what is to become of who is left then, and
/// whether that moment has come.
pub fn by((status, mut node): (u16, Value), seconds: u64, then: &str, over: bool) -> (u16, Value) {
    let deadline = rfc3339(unix_ms() + seconds * 1000);
    for (key, value) in [("deadline", deadline.into()), ("then", then.into()), ("over", over.into())] {
        node[key] = value;
    }
    (status, node)
}

/// The answer to a drain.
pub fn done() -> (u16, Value) {
    (200, json!({"changes": ["n1 drains"], "node": null}))
}

fn drains(fake: &Fake, more: &[&str]) -> Said {
    let admin = format!("http://{}", fake.addr);
    homing(Path::new("."), &[&["drain", "app/n1", "--admin", &admin], more].concat(), &[])
}

#[test]
fn drain_waits_until_no_session_is_left() {
    let looks = [("draining", 12), ("draining", 3), ("drained", 0)]
        .map(|(state, left)| by(node(state, left), 3600, "move", false));
    let fake = Fake::start([vec![done()], looks.to_vec()].concat());
    let said = drains(&fake, &["--wait", "--deadline", "1h", "--then", "move", "--force"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        said.out.lines().collect::<Vec<_>>()[..3],
        ["n1 drains", "n1 is draining: 12 sessions left", "n1 is draining: 3 sessions left"]
    );
    assert!(said.out.contains("safe to stop it"), "{}", said.out);
    let (line, body) = fake.asked().remove(0);
    assert_eq!(line, "POST /api/clusters/app/nodes/n1/drain HTTP/1.1");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"deadline": "1h", "then": "move", "force": true})
    );
}

#[test]
fn a_node_that_goes_down_is_drained_all_the_same() {
    let looks = [("draining", 2), ("down", 1), ("down", 0)]
        .map(|(state, left)| by(node(state, left), 3600, "move", false));
    let said = drains(&Fake::start([vec![done()], looks.to_vec()].concat()), &["--wait"]);
    assert!(said.code == 0 && said.out.contains("safe to stop it"), "{said:?}");
    assert!(said.out.contains("n1 is draining, and down: 1 session left"), "{said:?}");
}

#[test]
fn a_drain_that_is_waited_for_is_one_document() {
    let empty =
        vec![by(node("draining", 2), 3600, "move", false), by(node("drained", 0), 3600, "move", false)];
    let moved = vec![by(node("draining", 2), 1, "move", false), by(node("drained", 0), 0, "move", true)];
    let undone = vec![node("ready", 2)];
    for (looks, code) in [(empty, 0), (moved, 3), (undone, 1)] {
        let (_, last) = looks.last().cloned().unwrap();
        let said = drains(&Fake::start([vec![done()], looks].concat()), &["--wait", "--json"]);
        assert_eq!((said.code, said.json()), (code, last));
    }
}

#[test]
fn a_deadline_that_passes_is_exit_3_and_an_undone_drain_exit_1() {
    let kept = [by(node("draining", 3), 1, "keep", false), by(node("draining", 2), 0, "keep", true)];
    let moved = [by(node("draining", 2), 1, "move", false), by(node("drained", 0), 0, "move", true)];
    // an earlier version says nothing of it, or not when it has passed
    let earlier = [node("draining", 2), node("drained", 0)];
    for (looks, deadline, then, words) in [
        (kept.to_vec(), "1s", "keep", "n1 has 2 sessions left"),
        (moved.to_vec(), "1s", "move", "n1 still had 2 sessions: moved"),
        (moved.to_vec(), "1h", "keep", "n1 still had 2 sessions: moved"),
        (earlier.to_vec(), "1s", "move", "n1 still had 2 sessions: moved"),
        (earlier[..1].to_vec(), "700ms", "keep", "n1 has 2 sessions left"),
    ] {
        let said = drains(
            &Fake::start([vec![done()], looks].concat()),
            &["--wait", "--deadline", deadline, "--then", then],
        );
        assert!(said.code == 3 && said.err.contains(words), "{words}: {said:?}");
    }
    let said = drains(&Fake::start(vec![done(), node("draining", 2), node("ready", 2)]), &["--wait"]);
    assert!(said.code == 1 && said.err.contains("it is ready"), "{said:?}");
}

#[test]
fn a_healthcheck_is_silent_unless_json_is_wanted() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    assert_eq!(window.homing(&["healthcheck"]).out, "");
    assert_eq!(window.homing(&["healthcheck", "--json"]).json(), json!({"alive": true}));
}

#[test]
fn a_refusal_says_what_would_stop_working() {
    let problem =
        json!({"status": 409, "detail": "n1 is the last node of app that takes sessions", "force": true});
    let fake = Fake::start(vec![(409, problem)]);
    let said = drains(&fake, &[]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("the last node of app") && said.err.contains("--force"), "{}", said.err);
}

#[test]
fn verbs_become_posts() {
    for (arguments, path, body) in [
        (&["enable", "app/n1"][..], "enable", Value::Null),
        (&["accept", "app/n1"], "accept", Value::Null),
        (&["disable", "app/n1", "--force"], "disable", json!({"force": true})),
        (&["remove", "app/n1"], "remove", json!({"force": false})),
        (
            &["set", "app/n1", "weight=50", "max-sessions=1"],
            "set",
            json!({"weight": 50, "max-sessions": 1, "force": false}),
        ),
        (&["set", "app/n1", "max-sessions=off"], "set", json!({"max-sessions": "off", "force": false})),
        (&["forget", "app/n1"], "forget", json!({"force": false})),
    ] {
        let fake = Fake::start(vec![(200, json!({"changes": ["so it is"], "node": null}))]);
        let said = homing(Path::new("."), arguments, &[("HOMING_ADMIN", &format!("http://{}", fake.addr))]);
        assert_eq!((said.code, said.out.as_str()), (0, "so it is\n"), "{said:?}");
        let (line, sent) = fake.asked().remove(0);
        assert_eq!(line, format!("POST /api/clusters/app/nodes/n1/{path} HTTP/1.1"));
        assert_eq!(serde_json::from_str(&sent).unwrap_or(Value::Null), body);
    }
}

#[test]
fn tokens_are_fresh() {
    let [one, other] = [0, 1].map(|_| homing(Path::new("."), &["token", "--new"], &[]));
    assert!(one.code == 0 && one.out.trim().len() >= 32 && one.out != other.out, "{one:?}");
}

#[test]
fn completions_and_manual_are_made_by_the_binary() {
    for shell in ["bash", "zsh", "fish"] {
        let said = homing(Path::new("."), &["completions", shell], &[]);
        assert!(said.code == 0 && said.out.contains("healthcheck"), "{shell}");
    }
    let page = homing(Path::new("."), &["man"], &[]);
    assert!(
        page.code == 0 && page.out.contains(".TH homing 1") && page.out.contains("Exit codes"),
        "{}",
        page.out
    );
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(homing(folder.path(), &["man", "pages"], &[]).code, 0);
    assert!(folder.path().join("pages/homing-drain.1").exists());
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_write() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let folder = window.proxy.folder();
    assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    let at = |path: &str| folder.join(path).display().to_string();
    let secret = format!(
        "{}[[rule]]\npath = \"/a\"\ncluster = \"app\"\nrequest-headers = {{ set = {{ Authorization = \"Basic s3cret\" }} }}\n",
        window.conf.text()
    );
    std::fs::write(folder.join("secret.toml"), secret).unwrap();
    let (gone, pipe, secret) = (at("gone.toml"), at("pipe"), at("secret.toml"));
    for (arguments, code, says) in [
        (vec!["-c", &gone, "status"], 1, "gone.toml"),
        (vec!["-c", &pipe, "status"], 1, "is a pipe"),
        (vec!["-c", &pipe, "check"], 1, "is a pipe"),
        (vec!["run", "-c", &pipe], 1, "is a pipe"),
        (vec!["status", "--admin", "unix:"], 2, "unix:/path"),
        (vec!["man", "/proc/none"], 1, "/proc/none"),
        (vec!["check", "--dump", &secret], 0, "1 secret not shown"),
    ] {
        let said = homing(folder, &arguments, &[]);
        assert!(said.code == code && said.err.contains(says), "{arguments:?} {said:?}");
        assert!(!said.out.contains("s3cret"), "{said:?}");
    }
    let said = window.homing(&["set", "app/n1", "weight=5", "weight=6"]);
    assert!(said.code == 2 && said.err.contains("weight is given twice"), "{said:?}");
}

#[test]
fn the_status_of_one_cluster_has_the_form_of_all() {
    let nodes = Origin::several(1);
    let other = "[cluster.other.nodes]\nn1 = \"http://127.0.0.1:1\"\n";
    let window = Window::with(Conf::over(&nodes).more(other));
    let keys = |said: Said| said.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let one = window.homing(&["status", "app", "--json"]);
    assert_eq!(one.json()["clusters"].as_array().unwrap().len(), 1);
    assert_eq!(keys(one), keys(window.homing(&["status", "--json"])));
}

#[test]
fn a_reload_of_what_is_there_already_says_since_when() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let said = window.homing(&["reload"]);
    assert!(said.out.contains("nothing changed: the files are unchanged since 20"), "{said:?}");
    assert!(window.homing(&["reload", "--json"]).json()["unchanged_since"].is_string());
    let text = window.conf.text();
    assert!(window.proxy.reload_to(&format!("{text}\n# a word")).applied());
    assert!(
        window.proxy.reload_to(&text.replace("workers = 2", "workers = 2\nnode-metrics = false")).applied()
    );
    assert!(window.status()["reload"]["unchanged_since"].is_null());
}

//! Clusters and rules that are switched off at run time: whom it meets, and how long it holds.

use crate::support::{Client, Conf, Origin, until};
use crate::window::Window;
use std::fs;

const COOKIE: &str = r#"{ cookie = "HOMING" }"#;

#[test]
fn a_disabled_cluster_serves_nobody_and_keeps_its_sessions() {
    let nodes = Origin::several(2);
    let mut window = Window::with(Conf::over(&nodes).affinity(COOKIE));
    window.all_ready();
    let mut client = Client::with_jar(window.proxy.addr);
    let home = client.get("/").node().to_owned();
    until("the session counts", || (window.status()["clusters"][0]["sessions"] == 1).then_some(()));
    let refused = window.homing(&["disable", "app"]);
    assert!(refused.code == 1 && refused.err.contains("app has 1 session"), "{refused:?}");
    assert!(refused.err.contains("--force"), "{refused:?}");
    assert_eq!(client.get("/").node(), home, "nothing has changed");
    let done = window.homing(&["disable", "app", "--force"]);
    assert!(done.code == 0 && done.out.contains("disabled"), "{done:?}");
    let stranger = || Client::new(window.proxy.addr).get("/new").status;
    assert_eq!((client.get("/off").status, stranger()), (503, 503));
    assert_eq!(window.status()["clusters"][0]["state"], "disabled");
    assert_eq!(window.get("/ready").status, 200, "it is off on purpose");
    let why = window.homing(&["explain", "--url", "/"]);
    assert!(why.out.contains("app is disabled"), "{why:?}");
    let value = window.homing(&["bypass", "app/n2"]).out.lines().next().unwrap().to_owned();
    let bypass = [("Homing-Bypass", &*value)];
    assert_eq!(Client::new(window.proxy.addr).get_with("/", &bypass).node(), "n2");
    window.kill_and_start_again();
    client.hang_up();
    assert_eq!(client.get("/still").status, 503, "it outlives a kill");
    assert_eq!(window.homing(&["enable", "app"]).code, 0);
    window.all_ready();
    assert_eq!(client.get("/back").node(), home, "who was there is there again");
    assert_eq!(window.homing(&["disable", "ap"]).code, 1, "no such cluster");
}

#[test]
fn a_disabled_rule_is_passed_over_wherever_it_stands_until_the_file_says_otherwise() {
    let node = Origin::start("n1");
    let rule = |path: &str| format!("[[rule]]\npath = \"{path}\"\nrespond = {{ status = 410 }}\n");
    let conf = Conf::over([&node]).rule("path = \"/app\"").more(&rule("/"));
    let window = Window::with(conf);
    window.all_ready();
    let status = |path: &str| Client::new(window.proxy.addr).get(path).status;
    assert_eq!((status("/app"), status("/")), (200, 410));
    assert_eq!(window.homing(&["disable", "rule:1"]).code, 0);
    assert_eq!(status("/app"), 410, "the next one that fits");
    let file = window.proxy.conf();
    let text = fs::read_to_string(&file).unwrap();
    let first = text.find("[[rule]]").unwrap();
    let before = "[[rule]]\npath = \"/older\"\nrespond = { status = 418 }\n";
    fs::write(&file, format!("{}{before}{}", &text[..first], &text[first..])).unwrap();
    until("the rule before it is in force", || (status("/older") == 418).then_some(()));
    assert_eq!(status("/app"), 410, "it is the second now, and off as before");
    let enabled = window.homing(&["enable", "rule:2"]);
    assert_eq!((enabled.code, status("/app")), (0, 200), "{enabled:?}");
    assert_eq!((window.homing(&["disable", "rule:2"]).code, status("/app")), (0, 410));
    fs::write(&file, text.replace("\"/app\"", "[\"/app\", \"/more\"]")).unwrap();
    until("it is another rule by now", || (status("/more") == 200).then_some(()));
    assert_eq!(status("/app"), 200);
    let unknown = window.homing(&["disable", "rule:9"]);
    assert!(unknown.code == 1 && unknown.err.contains("no rule 9"), "{unknown:?}");
    assert_eq!(window.homing(&["disable", "rule:x"]).code, 2);
}

//! Who changed what, from where and why: in the log, in the status, in the history.

use crate::support::{Client, Conf, DEADLINE, Origin, Proxy, until};
use crate::window::{Window, homing};

#[test]
fn who_from_where_and_why_stand_in_the_log_in_the_status_and_in_the_history() {
    let nodes = Origin::several(2);
    let mut window = Window::over(&nodes);
    window.all_ready();
    let mark = window.proxy.log.mark();
    let said = window.homing(&["drain", "app/n1", "--reason", "kernel update, ticket 4711"]);
    assert_eq!(said.code, 0, "{said:?}");
    let line = window.proxy.log.wait(mark, DEADLINE, |line| line.contains("app/n1 changed by"));
    let line = line.expect("a line of who changed what");
    assert!(line.contains("by operator from 127.0.0.1 (kernel update, ticket 4711): "), "{line}");
    let node = window.node_is("n1", "drained");
    assert!(node["set_by"].as_str().unwrap().starts_with("operator at "), "{node}");
    assert_eq!(
        (&node["set_from"], &node["set_reason"]),
        (&"127.0.0.1".into(), &"kernel update, ticket 4711".into())
    );
    let shown = window.homing(&["status"]);
    assert!(
        shown.out.contains("set by operator from 127.0.0.1 ")
            && shown.out.contains(" ago (kernel update, ticket 4711)"),
        "{}",
        shown.out
    );
    for arguments in [
        &["disable", "app", "--force", "--reason", "2"][..],
        &["enable", "app", "--reason", "3"],
        &["disable", "app/n2", "--force", "--reason", "4"],
        &["enable", "app/n2", "--reason", "5"],
        &["set", "app/n2", "weight=7", "--reason", "6"],
        &["bypass", "app/n2", "--reason", "7"],
        &["reload", "--reason", "8"],
        &["remove", "app/n1", "--force", "--reason", "9"],
        &["accept", "app/n1", "--reason", "10"],
    ] {
        let said = window.homing(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
    }
    let before = window.homing(&["history", "--json"]).json();
    let told = |n: usize| {
        let entry = &before[n];
        let word = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        assert_eq!((&*word("who"), &*word("from")), ("operator", "127.0.0.1"), "{entry}");
        (word("verb"), word("target"), word("reason"), entry["forced"] == true)
    };
    let wanted = [
        ("accept", "app/n1", "10", false),
        ("remove", "app/n1", "9", true),
        ("reload", "the proxy", "8", false),
        ("bypass", "app/n2", "7", false),
        ("set", "app/n2", "6", false),
        ("enable", "app/n2", "5", false),
        ("disable", "app/n2", "4", true),
        ("enable", "cluster app", "3", false),
        ("disable", "cluster app", "2", true),
        ("drain", "app/n1", "kernel update, ticket 4711", false),
    ];
    for (n, (verb, target, reason, forced)) in wanted.into_iter().enumerate() {
        assert_eq!(told(n), (verb.to_owned(), target.to_owned(), reason.to_owned(), forced), "{n}");
    }
    assert_eq!(before.as_array().unwrap().len(), wanted.len());
    let text = window.homing(&["history", "app/n2"]).out;
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(
        text.lines().next().unwrap().contains("disable app/n2 by force (4): "),
        "the latest is last: {text}"
    );
    window.proxy.signal("TERM");
    window.proxy.exit(DEADLINE);
    window.start_again();
    assert_eq!(window.homing(&["history", "--json"]).json(), before, "it outlives the process");
    assert!(window.node_is("n2", "ready")["set_reason"] == "6", "so does the reason");
}

#[test]
fn what_nobody_asked_for_at_the_window_has_its_cause_for_a_name() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    assert!(window.proxy.reload_to(&window.conf.clone().cluster("retries = 1").text()).applied());
    window.proxy.signal("HUP");
    let entries = until("both are in the history", || {
        let entries = window.get("/api/history").json();
        (entries.as_array().unwrap().len() >= 2).then_some(entries)
    });
    assert_eq!((&entries[0]["who"], &entries[1]["who"]), (&"HUP".into(), &"file".into()), "{entries}");
    assert!(entries[1]["changes"][0].as_str().unwrap().contains("retries"), "{entries}");
    std::fs::write(window.proxy.conf(), "[server]\nwokers = 1\n").unwrap();
    let refused = window.homing(&["reload"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let entries = window.get("/api/history").json();
    assert!(entries[0]["ok"] == false && entries[0]["changes"].to_string().contains("wokers"), "{entries}");
}

#[test]
fn a_reason_is_a_line_of_text_also_in_a_form() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    let own = format!("http://{}", window.admin);
    let place = "/api/clusters/app/nodes/n1/drain";
    for body in [
        r#"{"reason":""}"#,
        r#"{"reason":"a\nb"}"#,
        r#"{"reason":7}"#,
        &format!("{{\"reason\":\"{}\"}}", "x".repeat(201)),
    ] {
        let answer = window.client().send("POST", place, &[], body.as_bytes()).unwrap();
        assert!(answer.status == 400 && answer.text().contains("reason"), "{body}: {}", answer.text());
    }
    assert_eq!(window.homing(&["drain", "app/n1", "--reason", " "]).code, 2);
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", own.as_str())];
    let answer = window.client().send("POST", place, &form, b"then=keep&reason=4711").unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(window.get("/api/history").json()[0]["reason"], "4711");
}

#[test]
fn over_a_unix_socket_the_user_is_named() {
    let nodes = Origin::several(2);
    let proxy = Proxy::start(&Conf::over(&nodes).server("admin = \"unix:admin.sock\"").text());
    let path = proxy.folder().join("admin.sock");
    until("the window opens", || std::os::unix::net::UnixStream::connect(&path).is_ok().then_some(()));
    let said = homing(proxy.folder(), &["set", "app/n1", "weight=7", "--admin", "unix:admin.sock"], &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let me = std::process::Command::new("id").arg("-un").output().unwrap();
    let me = String::from_utf8(me.stdout).unwrap().trim().to_owned();
    let entry = Client::unix(&path).get("/api/history").json()[0].clone();
    assert_eq!((&entry["who"], &entry["from"]), (&me.into(), &"unix".into()), "{entry}");
}

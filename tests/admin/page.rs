//! The page as a browser without JavaScript gets it: everything in it, and forms that lead back to it.

use crate::support::certs::Certs;
use crate::support::client::Answer;
use crate::support::proxy::replace;
use crate::support::{Client, Conf, Origin, free_addr};
use crate::window::Window;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Sends a form as the page of this origin does.
fn submit(window: &Window, origin: &str, path: &str, form: &str) -> Answer {
    window.client().send("POST", path, &[FORM, ("Origin", origin)], form.as_bytes()).unwrap()
}

#[test]
fn the_page_says_what_the_api_says() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    assert_eq!(window.homing(&["disable", "app/n2"]).code, 0);
    let node = window.node_is("n2", "maintenance");
    let page = window.get("/");
    assert_eq!((page.status, page.head.get("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.head.get("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe"),
        "{policy}"
    );
    let text = page.text().replace("<wbr>", "");
    for word in [
        node["why"].as_str().unwrap(),
        node["url"].as_str().unwrap(),
        "maintenance",
        "by operator",
        "1 of 2 nodes serve",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    for own in ["/page.css", "/page.js", "/icon.svg"] {
        assert!(text.contains(own) && window.get(own).status == 200, "{own}");
    }
    assert!(!text.contains("style=") && !text.contains("onclick") && !text.contains("https://"), "{text}");
    assert!(window.proxy.reload_to(&window.conf.clone().cluster("retries = 1").text()).applied());
    assert!(window.get("/?list=reloads").text().contains("retries"), "what a reload changed");
    replace(&window.proxy.conf(), "[broken");
    let page = crate::support::until("the refusal is shown", || {
        let text = window.get("/").text();
        text.contains("The conf file was refused").then_some(text)
    });
    assert!(page.contains("homing.toml:1"), "{page}");
}

#[test]
fn forms_change_what_the_api_changes_and_lead_back() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let own = format!("http://{}", window.admin);
    let path = |node: &str, verb: &str| format!("/api/clusters/app/nodes/{node}/{verb}");
    assert_eq!(submit(&window, "http://evil.example", &path("n1", "drain"), "").status, 403);
    window.node_is("n1", "ready");
    // one on each node, so that there is something to drain
    (0..2).for_each(|_| assert_eq!(Client::with_jar(window.proxy.addr).get("/").status, 200));
    let done = submit(&window, &own, &path("n1", "drain"), "deadline=1h&then=move");
    assert_eq!((done.status, done.head.get("location")), (303, Some("/?open=app#node-app-n1")));
    let node = window.node_is("n1", "draining");
    assert!(node["deadline"].is_string(), "{node}");
    assert_eq!(node["then"], "move");
    let text = window.get("/").text();
    assert!(text.contains("deadline at") && text.contains("then they are moved"), "{text}");
    for (path, form, status, said) in [
        (path("n2", "disable"), "", 409, "Do it all the same"),
        (path("n2", "drain"), "deadline=%3Cb%3Esoon", 400, "Not done"),
        (path("n9", "drain"), "", 404, "Not done"),
        ("/api/status".into(), "", 405, "Not done"),
    ] {
        let refused = submit(&window, &own, &path, form);
        let text = refused.text();
        assert!(
            refused.status == status && text.contains(said) && !text.contains("<b>"),
            "{path}: {} {text}",
            refused.status
        );
    }
    assert_eq!(submit(&window, &own, &path("n2", "disable"), "force=true").status, 303);
    window.node_is("n2", "maintenance");
    assert_eq!(submit(&window, &own, &path("n2", "enable"), "").status, 303);
    assert_eq!(submit(&window, &own, "/api/reload", "").head.get("location"), Some("/#reloads"));
    // curl calls whatever it sends a form
    let curl = window.client().send("POST", &path("n1", "enable"), &[FORM], b"{}").unwrap();
    assert_eq!(
        (curl.status, curl.json()["node"]["node"].as_str().map(str::to_owned)),
        (200, Some("n1".into()))
    );
}

#[test]
fn the_page_tells_what_moved_what_failed_and_what_expires() {
    let nodes = Origin::several(2);
    let folder = tempfile::tempdir().unwrap();
    Certs::new().write(folder.path(), &["shop.example.com"]);
    let (bind, certs) = (free_addr().to_string(), folder.path().display().to_string());
    let tls = format!("[listener.secure]\nbind = {bind:?}\ntls = {{ certs = [{certs:?}] }}");
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .cluster("balance = \"first\"\nslow-start = \"0s\"");
    let window = Window::with(conf.more(&tls));
    window.all_ready();
    let text = window.get("/?list=certificates&list=moves").text();
    assert!(
        text.contains("shop.example.com")
            && text.contains("expires in")
            && text.contains("every session is on its node"),
        "{text}"
    );
    let mut user = Client::with_jar(window.proxy.addr);
    assert_eq!((user.get("/").node(), user.get("/status?code=500").status), ("n1", 500));
    nodes[0].kill();
    assert_eq!(user.get("/visit/moved").node(), "n2");
    let id = window.proxy.access_of("/visit/moved", 1)[0]["id"].as_str().unwrap().to_owned();
    assert!(window.node_is("n1", "down")["errors"]["checks"].as_u64().unwrap() > 0);
    let text = window.get("/?list=moves").text();
    for told in [&*format!("request {id}"), "<td>down<small>", "1 of 5xx", "not connected", "1 down"] {
        assert!(text.contains(told), "{told} in {text}");
    }
}

#[test]
fn several_nodes_are_changed_after_one_question_and_each_outcome_is_told() {
    let nodes = Origin::several(3);
    let window = Window::over(&nodes);
    window.all_ready();
    let own = format!("http://{}", window.admin);
    let asked = submit(&window, &own, "/bulk", "verb=drain&q=app/n*");
    let text = asked.text();
    assert!(
        asked.status == 200 && text.contains("Drain: 3 nodes") && text.contains("name=\"reason\""),
        "{text}"
    );
    assert!((1..=3).all(|n| text.contains(&format!("value=\"app/n{n}\" checked"))), "{text}");
    window.node_is("n1", "ready");
    let all = "confirmed=true&verb=disable&reason=new+disks&node=app/n1&node=app/n9&node=app/n2&node=app/n3";
    assert_eq!(submit(&window, "http://evil.example", "/bulk", all).status, 403);
    window.node_is("n1", "ready");
    let told = submit(&window, &own, "/bulk", all).text();
    for word in [
        "done for 2 of 4 nodes",
        "n3 is the last node of app",
        "no node \"n9\"",
        "Do it all the same to 1 node",
    ] {
        assert!(told.replace("&quot;", "\"").contains(word), "{word} in {told}");
    }
    assert_eq!(window.node_is("n2", "maintenance")["set_reason"], "new disks");
    window.node_is("n3", "ready");
    let page = window.get("/").text();
    assert!(page.contains("by operator from 127.0.0.1") && page.contains("new disks"), "{page}");
    let many: String = (0..201).map(|n| format!("&node=app/n{n}")).collect();
    for (form, said) in [
        ("verb=explode&node=app/n1", "drain, enable or disable"),
        ("verb=drain", "No node is ticked"),
        ("verb=drain&q=nobody", "No node is found"),
        ("verb=drain&node=app/n9", "no node app/n9"),
        ("verb=drain&node=n1", "write CLUSTER/NODE"),
        ("verb=drain&confirmed=true", "No node is ticked"),
        ("verb=drain&confirmed=true&node=app/n3&deadline=soon", "does not fit"),
        (&format!("verb=drain{many}"), "201 nodes"),
        (&format!("verb=drain&confirmed=true{many}"), "201 nodes"),
    ] {
        let refused = submit(&window, &own, "/bulk", form);
        assert!(refused.status >= 400 && refused.text().contains(said), "{form}: {}", refused.text());
    }
    window.node_is("n3", "ready");
}

#[test]
fn rules_are_shown_with_where_they_lead_and_are_switched_as_clusters_are() {
    let nodes = Origin::several(1);
    let more = "[[rule]]\npath = \"/old\"\nredirect = { scheme = \"https\", status = 308 }";
    let window = Window::with(Conf::over(&nodes).rule("host = \"shop.example.com\"").more(more));
    window.all_ready();
    let own = format!("http://{}", window.admin);
    let shown = |n: usize, key: &str| window.get("/api/rules").json()[n][key].clone();
    assert_eq!(
        (shown(0, "when"), shown(0, "leads_to")),
        ("host shop.example.com".into(), "cluster app".into())
    );
    assert_eq!(
        (shown(1, "when"), shown(1, "leads_to")),
        ("path /old".into(), "redirect 308 to scheme https".into())
    );
    let done = submit(&window, &own, "/api/rules/2/disable", "reason=not+yet");
    assert_eq!((done.status, done.head.get("location")), (303, Some("/#rule-2")));
    assert_eq!((shown(0, "disabled"), shown(1, "disabled")), (false.into(), true.into()));
    let page = window.get("/?list=rules&list=changes&open=app").text();
    for word in ["1 switched off", "redirect 308 to scheme https", "rule 1: host shop.example.com", "not yet"]
    {
        assert!(page.contains(word), "{word} in {page}");
    }
    assert_eq!(submit(&window, &own, "/api/rules/2/enable", "").status, 303);
    assert_eq!(shown(1, "disabled"), false);
    let off = submit(&window, &own, "/api/clusters/app/disable", "force=true");
    assert_eq!((off.status, off.head.get("location")), (303, Some("/#cluster-app")));
    assert!(window.get("/").text().contains("Enable the cluster"));
    assert_eq!(submit(&window, &own, "/api/clusters/app/enable", "").status, 303);
}

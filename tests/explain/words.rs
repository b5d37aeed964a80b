//! Each word of `why` by one scripted request: log, header and explanation say exactly it.

use crate::ask::{Decision, Sent, foretell, recall, telling};
use crate::fleet::Fleet;
use crate::support::{Client, Conf, Origin};
use crate::window::Window;
use homing::table::decide::Why;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SEALED: &str = r#"{ cookie = "HOMING" }"#;
const READABLE: &str = r#"{ cookie = "SRV", value = "route", max-idle = "1h" }"#;

struct Stage {
    nodes: Vec<Origin>,
    window: Fleet,
    said: BTreeSet<String>,
}

impl Stage {
    fn new(nodes: Vec<Origin>, affinity: &str) -> Self {
        let conf = Conf::over(&nodes);
        let conf = if affinity.is_empty() { conf } else { conf.affinity(affinity) };
        let window = Fleet::with(telling(conf.cluster("balance = \"first\"\nslow-start = \"0s\"")));
        window.all_ready();
        Self { nodes, window, said: BTreeSet::new() }
    }

    fn client(&self) -> Client {
        Client::with_jar(self.window.proxy.addr)
    }

    /// Sends a request, of which everybody must say the same.
    fn yields(&mut self, why: &str, client: &mut Client, path: &str) -> Value {
        let (window, mut asker): (&Window, _) = (&self.window, self.window.client());
        let foretold = foretell(window, &mut asker, client, &Sent { path, ..Sent::default() });
        let (told, id) = Decision::told(&client.get(path));
        assert_eq!(told.why, why, "{path}");
        assert_eq!(Decision::of(&foretold), told, "{path}: {foretold}");
        let line = window.proxy.access_of(path, 1).remove(0);
        assert_eq!((Decision::of(&line), &line["id"]), (told.clone(), &Value::from(&*id)), "{path}");
        let recalled = recall(&mut asker, &id);
        assert_eq!(Decision::of(&recalled), told, "{path}: {recalled}");
        self.said.insert(why.to_owned());
        recalled
    }
}

#[test]
fn each_word_is_said_by_log_header_and_explanation_alike() {
    let mut said = BTreeSet::new();

    let mut stage = Stage::new(Origin::several(3), SEALED);
    let mut client = stage.client();
    let new = stage.yields("new", &mut client, "/new");
    assert_eq!(
        (&new["node"], &new["source"], &new["said"]),
        (&"n1".into(), &"cookie HOMING".into(), &"nothing".into()),
        "{new}"
    );
    let cookie = stage.yields("cookie", &mut client, "/cookie");
    assert!(
        cookie["because"].as_str().unwrap().starts_with("cookie HOMING pins it (its session began "),
        "{cookie}"
    );
    let pin = client.jar.as_ref().unwrap()["HOMING"].clone();
    assert!(!cookie.to_string().contains(&pin), "a pin is never shown");
    let mut forger = stage.client().cookie("HOMING", &pin.replace(&pin[20..24], "0000"));
    stage.yields("moved:tampered", &mut forger, "/tampered");
    let id = cookie["session"].as_str().unwrap().to_owned();
    for (to, was, path) in [("n2", "n1", "/there"), ("n1", "n2", "/back")] {
        assert_eq!(stage.window.homing(&["session", "move", &id, "--to", to]).code, 0);
        let moved = stage.yields("moved:operator", &mut client, path);
        assert_eq!((&moved["was"], &moved["node"]), (&was.into(), &to.into()), "{moved}");
    }
    assert_eq!(stage.window.homing(&["disable", "app/n1"]).code, 0);
    let moved = stage.yields("moved:draining", &mut client, "/draining");
    assert_eq!((&moved["was"], &moved["node"]), (&"n1".into(), &"n2".into()), "{moved}");
    assert!(moved["because"].as_str().unwrap().contains("n1, which was taken out (maintenance)"), "{moved}");
    stage.nodes[1].kill();
    stage.window.node_is("n2", "down");
    let moved = stage.yields("moved:down", &mut client, "/down");
    assert_eq!((&moved["was"], &moved["node"]), (&"n2".into(), &"n3".into()), "{moved}");
    assert!(moved["because"].as_str().unwrap().contains("n2, which was down"), "{moved}");
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::several(2), SEALED);
    stage.window.beat(&stage.nodes[0], json!({"boot": "monday"}));
    let mut client = stage.client();
    client.get("/arrives");
    stage.window.restarts(&stage.nodes[0], "monday", "tuesday");
    let moved = stage.yields("moved:rebooted", &mut client, "/rebooted");
    assert!(moved["because"].as_str().unwrap().contains("n1, which has restarted since"), "{moved}");
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::several(2), READABLE);
    let mut client = stage.client().cookie("SRV", "n9");
    let unknown = stage.yields("moved:unknown-route", &mut client, "/unknown");
    assert_eq!(
        unknown["because"],
        "cookie SRV says \"n9\", and no node of app has that route; those that it has are n1, n2"
    );
    let mut client = stage.client().cookie("SRV", "n2|AAAAB");
    stage.yields("moved:expired", &mut client, "/expired");
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::tomcats(2), r#"{ route = "JSESSIONID" }"#);
    let mut client = stage.client();
    client.get("/visit/arrives");
    let route = stage.yields("route", &mut client, "/visit/route");
    assert_eq!(route["because"], "route in JSESSIONID pins it");
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::phps(2), r#"{ learn = "PHPSESSID" }"#);
    let mut client = stage.client();
    client.get("/visit/arrives");
    stage.yields("learned", &mut client, "/visit/learned");
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::several(2), r#"{ key = "query:sid", remember = false }"#);
    let mut client = stage.client();
    let key = stage.yields("key", &mut client, "/key?sid=secret-of-mine");
    assert!(
        key["because"] == "key query:sid falls there" && !key.to_string().contains("secret-of-mine"),
        "{key}"
    );
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::several(2), "");
    let mut client = stage.client();
    stage.yields("none", &mut client, "/none");
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::several(2), SEALED);
    assert_eq!(stage.window.homing(&["disable", "app/n2"]).code, 0);
    let value =
        stage.window.homing(&["bypass", "app/n2", "--json"]).json()["value"].as_str().unwrap().to_owned();
    let mut client = stage.client().cookie("homing-bypass", &value);
    let forced = stage.yields("forced", &mut client, "/forced");
    assert!(forced["node"] == "n2" && !forced.to_string().contains(&value), "{forced}");
    said.append(&mut stage.said);

    let mut stage = Stage::new(Origin::several(2), SEALED);
    let mut client = stage.client();
    let id = stage.yields("new", &mut client, "/arrives")["session"].as_str().unwrap().to_owned();
    assert_eq!(stage.window.homing(&["session", "end", &id]).code, 0);
    let ended = stage.yields("new", &mut client, "/ended");
    let because = "an operator has ended its session: a new session, placed by first";
    assert_eq!((&ended["because"], &ended["said"]), (&because.into(), &"ended".into()), "{ended}");
    said.append(&mut stage.said);

    // a word that is new has no scene here yet
    let all: BTreeSet<String> = Why::ALL.iter().map(|why| why.word().to_owned()).collect();
    assert_eq!(said, all);
}

#[test]
fn only_the_trusted_are_told() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes).affinity(SEALED).listener(r#"why-header = ["127.0.0.2"]"#);
    let window = Window::with(conf.listener(r#"trusted-proxies = ["127.0.0.3"]"#));
    let addr = window.proxy.addr;
    let tells = |mut client: Client, headers: &[(&str, &str)]| {
        client.get_with("/", headers).head.get("homing-why").is_some()
    };
    assert!(tells(Client::from([127, 0, 0, 2], addr), &[]));
    assert!(!tells(Client::new(addr), &[]));
    assert!(!tells(Client::new(addr), &[("X-Forwarded-For", "127.0.0.2")]), "a stranger's word about itself");
    assert!(tells(Client::from([127, 0, 0, 3], addr), &[("X-Forwarded-For", "127.0.0.2")]));
    assert!(!tells(Client::from([127, 0, 0, 3], addr), &[("X-Forwarded-For", "10.1.2.3")]));
}

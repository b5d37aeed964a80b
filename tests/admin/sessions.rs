//! Single sessions: whose they are, where their ids lead, and what becomes of one that is moved or ended by hand.

use crate::support::socket::Socket;
use crate::support::{Client, Conf, DEADLINE, Origin, until};
use crate::window::Window;
use serde_json::Value;

const SEALED: &str = r#"{ cookie = "HOMING" }"#;

fn over(nodes: &[Origin], affinity: &str) -> Window {
    let window = Window::with(Conf::over(nodes).affinity(affinity).cluster("slow-start = \"0s\""));
    window.all_ready();
    window
}

/// Those that are shown of a node.
fn sessions(window: &Window, node: &str) -> Vec<Value> {
    let said = window.homing(&["sessions", &format!("app/{node}"), "--json"]);
    said.json()["sessions"].as_array().unwrap().clone()
}

/// A client that has come back to its node, that node, another one, and the session's id.
fn at_home(window: &Window, path: &str) -> (Client, String, String, String) {
    let mut client = Client::with_jar(window.proxy.addr);
    client.get(path);
    let home = client.get(path).node().to_owned();
    let other = if home == "n1" { "n2" } else { "n1" }.to_owned();
    let id = until("its session is shown", || {
        let all = sessions(window, &home);
        let confirmed = all.iter().find(|session| session["confirmed"] == true)?;
        Some(confirmed["session"].as_str().unwrap().to_owned())
    });
    (client, home, other, id)
}

fn line(window: &Window, path: &str) -> Value {
    window.proxy.access_of(path, 1)[0].clone()
}

#[test]
fn a_session_leads_to_its_requests_and_a_request_to_its_session() {
    let nodes = Origin::phps(2);
    for affinity in [SEALED, r#"{ learn = "PHPSESSID" }"#] {
        let window = over(&nodes, affinity);
        let mut client = Client::with_jar(window.proxy.addr);
        let agent = [("User-Agent", "Mozilla/5.0 (a \"quote\")")];
        client.get_with("/visit", &agent);
        let home = client.get_with("/visit/again", &agent).node().to_owned();
        let logged = line(&window, "/visit/again");
        let id = logged["session"].as_str().unwrap().to_owned();
        assert_eq!(id.len(), 16, "{logged}");
        let shown = &sessions(&window, &home)[0];
        assert_eq!((&shown["session"], &shown["client"]), (&logged["session"], &logged["client"]), "{shown}");
        let said = window.homing(&["sessions", &format!("app/{home}")]);
        assert!(said.out.contains("127.0.0.1  Mozilla/5.0 (a \\\"quote\\\")"), "{said:?}");
        for asked in [&id, logged["id"].as_str().unwrap()] {
            let told = window.homing(&["explain", asked, "--json"]).json();
            assert_eq!(
                (&told["request"]["id"], &told["session"]),
                (&logged["id"], &logged["session"]),
                "{told}"
            );
        }
        let found = window.get(&format!("/api/sessions/{id}")).json();
        assert_eq!((&found["node"], &found["cluster"]), (&home.into(), &"app".into()), "{found}");
        // nothing that is shown is what the client shows
        let jar = client.jar.unwrap();
        let secrets: Vec<&String> = jar.values().collect();
        let all = format!("{logged}{found}{}", said.out);
        assert!(!secrets.is_empty() && secrets.iter().all(|secret| !all.contains(*secret)), "{secrets:?}");
        let hash = format!("{:016x}", homing::base::hash::hash64(secrets[0].as_bytes()));
        assert!(!all.contains(&hash), "nor its hash, which could be guessed at");
    }
}

#[test]
fn a_session_that_is_moved_by_hand_goes_there_and_stays() {
    for (nodes, affinity, path) in [
        (Origin::several(3), SEALED, "/"),
        (Origin::tomcats(3), r#"{ route = "JSESSIONID" }"#, "/visit"),
        (Origin::phps(3), r#"{ learn = "PHPSESSID" }"#, "/visit"),
        (Origin::several(3), r#"{ key = "source" }"#, "/"),
        (Origin::phps(3), r#"{ cookie = "PHPSESSID", mode = "prefix", value = "route" }"#, "/visit"),
    ] {
        let mut window = over(&nodes, affinity);
        let (mut client, home, other, id) = at_home(&window, path);
        let said = window.homing(&["session", "move", &id, "--to", &other]);
        assert_eq!(
            (said.code, said.out),
            (0, format!("session {id} of app: {home}→{other}\n")),
            "{affinity} {}",
            said.err
        );
        let said = window.homing(&["session", "move", &id, "--to", &other]);
        assert!(said.out.starts_with("nothing changed"), "{said:?}");
        assert_eq!(client.get("/moved").node(), other, "{affinity}");
        let logged = line(&window, "/moved");
        assert_eq!(
            (&logged["why"], &logged["was"]),
            (&"moved:operator".into(), &home.clone().into()),
            "{affinity}"
        );
        // its application may have given it another id there
        let told = window.homing(&["explain", logged["id"].as_str().unwrap()]);
        assert!(told.out.contains(&format!("an operator moved its session here from {home}")), "{told:?}");
        client.get(path);
        window.kill_and_start_again();
        window.all_ready();
        client.hang_up();
        assert_eq!(client.get("/stays").node(), other, "{affinity}: and no restart moves it back");
        assert_ne!(line(&window, "/stays")["why"], "moved:operator", "{affinity}");
    }
}

#[test]
fn who_does_not_say_where_to_has_it_placed_as_a_new_one() {
    let nodes = Origin::several(2);
    let window = over(&nodes, SEALED);
    let (mut client, _, other, id) = at_home(&window, "/");
    assert_eq!(window.homing(&["drain", &format!("app/{other}")]).code, 0);
    let said = window.homing(&["session", "move", &id]);
    assert!(said.code == 1 && said.err.contains("no other node of app takes sessions"), "{said:?}");
    let said = window.homing(&["session", "move", &id, "--to", &other]);
    assert!(
        said.code == 1 && said.err.contains(&format!("node {other} takes no sessions: it is drained")),
        "{said:?}"
    );
    assert_eq!(window.homing(&["enable", &format!("app/{other}")]).code, 0);
    assert_eq!(window.homing(&["session", "move", &id]).code, 0);
    assert_eq!(client.get("/moved").node(), other);
    let said = window.homing(&["session", "move", "00000000000000ff"]);
    assert!(said.code == 1 && said.err.contains("No session 00000000000000ff is known"), "{said:?}");
    let said = window.homing(&["session", "end", "nonsense"]);
    assert!(said.code == 2 && said.err.contains("homing sessions"), "{said:?}");
}

#[test]
fn a_session_that_is_ended_begins_anew_elsewhere() {
    for (nodes, affinity, path) in [
        (Origin::several(2), SEALED, "/"),
        (Origin::tomcats(2), r#"{ route = "JSESSIONID" }"#, "/visit"),
        (Origin::phps(2), r#"{ learn = "PHPSESSID" }"#, "/visit"),
        (Origin::several(2), r#"{ key = "source" }"#, "/"),
    ] {
        let mut window = over(&nodes, affinity);
        let (mut client, home, other, id) = at_home(&window, path);
        let said = window.homing(&["session", "end", &id]);
        assert_eq!(
            (said.code, said.out),
            (0, format!("session {id} of app on {home} is ended\n")),
            "{affinity}"
        );
        assert!(sessions(&window, &home).iter().all(|session| session["session"] != *id), "{affinity}");
        window.kill_and_start_again();
        window.all_ready();
        client.hang_up();
        assert!(sessions(&window, &home).is_empty(), "{affinity}: no restart brings it back");
        let asked = if path == "/" { "/anew" } else { "/visit/anew" };
        assert_eq!(client.get(asked).node(), other, "{affinity}");
        let logged = line(&window, asked);
        assert_eq!((&logged["why"], &logged["was"]), (&"new".into(), &Value::Null), "{affinity}");
        assert_eq!(client.get(path).node(), other, "{affinity}: and from there on it is a session like any");
        // one that began anew outlives a restart as any other does
        window.kill_and_start_again();
        window.all_ready();
        client.hang_up();
        assert_eq!(client.get("/goes-on").node(), other, "{affinity}");
        assert_ne!(line(&window, "/goes-on")["why"], "new", "{affinity}");
    }
}

#[test]
fn who_cannot_be_told_from_others_is_neither_moved_nor_ended() {
    for (affinity, path, why) in [
        (r#"{ cookie = "SRV", value = "route" }"#, "/", "cannot be told apart"),
        (r#"{ key = "query:sid", remember = false }"#, "/?sid=1", "the hash of their key"),
    ] {
        let nodes = Origin::several(2);
        let window = over(&nodes, affinity);
        let (mut client, home, _, id) = at_home(&window, path);
        for verb in [&["session", "move", &id][..], &["session", "end", &id]] {
            let said = window.homing(verb);
            assert!(
                said.code == 1 && said.err.contains(why) && said.err.contains("drain the node"),
                "{said:?}"
            );
        }
        assert_eq!(client.get(path).node(), home);
    }
}

#[test]
fn its_websockets_are_closed_and_those_of_others_are_not() {
    let nodes = Origin::several(2);
    let window = over(&nodes, SEALED);
    let users = ["a", "b", "c"].map(|user| {
        let mut client = Client::with_jar(window.proxy.addr);
        let home = client.get(&format!("/{user}")).node().to_owned();
        let id = line(&window, &format!("/{user}"))["session"].as_str().unwrap().to_owned();
        let socket = Socket::open(&mut client, "/ws").expect("a socket opens");
        (client, home, id, socket)
    });
    let [(mut moved, home, id, mut socket), (mut ended, _, other_id, mut other), (.., mut kept)] = users;
    let code = |socket: &mut Socket| socket.next(DEADLINE).expect("a frame before the end").code();
    assert_eq!(window.homing(&["session", "move", &id]).code, 0);
    assert_eq!(code(&mut socket), Some(1012));
    assert!(other.says("still here") && kept.says("still here"));
    assert_eq!(window.homing(&["session", "end", &other_id]).code, 0);
    assert_eq!(code(&mut other), Some(1012));
    assert!(kept.says("still here"));
    let mut again = Socket::open(&mut moved, "/ws").expect("it comes back");
    assert!(again.says("here I am") && kept.says("still here"));
    assert_ne!(moved.get("/moved").node(), home);
    assert_eq!(ended.get("/ended").status, 200);
    assert_eq!(line(&window, "/ended")["why"], "new");
}

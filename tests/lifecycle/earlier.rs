//! An earlier version's state folder: who was where is known again, and what the operator decided. Each
//! folder in `tests/earlier` was written by the release it is named after: `HOMING_BINARY=<that release>
//! HOMING_KEEP=tests/earlier/<version> cargo test --test lifecycle -- --ignored an_earlier_version_writes`

use crate::fleet::{Fleet, of};
use crate::support::proxy::refused_start_in;
use crate::support::{Client, Conf, DEADLINE, Origin, Sessions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Clients of each cluster.
const CLIENTS: usize = 12;
/// Who the clients are, beside the state.
const CLIENTS_FILE: &str = "clients.json";

/// Two clusters: one whose pins are sealed, and one whose ids are learned. Idle for a century, so that the
/// folder does not age.
struct World {
    nodes: Vec<Origin>,
    phps: Vec<Origin>,
}

impl World {
    fn new() -> Self {
        let php = |n| Origin::with(&format!("p{n}"), Sessions::Plain("PHPSESSID".into()));
        Self { nodes: Origin::several(3), phps: (1..=3).map(php).collect() }
    }

    fn conf(&self) -> Conf {
        let phps: String =
            self.phps.iter().map(|node| format!("{} = \"{}\"\n", node.name(), node.url())).collect();
        Conf::over(&self.nodes)
            .affinity(r#"{ cookie = "HOMING" }"#)
            .cluster("session-idle = \"36500d\"")
            .rule("path = \"/app\"")
            .more("[[rule]]\ncluster = \"php\"\n[cluster.php]\naffinity = { learn = \"PHPSESSID\" }")
            .more("session-idle = \"36500d\"\n[cluster.php.nodes]")
            .more(&phps)
    }
}

/// A client's cookie, and the node it is on.
fn clients(fleet: &Fleet, login: &str, path: &str, cookie: &str) -> Vec<Value> {
    let client = |_| {
        let answer = Client::with_jar(fleet.proxy.addr).get(login);
        let value = answer.set_cookie(cookie).unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
        let again = Client::with_jar(fleet.proxy.addr).cookie(cookie, &value).get(path);
        assert_eq!(again.node(), answer.node());
        json!({ "path": path, "cookie": cookie, "value": value, "node": answer.node() })
    };
    (0..CLIENTS).map(client).collect()
}

#[test]
#[ignore = "writes what the tests of later versions read: run it with a release's binary"]
fn an_earlier_version_writes() {
    let world = World::new();
    let fleet = Fleet::with(world.conf());
    fleet.all_ready();
    let all =
        [clients(&fleet, "/app", "/app", "HOMING"), clients(&fleet, "/login", "/", "PHPSESSID")].concat();
    fleet.beat_as("n9", "http://127.0.0.1:9", json!({ "boot": "b1", "capacity": 50 }));
    for words in
        [&["drain", "app/n2"][..], &["set", "app/n3", "max-sessions=70", "weight=30"], &["disable", "php/p3"]]
    {
        assert_eq!(fleet.homing(words).code, 0, "{words:?}");
    }
    let kept = PathBuf::from(std::env::var_os("HOMING_KEEP").expect("HOMING_KEEP names the folder to write"));
    fleet.proxy.signal("TERM");
    fleet.proxy.exit(DEADLINE);
    copy(&state_of(fleet.proxy.folder()), &kept);
    let _ = fs::remove_file(kept.join("lock"));
    let who = json!({ "token": fleet.token, "clients": all });
    fs::write(kept.join(CLIENTS_FILE), serde_json::to_string_pretty(&who).unwrap() + "\n").unwrap();
}

#[test]
fn what_an_earlier_version_left_is_known() {
    let (mut versions, world) = (0, World::new());
    for kept in fs::read_dir(earlier()).unwrap() {
        let kept = kept.unwrap().path();
        let folder = tempfile::tempdir().unwrap();
        copy(&kept, &state_of(folder.path()));
        let fleet = Fleet::at(folder, world.conf());
        let told = fleet.proxy.log.all();
        assert!(!told.iter().any(|line| line.contains("set aside") || line.contains("damaged")), "{told:#?}");
        let who: Value = serde_json::from_str(&fs::read_to_string(kept.join(CLIENTS_FILE)).unwrap()).unwrap();
        assert_eq!(who["token"], fleet.token, "a node's token is good as before");
        let text = |client: &Value, key: &str| client[key].as_str().unwrap().to_owned();
        let clients = who["clients"].as_array().unwrap();
        let now: Vec<(String, String)> = clients
            .iter()
            .map(|client| {
                let mut jar = Client::with_jar(fleet.proxy.addr)
                    .cookie(&text(client, "cookie"), &text(client, "value"));
                (text(client, "node"), jar.get(&text(client, "path")).node().to_owned())
            })
            .collect();
        // nobody stays on p3, which the operator has taken out
        let moved: Vec<_> =
            now.iter().filter(|(before, now)| before != now && (before != "p3" || now == "p3")).collect();
        assert!(
            now.len() == 2 * CLIENTS && moved.is_empty(),
            "{}: {moved:?} of {}",
            kept.display(),
            now.len()
        );
        let on: Vec<String> = now.into_iter().map(|(_, node)| node).collect();
        assert!(
            ["n1", "n2", "n3", "p1", "p2"].iter().all(|node| of(&on, node) > 0),
            "every node had some: {on:?}"
        );
        let node = |path: &str| fleet.get(&format!("/api/clusters/{path}")).json();
        assert_eq!(fleet.node_is("n2", "draining")["sessions"], of(&on, "n2"));
        let n3 = node("app/nodes/n3");
        assert_eq!((&n3["capacity"], &n3["weight"]), (&json!(70), &json!(30)), "{n3}");
        assert_eq!(node("php/nodes/p3")["state"], "maintenance");
        let n9 = node("app/nodes/n9");
        assert_eq!(n9["url"], "http://127.0.0.1:9", "it has joined: {n9}");
        versions += 1;
    }
    assert!(versions > 0);
}

#[test]
fn what_a_later_version_left_is_not_touched() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let state = state_of(folder.path());
    copy(&earlier().join("0.1"), &state);
    let runtime =
        fs::read_to_string(state.join("runtime.json")).unwrap().replacen("\"format\": 1", "\"format\": 4", 1);
    fs::write(state.join("runtime.json"), runtime).unwrap();
    let before = contents(&state);
    let (code, said) = refused_start_in(&folder, &world.conf().text());
    assert!(
        code == Some(1) && said.contains("a later version of Homing (format 4, this one reads up to 3)"),
        "{code:?} {said}"
    );
    assert_eq!(contents(&state), before);
}

/// Where the folders of earlier versions are.
fn earlier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/earlier")
}

/// The state folder beside the conf file.
fn state_of(folder: &Path) -> PathBuf {
    folder.join("state")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, bytes) in contents(from) {
        fs::write(to.join(name), bytes).unwrap();
    }
}

/// The names and contents of all files.
fn contents(folder: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect()
}

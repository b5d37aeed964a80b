//! What a restart remembers, however the process ended, and what becomes of it when the state folder is
//! damaged, taken or not to be written.

use crate::support::{Client, Conf, Origin, Proxy, free_addr, proxy::refused_start, until};
use homing::base::hash::hash64;
use std::fs;
use std::path::Path;
use std::time::Duration;

const SEALED: &str = r#"{ cookie = "HOMING" }"#;
const LEARNED: &str = r#"{ learn = "PHPSESSID" }"#;

/// Runs a test in a state folder that outlives the proxies in it.
fn with_state(conf: Conf) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().join("state");
    let conf = conf.server(&format!("state-dir = {:?}", state.display().to_string()));
    (folder, conf.text())
}

fn ledgers(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("state/ledgers")
}

/// Ends a proxy as an operator does.
fn stop(proxy: Proxy) {
    proxy.signal("TERM");
    assert_eq!(proxy.exit(Duration::from_secs(10)).code(), Some(0));
}

/// Users with a session each, and where it is.
fn users(proxy: &Proxy, count: usize) -> Vec<(Client, String)> {
    let user = |_| {
        let mut client = Client::with_jar(proxy.addr);
        let home = client.get("/visit").node().to_owned();
        (client, home)
    };
    (0..count).map(user).collect()
}

/// Waits until a learned session is in the file.
fn until_written(file: &Path, client: &Client) {
    let id = client.jar.as_ref().and_then(|jar| jar.get("PHPSESSID")).expect("the application gave it an id");
    let bytes = postcard::to_allocvec(&hash64(id.as_bytes())).expect("a number");
    until("the session is in the file", || {
        fs::read(file).ok()?.windows(bytes.len()).any(|w| w == bytes).then_some(())
    });
}

fn assert_stay(proxy: &Proxy, users: &mut [(Client, String)]) {
    for (client, home) in users.iter_mut() {
        client.hang_up();
        let answer = client.get("/visit/again");
        assert_eq!(answer.node(), home);
        assert_eq!(answer.json()["visits"], 2, "the application knows its user");
    }
    assert!(proxy.access_of("/visit/again", users.len()).iter().all(|l| l["why"] == "learned"));
}

#[test]
fn learned_sessions_outlive_a_restart() {
    let nodes = Origin::phps(4);
    let (_folder, conf) = with_state(Conf::over(&nodes).affinity(LEARNED));
    let first = Proxy::start(&conf);
    let mut users = users(&first, 40);
    stop(first);
    assert_stay(&Proxy::start(&conf), &mut users);
}

#[test]
fn learned_sessions_outlive_a_kill() {
    let nodes = Origin::phps(4);
    let (folder, conf) = with_state(Conf::over(&nodes).affinity(LEARNED));
    let first = Proxy::start(&conf);
    let mut users = users(&first, 40);
    users.iter().for_each(|(client, _)| until_written(&ledgers(&folder), client));
    first.signal("KILL");
    drop(first);
    let second = Proxy::start(&conf);
    assert_stay(&second, &mut users);
    drop(second);
    // those who were only read from the file are kept as well as those who came back
    let third = Proxy::start(&conf);
    users.iter_mut().for_each(|(client, home)| {
        client.hang_up();
        assert_eq!(client.get("/visit/third").node(), home);
    });
    assert!(third.access_of("/visit/third", 40).iter().all(|l| l["why"] == "learned"));
}

#[test]
fn a_full_node_is_still_full_after_a_restart() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes).affinity(SEALED).with(&nodes[0], "max-sessions = 2");
    let (_folder, conf) = with_state(conf);
    let first = Proxy::start(&conf);
    let mut users = users(&first, 2);
    stop(first);
    let second = Proxy::start(&conf);
    assert_eq!(Client::with_jar(second.addr).get("/late").status, 503);
    for (client, _) in &mut users {
        client.hang_up();
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn a_full_node_is_still_full_after_a_kill() {
    let nodes = Origin::phps(1);
    let (folder, conf) = with_state(Conf::over(&nodes).affinity(LEARNED).with(&nodes[0], "max-sessions = 2"));
    let first = Proxy::start(&conf);
    let users = users(&first, 2);
    users.iter().for_each(|(client, _)| until_written(&ledgers(&folder), client));
    drop(first);
    let second = Proxy::start(&conf);
    assert_eq!(Client::with_jar(second.addr).get("/visit").status, 503);
}

#[test]
fn who_logged_out_is_not_remembered() {
    let nodes = Origin::phps(1);
    let (_folder, conf) =
        with_state(Conf::over(&nodes).affinity(LEARNED).with(&nodes[0], "max-sessions = 1"));
    let first = Proxy::start(&conf);
    let mut client = Client::with_jar(first.addr);
    assert_eq!(client.get("/visit").status, 200);
    client.get("/logout");
    stop(first);
    let second = Proxy::start(&conf);
    assert_eq!(Client::with_jar(second.addr).get("/visit").status, 200, "there is room");
}

#[test]
fn time_without_a_proxy_is_idle_time() {
    let nodes = Origin::phps(1);
    let conf = Conf::over(&nodes)
        .affinity(LEARNED)
        .cluster("session-idle = \"1s\"")
        .with(&nodes[0], "max-sessions = 1");
    let (_folder, conf) = with_state(conf);
    let first = Proxy::start(&conf);
    assert_eq!(Client::with_jar(first.addr).get("/visit").status, 200);
    stop(first);
    std::thread::sleep(Duration::from_millis(2500));
    let second = Proxy::start(&conf);
    assert_eq!(Client::with_jar(second.addr).get("/visit").status, 200, "the session ended meanwhile");
}

#[test]
fn a_session_that_was_moved_does_not_flip_back_after_a_restart() {
    let quick = "balance = \"round-robin\"\nslow-start = \"0s\"\nhealth = { interval = \"200ms\", timeout = \"5s\", rise = 1, fall = 2 }";
    let nodes = Origin::several(2);
    let (_folder, conf) =
        with_state(Conf::over(&nodes).cluster(quick).affinity(r#"{ route = "JSESSIONID" }"#));
    let takes_new = |proxy: &Proxy, node: &str| {
        until("both nodes are up", || (Client::new(proxy.addr).get("/probe").node() == node).then_some(()));
    };
    // a client that keeps showing the old route: nobody gives it a new id
    let user = |proxy: &Proxy| {
        Client::new(proxy.addr).get_with("/user", &[("Cookie", "JSESSIONID=abc.n1")]).node().to_owned()
    };
    let first = Proxy::start(&conf);
    assert_eq!(user(&first), "n1");
    nodes[0].kill();
    assert_eq!(user(&first), "n2");
    nodes[0].revive();
    takes_new(&first, "n1");
    assert_eq!(user(&first), "n2");
    stop(first);
    let second = Proxy::start(&conf);
    ["n1", "n2"].iter().for_each(|node| takes_new(&second, node));
    assert_eq!(user(&second), "n2");
}

/// Damages the file between two runs; the second proxy, and its users.
fn damaged(
    damage: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> (Proxy, Vec<(Client, String)>, tempfile::TempDir, Vec<Origin>) {
    let nodes = Origin::phps(4);
    let (folder, conf) = with_state(Conf::over(&nodes).affinity(LEARNED));
    let first = Proxy::start(&conf);
    let users = users(&first, 10);
    stop(first);
    let file = ledgers(&folder);
    fs::write(&file, damage(fs::read(&file).expect("the ledgers are in a file"))).expect("it is damaged");
    (Proxy::start(&conf), users, folder, nodes)
}

fn assert_set_aside(proxy: &Proxy, folder: &tempfile::TempDir, why: &str) {
    let says = |line: &str| {
        line.contains("WARN") && line.contains(why) && line.contains("set aside as ledgers.damaged-")
    };
    assert!(proxy.log.wait(0, Duration::from_secs(5), says).is_some(), "{:?}", proxy.log.all());
    let names =
        fs::read_dir(folder.path().join("state")).expect("the folder").flatten().map(|f| f.file_name());
    let kept = names.filter(|n| n.to_string_lossy().starts_with("ledgers.damaged-")).count();
    assert_eq!(kept, 1);
}

#[test]
fn what_was_torn_is_cut_off() {
    let (proxy, mut users, folder, _nodes) = damaged(|mut bytes| {
        bytes.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3]);
        bytes
    });
    assert_set_aside(&proxy, &folder, "cut short");
    assert_stay(&proxy, &mut users);
}

#[test]
fn a_file_of_something_else_is_set_aside() {
    let (proxy, _, folder, _nodes) = damaged(|_| b"Dear diary, today I was overwritten.".to_vec());
    assert_set_aside(&proxy, &folder, "no file of ours");
    assert_eq!(Client::new(proxy.addr).get("/visit").status, 200);
}

#[test]
fn a_flipped_bit_is_noticed() {
    let (proxy, _, folder, _nodes) = damaged(|mut bytes| {
        *bytes.last_mut().expect("there is a last one") ^= 1;
        bytes
    });
    assert_set_aside(&proxy, &folder, "checksum");
    assert_eq!(Client::new(proxy.addr).get("/visit").status, 200);
}

#[test]
fn two_instances_do_not_share_a_state_folder() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes).affinity(SEALED);
    let (folder, text) = with_state(conf.clone());
    let first = Proxy::start(&text);
    let (code, said) = refused_start(&text.replace(&conf.web.to_string(), &free_addr().to_string()));
    assert_eq!(code, Some(1), "{said}");
    let state = folder.path().join("state").display().to_string();
    assert!(
        said.contains(&state) && said.contains("in use") && said.contains(&format!("process {}", first.pid)),
        "{said}"
    );
    assert!(said.contains("server.state-dir"), "it says what to do: {said}");
    assert_eq!(Client::new(first.addr).get("/").status, 200);
    // the lock ends with its holder, however that ends
    drop(first);
    assert_eq!(Client::new(Proxy::start(&text).addr).get("/").status, 200);
}

#[test]
fn a_state_folder_that_cannot_be_made_is_no_reason_not_to_serve() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes).affinity(SEALED).server("state-dir = \"/dev/null/state\"");
    let proxy = Proxy::start(&conf.text());
    let mut client = Client::with_jar(proxy.addr);
    let home = client.get("/").node().to_owned();
    assert_eq!(client.get("/").node(), home);
    let warned =
        |l: &&String| l.contains("WARN") && l.contains("/dev/null/state") && l.contains("server.state-dir");
    assert_eq!(proxy.log.all().iter().filter(warned).count(), 1, "{:?}", proxy.log.all());
    stop(proxy);
}

#[test]
fn a_state_folder_that_is_read_only_is_no_reason_not_to_serve() {
    use std::os::unix::fs::PermissionsExt;
    let nodes = Origin::several(2);
    let (folder, conf) = with_state(Conf::over(&nodes).affinity(SEALED));
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("a folder");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).expect("its mode");
    let proxy = Proxy::start(&conf);
    let mut client = Client::with_jar(proxy.addr);
    let home = client.get("/").node().to_owned();
    assert_eq!(client.get("/").node(), home);
    stop(proxy);
}

/// A service of another user, which nothing of root's may lock out.
#[test]
fn what_root_makes_before_the_first_start_is_for_the_user_of_the_service() {
    use std::os::unix::fs::chown;
    const USER: u32 = 65_534;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let as_user = |program: &std::path::Path| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        command
    };
    let binary = folder.path().join("homing");
    fs::copy(env!("CARGO_BIN_EXE_homing"), &binary).expect("a copy that everybody may run");
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let can = chown(folder.path(), Some(USER), Some(USER)).is_ok();
    if !can || !as_user(&binary).arg("--version").status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI runs as root, and has setpriv");
        return eprintln!("skipped: nobody else can be had here");
    }
    let nodes = Origin::several(1);
    let announce = "announce = \"127.0.0.1:0\"\nstate-dir = \"var/state\"";
    let conf = Conf::over(&nodes).affinity(SEALED).server(announce);
    fs::write(folder.path().join("homing.toml"), conf.text()).unwrap();
    let token = std::process::Command::new(&binary)
        .arg("-c")
        .arg(folder.path().join("homing.toml"))
        .arg("token")
        .output();
    let token = token.expect("it runs");
    assert!(token.status.success(), "{token:?}");
    let mut service = as_user(&binary)
        .args(["run", "-c"])
        .arg(folder.path().join("homing.toml"))
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .expect("it starts");
    let state = folder.path().join("var/state");
    until("the service has the folder", || state.join("pin.keys").exists().then_some(()));
    let mut client = Client::new(conf.web);
    until("it serves", || client.send("GET", "/", &[], b"").ok());
    service.kill().unwrap();
    service.wait().unwrap();
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("state-dir") && !log.contains("join.token"), "{log}");
}

//! Standard output and standard error that cannot be written: what was to be said is lost, and nothing else.

use crate::support::{Client, Conf, DEADLINE, Origin, free_addr, within};
use crate::window::Window;
use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A process of ours that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full").into()
}

/// A pipe whose reader has gone.
fn left() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn homing(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homing"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("HOMING_ADMIN")
        .env_remove("HOMING_TOKEN")
        .env_remove("NOTIFY_SOCKET");
    command
}

fn is_up(addr: SocketAddr) {
    within(DEADLINE, "it listens", || TcpStream::connect(addr).is_ok().then_some(()));
}

#[test]
fn a_log_that_cannot_be_written_costs_lines_and_nothing_else() {
    // the last is read by nobody: it takes some lines, and then none
    let (_unread, pipe) = std::io::pipe().expect("a pipe");
    for (how, out, err) in [
        ("full", full(), full()),
        ("left", left(), left()),
        ("unread", pipe.try_clone().unwrap().into(), pipe.into()),
    ] {
        let nodes = Origin::several(2);
        let (admin, folder) = (free_addr(), tempfile::tempdir().unwrap());
        let conf = Conf::over(&nodes)
            .server(&format!("admin = \"{admin}\""))
            .cluster("health = { interval = \"50ms\", rise = 1, fall = 1 }");
        let path = folder.path().join("homing.toml");
        std::fs::write(&path, conf.text()).unwrap();
        let run = homing(&["run", "--config", path.to_str().unwrap()])
            .env("HOMING_LOG", "trace")
            .stdout(out)
            .stderr(err)
            .spawn();
        let mut proxy = Running(run.expect("the binary starts"));
        is_up(conf.web);
        is_up(admin);
        let state = |node: &str| {
            Client::new(admin).get(&format!("/api/clusters/app/nodes/{node}")).json()["state"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        for _ in 0..2 {
            nodes[0].kill();
            within(DEADLINE, "its checks still see a node die", || (state("n1") == "down").then_some(()));
            for _ in 0..100 {
                assert_eq!(Client::new(conf.web).get("/").node(), "n2", "{how}");
            }
            nodes[0].revive();
            within(DEADLINE, "and come back", || (state("n1") == "ready").then_some(()));
        }
        let reload = Client::new(admin).send("POST", "/api/reload", &[], b"").unwrap();
        assert_eq!((reload.status, &reload.json()["ok"]), (200, &true.into()), "{how}: {}", reload.text());
        assert!(Client::new(admin).get("/metrics").text().contains("\nhoming_panics_total 0\n"), "{how}");
        crate::support::proxy::signal(proxy.0.id(), "TERM");
        let ended = within(DEADLINE, "it ends", || proxy.0.try_wait().unwrap());
        assert_eq!(ended.code(), Some(0), "{how}");
    }
}

/// A verb, as it ends where its output goes nowhere: (exit code, standard error).
fn says(arguments: &[&str], out: Stdio, folder: &Path) -> (Option<i32>, String, bool) {
    let done = homing(arguments).current_dir(folder).stdout(out).output().expect("the binary runs");
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned(), done.stdout.is_empty())
}

#[test]
fn no_verb_minds_a_reader_that_has_seen_enough_and_each_tells_of_a_full_disk() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    Client::with_jar(window.proxy.addr).get("/");
    let (folder, conf, admin) =
        (window.proxy.folder(), window.proxy.conf(), format!("http://{}", window.admin));
    let conf = conf.to_str().unwrap();
    let page = format!("http://{}/", window.proxy.addr);
    let there: Vec<Vec<&str>> = vec![
        vec!["status"],
        vec!["status", "--json"],
        vec!["nodes", "app"],
        vec!["top", "--once"],
        vec!["explain", "--last"],
        vec!["explain", "--url", &page],
        vec!["moves"],
        vec!["set", "app/n1", "weight=50"],
        vec!["sessions", "app/n1"],
        vec!["bypass", "app/n1"],
        vec!["drain", "app/n1"],
        vec!["drain", "app/n1", "--wait", "--deadline", "1s", "--then", "move"],
        vec!["enable", "app/n1"],
        vec!["disable", "app/n1"],
        vec!["accept", "app/n1"],
        vec!["remove", "app/n1"],
        vec!["reload"],
        vec!["healthcheck"],
        vec!["status", "nothing"],
    ];
    let here: Vec<Vec<&str>> = vec![
        vec!["check", conf],
        vec!["check", "--dump", conf],
        vec!["check", "--json", conf],
        vec!["check", "/nowhere"],
        vec!["schema"],
        vec!["completions", "bash"],
        vec!["man"],
        vec!["token", "--new"],
        vec!["token", "--config", conf],
        vec!["--help"],
        vec!["--version"],
        vec!["help", "drain"],
        vec!["drain", "--help"],
        vec!["no-such-verb"],
    ];
    let there = there.into_iter().map(|verb| [verb, vec!["--admin", &admin]].concat());
    for verb in there.chain(here) {
        let (usual, _, silent) = says(&verb, Stdio::piped(), folder);
        // some of them may be done once only, and are refused the second time
        let (code, err, _) = says(&verb, left(), folder);
        assert!(code == usual || verb.contains(&"drain"), "{verb:?}: {code:?} for {usual:?}: {err}");
        assert!(!err.contains("panic"), "{verb:?}: {err}");
        let (code, err, _) = says(&verb, full(), folder);
        assert!(!err.contains("panic"), "{verb:?}: {err}");
        if usual == Some(0) && !silent {
            assert!(
                code == Some(1) && err.contains("standard output cannot be written: No space left"),
                "{verb:?}: {code:?} {err}"
            );
        }
        let mute = homing(&verb)
            .current_dir(folder)
            .stdout(full())
            .stderr(full())
            .status()
            .expect("the binary runs");
        assert!(matches!(mute.code(), Some(0..=4)), "{verb:?}: {mute:?}");
    }
}

#[test]
fn the_demo_runs_where_nobody_reads_it() {
    let port = free_addr().port();
    let demo =
        homing(&["demo", "--nodes", "2", "--port", &port.to_string()]).stdout(full()).stderr(left()).spawn();
    let mut demo = Running(demo.expect("the binary starts"));
    // the port is tried for a moment before anybody answers there
    let answers = || {
        Client::new(SocketAddr::from(([127, 0, 0, 1], port)))
            .send("GET", "/", &[], b"")
            .is_ok_and(|answer| answer.status == 200)
    };
    within(DEADLINE, "the demo answers", || answers().then_some(()));
    crate::support::proxy::signal(demo.0.id(), "TERM");
    assert_eq!(
        within(DEADLINE, "it ends", || demo.0.try_wait().unwrap()).code(),
        Some(1),
        "what it printed is lost"
    );
}

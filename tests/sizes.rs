//! What `homing check` says that the limits need, against the running binary and the ledger itself. When a
//! figure is wrong, it is to be mended in `src/config/sizing.rs`.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "proxy/support/mod.rs"]
mod support;

use homing::config::Sizing;
use homing::ledger::{Ledger, SessionCounter};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use support::relay::big_h2_node;
use support::{Certs, Client, Conf, DEADLINE, Origin, Proxy, free_addr, h2, until};

/// Connections that are opened.
const MANY: usize = 1500;
/// What is measured is at most this part more than what was said,
const MORE: f64 = 1.2;
/// and at least this part of it.
const LESS: f64 = 0.5;

/// One test measures at a time.
static SCALES: Mutex<()> = Mutex::new(());

fn needs(text: &str) -> Sizing {
    Sizing::of(&toml::from_str(text).unwrap(), 1)
}

fn check(what: &str, measured: f64, said: u64) {
    println!("{what}: {measured:.0} bytes, said to be {said}");
    let (least, most) = (said as f64 * LESS, said as f64 * MORE);
    assert!(
        (least..=most).contains(&measured),
        "{what} takes {measured:.0} bytes; src/config/sizing.rs says {said}"
    );
}

/// Bytes of each of many idle connections that have had a request each.
fn idle(proxy: &Proxy, client: impl Fn() -> Client) -> f64 {
    let open = |count: usize| -> Vec<Client> {
        let one = |_| {
            let mut client = client();
            assert_eq!(client.get("/").status, 200);
            client
        };
        (0..count).map(one).collect()
    };
    let warm = open(50);
    let before = proxy.memory();
    let all = open(MANY);
    let after = proxy.memory();
    drop((warm, all));
    (after as f64 - before as f64) / MANY as f64
}

#[test]
fn an_idle_connection_takes_what_it_is_said_to_take() {
    let _scales = SCALES.lock().unwrap_or_else(PoisonError::into_inner);
    let node = Origin::start("n1");
    let certs = Certs::new();
    let one_worker = |conf: Conf| conf.text().replace("workers = 2", "workers = 1");
    let plain = Proxy::start(&one_worker(Conf::over([&node])));
    check(
        "a connection",
        idle(&plain, || Client::new(plain.addr)),
        needs("[server]\nmax-connections = 1").connections,
    );
    let folder = tempfile::tempdir().unwrap();
    certs.write(&folder.path().join("certs"), &["app.test"]);
    let secure = free_addr();
    let conf = Conf::over([&node])
        .more(&format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}"));
    std::fs::write(folder.path().join("homing.toml"), one_worker(conf)).unwrap();
    let proxy = Proxy::start_in(folder, "homing.toml");
    let said =
        needs("[server]\nmax-connections = 1\n[listener.a]\nbind = \"a:1\"\ntls = { certs = [\"a\"] }")
            .connections;
    check("a connection with TLS", idle(&proxy, || certs.client(secure, "app.test")), said);
    let said = needs("[server]\nworkers = 1").process;
    check("a process", Proxy::start(&one_worker(Conf::over([&node]))).memory() as f64, said);
}

/// Clients that leave their answers unread,
const UNREAD_CLIENTS: usize = 4;
/// and how many each of them has.
const UNREAD: usize = 75;

/// Bytes of each of many answers that nobody reads.
fn unread(proxy: &Proxy) -> f64 {
    Client::new(proxy.addr).get("/");
    let before = proxy.memory();
    let grown = h2::run(async {
        let mut all = Vec::new();
        for _ in 0..UNREAD_CLIENTS {
            let send = h2::connect_unread(proxy.addr).await;
            for _ in 0..UNREAD {
                let get = hyper::Request::get("http://app.test/big?n=1000000").body(()).unwrap();
                all.push(send.clone().ready().await.unwrap().send_request(get, true).unwrap().0);
            }
        }
        let mut answers = Vec::new();
        for answer in all {
            answers.push(answer.await.unwrap());
        }
        assert!(answers.iter().all(|answer| answer.status() == 200));
        settled(proxy).await - before
    });
    grown as f64 / (UNREAD_CLIENTS * UNREAD) as f64
}

/// Memory when no more comes: a few pages are nothing.
async fn settled(proxy: &Proxy) -> u64 {
    let mut last = 0;
    let mut still = 0;
    // on a busy machine it may get no turn for a while
    while still < 5 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = proxy.memory();
        still = if now.abs_diff(last) < 256 << 10 { still + 1 } else { 0 };
        last = now;
    }
    last
}

#[test]
fn an_unread_answer_takes_what_it_is_said_to_take() {
    let _scales = SCALES.lock().unwrap_or_else(PoisonError::into_inner);
    let one_worker = |conf: Conf| conf.text().replace("workers = 2", "workers = 1");
    let node = Origin::start("n1");
    let said = needs("").unread;
    check("an unread answer", unread(&Proxy::start(&one_worker(Conf::over([&node])))), said);
    let conf =
        Conf::over([]).cluster("http2 = true").node("n1", &format!("\"http://{}\"", big_h2_node(1_000_000)));
    check("an unread answer of an HTTP/2 node", unread(&Proxy::start(&one_worker(conf))), said);
}

/// One worker before a node that takes all, and one that takes a connection and nothing more; on a Unix
/// socket, which holds little, so that what is sent stays with the proxy.
fn before_a_deaf_node(node: &Origin) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixListener::bind(folder.path().join("deaf.sock")).unwrap();
    std::thread::spawn(move || {
        let mut taken = Vec::new();
        socket.incoming().for_each(|connection| taken.push(connection));
    });
    let url = format!("unix:{}", folder.path().join("deaf.sock").display());
    let deaf =
        format!("[[rule]]\npath = \"/deaf\"\ncluster = \"deaf\"\n[cluster.deaf.nodes]\nn1 = \"{url}\"");
    let text =
        Conf::over([node]).rule("path = \"/taken\"").more(&deaf).text().replace("workers = 2", "workers = 1");
    std::fs::write(folder.path().join("homing.toml"), text).unwrap();
    Proxy::start_in(folder, "homing.toml")
}

static BODY: [u8; 2 << 20] = [7; 2 << 20];

/// Begins to send 2 MiB.
async fn upload(
    send: &::h2::client::SendRequest<bytes::Bytes>,
    path: &str,
) -> (::h2::client::ResponseFuture, ::h2::SendStream<bytes::Bytes>) {
    let post = hyper::Request::post(format!("http://app.test{path}")).body(()).unwrap();
    let (answer, mut stream) = send.clone().ready().await.unwrap().send_request(post, false).unwrap();
    stream.send_data(bytes::Bytes::from_static(&BODY), true).unwrap();
    (answer, stream)
}

#[test]
fn uploads_that_no_node_takes_take_what_they_are_said_to_take() {
    // of a client: uploads that are taken, and others after them that are not
    let cases: [(&str, usize, usize, usize); 2] =
        [("few each", 90, 0, 8), ("many after fast ones", 5, 4, 100)];
    let _scales = SCALES.lock().unwrap_or_else(PoisonError::into_inner);
    let node = Origin::start("n1");
    for (what, clients, fast, left) in cases {
        let proxy = before_a_deaf_node(&node);
        Client::new(proxy.addr).get("/taken");
        let before = proxy.memory();
        // hundreds of megabytes go through a debug build
        let grown = h2::run_within(4 * DEADLINE, async {
            let (mut all, mut sends) = (Vec::new(), Vec::new());
            for _ in 0..clients {
                let send = h2::connect_bare(proxy.addr).await;
                for _ in 0..fast {
                    assert_eq!(upload(&send, "/taken").await.0.await.unwrap().status(), 200);
                }
                for _ in 0..left {
                    all.push(upload(&send, "/deaf").await);
                }
                sends.push(send);
            }
            let grown = settled(&proxy).await - before;
            for send in sends.iter().take(5) {
                assert_eq!(
                    upload(send, "/taken").await.0.await.unwrap().status(),
                    200,
                    "{what}: another upload is not held up"
                );
            }
            grown
        });
        let needs = needs(&format!("[server]\nworkers = 1\nmax-connections = {clients}"));
        check(
            &format!("uploads, {what}"),
            grown as f64,
            (clients * left) as u64 * needs.unread + needs.uploads,
        );
    }
}

struct Nobody;

impl SessionCounter for Nobody {
    fn change(&self, _: u32, _: i32) {}
    fn yields(&self, _: u32, _: i32) {}
}

#[test]
fn a_session_takes_what_it_is_said_to_take() {
    const ALONE: &str = "HOMING_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // in a process of its own: what other tests have freed here would be taken first, and be no more
        // memory
        let _scales = SCALES.lock().unwrap_or_else(PoisonError::into_inner);
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let done = alone
            .args(["--exact", "a_session_takes_what_it_is_said_to_take", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        return;
    }
    const SESSIONS: u64 = 1_000_000;
    let own = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
    };
    let ledger = Ledger::new(SESSIONS as usize);
    let before = own();
    (0..SESSIONS)
        .for_each(|id| ledger.touch(id.wrapping_mul(0x9e37_79b9_7f4a_7c15), (id % 4) as u32, 1, &Nobody));
    let said = needs("[server]\nmax-sessions = 1\n[cluster.a]").sessions;
    check("a session", (own() - before) / SESSIONS as f64, said);
}

/// What `homing check` says of this file where so many files may be open; standard output and error.
fn checked(conf: &str, files: u32, arguments: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("homing.toml"), conf).unwrap();
    let line =
        format!("ulimit -n {files}; exec '{}' check homing.toml {arguments}", env!("CARGO_BIN_EXE_homing"));
    let done = Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
}

#[test]
fn check_says_what_the_limits_need_and_what_is_missing() {
    let conf = "[server]\nworkers = 2\nmax-connections = 1000\n[listener.web]\nbind = \"127.0.0.1:0\"\n[cluster.app.nodes]\nn1 = \"http://127.0.0.1:1\"\n";
    let (out, err) = checked(conf, 4000, "");
    let needs = needs(conf);
    let memory = needs.memory().div_ceil(1 << 20);
    assert!(
        out.contains(&format!("\nneeds at most {} open files and {memory} MiB of memory: ", needs.files)),
        "{out}"
    );
    assert_eq!(err, "");
    let (_, err) = checked(conf, 1000, "");
    assert!(
        err.contains("warning: at most 1000 files may be open") && err.contains("max-connections to 400"),
        "{err}"
    );
    let json: serde_json::Value = serde_json::from_str(&checked(conf, 1000, "--json").0).unwrap();
    assert_eq!((&json["ok"], &json["needs"]["files"]), (&true.into(), &needs.files.into()), "{json}");
    assert!(json["needs"]["shortage"].is_string(), "{json}");
    assert_eq!(
        json["findings"][0]["message"], json["needs"]["shortage"],
        "it fails --strict as any warning does"
    );
}

#[test]
fn a_running_proxy_takes_all_the_files_it_may_open() {
    let (folder, conf) = (tempfile::tempdir().unwrap(), Conf::over([]).node("n1", "\"http://127.0.0.1:1\""));
    std::fs::write(folder.path().join("homing.toml"), conf.text()).unwrap();
    let line = format!("ulimit -Sn 300; exec '{}' run --config homing.toml", env!("CARGO_BIN_EXE_homing"));
    let mut proxy = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the proxy listens", || TcpStream::connect(conf.web).ok());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.id())).unwrap();
    let (_, _) = (proxy.kill(), proxy.wait());
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard] = [0, 1].map(|at| line.split_whitespace().nth(at).unwrap());
    assert!(soft == hard && soft != "300", "{line}");
}

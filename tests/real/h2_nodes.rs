//! Nodes of others that speak HTTP/2: nginx with its 128 streams, and one on python3-h2 with few.

use crate::programs::{Running, have};
use crate::support::wire::read_head;
use crate::support::{Client, Conf, Origin, Proxy, free_addr};
use std::path::Path;
use std::process::Command;

fn one_worker(node: &str) -> String {
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(r#""cookie""#)
        .cluster("http2 = true")
        .node("n1", node);
    conf.text().replace("workers = 2", "workers = 1")
}

#[test]
fn more_streams_than_nginx_takes_over_one_connection() {
    if !have(&["nginx"]) {
        return;
    }
    let (folder, addr) = (tempfile::tempdir().expect("a temporary folder"), free_addr());
    let path = folder.path().display();
    std::fs::write(folder.path().join("large"), vec![b'x'; 1 << 20]).expect("written");
    std::fs::write(folder.path().join("small"), "small").expect("written");
    let text = format!(
        "daemon off; pid {path}/pid; error_log stderr; worker_processes 1; events {{ worker_connections 1000; }}\n\
         http {{ access_log off; client_body_temp_path {path}/1; proxy_temp_path {path}/2; fastcgi_temp_path {path}/3; \
         uwsgi_temp_path {path}/4; scgi_temp_path {path}/5;\n\
         server {{ listen {addr} http2; root {path}; location /large {{ limit_rate 1k; }} }} }}\n"
    );
    std::fs::write(folder.path().join("nginx.conf"), text).expect("written");
    let mut nginx = Running::start(
        Command::new("nginx").arg("-e").arg("stderr").arg("-c").arg(folder.path().join("nginx.conf")),
    );
    nginx.until_open(addr);
    let proxy = Proxy::start(&one_worker(&format!("\"http://{addr}\"")));
    let mut streams: Vec<Client> = (0..140).map(|_| Client::new(proxy.addr)).collect();
    streams
        .iter_mut()
        .for_each(|client| client.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent"));
    for (at, client) in streams.iter_mut().enumerate() {
        let head = read_head(client.open().expect("still open")).expect("a head").expect("not the end");
        assert_eq!(head.status(), 200, "stream {at}");
    }
    assert_eq!(Client::new(proxy.addr).get("/small").text(), "small");
}

#[test]
fn a_node_on_python_h2_with_few_streams_that_goes_away_often() {
    if !have(&["/usr/lib/python3/dist-packages/h2"]) {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/h2_node.py");
    for (streams, requests) in [(2, 1000), (1, 5), (10, 7)] {
        let node = Running::start(
            Command::new("/usr/bin/python3").arg(&script).args([streams.to_string(), requests.to_string()]),
        );
        let port = node.first_line();
        let proxy = Proxy::start(&one_worker(&format!("\"http://127.0.0.1:{port}\"")));
        let addr = proxy.addr;
        let ask = |at: usize| {
            std::thread::spawn(move || {
                let mut client = Client::new(addr);
                let answer = if at.is_multiple_of(2) { client.get("/") } else { client.post("/", b"a body") };
                (answer.status, answer.text())
            })
        };
        for (at, asked) in (0..40).map(ask).collect::<Vec<_>>().into_iter().enumerate() {
            let want = if at.is_multiple_of(2) { "body of 0" } else { "body of 6" };
            let answer = asked.join().expect("an answer");
            assert_eq!(
                answer,
                (200, want.to_owned()),
                "{streams} streams, {requests} requests: {:?}",
                proxy.access()
            );
        }
    }
}

#[test]
fn what_a_node_wants_over_http_1_is_sent_so() {
    if !have(&["/usr/lib/python3/dist-packages/h2"]) {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/h2_node.py");
    let body = vec![b'x'; 30_000];
    for (speaks, status) in [("both", 200), ("h2", 502)] {
        let node = Running::start(Command::new("/usr/bin/python3").arg(&script).args(["10", "1000", speaks]));
        let port = node.first_line();
        let proxy = Proxy::start(&one_worker(&format!("\"http://127.0.0.1:{port}\"")));
        for _ in 0..5 {
            let mut client = Client::new(proxy.addr);
            let answer = client.get("/");
            assert_eq!(answer.status, status, "{speaks}: {:?}", proxy.access());
            assert!(status != 200 || answer.text() == "HTTP/1.1 with 0", "{}", answer.text());
            let answer = Client::new(proxy.addr).post("/", &body);
            assert_eq!(answer.status, status, "{speaks}: {:?}", proxy.access());
            assert!(status != 200 || answer.text() == "HTTP/1.1 with 30000", "{}", answer.text());
        }
    }
}

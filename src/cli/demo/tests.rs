//! The demo application over real sockets.

use super::*;
use crate::config::model::Config;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn ask(address: SocketAddr, method: &str, target: &str, headers: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{method} {target} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n{headers}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn get(address: SocketAddr, headers: &str) -> String {
    ask(address, "GET", "/", headers).unwrap()
}

fn cookie(answer: &str) -> String {
    let value = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    format!("cookie: other=1; {}\r\n", value.split(';').next().unwrap())
}

fn refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_session_counts_on_its_node_and_nowhere_else() {
    let demo = Demo::start(2).unwrap();
    let [(_, n1), (_, n2)] = demo.addresses()[..] else { panic!("two nodes") };
    let first = get(n1, "");
    assert!(first.ends_with("hello from n1, visit 1\n"), "{first}");
    let jar = cookie(&first);
    let second = get(n1, &jar);
    assert!(second.ends_with("hello from n1, visit 2\n") && !second.contains("set-cookie"), "{second}");
    assert!(get(n2, &jar).ends_with("hello from n2, visit 1\n"));
    let json = ask(n1, "GET", "/json", &jar).unwrap();
    assert!(json.contains(r#""node":"n1","visits":2"#), "{json}");
    assert!(get(n1, &jar).ends_with("visit 3\n"), "/json counts no visit");
}

#[test]
fn a_killed_node_refuses_cuts_and_forgets_and_revives_on_its_port() {
    let demo = Demo::start(2).unwrap();
    let n1 = demo.addresses()[0].1;
    let jar = cookie(&get(n1, ""));
    let mut idle = TcpStream::connect(n1).unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(idle, "GET /healthz HTTP/1.1\r\nhost: demo\r\n\r\n").unwrap();
    let mut buffer = [0; 1024];
    assert!(idle.read(&mut buffer).unwrap() > 0);

    assert!(demo.kill("n1"));
    assert!(!demo.kill("n1") && !demo.kill("n9"));
    assert!(refused(n1));
    let cut = idle.read(&mut buffer);
    assert!(
        matches!(&cut, Ok(0)) || cut.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
        "the open connection is closed"
    );
    assert_eq!(demo.states(), [("n1".to_owned(), false), ("n2".to_owned(), true)]);

    assert!(demo.revive("n1"));
    assert!(!demo.revive("n1"));
    assert!(get(n1, &jar).ends_with("hello from n1, visit 1\n"), "its sessions are gone");
}

#[test]
fn buttons_kill_and_revive() {
    let demo = Demo::start(2).unwrap();
    let [(_, n1), (_, n2)] = demo.addresses()[..] else { panic!("two nodes") };
    let answer = ask(n1, "POST", "/demo/kill?node=n2", "content-length: 0\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /\r\n"), "{answer}");
    until("the death of n2", || refused(n2));
    ask(n1, "POST", "/demo/revive?node=n2", "content-length: 0\r\n").unwrap();
    until("the life of n2", || !refused(n2));
    // A node may be asked to end itself, and still answers that.
    assert!(
        ask(n1, "POST", "/demo/kill?node=n1", "content-length: 0\r\n").unwrap().starts_with("HTTP/1.1 303")
    );
    until("the death of n1", || refused(n1));
    assert!(ask(n2, "GET", "/demo/kill?node=n2", "").unwrap().starts_with("HTTP/1.1 405"));
    assert!(ask(n2, "POST", "/demo/kill?node=n9", "").unwrap().starts_with("HTTP/1.1 404"));
}

#[test]
fn browsers_get_a_whole_page() {
    let demo = Demo::start(3).unwrap();
    let page = get(demo.addresses()[1].1, "accept: text/html,*/*\r\n");
    assert!(page.contains("text/html") && page.ends_with("</html>\n"));
    assert!(
        page.contains(r#"<h1 id="node">n2</h1>"#) && page.contains(r#"action="/demo/kill?node=n3""#),
        "{page}"
    );
}

#[test]
fn the_plan_is_a_valid_conf_with_every_node() {
    let plan = plan(3, 0).unwrap();
    let conf: Config = toml::from_str(&plan.conf).unwrap();
    assert_eq!(conf.cluster["demo"].nodes.len(), 3);
    assert!(!plan.conf.contains("127.0.0.1:0\""), "{}", plan.conf);
    assert!(plan.banner.contains("curl -c jar -b jar http://127.0.0.1:"));
}

#[test]
fn a_taken_port_gives_way_to_the_next() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    assert_ne!(free(port).unwrap().local_addr().unwrap().port(), port);
}

#[test]
fn keys_toggle_by_number_and_name() {
    let demo = Demo::start(2).unwrap();
    assert_eq!(toggle(&demo, "  "), None);
    assert_eq!(toggle(&demo, "7").unwrap(), "no node 7");
    assert!(toggle(&demo, "2\n").unwrap().starts_with("n2 is dead"));
    assert!(toggle(&demo, "n2").unwrap().starts_with("n2 is alive"));
}

//! What happens is told as it happens.

use crate::support::wire::Stream;
use crate::support::{DEADLINE, Origin, until};
use crate::window::Window;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// Someone who follows the events.
struct Follower(BufReader<TcpStream>);

impl Follower {
    fn of(window: &Window) -> Self {
        let mut stream = TcpStream::connect(window.admin).unwrap();
        stream.limit(DEADLINE).unwrap();
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: {}\r\n\r\n", window.admin).unwrap();
        let mut follower = Self(BufReader::new(stream));
        assert_eq!(follower.next().0, "hello");
        follower
    }

    /// The next event and its data. Chunk sizes stand on lines of their own, so that reading by line is
    /// enough.
    fn next(&mut self) -> (String, Value) {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return (event, serde_json::from_str(data).unwrap());
            }
        }
    }

    fn until(&mut self, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (name, data) = self.next();
            if name == event && fits(&data) {
                return data;
            }
        }
    }
}

#[test]
fn states_and_reloads_are_told_as_they_change() {
    let mut nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut follower = Follower::of(&window);
    let gone = nodes.pop().unwrap().name().to_owned();
    let told = follower.until("state", |data| data["node"] == gone.as_str());
    assert_eq!(
        (told["cluster"].as_str(), told["before"].as_str(), told["state"].as_str()),
        (Some("app"), Some("ready"), Some("down"))
    );
    let node = window.get(&format!("/api/clusters/app/nodes/{gone}")).json();
    assert_eq!(node["since"], told["at"], "the table knows the same moment");
    let draining = window.conf.clone().with(&nodes[0], "state = \"draining\"");
    assert!(window.proxy.reload_to(&draining.text()).applied());
    let told = follower.until("reload", |_| true);
    assert_eq!((told["ok"].as_bool(), told["applied"].as_u64()), (Some(true), Some(1)));
    let told = follower.until("state", |data| data["node"] != gone.as_str());
    assert_eq!(told["state"], "drained", "it has no session: {told}");
}

#[test]
fn followers_are_bounded_and_those_who_go_make_room() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let followers: Vec<_> = (0..64).map(|_| Follower::of(&window)).collect();
    let answer = window.get("/api/events");
    assert_eq!((answer.status, answer.json()["status"].as_u64()), (503, Some(503)));
    assert_eq!(window.get("/ping").status, 200);
    drop(followers);
    until("there is room again", || {
        let mut stream = TcpStream::connect(window.admin).unwrap();
        stream.limit(DEADLINE).unwrap();
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: {}\r\n\r\n", window.admin).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.contains("200").then_some(())
    });
}

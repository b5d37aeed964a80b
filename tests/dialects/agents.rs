//! Agents on sockets, asked in HAProxy's agent-check.

use crate::support::{Client, Conf, Origin, free_addr, until};
use crate::window::Window;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An agent that says the same line to whoever connects, until it is told another.
struct Agent {
    addr: SocketAddr,
    line: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    heard: Arc<Mutex<String>>,
}

impl Agent {
    fn start(line: &str) -> Self {
        let addr = free_addr();
        let listener = TcpListener::bind(addr).unwrap();
        let agent = Self {
            addr,
            line: Arc::new(Mutex::new(line.into())),
            asked: Arc::default(),
            heard: Arc::default(),
        };
        let (line, asked, heard) = (agent.line.clone(), agent.asked.clone(), agent.heard.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let line = line.lock().unwrap().clone();
                if let Some(question) = line.strip_prefix("after ") {
                    let (question, answer) = question.split_once(':').unwrap();
                    let mut bytes = vec![0; question.len()];
                    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    stream.read_exact(&mut bytes).unwrap();
                    *heard.lock().unwrap() = String::from_utf8(bytes).unwrap();
                    let _ = stream.write_all(answer.as_bytes());
                } else {
                    let _ = stream.write_all(line.as_bytes());
                }
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
        agent
    }

    fn says(&self, line: &str) {
        *self.line.lock().unwrap() = line.into();
    }

    /// As the conf file says it.
    fn conf(&self) -> String {
        format!("agent = {{ port = {}, interval = \"50ms\" }}", self.addr.port())
    }
}

fn word(window: &Window, key: &str) -> serde_json::Value {
    window.get("/api/clusters/app/nodes/n1").json()[key].clone()
}

fn becomes(window: &Window, key: &str, value: impl Into<serde_json::Value>) {
    let value = value.into();
    until(&format!("{key} becomes {value}"), || (word(window, key) == value).then_some(()));
}

fn window(node: &Origin, agent: &str) -> Window {
    Window::with(Conf::over([node]).affinity(r#"{ cookie = "HOMING" }"#).cluster(agent))
}

#[test]
fn an_agent_takes_its_node_down_and_up_drains_it_and_weighs_it() {
    let node = Origin::start("n1");
    let agent = Agent::start("up 100%\n");
    let window = window(&node, &agent.conf());
    becomes(&window, "state", "ready");
    becomes(&window, "load", 0);
    for (line, state) in [
        ("down # disk full\n", "down"),
        // a word of another kind does not bring it up
        ("ready\r\n", "down"),
        ("up\n", "ready"),
        ("drain\n", "drained"),
        ("maint # kernel update\n", "maintenance"),
        // neither does `up` end what `ready` has to
        ("up\n", "maintenance"),
        ("ready\n", "ready"),
        ("stopped\n", "down"),
        ("ready up 100%\n", "ready"),
    ] {
        let asked = agent.asked.load(Ordering::SeqCst);
        agent.says(line);
        // the second answer from here on has the new line for certain
        until("the agent is asked again", || (agent.asked.load(Ordering::SeqCst) > asked + 1).then_some(()));
        becomes(&window, "state", state);
    }
    agent.says("50%\n");
    becomes(&window, "weight", 50);
    becomes(&window, "load", 50);
    // a number alone is no weight, and a line without its end is none
    for line in ["75\n", "25%"] {
        let asked = agent.asked.load(Ordering::SeqCst);
        agent.says(line);
        until("the agent is asked again", || (agent.asked.load(Ordering::SeqCst) > asked + 2).then_some(()));
        assert_eq!(word(&window, "weight"), 50, "{line:?}");
    }
    let result = |word: &str| {
        window.metric(&format!("homing_heartbeats_total{{dialect=\"agent-check\",result=\"{word}\"}}"))
    };
    assert!(result("taken") > 10.0 && result("unanswered") >= 1.0);
    window.proxy.log.says("node n1 agent says down (disk full)");
    window.proxy.log.says("agent does not answer: it ends without the end of a line");
}

#[test]
fn an_agent_limits_the_requests_of_its_node() {
    let node = Origin::start("n1");
    let agent = Agent::start("up 50%,maxconn:2\r\n");
    let window = window(&node, &agent.conf());
    becomes(&window, "weight", 50);
    let users: Vec<_> = (0..6)
        .map(|_| {
            let addr = window.proxy.addr;
            std::thread::spawn(move || assert_eq!(Client::new(addr).get("/slow?ms=100").status, 200))
        })
        .collect();
    users.into_iter().for_each(|user| user.join().unwrap());
    assert_eq!(node.state.peak.load(Ordering::SeqCst), 2);
}

#[test]
fn an_agent_elsewhere_is_sent_what_it_wants_to_hear() {
    let node = Origin::start("n1");
    let agent = Agent::start("after app one\n:up 30%\n");
    let own = format!(
        "agent = {{ port = {}, address = \"localhost\", interval = \"50ms\", send = \"app one\\n\" }}",
        agent.addr.port()
    );
    let conf = Conf::over([&node]).affinity(r#"{ cookie = "HOMING" }"#).with(&node, &own);
    let window = Window::with(conf);
    becomes(&window, "weight", 30);
    assert_eq!(*agent.heard.lock().unwrap(), "app one\n");
}

#[test]
fn an_agent_that_does_not_answer_changes_nothing_and_one_that_is_taken_out_has_no_say() {
    let node = Origin::start("n1");
    let agent = Agent::start("down 40%\n");
    let window = window(&node, &agent.conf());
    becomes(&window, "state", "down");
    becomes(&window, "load", 60);
    let text = window.conf.text();
    // nobody is there from here on
    let nobody = text.replace(&agent.addr.port().to_string(), &free_addr().port().to_string());
    assert!(window.proxy.reload_to(&nobody).applied());
    let unanswered = || window.status()["heartbeats"]["agent-check"]["unanswered"].as_u64();
    until("it was asked several times in vain", || (unanswered() > Some(3)).then_some(()));
    assert_eq!((word(&window, "state"), word(&window, "load")), ("down".into(), 60.into()));
    // its load is old after a while; what it wanted still holds
    becomes(&window, "load", serde_json::Value::Null);
    assert_eq!(word(&window, "state"), "down");
    let without: String =
        text.lines().filter(|line| !line.starts_with("agent")).map(|line| format!("{line}\n")).collect();
    assert!(window.proxy.reload_to(&without).applied());
    becomes(&window, "state", "ready");
    assert_eq!(word(&window, "weight"), 100);
}

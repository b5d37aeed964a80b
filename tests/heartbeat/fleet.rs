//! A proxy that nodes announce themselves to, and the nodes' side of it.

use crate::support::client::Answer;
use crate::support::wait::a_second_passes;
use crate::support::{Client, Conf, Origin, free_addr, until};
use crate::window::{Window, homing};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::ops::Deref;

pub struct Fleet {
    pub window: Window,
    pub announce: SocketAddr,
    pub token: String,
}

impl Deref for Fleet {
    type Target = Window;
    fn deref(&self) -> &Window {
        &self.window
    }
}

impl Fleet {
    /// In front of these nodes, sessions by our cookie, no slow start.
    pub fn over<'a>(nodes: impl IntoIterator<Item = &'a Origin>, cluster: &str) -> Self {
        Self::with(
            Conf::over(nodes)
                .affinity(r#"{ cookie = "HOMING" }"#)
                .cluster("slow-start = \"0s\"")
                .cluster(cluster),
        )
    }

    pub fn with(conf: Conf) -> Self {
        Self::at(tempfile::tempdir().expect("a temporary folder"), conf)
    }

    /// In this folder.
    pub fn at(folder: tempfile::TempDir, conf: Conf) -> Self {
        let announce = free_addr();
        let window = Window::at(folder, conf.server(&format!("announce = \"{announce}\"")));
        until("the announce address opens", || std::net::TcpStream::connect(announce).is_ok().then_some(()));
        let said =
            homing(window.proxy.folder(), &["token", "--config", window.proxy.conf().to_str().unwrap()], &[]);
        assert_eq!(said.code, 0, "{said:?}");
        Self { window, announce, token: said.out.trim().to_owned() }
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Sends a heartbeat as it is, with a token.
    pub fn send(&self, token: &str, query: &str, beat: &Value) -> Answer {
        let headers =
            [("Authorization", format!("Bearer {token}")), ("Content-Type", "application/json".into())];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = beat.to_string();
        Client::new(self.announce)
            .send("POST", &format!("/heartbeat{query}"), &headers, body.as_bytes())
            .unwrap()
    }

    /// A node's heartbeat; `more` is what it says beside its name and address. The proxy's answer.
    pub fn beat(&self, node: &Origin, more: Value) -> Value {
        self.beat_as(node.name(), &node.url(), more)
    }

    pub fn beat_as(&self, name: &str, url: &str, more: Value) -> Value {
        let answer = self.send(&self.token, "", &beat(name, url, more));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The node restarts: its former run beats once more after all that was so far, then its new one for the
    /// first time.
    pub fn restarts(&self, node: &Origin, former: &str, new: &str) {
        a_second_passes();
        self.beat(node, json!({"boot": former}));
        self.beat(node, json!({"boot": new}));
    }

    /// The ranked list.
    pub fn list(&self) -> Vec<Value> {
        let answer = Client::new(self.announce).get("/clusters/app/nodes");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().as_array().unwrap().clone()
    }

    /// The names on it.
    pub fn names(&self) -> String {
        self.list().iter().map(|node| node["node"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    }

    /// The nodes that so many clients who come for the first time are sent to.
    pub fn newcomers(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| Client::with_jar(self.proxy.addr).get("/").node().to_owned()).collect()
    }

    /// A heartbeat counter.
    pub fn counted(&self, result: &str) -> u64 {
        self.status()["heartbeats"]["native"][result].as_u64().unwrap_or(0)
    }
}

/// The words of a heartbeat.
pub fn beat(name: &str, url: &str, more: Value) -> Value {
    let mut beat = json!({"cluster": "app", "node": name, "url": url});
    beat.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    beat
}

/// How many of the list are this one.
pub fn of(list: &[String], name: &str) -> usize {
    list.iter().filter(|entry| *entry == name).count()
}

//! The conf of a world: what it is like is drawn once, what nodes it names may change with each reload.

use homing::config::files::NamedFiles;
use homing::config::model::{AdminState, Config, Node, NodeTable};
use homing::config::parse_str;
use rand::{Rng, rngs::SmallRng};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

/// Seconds after which a session that is not seen is over.
pub const IDLE: u32 = 40;
/// Seconds between two checks.
pub const INTERVAL: u64 = 2;
/// Seconds over which a node is eased in.
pub const SLOW_START: u32 = 5;
/// The only cluster.
pub const CLUSTER: &str = "c";

/// How sessions are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pins {
    /// Our own cookie.
    Sealed,
    /// A cookie with the node's name.
    Readable,
    /// The node's name in front of the application's id.
    Prefix,
    /// The node's name behind the application's id.
    Route,
    /// The application's id, learned.
    Learned,
    /// A header, remembered.
    Key,
    /// A header, hashed.
    Hashed,
}

impl Pins {
    const ALL: [Self; 7] =
        [Self::Sealed, Self::Readable, Self::Prefix, Self::Route, Self::Learned, Self::Key, Self::Hashed];

    fn toml(self) -> &'static str {
        match self {
            Self::Sealed => "{ cookie = 'PIN' }",
            Self::Readable => "{ cookie = 'PIN', value = 'route' }",
            Self::Prefix => "{ cookie = 'SID', mode = 'prefix' }",
            Self::Route => "{ route = 'SID' }",
            Self::Learned => "{ learn = 'SID' }",
            Self::Key => "{ key = 'header:x-user' }",
            Self::Hashed => "{ key = 'header:x-user', remember = false }",
        }
    }

    /// Whether nothing but the ledger knows where a session is.
    pub fn stand_in_ledger(self) -> bool {
        matches!(self, Self::Learned | Self::Key)
    }

    /// Whether a session is known by its identity once it is placed or moved, whatever its client has heard
    /// of it.
    pub fn identify(self) -> bool {
        self != Self::Readable
    }

    /// Whether the ledger has a say in where a session is.
    pub fn ask_ledger(self) -> bool {
        matches!(self, Self::Learned | Self::Key | Self::Hashed)
    }

    /// Whether a pin tells the run of its node in which the session began, or the ledger does.
    pub fn know_runs(self) -> bool {
        matches!(self, Self::Sealed | Self::Learned | Self::Key)
    }
}

/// What the conf of a world says.
pub struct Conf {
    pub pins: Pins,
    pub strict: bool,
    pub file: Config,
    pub files: NamedFiles,
}

thread_local! {
    static READ: RefCell<HashMap<String, (Config, NamedFiles)>> = RefCell::default();
}

impl Conf {
    pub fn draw(rng: &mut SmallRng) -> Self {
        const BALANCE: [&str; 6] =
            ["least-sessions", "least-requests", "round-robin", "heartbeat", "random", "first"];
        let pins = Pins::ALL[rng.random_range(0..Pins::ALL.len())];
        let strict = rng.random_bool(0.15);
        let balance = BALANCE[rng.random_range(0..BALANCE.len())];
        let failover = if strict { "strict" } else { "move" };
        let pinned = if rng.random_bool(0.2) { "check" } else { "traffic" };
        let affinity = pins.toml();
        let text = format!(
            "[server]\nmax-sessions = 1000\n[listener.web]\nbind = '127.0.0.1:0'\n[[rule]]\ncluster = 'c'\n[cluster.c]\nbalance = '{balance}'\nfailover = '{failover}'\n\
             affinity = {affinity}\nsession-idle = '{IDLE}s'\nslow-start = '{SLOW_START}s'\nretries = 2\ntimeouts = {{ response = '4s' }}\n\
             health = {{ path = '/', interval = '{INTERVAL}s', timeout = '1s', rise = 2, fall = 2, pinned = '{pinned}' }}\n\
             passive = {{ failures = 2, eject = '2s' }}\n[cluster.c.nodes]\nn0 = 'http://127.0.0.1:1'\n"
        );
        let (mut file, files) = READ.with_borrow_mut(|read| {
            let parse = || {
                parse_str(&text, Path::new("homing.toml")).unwrap_or_else(|found| panic!("{text}\n{found:?}"))
            };
            let loaded = || {
                let loaded = parse();
                (loaded.config, loaded.files)
            };
            read.entry(text.clone()).or_insert_with(loaded).clone()
        });
        let nodes = &mut file.cluster.get_mut(CLUSTER).unwrap().nodes;
        nodes.clear();
        for n in 0..rng.random_range(2..=4) {
            nodes.insert(format!("n{n}"), Node::Table(node(n, rng)));
        }
        Self { pins, strict, file, files }
    }

    /// The nodes it names, by name.
    pub fn nodes(&mut self) -> &mut indexmap::IndexMap<String, Node> {
        &mut self.file.cluster.get_mut(CLUSTER).unwrap().nodes
    }

    /// What it says of a node.
    pub fn node(&self, name: &str) -> Option<NodeTable> {
        self.file.cluster[CLUSTER].nodes.get(name).map(Node::table)
    }
}

/// A node as the file may have it.
pub fn node(number: usize, rng: &mut SmallRng) -> NodeTable {
    NodeTable {
        url: format!("http://127.0.0.1:{}", 8000 + number),
        weight: if rng.random_bool(0.2) { 50 } else { 100 },
        max_sessions: rng.random_bool(0.25).then(|| rng.random_range(1..6)),
        max_requests: rng.random_bool(0.25).then(|| rng.random_range(1..4)),
        backup: rng.random_bool(0.08),
        state: if rng.random_bool(0.05) { AdminState::Draining } else { AdminState::Enabled },
        ..NodeTable::default()
    }
}

//! A conf file in the making: one clear-text listener and one cluster, and whatever a test adds.

use super::origin::Origin;
use super::port::free_addr;
use std::net::SocketAddr;

/// What goes into the file. Each part is TOML lines, put under its heading.
#[derive(Debug, Clone)]
pub struct Conf {
    pub web: SocketAddr,
    pub server: String,
    pub listener: String,
    pub rule: String,
    pub cluster: String,
    pub nodes: Vec<(String, String)>,
    /// Further tables, whole.
    pub more: String,
}

impl Conf {
    /// In front of these nodes, everything else by default.
    pub fn over<'a>(nodes: impl IntoIterator<Item = &'a Origin>) -> Self {
        let nodes = nodes.into_iter().map(|o| (o.name().to_owned(), format!("{:?}", o.url()))).collect();
        Self {
            web: free_addr(),
            server: String::new(),
            listener: String::new(),
            rule: String::new(),
            cluster: String::new(),
            nodes,
            more: String::new(),
        }
    }

    /// Sets the cluster's affinity, as it is written in the file.
    pub fn affinity(self, affinity: &str) -> Self {
        self.cluster(&format!("affinity = {affinity}"))
    }

    /// Adds a line to the cluster.
    pub fn cluster(mut self, line: &str) -> Self {
        self.cluster.push_str(line);
        self.cluster.push('\n');
        self
    }

    /// Adds a line to the listener.
    pub fn listener(mut self, line: &str) -> Self {
        self.listener.push_str(line);
        self.listener.push('\n');
        self
    }

    /// Adds a line to the one rule.
    pub fn rule(mut self, line: &str) -> Self {
        self.rule.push_str(line);
        self.rule.push('\n');
        self
    }

    /// Adds a line about the process.
    pub fn server(mut self, line: &str) -> Self {
        self.server.push_str(line);
        self.server.push('\n');
        self
    }

    /// Adds whole tables.
    pub fn more(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self.more.push('\n');
        self
    }

    /// Adds a node, or says more of one: `node("n1", "{ url = …, weight = 50 }")`.
    pub fn node(mut self, name: &str, value: &str) -> Self {
        match self.nodes.iter_mut().find(|(n, _)| n == name) {
            Some(node) => node.1 = value.to_owned(),
            None => self.nodes.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Says more of an origin's node: `with(&n1, "weight = 50")`.
    pub fn with(self, origin: &Origin, keys: &str) -> Self {
        let value = format!("{{ url = {:?}, {keys} }}", origin.url());
        self.node(origin.name(), &value)
    }

    /// Takes a node out.
    pub fn without(mut self, name: &str) -> Self {
        self.nodes.retain(|(n, _)| n != name);
        self
    }

    /// The file.
    pub fn text(&self) -> String {
        let Self { web, server, listener, rule, cluster, nodes, more } = self;
        let nodes: String = nodes.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        format!(
            "[server]\nworkers = 2\n{server}\n[listener.web]\nbind = \"{web}\"\n{listener}\n\
             [[rule]]\ncluster = \"app\"\n{rule}\n[cluster.app]\n{cluster}\n[cluster.app.nodes]\n{nodes}\n{more}"
        )
    }
}

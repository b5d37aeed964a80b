//! What the limits in a conf file ask of the machine. All figures stand here, each with where it comes from;
//! `tests/sizes.rs` holds the larger ones against the running binary.

use super::given::GivenKeys;
use super::model::{Cluster, Config, Workers};

/// Of the process before anybody connects. Measured: resident memory of a new process with one worker is 20
/// to 30 MiB.
const PROCESS: u64 = 30 << 20;
/// Of each further worker. Measured: resident memory with 1 and with 9 workers, after requests on all of
/// them.
const WORKER: u64 = 1 << 20;
/// Of an idle client connection that has had a request. Measured: resident memory before and after 1,500 of
/// them (2.2 KiB).
const CONNECTION: u64 = 5 << 9;
/// The same with TLS. Measured likewise, ECDSA certificate, TLS 1.3 (10.0 KiB).
const TLS_CONNECTION: u64 = 21 << 9;
/// Of an answer whose client does not read it, or an upload whose node does not. Measured: resident memory
/// before and after hundreds of them; 42.3 KiB from nodes that speak HTTP/1, 29.8 KiB from nodes that speak
/// HTTP/2.
const UNREAD: u64 = 43 << 10;
/// Of all answers that are unread on one connection of HTTP/2 to a node: twice the windows of
/// `upstream::window`, and what 128 streams take besides. Measured: 3.7 MiB of those that were unread from
/// their beginning.
const UNREAD_CONNECTION: u64 = 6 << 20;
/// Of all uploads over HTTP/2 on a worker that their nodes, or the sockets to these, took fast at first: what
/// `net::uploads` lets them have beyond that, and what is held back of memory that they used meanwhile: 37
/// MiB, 55 MiB on a machine that is busy.
const UPLOADS: u64 = 48 << 20;
/// The same on one connection.
const UPLOADS_CONNECTION: u64 = 4 << 20;
/// Of a session in the ledger: an entry of 24 bytes and one of control, in a table that is at least 7/16
/// full.
const SESSION: u64 = 58;
/// Files that the process has open for itself: logs, state, watches, epoll and wake-ups, the window and
/// heartbeats.
const OWN_FILES: u64 = 200;

/// Clients that may be connected whatever the open files: whoever allows fewer is told.
const FEWEST: u32 = 100;

/// The most that a conf file's limits allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizing {
    /// Open files: each client connection, a connection to a node for each, what listens, checks.
    pub files: u64,
    /// Bytes for all client connections, idle.
    pub connections: u64,
    /// Bytes for each answer and each upload that is not read, beyond the connections.
    pub unread: u64,
    /// Bytes for all uploads over HTTP/2 that are read no more, beyond that.
    pub uploads: u64,
    /// Bytes for all that are not read, of nodes that speak HTTP/2; none if there are no such nodes.
    pub unread_http2: u64,
    /// Bytes for the sessions of a cluster that has all it may have. No file has every cluster full at once.
    pub sessions: u64,
    /// Bytes for the process itself.
    pub process: u64,
}

impl Sizing {
    /// Of this conf on a machine with so many cores.
    pub fn of(config: &Config, cores: usize) -> Self {
        let server = &config.server;
        let workers = match server.workers {
            Workers::Count(count) => u64::from(count.max(1)),
            Workers::Word(_) => cores.max(1) as u64,
        };
        let connections = u64::from(server.max_connections);
        let listening: usize = config.listener.values().map(|listener| listener.bind.as_slice().len()).sum();
        let nodes: usize = config.cluster.values().map(|cluster| cluster.nodes.len()).sum();
        let http2 =
            |cluster: &Cluster| cluster.nodes.len() as u64 * u64::from(cluster.pool.http2_connections);
        let http2: u64 = config.cluster.values().filter(|cluster| cluster.http2).map(http2).sum();
        let streams =
            config.listener.values().map(|listener| u64::from(listener.max_streams)).max().unwrap_or(1);
        let tls = config.listener.values().any(|listener| listener.tls.is_some());
        Self {
            files: 2 * connections + listening as u64 * workers + nodes as u64 + OWN_FILES,
            connections: connections * if tls { TLS_CONNECTION } else { CONNECTION },
            unread: UNREAD,
            uploads: (workers * UPLOADS).min(connections * UPLOADS_CONNECTION),
            unread_http2: (workers * http2 * UNREAD_CONNECTION).min(connections * streams * UNREAD),
            sessions: u64::from(server.max_sessions) * SESSION,
            process: PROCESS + workers * WORKER,
        }
    }

    /// Where nothing is said of it, as many clients may be connected as the open files of the process allow; so
    /// the smallest conf asks for nothing that a usual limit does not give.
    pub fn fit(config: &mut Config, given: &GivenKeys, cores: usize, may_open: u64) {
        if !given.has(&["server", "max-connections"]) {
            let beside = Self::of(config, cores).files - 2 * u64::from(config.server.max_connections);
            let most = u32::try_from(may_open.saturating_sub(beside) / 2).unwrap_or(u32::MAX);
            let default = config.server.max_connections;
            config.server.max_connections = default.min(most).max(FEWEST);
        }
    }

    /// Bytes for itself and all clients, as long as they are idle and nobody has a session.
    pub fn memory(&self) -> u64 {
        self.connections + self.process
    }

    /// What is wrong with a process that may open only so many files.
    pub fn shortage(&self, may_open: u64) -> Option<String> {
        (may_open < self.files).then(|| {
            let (files, connections) = (self.files, may_open.saturating_sub(OWN_FILES) / 2);
            format!(
                "at most {may_open} files may be open, and server.max-connections needs {files}: raise the hard limit (ulimit -Hn, \
                 LimitNOFILE= in the unit), or set max-connections to {connections}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Sizing {
        Sizing::of(&toml::from_str(text).unwrap(), 4)
    }

    #[test]
    fn limits_become_files_and_memory() {
        let plain = needs(
            "[server]\nmax-connections = 10000\nmax-sessions = 1000\n[listener.a]\nbind = [\"127.0.0.1:1\", \"[::1]:1\"]\n\
             [cluster.x.nodes]\nn1 = \"http://a:1\"\n[cluster.y.nodes]\nn1 = \"http://a:1\"",
        );
        assert_eq!(plain.files, 20_000 + 2 * 4 + 2 + OWN_FILES);
        assert_eq!((plain.connections, plain.sessions), (10_000 * CONNECTION, 1000 * SESSION));
        let tls = needs(
            "[server]\nworkers = 1\nmax-connections = 20\n[listener.a]\nbind = \"127.0.0.1:1\"\ntls = { certs = [\"c\"] }",
        );
        assert_eq!((plain.unread, plain.unread_http2), (UNREAD, 0));
        let http2 = |connections: u32| {
            let text = "[listener.a]\nbind = \"127.0.0.1:1\"\nmax-streams = 10\n[cluster.x]\nhttp2 = true\npool = { http2-connections = 3 }\n\
                        [cluster.x.nodes]\nn1 = \"http://a:1\"\nn2 = \"http://b:1\"";
            needs(&format!("[server]\nworkers = 2\nmax-connections = {connections}\n{text}")).unread_http2
        };
        assert_eq!((http2(10_000), http2(1)), (2 * 6 * UNREAD_CONNECTION, 10 * UNREAD));
        let few = needs("[server]\nmax-connections = 3");
        assert_eq!((plain.uploads, tls.uploads, few.uploads), (4 * UPLOADS, UPLOADS, 3 * UPLOADS_CONNECTION));
        assert_eq!(
            (tls.files, tls.connections, tls.process),
            (40 + 1 + OWN_FILES, 20 * TLS_CONNECTION, PROCESS + WORKER)
        );
    }

    #[test]
    fn what_is_not_said_fits_the_open_files_and_what_is_said_stands() {
        let fitted = |text: &str, may_open: u64| {
            let mut config: Config = toml::from_str(text).unwrap();
            let given = GivenKeys::of(&toml::from_str(text).unwrap());
            Sizing::fit(&mut config, &given, 4, may_open);
            (config.server.max_connections, Sizing::of(&config, 4).shortage(may_open).is_some())
        };
        let nodes = "[cluster.x.nodes]\nn1 = 'http://a:1'";
        for (text, may_open, fit) in [
            (nodes, 1 << 20, (20_000, false)),
            (nodes, 1024, (411, false)),
            (nodes, 250, (FEWEST, true)),
            ("[server]\nmax-connections = 1000", 1024, (1000, true)),
            ("[server]\nmax-connections = 300", 1024, (300, false)),
        ] {
            assert_eq!(fitted(text, may_open), fit, "{text} with {may_open}");
        }
    }

    #[test]
    fn too_few_files_are_told_with_what_would_do() {
        let needs = needs("[server]\nmax-connections = 1000");
        assert_eq!(needs.shortage(needs.files), None);
        let told = needs.shortage(1024).unwrap();
        assert!(told.contains("at most 1024 files") && told.contains("max-connections to 412"), "{told}");
    }
}

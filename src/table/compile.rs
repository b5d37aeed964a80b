//! From a checked `Config` to a `Table`: the only constructor. Cells that outlive a table are taken over by
//! name.

use super::cluster::{Cluster, ClusterLive};
use super::departed::departed;
use super::forwarding::Forwarding;
use super::node::{Node, NodeLive, NodeSpec};
use super::roster::Roster;
use super::session_names::SessionNames;
use super::table_error::{ClusterError, ListenerError, TableError};
use super::{Listener, Table, route::Router};
use crate::affinity::{Affinity, BypassIssuer, KeyRing, Member};
use crate::balance::{Method, Placement, Seat};
use crate::base::clock::Now;
use crate::config::address::{NodeUrl, Scheme};
use crate::config::files::NamedFiles;
use crate::config::model::{self, Config};
use crate::heartbeat::Roles;
use crate::heartbeat::native::Settings;
use crate::ledger::Ledger;
use crate::upstream::addresses::Addresses;
use crate::upstream::link::Link;
use crate::upstream::own_addresses::{JoinableAddresses, LinkReach};
use crate::upstream::tls::NodeTls;
use crate::upstream::usage::Usage;
use crate::wire::protocol::NodeProtocol;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderName;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tokio::sync::Notify;

static NEXT_LINK: AtomicU64 = AtomicU64::new(1);

/// What compiling needs beside the conf.
pub struct TableContext<'a> {
    /// The files that the conf names.
    pub files: &'a NamedFiles,
    /// The keys of sealed pins.
    pub keys: &'a Arc<KeyRing>,
}

/// Builds the table that the conf describes, of what was read already: it asks no disk. Nothing that runs is
/// touched until `adopt`; an error leaves no trace.
pub fn compile(
    config: Arc<Config>,
    context: &TableContext<'_>,
    previous: Option<(&Table, Now)>,
) -> Result<Table, TableError> {
    let (previous, now) = previous.unzip();
    let mut clusters = Vec::with_capacity(config.cluster.len());
    for (name, conf) in &config.cluster {
        let before = previous.and_then(|t| t.known().find(|c| *c.name == **name));
        let cluster =
            compile_cluster(name, conf, config.server.max_sessions, context, before.map(Arc::as_ref));
        clusters.push(Arc::new(cluster.map_err(|why| TableError::Cluster { cluster: name.clone(), why })?));
    }
    let index = |wanted: &str| clusters.iter().position(|c| *c.name == *wanted);
    let mut listeners: Vec<Option<Arc<Listener>>> = vec![None; previous.map_or(0, |t| t.listeners.len())];
    let rules = config.rules();
    for (name, conf) in &config.listener {
        let place = previous
            .and_then(|t| t.listeners.iter().position(|l| l.as_ref().is_some_and(|l| *l.name == **name)));
        let before = place.and_then(|at| previous?.listeners[at].as_ref());
        let wrong = |why| TableError::Listener { listener: name.clone(), why };
        let listener = Arc::new(Listener {
            name: name.as_str().into(),
            conf: conf.clone(),
            router: Router::compile(&rules, name, &index).map_err(|why| wrong(ListenerError::Rule(why)))?,
            trusted: conf.trusted_proxies.clone(),
            request_id: request_id_header(&conf.request_id_header).map_err(wrong)?,
            connections: before.map_or_else(Arc::default, |before| before.connections.clone()),
        });
        match place {
            Some(at) => listeners[at] = Some(listener),
            None => listeners.push(Some(listener)),
        }
    }
    let departed =
        previous.zip(now).map_or_else(Vec::new, |(previous, now)| departed(previous, &clusters, now.secs()));
    Ok(Table { revision: previous.map_or(1, |t| t.revision + 1), config, listeners, clusters, departed })
}

/// Makes the live cells follow a table that is about to be published.
pub fn adopt(table: &Table, now: Now) {
    for cluster in &table.clusters {
        cluster.live.roster.store(cluster.roster.clone());
        cluster.live.ledger.set_limit(table.config.server.max_sessions as usize);
        for node in cluster.nodes() {
            node.live.limit.set(node.max_requests());
            cluster.roster.rescore(node.live.slot, now);
        }
        cluster.roster.placement.redraw();
    }
}

/// The usual name is no memory that all cores count the users of.
fn request_id_header(name: &str) -> Result<Option<HeaderName>, ListenerError> {
    match name {
        "off" => Ok(None),
        _ if name.eq_ignore_ascii_case("x-request-id") => Ok(Some(HeaderName::from_static("x-request-id"))),
        _ => HeaderName::from_bytes(name.as_bytes())
            .map(Some)
            .map_err(|_| ListenerError::RequestId(name.to_owned())),
    }
}

fn compile_cluster(
    name: &str,
    conf: &model::Cluster,
    sessions: u32,
    context: &TableContext<'_>,
    before: Option<&Cluster>,
) -> Result<Cluster, ClusterError> {
    let method = Method::of(conf.balance);
    let mut berths =
        SlotTable::new(before.map_or_else(Vec::new, |c| c.live.roster.load().lives.clone()), conf);
    let tables: Vec<model::NodeTable> = conf.nodes.values().map(model::Node::table).collect();
    let mut nodes: Vec<Option<Arc<Node>>> = Vec::new();
    let tls_files = crate::upstream::tls::fingerprint(&conf.tls, context.files);
    let mut links = LinkMaker::new(conf, context, before, tls_files);
    let mut slots = Vec::with_capacity(tables.len());
    for (node_name, table) in conf.nodes.keys().zip(&tables) {
        let live = berths.claim(node_name);
        let spec = spec_of(node_name, table, conf.mode == model::Mode::Shared)?;
        let link = links.link(&spec.url, reach_of(conf, table))?;
        let slot = live.slot as usize;
        if nodes.len() <= slot {
            nodes.resize(slot + 1, None);
        }
        nodes[slot] = Some(Arc::new(Node { spec, live, link }));
        slots.push(slot as u32);
    }
    let keys = keys_for(conf, context)?;
    let affinity = {
        let members: Vec<Member<'_>> =
            slots.iter().filter_map(|&s| nodes[s as usize].as_deref()).map(member).collect();
        Affinity::compile(conf.affinity.as_ref(), name, &members, keys.clone())
            .map_err(ClusterError::Affinity)?
    };
    let seats = seats(&nodes, &slots);
    let old_roster = before.map(|c| c.live.roster.load_full());
    let placement = Placement::new(
        method,
        affinity.hashes(),
        &seats,
        old_roster.as_ref().filter(|r| r.method == method).map(|r| &r.placement),
    );
    let counts_requests = matches!(method, Method::LeastRequests | Method::Random | Method::LeastSessions)
        || tables.iter().any(|t| t.max_requests.is_some());
    let slow_start = conf.slow_start.get().as_secs() as u32;
    let names = slots
        .iter()
        .filter_map(|&slot| Some((nodes.get(slot as usize)?.as_ref()?.spec.name.clone(), slot)))
        .collect();
    let roster = Arc::new(Roster {
        nodes,
        lives: berths.lives,
        slots: names,
        placement,
        method,
        slow_start,
        counts_requests,
        norm: before.map_or_else(Arc::default, |c| c.live.norm.clone()),
    });
    // spread by a number that nobody outside knows, so that nobody can prepare ids that meet in one bucket
    let ledger = || Ledger::with_seed(sessions as usize, keys.number_for(name));
    let names = || SessionNames::new(keys.number_for(&format!("names of the sessions of {name}")));
    let begun = || Arc::new(ClusterLive::new(name.into(), roster.clone(), ledger(), names(), links.usage));
    let live = before.map_or_else(begun, |cluster| cluster.live.clone());
    let error_page = conf.error_page.as_ref().map(|page| held(context, "error-page", page)).transpose()?;
    let settings =
        Settings::new(affinity.key_id(), conf.health.path.clone(), conf.session_idle.get().as_secs());
    Ok(Cluster {
        name: name.into(),
        conf: conf.clone(),
        roster,
        affinity,
        forwarding: Forwarding::compile(&conf.forwarded),
        settings,
        bypass: BypassIssuer::new(keys, name),
        live,
        tls_files,
        error_page,
    })
}

/// The nodes' places on the board, in the order of the conf.
fn seats<'a>(nodes: &'a [Option<Arc<Node>>], slots: &[u32]) -> Vec<Seat<'a>> {
    let seat = |(position, &slot): (usize, &u32)| {
        let node = nodes[slot as usize].as_deref()?;
        Some(Seat { slot, weight: node.spec.weight.into(), name: &node.spec.name, position: position as u32 })
    };
    slots.iter().enumerate().filter_map(seat).collect()
}

/// The live cells of a cluster's nodes while its table is built.
struct SlotTable {
    lives: Vec<Arc<NodeLive>>,
    by_name: HashMap<Arc<str>, usize>,
    /// Slots whose node left and has no sessions any more.
    free: Vec<usize>,
}

impl SlotTable {
    fn new(lives: Vec<Arc<NodeLive>>, conf: &model::Cluster) -> Self {
        let by_name = lives.iter().enumerate().map(|(slot, live)| (live.name.clone(), slot)).collect();
        let left = |live: &NodeLive| {
            !conf.nodes.contains_key(&*live.name) && live.sessions.load(Relaxed) == 0 && live.in_flight() == 0
        };
        let free =
            lives.iter().enumerate().rev().filter(|(_, live)| left(live)).map(|(slot, _)| slot).collect();
        Self { lives, by_name, free }
    }

    /// The cells of a node: its own from before, else those of a free slot, else new ones.
    fn claim(&mut self, name: &str) -> Arc<NodeLive> {
        if let Some(&slot) = self.by_name.get(name) {
            return self.lives[slot].clone();
        }
        let slot = self.free.pop().unwrap_or(self.lives.len());
        let live = Arc::new(NodeLive::new(name.into(), slot as u32));
        match self.lives.get_mut(slot) {
            Some(place) => *place = live.clone(),
            None => self.lives.push(live.clone()),
        }
        live
    }
}

fn spec_of(name: &str, table: &model::NodeTable, shared: bool) -> Result<NodeSpec, ClusterError> {
    Ok(NodeSpec {
        name: name.into(),
        route: table.route.as_deref().unwrap_or(name).into(),
        url: table.url.parse().map_err(|why| ClusterError::Url { node: name.to_owned(), why })?,
        weight: table.weight,
        max_sessions: table.max_sessions,
        max_requests: table.max_requests,
        backup: table.backup,
        roles: Roles::new(table.roles.iter().copied())
            .map_err(|why| ClusterError::Roles { node: name.to_owned(), why })?,
        shared,
        public_url: table.public_url.as_deref().map(|url| url.trim_end_matches('/').into()),
        admin: table.state,
        set: table.set.clone(),
        joined: table.joined,
    })
}

/// Where a node may be that says so itself, from that address.
pub fn announced(conf: &model::Cluster, from: Option<IpAddr>) -> LinkReach {
    LinkReach::Announced {
        from,
        into: JoinableAddresses::read(conf.join.iter().flat_map(|join| join.urls.as_slice())),
    }
}

fn reach_of(conf: &model::Cluster, table: &model::NodeTable) -> LinkReach {
    match table.joined {
        false if table.own => LinkReach::Own,
        false => LinkReach::Written,
        true => announced(conf, table.from),
    }
}

fn member(node: &Node) -> Member<'_> {
    let address = literal(&node.link.url);
    Member { slot: node.live.slot, name: &node.spec.name, route: &node.spec.route, address }
}

fn literal(url: &NodeUrl) -> Option<SocketAddr> {
    let ip: IpAddr = url.host.parse().ok()?;
    Some(SocketAddr::new(ip, url.port))
}

/// The ring that seals this cluster's pins: its own file, else the one of the state folder.
fn keys_for(conf: &model::Cluster, context: &TableContext<'_>) -> Result<Arc<KeyRing>, ClusterError> {
    let file = match &conf.affinity {
        Some(model::Affinity::Table(table)) => table.keys.as_ref(),
        _ => None,
    };
    let Some(file) = file else { return Ok(context.keys.clone()) };
    let text = held(context, "keys", file)?;
    KeyRing::parse(&String::from_utf8_lossy(&text))
        .map(Arc::new)
        .map_err(|why| ClusterError::Keys { file: file.clone(), why })
}

/// What a file held that is named under this key.
fn held(context: &TableContext<'_>, key: &'static str, file: &str) -> Result<Bytes, ClusterError> {
    let held = context.files.held(&context.files.path(file));
    held.map_err(|why| ClusterError::File { key, file: file.to_owned(), why })
}

/// Links by address as written; those of the table before are kept when nothing about them changed.
struct LinkMaker<'a> {
    conf: &'a model::Cluster,
    kept: HashMap<String, Vec<Arc<Link>>>,
    tls: Option<NodeTls>,
    context: &'a TableContext<'a>,
    usage: Arc<Usage>,
}

impl<'a> LinkMaker<'a> {
    fn new(
        conf: &'a model::Cluster,
        context: &'a TableContext<'a>,
        before: Option<&Cluster>,
        tls_files: u64,
    ) -> Self {
        let same = before.filter(|c| c.conf.tls == conf.tls && c.conf.http2 == conf.http2);
        let links = same.into_iter().flat_map(|c| c.nodes().map(move |n| (c.tls_files, &n.link)));
        let current = links.filter(|(files, link)| link.tls.is_none() || *files == tls_files);
        let mut kept = HashMap::<String, Vec<Arc<Link>>>::new();
        current.for_each(|(_, link)| kept.entry(link.url.to_string()).or_default().push(link.clone()));
        let usage = before.map_or_else(Arc::default, |c| c.live.usage.clone());
        Self { conf, kept, tls: None, context, usage }
    }

    fn link(&mut self, url: &NodeUrl, reach: LinkReach) -> Result<Arc<Link>, ClusterError> {
        if let Some(link) =
            self.kept.get(&url.to_string()).and_then(|known| known.iter().find(|link| link.reach == reach))
        {
            return Ok(link.clone());
        }
        let tls = match url.scheme {
            Scheme::Https => Some(self.tls()?),
            _ => None,
        };
        let server_name = match tls {
            Some(_) => {
                let name = self.conf.tls.server_name.clone().unwrap_or_else(|| url.host.clone());
                Some(
                    rustls::pki_types::ServerName::try_from(name.clone())
                        .map_err(|_| ClusterError::ServerName(name))?,
                )
            }
            None => None,
        };
        let text = authority(url);
        let link = Arc::new(Link {
            id: NEXT_LINK.fetch_add(1, Relaxed),
            url: url.clone(),
            authority: http::HeaderValue::try_from(text)
                .map_err(|_| ClusterError::Authority(url.host.clone()))?,
            addresses: ArcSwap::from_pointee(Addresses::new(literal(url))),
            looked_up: Notify::new(),
            doubted: Notify::new(),
            reuse_ms: AtomicU64::new(self.conf.pool.idle_timeout.get().as_millis() as u64),
            proven_us: AtomicU64::new(0),
            tls,
            protocol: if self.conf.http2 { NodeProtocol::Http2 } else { NodeProtocol::Http1 },
            server_name,
            reach,
            homeward: AtomicBool::new(false),
            usage: self.usage.clone(),
        });
        self.kept.entry(url.to_string()).or_default().push(link.clone());
        Ok(link)
    }

    fn tls(&mut self) -> Result<NodeTls, ClusterError> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let made = NodeTls::of(&self.conf.tls, self.context.files).map_err(ClusterError::Tls)?;
        self.tls = Some(made.clone());
        Ok(made)
    }
}

/// `host:port`, the port left out where it is the scheme's own.
fn authority(url: &NodeUrl) -> String {
    let whole = url.authority();
    match (url.scheme, url.port) {
        (Scheme::Http, 80) | (Scheme::Https, 443) => {
            whole.rsplit_once(':').map_or(whole.clone(), |(host, _)| host.to_owned())
        }
        _ => whole,
    }
}

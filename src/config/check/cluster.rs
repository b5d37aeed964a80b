//! `[cluster.NAME]` and its nodes.

use super::super::address::{NodeUrl, Scheme, is_host};
use super::super::model::{Affinity, Agent, Balance, Cluster, HealthKind, NodeTable, Role};
use super::super::ranges::status_ranges;
use super::super::source::join;
use super::checker::Checker;
use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};

pub fn check(c: &mut Checker<'_>) {
    let config = c.config;
    for (name, cluster) in &config.cluster {
        let path = join("cluster", name);
        c.name(&path, "cluster", name);
        super::joining::check(c, &join(&path, "join"), name, cluster);
        limits(c, &path, cluster);
        health(c, &join(&path, "health"), cluster);
        if let Some(conf) = &cluster.agent {
            agent(c, &join(&path, "agent"), conf);
        }
        tls(c, &join(&path, "tls"), cluster);
        if let Some(page) = &cluster.error_page {
            c.readable(&join(&path, "error-page"), page);
        }
        match &cluster.affinity {
            Some(affinity) => super::affinity::check(c, &join(&path, "affinity"), affinity, cluster),
            None if cluster.nodes.len() > 1 && cluster.balance != Balance::Hash => c.warn_key(
                &path,
                format!(
                    "the cluster `{name}` has {} nodes and no affinity: sessions do not stay on their node",
                    cluster.nodes.len()
                ),
                "add affinity = \"cookie\"",
            ),
            None => {}
        }
        nodes(c, &path, name, cluster);
    }
}

fn limits(c: &mut Checker<'_>, path: &str, cluster: &Cluster) {
    let off = "write \"off\" for no limit";
    c.not_zero(
        path,
        "session-idle",
        cluster.session_idle.get().is_zero(),
        "write how long a session lives without a request, as in \"1h\"",
    );
    let timeouts = join(path, "timeouts");
    c.not_zero(&timeouts, "connect", cluster.timeouts.connect.get().is_zero(), off);
    c.not_zero(&timeouts, "response", cluster.timeouts.response.get().is_zero(), off);
    c.not_zero(&timeouts, "tunnel-idle", cluster.timeouts.tunnel_idle.get().is_zero(), off);
    c.not_zero(
        &join(path, "pool"),
        "idle-timeout",
        cluster.pool.idle_timeout.get().is_zero(),
        "to keep no idle connections write max-idle = 0",
    );
    c.not_zero(
        &join(path, "pool"),
        "http2-connections",
        cluster.pool.http2_connections == 0,
        "16 is usual; one is the least",
    );
    c.not_zero(
        &join(path, "passive"),
        "eject",
        cluster.passive.eject.get().is_zero(),
        "to set no node aside write failures = 0",
    );
    if cluster.retry_body.0 > 64 << 20 {
        c.error(
            &join(path, "retry-body"),
            format!("{} held for each request would fill the memory", cluster.retry_body),
            "write 64MiB at most; \"64KiB\" is usual",
        );
    }
}

fn health(c: &mut Checker<'_>, path: &str, cluster: &Cluster) {
    let health = &cluster.health;
    if let Err(text) = status_ranges(&health.status) {
        c.refuse(&join(path, "status"), &text);
    }
    if let Some(Err(text)) = health.draining.as_deref().map(status_ranges) {
        c.refuse(&join(path, "draining"), &text);
    }
    c.not_zero(
        path,
        "rise",
        health.rise == 0,
        "write how many good checks in a row bring a node up, as in 2",
    );
    c.not_zero(
        path,
        "fall",
        health.fall == 0,
        "write how many bad checks in a row take a node down, as in 3",
    );
    c.not_zero(path, "interval", health.interval.get().is_zero(), "for no checks write kind = \"off\"");
    c.not_zero(
        path,
        "timeout",
        health.timeout.get().is_zero(),
        "write how long one check may take, as in \"1s\"",
    );
    if let Some(text) = &health.path {
        if !text.starts_with('/') {
            c.error(
                &join(path, "path"),
                format!("the path \"{text}\" does not start with `/`"),
                format!("did you mean \"/{text}\"?"),
            );
        } else if text.chars().any(|ch| ch.is_control() || ch == ' ') {
            c.error(
                &join(path, "path"),
                "a path cannot hold spaces or control characters",
                "write them percent-encoded",
            );
        }
    }
    if health.host.as_ref().is_some_and(|host| http::uri::Authority::try_from(host.as_str()).is_err()) {
        c.error(
            &join(path, "host"),
            "this cannot be a Host header",
            "write a host name, with :port if needed",
        );
    }
    let http = health.kind == Some(HealthKind::Http) || health.kind.is_none() && health.path.is_some();
    for key in ["path", "host", "status"] {
        if !http && c.set(path, key, health) {
            c.error_key(
                &join(path, key),
                format!("`{key}` belongs to checks of kind \"http\""),
                "add kind = \"http\" and a path, or remove it",
            );
        }
    }
    if health.kind == Some(HealthKind::Http) && health.path.is_none() {
        c.error(
            &join(path, "kind"),
            "a check of kind \"http\" needs a path to ask for",
            "add path = \"/health\"",
        );
    }
}

fn agent(c: &mut Checker<'_>, path: &str, agent: &Agent) {
    if agent.port == 0 {
        let at = join(path, "port");
        let at = if c.given(path, "port") { at } else { path.to_owned() };
        c.error(&at, "the agent has no port", "write where it listens, as in agent = { port = 9999 }");
    }
    if agent.address.as_ref().is_some_and(|host| host.parse::<IpAddr>().is_err() && !is_host(host)) {
        c.error(
            &join(path, "address"),
            "this is neither a host name nor an address",
            "write only the host, as in \"10.0.0.11\"",
        );
    }
    c.not_zero(
        path,
        "interval",
        agent.interval.get().is_zero(),
        "write how often the agent is asked, as in \"2s\"",
    );
    c.not_zero(
        path,
        "timeout",
        agent.timeout.get().is_zero(),
        "write how long an answer may take, as in \"1s\"",
    );
}

fn tls(c: &mut Checker<'_>, path: &str, cluster: &Cluster) {
    let tls = &cluster.tls;
    if let Some(ca) = &tls.ca {
        c.believed(&join(path, "ca"), ca);
    }
    match (&tls.cert, &tls.key) {
        (Some(cert), key) => c.pair(&join(path, "cert"), cert, key.as_deref()),
        (None, Some(_)) => {
            c.error_key(&join(path, "key"), "there is a key and no certificate", "add cert = \"client.pem\"")
        }
        (None, None) => {}
    }
    if !tls.verify {
        c.warn(
            &join(path, "verify"),
            "the nodes' certificates are not checked: anybody between can read and change the traffic",
            "use `ca` with the nodes' authority instead",
        );
    }
    if tls
        .server_name
        .as_ref()
        .is_some_and(|name| rustls_pki_types::ServerName::try_from(name.as_str()).is_err())
    {
        c.error(
            &join(path, "server-name"),
            "this is not a host name",
            "write the name in the nodes' certificate",
        );
    }
}

fn nodes(c: &mut Checker<'_>, path: &str, name: &str, cluster: &Cluster) {
    let nodes_path = join(path, "nodes");
    if cluster.nodes.is_empty() && !c.config.is_open(name) {
        let finding = format!("`{path}` has no nodes: its requests are answered with 503");
        c.warn_key(
            if c.spans.given(&nodes_path) { &nodes_path } else { path },
            finding,
            format!("add [{path}.nodes] with n1 = \"http://127.0.0.1:8081\""),
        );
    }
    let separator = match &cluster.affinity {
        Some(Affinity::Table(table)) if table.route.is_some() => table
            .route_separator()
            .filter(|text| text.chars().count() == 1)
            .and_then(|text| text.chars().next()),
        _ => None,
    };
    let mut routes: HashMap<String, &str> = HashMap::new();
    let mut urls: HashMap<NodeUrl, &str> = HashMap::new();
    for (name, node) in &cluster.nodes {
        let at = join(&nodes_path, name);
        let table = node.table();
        let route = table.route.as_deref().unwrap_or(name);
        let route_at = if table.route.is_some() { join(&at, "route") } else { at.clone() };
        c.name(&at, "node", name);
        if table.route.is_some() {
            super::affinity::node_route(c, &route_at, route, cluster);
        }
        if let Some(separator) = separator.filter(|separator| route.contains(*separator)) {
            let message = format!("the route `{route}` holds the separator `{separator}`");
            c.warn_key(
                &route_at,
                message,
                "give the node a route without it: a session without an id part would be read wrong",
            );
        }
        if let Some(first) = routes.insert(route.to_owned(), name) {
            c.warn_key(
                &route_at,
                format!("the route `{route}` of node `{name}` is also that of node `{first}`: sessions of both go to one of them"),
                "give each node a route of its own",
            );
        }
        let url_at = if c.given(&at, "url") { join(&at, "url") } else { at.clone() };
        if let Some(url) = url(c, &url_at, &table, cluster) {
            super::own::check(c, &url_at, &table, &url);
            if let Some(first) = urls.insert(url, name) {
                c.warn(
                    &url_at,
                    format!("node `{first}` has the same address"),
                    "remove one of the two, or correct its address",
                );
            }
        }
        numbers(c, &at, &table);
        if let Some(own) = &table.agent {
            agent(c, &join(&at, "agent"), own);
        }
        if table.url.starts_with("unix:")
            && cluster.agent_of(name).is_some_and(|agent| agent.address.is_none())
        {
            c.error_key(
                &at,
                "a node on a Unix socket has no host that its agent could be asked at",
                "add an `address` to its agent",
            );
        }
        roles(c, &at, &table);
    }
}

fn roles(c: &mut Checker<'_>, path: &str, table: &NodeTable) {
    if table.roles.contains(&Role::Lb) && table.roles.contains(&Role::Batch) {
        c.error(
            &join(path, "roles"),
            "a node cannot be `lb` and `batch` at once: one that is `lb` serves nothing itself, so no job would run",
            "name one of the two",
        );
    }
    let Some(public) = &table.public_url else { return };
    let uri = public.parse::<http::Uri>().ok();
    let scheme = uri.as_ref().and_then(http::Uri::scheme_str);
    if !matches!(scheme, Some("http" | "https"))
        || uri.is_none_or(|uri| uri.query().is_some())
        || public.contains('#')
    {
        c.error(
            &join(path, "public-url"),
            format!("\"{public}\" is not where a client can go"),
            "write https://host:port, with a path if it has one",
        );
    }
}

fn url(c: &mut Checker<'_>, at: &str, table: &NodeTable, cluster: &Cluster) -> Option<NodeUrl> {
    if table.url.is_empty() {
        c.error_key(at, "this node has no address", "add url = \"http://127.0.0.1:8081\"");
        return None;
    }
    if table.url.starts_with("ajp://") {
        c.error(
            at,
            "`ajp://` nodes are not yet supported by this version",
            "use the node's HTTP connector: http://host:8080",
        );
        return None;
    }
    let url = match table.url.parse::<NodeUrl>() {
        Ok(url) => url,
        Err(text) => {
            c.refuse(at, &text);
            return None;
        }
    };
    if url.scheme != Scheme::Unix && url.port == 0 {
        c.error(at, "port 0 cannot be connected to", "write the port that the node listens on");
    }
    if url.scheme == Scheme::Https && cluster.tls.verify && cluster.tls.server_name.is_none() {
        let name = rustls_pki_types::ServerName::try_from(url.host.as_str());
        if name.is_err() {
            c.error(
                at,
                format!("`{}` cannot be the name in a certificate", url.host),
                "set server-name in the cluster's tls table",
            );
        }
    }
    let literal = url.host.parse::<IpAddr>().is_ok();
    if c.options.resolve
        && url.scheme != Scheme::Unix
        && !literal
        && (url.host.as_str(), url.port).to_socket_addrs().is_err()
    {
        c.warn(
            at,
            format!("the name `{}` does not resolve here", url.host),
            "check the spelling; homing starts nevertheless and keeps asking",
        );
    }
    Some(url)
}

fn numbers(c: &mut Checker<'_>, path: &str, table: &NodeTable) {
    if table.weight > 1000 {
        c.error(
            &join(path, "weight"),
            format!("the weight {} is out of range", table.weight),
            "write 0 to 1000; 100 is usual, 0 takes no new sessions",
        );
    }
    let drain = "to take no new sessions write state = \"draining\"";
    c.not_zero(path, "max-sessions", table.max_sessions == Some(0), drain);
    c.not_zero(
        path,
        "max-requests",
        table.max_requests == Some(0),
        "to serve nobody write state = \"maintenance\"",
    );
    c.not_yet(&join(path, "secret-file"));
}

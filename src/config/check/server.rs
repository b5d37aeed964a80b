//! `[server]`.

use super::super::address::{Address, NodeUrl};
use super::super::model::{Admin, Announce};
use super::super::source::{EntryPart, join};
use super::super::suggest::did_you_mean;
use super::checker::Checker;
use std::net::IpAddr;

pub fn check(c: &mut Checker<'_>) {
    let server = &c.config.server;
    announce(c);
    mod_heartbeat(c);
    traces(c);
    c.not_zero(
        "server",
        "max-connections",
        server.max_connections == 0,
        "write how many clients may be connected at one time",
    );
    c.not_zero(
        "server",
        "max-sessions",
        server.max_sessions == 0,
        "write how many sessions are remembered at most",
    );
    if server.state_dir.trim().is_empty() {
        c.error("server.state-dir", "`state-dir` is empty", "name a folder, as in \"state\"");
    }
    if server.access_log.to.trim().is_empty() {
        c.error(
            "server.access-log.to",
            "the access log has nowhere to go",
            "write \"stdout\", \"off\" or a file name",
        );
    }
    let parent = c.folder.join(&server.access_log.to);
    let to_file = !matches!(server.access_log.to.as_str(), "" | "stdout" | "off");
    if to_file && parent.parent().is_some_and(|folder| !folder.is_dir()) {
        c.error(
            "server.access-log.to",
            "the folder for the access log does not exist",
            "make the folder, or write \"stdout\"",
        );
    }
    if to_file && parent.is_dir() {
        c.error(
            "server.access-log.to",
            "the access log is to be a file, and this is a folder",
            "add a file name behind it",
        );
    }
}

fn traces(c: &mut Checker<'_>) {
    const AT: &str = "server.traces";
    let Some(conf) = &c.config.server.traces else { return };
    if cfg!(not(feature = "otel")) {
        return c.error_key(
            AT,
            "this homing was built without the feature `otel`, it cannot send traces",
            "build it with `cargo build --release --features otel`, or remove the line",
        );
    }
    let at = |c: &Checker<'_>, key: &str| if c.given(AT, key) { join(AT, key) } else { AT.into() };
    if conf.to.parse::<NodeUrl>().is_err() {
        let help = "write where it takes OTLP over HTTP, without a path, as in \"http://127.0.0.1:4318\"";
        c.error(&at(c, "to"), format!("`{}` is not the address of a collector", conf.to), help);
    }
    if conf.service.trim().is_empty() {
        c.error(
            &at(c, "service"),
            "the service has no name",
            "write the name to look for at the collector, as in \"homing\"",
        );
    }
}

fn mod_heartbeat(c: &mut Checker<'_>) {
    const AT: &str = "server.mod-heartbeat";
    let Some(conf) = &c.config.server.mod_heartbeat else { return };
    if conf.from.is_empty() {
        let at = if c.given(AT, "from") { join(AT, "from") } else { AT.into() };
        c.error(
            &at,
            "nobody may send heartbeats, and they have no secret that would tell a node from anybody else",
            "name the networks of the nodes: from = [\"10.0.0.0/8\"]",
        );
    }
    if let Some(name) = conf.cluster.as_ref().filter(|name| !c.config.cluster.contains_key(*name)) {
        let help = did_you_mean(name, c.config.cluster.keys().map(String::as_str), "there is");
        c.error(&join(AT, "cluster"), format!("there is no cluster `{name}`"), help);
    }
    c.not_zero(
        AT,
        "interval",
        conf.interval.get().is_zero(),
        "write how often the nodes send, as in \"10s\"",
    );
    let at = if c.given(AT, "bind") { join(AT, "bind") } else { AT.into() };
    let bind = match conf.bind.parse::<Address>() {
        Ok(Address::Unix(_)) => {
            return c.error(&at, "datagrams do not come to a Unix socket", "write \"0.0.0.0:23364\"");
        }
        Ok(bind) => bind,
        Err(text) => return c.refuse(&at, &text),
    };
    listened_on(c, &at, &bind);
    not_admin(c, &at, &bind);
    not_also(c, &at, &bind, "announce", c.config.server.announce.as_ref().map(Announce::bind));
    let ip = if let Address::Tcp(at) = &bind { Some(at.ip()) } else { None };
    for (n, text) in conf.groups.iter().enumerate() {
        let at = format!("{AT}.groups[{n}]");
        match (text.parse::<IpAddr>(), ip) {
            (Ok(group), _) if !group.is_multicast() => {
                c.error(
                    &at,
                    format!("{group} is not a multicast group"),
                    "Tomcat's is \"224.0.1.105\"; for unicast remove the line",
                );
            }
            // these mean another group on each interface
            (Ok(IpAddr::V6(group)), _) if group.octets()[1] & 15 < 3 => {
                c.error(
                    &at,
                    format!("{group} does not leave its link"),
                    "write a group of a wider scope, as in \"ff05::7703\"",
                );
            }
            (Err(_), _) => c.error(
                &at,
                format!("`{text}` is not an address"),
                "write a multicast group, as in \"224.0.1.105\"",
            ),
            (Ok(group), Some(bind)) if group.is_ipv4() == bind.is_ipv4() => {}
            (Ok(group), _) => {
                let all = if group.is_ipv4() { "0.0.0.0:23364" } else { "[::]:23364" };
                c.error(
                    &at,
                    format!("the group {group} cannot be heard at {bind}"),
                    format!("write bind = \"{all}\", or an address of its kind"),
                );
            }
        }
    }
}

fn announce(c: &mut Checker<'_>) {
    const AT: &str = "server.announce";
    let Some(conf) = &c.config.server.announce else { return };
    // made at the start where it is missing
    c.reference(&c.config.server.join_token());
    if let Some(tls) = conf.tls() {
        super::listener::encryption(c, &join(AT, "tls"), tls);
    }
    if let Some(unix) = conf.unix() {
        super::listener::unix_files(c, &join(AT, "unix"), unix, &[conf.bind().to_owned()]);
    }
    let at = if c.given(AT, "bind") { join(AT, "bind") } else { AT.into() };
    if conf.bind().is_empty() {
        return c.error(&at, "`server.announce` has no address to listen on", "add bind = \"0.0.0.0:9901\"");
    }
    let bind = match conf.bind().parse::<Address>() {
        Ok(bind) => bind,
        Err(text) => return c.refuse(&at, &text),
    };
    if conf.tls().is_none() && !bind.is_local() {
        clear_text(c, &at, &bind, "announce");
    }
    listened_on(c, &at, &bind);
    not_admin(c, &at, &bind);
}

/// Warns of tokens that come from other machines to the address of a key without TLS.
pub(super) fn clear_text(c: &mut Checker<'_>, at: &str, bind: &Address, key: &str) {
    c.warn(
        at,
        format!("tokens come to {bind} in clear text: whoever listens on the way has them"),
        format!(
            "write {key} = {{ bind = …, tls = {{ certs = [\"certs\"] }} }}, or an address of this machine alone"
        ),
    );
}

fn not_admin(c: &mut Checker<'_>, at: &str, bind: &Address) {
    let binds = c.config.server.admin.iter().flat_map(Admin::binds);
    binds.for_each(|other| not_also(c, at, bind, "admin", Some(other)));
}

fn not_also(c: &mut Checker<'_>, at: &str, bind: &Address, key: &str, other: Option<&str>) {
    if !bind.is_any_port()
        && other.is_some_and(|other| other.parse::<Address>().is_ok_and(|other| other == *bind))
    {
        c.error(at, format!("{bind} is `{key}` already"), "give one of the two another port");
    }
}

/// No address is listened on twice.
pub(super) fn listened_on(c: &mut Checker<'_>, at: &str, bind: &Address) {
    let shared = |(_, listener): &(&String, &super::super::model::Listener)| {
        listener
            .bind
            .as_slice()
            .iter()
            .any(|other| other.parse::<Address>().is_ok_and(|other| other == *bind))
    };
    if let Some((name, _)) = c.config.listener.iter().find(shared).filter(|_| !bind.is_any_port()) {
        let place = c.spans.place(&format!("listener.{name}.bind"), EntryPart::Value);
        let place = place.map(|p| format!(" ({}:{})", p.path.display(), p.line)).unwrap_or_default();
        c.error(
            at,
            format!("{bind} is already listened on by listener {name}{place}"),
            "give one of the two another port",
        );
    }
}

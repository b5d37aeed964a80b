//! `[listener.NAME]`.

use super::super::address::Address;
use super::super::model::{Listener, ListenerTls, UnixSocket};
use super::super::source::{EntryPart, join};
use super::super::unix_access::UnixAccess;
use super::checker::{Checker, nth};
use std::collections::HashMap;

pub fn check(c: &mut Checker<'_>) {
    let mut taken: HashMap<Address, String> = HashMap::new();
    let config = c.config;
    for (name, listener) in &config.listener {
        let path = join("listener", name);
        c.name(&path, "listener", name);
        binds(c, &path, listener, &mut taken);
        limits(c, &path, listener);
        if let Some(unix) = &listener.unix {
            unix_files(c, &join(&path, "unix"), unix, listener.bind.as_slice());
        }
        if listener.request_id_header != "off" {
            c.header_name(&join(&path, "request-id-header"), &listener.request_id_header);
        }
        if let Some(tls) = &listener.tls {
            encryption(c, &join(&path, "tls"), tls);
        }
        if listener.proxy_protocol && listener.trusted_proxies.is_empty() {
            let at = join(&path, "proxy-protocol");
            c.warn(
                &at,
                "PROXY protocol headers are believed from nobody: `trusted-proxies` is empty",
                "add trusted-proxies = [\"10.0.0.0/8\"] with the address of the proxy in front",
            );
        }
    }
}

/// Whose the files of Unix sockets are, at these addresses.
pub(super) fn unix_files(c: &mut Checker<'_>, path: &str, unix: &UnixSocket, binds: &[String]) {
    if let Err(why) = UnixAccess::of(unix) {
        c.error(&join(path, why.key()), why.to_string(), why.help());
    }
    if !binds.iter().any(|bind| bind.starts_with("unix:")) {
        c.error_key(
            path,
            "`unix` has no effect: no address here is a Unix socket",
            "write bind = \"unix:/run/homing.sock\", or remove the line",
        );
    }
}

/// TLS towards whoever connects.
pub(super) fn encryption(c: &mut Checker<'_>, path: &str, tls: &ListenerTls) {
    if tls.certs.is_empty() {
        c.error(
            path,
            "TLS needs a certificate, and `certs` names none",
            "add certs = [\"certs\"], a PEM file or a folder of them",
        );
    }
    for (n, certs) in tls.certs.iter().enumerate() {
        c.certs(&format!("{path}.certs[{n}]"), certs);
    }
    if let Some(ca) = &tls.client_ca {
        c.authorities(&join(path, "client-ca"), ca);
    } else if c.set(path, "client-auth", tls) {
        c.error_key(
            &join(path, "client-auth"),
            "`client-auth` has no effect without `client-ca`",
            "add client-ca = \"ca.pem\", or remove the line",
        );
    }
}

fn binds(c: &mut Checker<'_>, path: &str, listener: &Listener, taken: &mut HashMap<Address, String>) {
    let at = join(path, "bind");
    if listener.bind.is_empty() {
        c.error_key(
            if c.spans.given(&at) { &at } else { path },
            format!("`{path}` has no address to listen on"),
            "add bind = \"127.0.0.1:8080\"",
        );
    }
    for (n, text) in listener.bind.as_slice().iter().enumerate() {
        let at = nth(c.spans, &at, n);
        match text.parse::<Address>() {
            Ok(bind) => {
                if let Some(first) = taken.get(&bind).filter(|_| !bind.is_any_port()) {
                    let place = c
                        .spans
                        .place(first, EntryPart::Value)
                        .map(|p| format!("{}:{}", p.path.display(), p.line))
                        .unwrap_or_default();
                    c.error(
                        &at,
                        format!("{bind} is already listened on by `{first}` ({place})"),
                        "give one of the two another port",
                    );
                } else {
                    taken.insert(bind, at);
                }
            }
            Err(text) => c.refuse(&at, &text),
        }
    }
}

fn limits(c: &mut Checker<'_>, path: &str, listener: &Listener) {
    let off = "write \"off\" for no limit";
    c.not_zero(path, "header-timeout", listener.header_timeout.get().is_zero(), off);
    c.not_zero(path, "idle-timeout", listener.idle_timeout.get().is_zero(), off);
    c.not_zero(path, "max-headers", listener.max_headers == 0, "100 is usual");
    c.not_zero(path, "max-streams", listener.max_streams == 0, "200 is usual");
    if !(1 << 10..=16 << 20).contains(&listener.max_header_size.0) {
        let at = join(path, "max-header-size");
        c.error(
            &at,
            format!("a request header of {} is not a sensible limit", listener.max_header_size),
            "write 1KiB to 16MiB; \"32KiB\" is usual",
        );
    }
}

//! `[cluster.NAME.join]`: how nodes that announce themselves are admitted.

use super::super::model::{Announce, Cluster};
use super::super::source::join;
use super::checker::{Checker, nth};
use crate::base::units::Network;
use crate::wire::identity::ClientName;

pub fn check(c: &mut Checker<'_>, path: &str, name: &str, cluster: &Cluster) {
    let Some(conf) = &cluster.join else { return };
    if !c.config.is_open(name) {
        c.warn_key(
            path,
            "`join` has no effect: nodes have nowhere to announce themselves",
            "add announce = \"127.0.0.1:9901\" to [server]",
        );
    }
    for (n, word) in conf.admit.as_slice().iter().enumerate() {
        if !matches!(word.as_str(), "ask" | "token") && word.parse::<Network>().is_err() {
            c.error(
                &nth(c.spans, &join(path, "admit"), n),
                format!("\"{word}\" does not say who is admitted"),
                "write \"ask\" (an operator accepts each node), \"token\" (whoever has the token), or networks, as in [\"10.0.0.0/8\"]",
            );
        }
    }
    for (n, word) in conf.urls.as_slice().iter().enumerate() {
        if word != "sender" && word.parse::<Network>().is_err() {
            c.error(
                &nth(c.spans, &join(path, "urls"), n),
                format!("\"{word}\" does not say where a node may be"),
                "write \"sender\" (where it speaks from) and networks, as in [\"sender\", \"10.0.0.0/8\"]",
            );
        }
    }
    if let Some(name) = &conf.token_file {
        c.token(&join(path, "token-file"), name);
    }
    names(c, path, &conf.client_names);
    if let Some(scheme) = conf.scheme.as_deref().filter(|scheme| !matches!(*scheme, "http" | "https")) {
        c.error(
            &join(path, "scheme"),
            format!("`{scheme}` is not spoken to nodes"),
            "write \"http\" or \"https\"",
        );
    }
}

/// Which certificates stand for the token.
fn names(c: &mut Checker<'_>, path: &str, names: &[String]) {
    let at = join(path, "client-names");
    let asked_for =
        c.config.server.announce.as_ref().and_then(Announce::tls).is_some_and(|tls| tls.client_ca.is_some());
    if !names.is_empty() && !asked_for {
        c.warn_key(
            &at,
            "`client-names` has no effect: nodes are not asked for certificates",
            "add announce = { bind = \"0.0.0.0:9901\", tls = { certs = [\"certs\"], client-ca = \"ca.pem\" } } to [server]",
        );
    }
    for (n, name) in names.iter().enumerate() {
        if !ClientName::is_one(name) {
            c.error(
                &nth(c.spans, &at, n),
                format!("\"{name}\" is not the name of a certificate"),
                "write a name with one `*` or `{node}` at most, as in \"*.nodes.example.com\", \"{node}.example.com\", \"spiffe://shop/{node}\"",
            );
        }
    }
}

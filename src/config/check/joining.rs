//! `[cluster.NAME.join]`: how nodes that announce themselves are admitted.

use super::super::model::Cluster;
use super::super::source::join;
use super::{Checker, nth};
use crate::base::units::Network;

pub fn check(c: &mut Checker<'_>, path: &str, cluster: &Cluster) {
    let Some(conf) = &cluster.join else { return };
    if c.config.server.announce.is_none() && c.config.server.mod_heartbeat.is_none() {
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
    if let Some(name) = &conf.token_file {
        c.token(&join(path, "token-file"), name);
    }
    if let Some(scheme) = conf.scheme.as_deref().filter(|scheme| !matches!(*scheme, "http" | "https")) {
        c.error(&join(path, "scheme"), format!("`{scheme}` is not spoken to nodes"), "write \"http\" or \"https\"");
    }
}

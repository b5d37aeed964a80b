//! `forwarded` of all clusters: whether nodes can believe what they are told.

use super::super::model::Strangers;
use super::super::source::join;
use super::checker::Checker;

/// Said once, however many clusters it is true of: it is one decision.
pub fn check(c: &mut Checker<'_>) {
    let passes =
        |cluster: &super::super::model::Cluster| cluster.forwarded.table().strangers == Strangers::Pass;
    let passing: Vec<&String> =
        c.config.cluster.iter().filter(|(_, cluster)| passes(cluster)).map(|(name, _)| name).collect();
    let Some(first) = passing.first() else { return };
    let names: Vec<String> = passing.iter().map(|name| format!("`{name}`")).collect();
    let path = join(&join("cluster", first), "forwarded");
    c.warn(
        &path,
        format!(
            "the nodes of {} are passed what anybody says of himself in X-Forwarded-For and its like: any client can \
             claim to be another, or to have come by https",
            names.join(", ")
        ),
        "write strangers = \"drop\", and list the proxies in front in `trusted-proxies` of the listener",
    );
}

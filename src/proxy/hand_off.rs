//! Hands a client over: it is told which node is its own, and goes there by itself from then on.

use super::answer::{Refused, Reply, Trail};
use super::asked::Asked;
use super::choose::{FirstRequest, bypassed, choose};
use super::client::Client;
use super::{respond, retry, session};
use crate::affinity::Incoming;
use crate::table::decide::{self, Verdict};
use crate::table::route::Rule;
use crate::table::{Cluster, Listener};
use http::StatusCode;
use std::rc::Rc;
use std::sync::Arc;

/// Chooses a node as for any request, and redirects the client to it.
pub async fn serve(
    client: &Rc<Client>,
    listener: &Listener,
    rule: &Rule,
    status: StatusCode,
    cluster: &Arc<Cluster>,
    mut asked: Asked,
    trail: &mut Trail,
) -> Result<Reply, Refused> {
    trail.record.cluster = Some(cluster.live.clone());
    let now = trail.now.unix_secs();
    let forced = bypassed(cluster, &mut asked.parts.headers, now, trail);
    let head = Incoming { method: &asked.parts.method, uri: &asked.parts.uri, headers: &asked.parts.headers, client: asked.client, now };
    let reading = decide::recognise(cluster, &head);
    trail.record.heard(&reading, cluster, &head);
    // many such clients look alike, and each begins a session of its own
    let mut first = FirstRequest::alone(client);
    let verdict = match &forced {
        Some(node) => Verdict::forced(node),
        None => {
            let (verdict, _) = choose(client, cluster, &reading, &mut first, &mut retry::Tries::new(cluster, false), trail).await?;
            session::hand_over(cluster, &verdict, first.session, trail.now);
            verdict
        }
    };
    let node = &verdict.node;
    trail.record.chosen(cluster, &verdict);
    let facts = asked.facts_at(client, listener, cluster, node);
    Ok(respond::hand_off(status, node, &asked.uri, rule, &facts))
}

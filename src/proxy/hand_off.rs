//! Hands a client over: it is told which node is its own, and goes there by itself from then on.

use super::answer::Reply;
use super::choose::{FirstRequest, bypassed, choose};
use super::client::Client;
use super::open_request::OpenRequest;
use super::refused::Refused;
use super::request_head::RequestHead;
use super::resolve::Destination;
use super::{respond, retry, session};
use crate::table::Listener;
use crate::table::decide::Verdict;
use http::StatusCode;
use std::rc::Rc;

/// Chooses a node as for any request, and redirects the client to it.
pub async fn serve(
    client: &Rc<Client>,
    listener: &Listener,
    to: Destination<'_>,
    status: StatusCode,
    mut asked: RequestHead,
    open: &mut OpenRequest,
) -> Result<Reply, Refused> {
    let cluster = to.cluster;
    // many such clients look alike, and each begins a session of its own
    let mut first = FirstRequest::alone(client);
    let verdict = match bypassed(&to, &mut asked.parts.headers, open) {
        Some(node) => Verdict::forced(node),
        None => {
            let mut tries = retry::Tries::new(cluster, false);
            let (verdict, _) = choose(client, cluster, &to.reading, &mut first, &mut tries, open).await?;
            session::hand_over(cluster, &verdict, first.session, open.now);
            verdict
        }
    };
    open.record.chosen(cluster, &verdict, open.now);
    let facts = asked.facts_at(client, listener, cluster, &verdict.node);
    Ok(respond::hand_off(status, &verdict.node, &asked.uri, to.rule, &facts))
}

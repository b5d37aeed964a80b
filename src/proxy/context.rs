//! A request on its way to a node, with everything that its phases go by.

use super::client::Client;
use super::interim::InterimSink;
use super::open_request::OpenRequest;
use super::request_head::RequestHead;
use super::resolve::Destination;
use crate::table::{Listener, Node};
use crate::wire::template::TemplateFacts;
use std::rc::Rc;

/// A request on its way to a node. What it points to is all of the table that was in force when it came.
pub(super) struct RequestContext<'t> {
    /// The connection that it came over.
    pub client: &'t Rc<Client>,
    /// Its listener.
    pub listener: &'t Listener,
    /// Its rule, its cluster, and what it says of its session there.
    pub to: Destination<'t>,
    /// Its head; from `OutboundRequest::prepare` on as the node is sent it.
    pub head: RequestHead,
    /// How its client is told of interim answers.
    pub interims: &'t InterimSink,
    /// When it came, in seconds since 1970.
    pub unix: u64,
    /// What is recorded of it and what it holds: its clock, its session's mark, its place and its connection.
    pub open: &'t mut Box<OpenRequest>,
}

impl RequestContext<'_> {
    /// What header values may refer to, now that a node is chosen.
    pub fn facts_at<'a>(&'a self, node: &'a Node) -> TemplateFacts<'a> {
        let (cluster, route) = (Some(&*self.to.cluster.name), Some(&*node.spec.route));
        TemplateFacts {
            cluster,
            node: Some(&node.spec.name),
            route,
            ..self.head.facts(self.client, self.listener)
        }
    }
}

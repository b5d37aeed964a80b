//! What is sent to a node: the head made for it, and the body, held or streamed, with the word whether it can be sent again.

use super::client::Client;
use super::refused::Refused;
use super::request_head::RequestHead;
use super::{retry, upgrade};
use crate::base::clock::Now;
use crate::table::decide::Verdict;
use crate::table::route::Rule;
use crate::table::{Cluster, Listener};
use crate::transport::body_progress::Stalled;
use crate::transport::content::{Content, ContentError};
use crate::upstream::body::{RequestBody, Upload};
use crate::upstream::passages;
use crate::upstream::send::{Failure, SendError};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, header};
use http_body::Body;
use http_body_util::BodyExt;
use std::borrow::Cow;
use std::rc::Rc;

/// The body, and whether the request can be sent again.
pub(super) struct Load {
    body: Payload,
    repeatable: bool,
}

enum Payload {
    Held(Bytes),
    Streamed(Rc<Upload>),
}

impl Load {
    /// A small body of a request that may be repeated is held in full; every other is streamed, once the node wants it if
    /// the client `expects` to be told.
    pub(super) async fn new(body: Content, parts: &Parts, cluster: &Cluster, upgrade: bool, expects: bool) -> Result<Self, Refused> {
        let idempotent = retry::is_idempotent(&parts.method);
        if upgrade || body.is_end_stream() {
            return Ok(Self { body: Payload::Held(Bytes::new()), repeatable: idempotent && !upgrade });
        }
        if expects {
            return Ok(Self { body: Payload::Streamed(Upload::new(body, true)), repeatable: idempotent });
        }
        let small = body.size_hint().upper().is_some_and(|n| n <= cluster.conf.retry_body.0);
        if small && idempotent {
            let bytes = body.collect().await.map_err(|error| retry::refused(&not_in_full(&error), cluster))?.to_bytes();
            return Ok(Self { body: Payload::Held(bytes), repeatable: true });
        }
        Ok(Self { body: Payload::Streamed(Upload::new(body, false)), repeatable: false })
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.repeatable && self.is_intact()
    }
    /// Nothing of the body is lost: the request can still be sent in full.
    pub(super) fn is_intact(&self) -> bool {
        !matches!(&self.body, Payload::Streamed(upload) if !upload.is_intact())
    }
    /// The head for this node: as it was prepared, unless something is to be said to it alone.
    #[allow(clippy::too_many_arguments, reason = "everything a head is made of")]
    pub(super) fn head<'a>(
        asked: &'a RequestHead,
        verdict: &Verdict,
        cluster: &Cluster,
        rule: &Rule,
        client: &Client,
        listener: &Listener,
        upgrade: Option<&upgrade::Wanted>,
    ) -> Cow<'a, Parts> {
        let mut head = Cow::Borrowed(&asked.parts);
        if !cluster.conf.preserve_host || !head.headers.contains_key(header::HOST) {
            head.to_mut().headers.insert(header::HOST, verdict.node.link.authority.clone());
        }
        if cluster.conf.tell_state {
            head.to_mut().headers.insert("homing-state", HeaderValue::from_static(verdict.node.state(Now::look()).word()));
        }
        if !rule.request_headers.is_empty() {
            rule.request_headers.apply(&mut head.to_mut().headers, &asked.facts_at(client, listener, cluster, &verdict.node));
        }
        // last, so that no rule takes it off
        if verdict.node.link.is_homeward() {
            let mark = asked.passed.on(rule.index, verdict.node.link.is_meant());
            head.to_mut().headers.insert(passages::HEADER, mark);
        }
        if let Some(upgrade) = upgrade {
            upgrade.ask(head.to_mut());
        }
        head
    }

    /// The body, from its beginning.
    pub(super) fn body(&self) -> RequestBody {
        match &self.body {
            Payload::Held(bytes) if bytes.is_empty() => RequestBody::Empty,
            Payload::Held(bytes) => RequestBody::Held(Some(bytes.clone())),
            Payload::Streamed(upload) => {
                upload.rewind();
                RequestBody::Stream(upload.clone())
            }
        }
    }
}

fn not_in_full(error: &ContentError) -> SendError {
    let kind = if error.is::<Stalled>() { Failure::Stalled } else { Failure::Client };
    SendError::new(kind, error.to_string())
}

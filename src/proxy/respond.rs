//! Rules that answer by themselves.

use super::answer::Reply;
use crate::table::Node;
use crate::table::redirect::Redirect;
use crate::table::rule::{Respond, Rule};
use crate::wire::template::TemplateFacts;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri, header};
use std::borrow::Cow;

/// A redirect.
pub fn redirect(redirect: &Redirect, rule: &Rule, facts: &TemplateFacts<'_>) -> Reply {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(header::LOCATION, redirect.location(facts));
    finish(response, rule, facts)
}

/// An answer at once.
pub fn answer(answer: &Respond, rule: &Rule, facts: &TemplateFacts<'_>) -> Reply {
    let mut response = Response::new(answer.body.clone());
    *response.status_mut() = answer.status;
    response.headers_mut().insert(header::CONTENT_TYPE, answer.content_type.clone());
    finish(response, rule, facts)
}

/// A redirect to a node's own address, path and query kept.
pub fn hand_off(
    status: StatusCode,
    node: &Node,
    asked: &Uri,
    rule: &Rule,
    facts: &TemplateFacts<'_>,
) -> Reply {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let base =
        node.spec.public_url.as_deref().map_or_else(|| Cow::Owned(node.spec.url.to_string()), Cow::Borrowed);
    let rest = asked.path_and_query().map_or("/", |target| target.as_str());
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let location = HeaderValue::try_from(format!("{base}{slash}{rest}"))
        .unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    // the next client is given another one
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    finish(response, rule, facts)
}

fn finish(mut response: Response<Bytes>, rule: &Rule, facts: &TemplateFacts<'_>) -> Reply {
    rule.response_headers.apply(response.headers_mut(), facts);
    Reply::Own(response)
}

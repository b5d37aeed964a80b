//! Rules that answer by themselves.

use super::exchange::Reply;
use crate::table::route::{Redirect, Respond, Rule};
use crate::wire::template::Facts;
use bytes::Bytes;
use http::{Response, header};

/// A redirect.
pub fn redirect(redirect: &Redirect, rule: &Rule, facts: &Facts<'_>) -> Reply {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(header::LOCATION, redirect.location(facts));
    finish(response, rule, facts)
}

/// An answer at once.
pub fn answer(answer: &Respond, rule: &Rule, facts: &Facts<'_>) -> Reply {
    let mut response = Response::new(answer.body.clone());
    *response.status_mut() = answer.status;
    response.headers_mut().insert(header::CONTENT_TYPE, answer.content_type.clone());
    finish(response, rule, facts)
}

fn finish(mut response: Response<Bytes>, rule: &Rule, facts: &Facts<'_>) -> Reply {
    rule.response_headers.apply(response.headers_mut(), facts);
    Reply::Own(response)
}

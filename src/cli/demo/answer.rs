//! What a demo node answers to each request.

use super::control::{DemoControl, DemoNode};
use super::page;
use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// The application's session cookie.
pub const SESSION: &str = "DEMOSESSION";

/// Lets the answer to its own death sentence leave the node; anybody else's node dies at once.
const LAST_WORDS: Duration = Duration::from_millis(50);

type DemoAnswer = Response<Full<Bytes>>;

/// Answers one request at the node with that index.
pub async fn answer(
    control: Arc<DemoControl>,
    index: usize,
    request: Request<Incoming>,
) -> Result<DemoAnswer, Infallible> {
    let node = &control.nodes()[index];
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    Ok(match (request.uri().path(), reading) {
        ("/", true) => home(&control, node, request.headers()),
        ("/json", true) => json(&control, node, request.headers()),
        ("/healthz", true) => text(StatusCode::OK, "ok\n"),
        ("/demo/kill", _) => change(&control, node, &request, false),
        ("/demo/revive", _) => change(&control, node, &request, true),
        ("/" | "/json" | "/healthz", false) => not_allowed("GET, HEAD"),
        _ => text(StatusCode::NOT_FOUND, "nothing here; try /\n"),
    })
}

fn home(control: &DemoControl, node: &DemoNode, headers: &HeaderMap) -> DemoAnswer {
    let (id, visits) = node.sessions().visit(session(headers));
    let browser = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let mut answer = if browser {
        with_type(page::html(control, node, visits), "text/html; charset=utf-8")
    } else {
        text(StatusCode::OK, format!("hello from {}, visit {visits}\n", node.name()))
    };
    if visits == 1
        && let Ok(cookie) = HeaderValue::try_from(format!("{SESSION}={id}; Path=/; HttpOnly; SameSite=Lax"))
    {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

/// Looks without counting a visit, so that the page may ask every second.
fn json(control: &DemoControl, node: &DemoNode, headers: &HeaderMap) -> DemoAnswer {
    let visits = node.sessions().visits(session(headers));
    with_type(page::json(control, node, visits).to_string(), "application/json")
}

fn change(
    control: &Arc<DemoControl>,
    here: &DemoNode,
    request: &Request<Incoming>,
    alive: bool,
) -> DemoAnswer {
    if request.method() != Method::POST {
        return not_allowed("POST");
    }
    let name = request
        .uri()
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("node="));
    let Some(node) = name.and_then(|name| control.find(name)) else {
        return text(StatusCode::NOT_FOUND, "no such node\n");
    };
    if !alive && node.name() == here.name() {
        let (control, name) = (control.clone(), node.name().to_owned());
        // Not a task of the connection's: it must outlive the node.
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAST_WORDS).await;
            if let Some(node) = control.find(&name) {
                node.want(false);
            }
        });
    } else {
        node.want(alive);
    }
    let mut answer = text(StatusCode::SEE_OTHER, "");
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
    answer
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == SESSION).then_some(value))
}

fn not_allowed(allow: &'static str) -> DemoAnswer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> DemoAnswer {
    let mut answer = with_type(body, "text/plain; charset=utf-8");
    *answer.status_mut() = status;
    answer
}

fn with_type(body: impl Into<Bytes>, content_type: &'static str) -> DemoAnswer {
    let mut answer = Response::new(Full::new(body.into()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

//! What finding a rule, filling a template and writing a log line cost.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use homing::base::clock::Now;
use homing::config::model::{self, LogFormat, OneOrMany};
use homing::table::conditions::RouteQuery;
use homing::table::route::Router;
use homing::telemetry::log_fields::{ConnectionFacts, LogEntry};
use homing::telemetry::log_format::Format;
use homing::telemetry::record::RequestRecord;
use homing::wire::request_id::RequestId;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use std::hint::black_box;

fn rule(host: Option<String>, path: Option<String>) -> model::Rule {
    let list = |text: Option<String>| text.map_or_else(OneOrMany::default, OneOrMany::One);
    model::Rule { host: list(host), path: list(path), cluster: Some("c".into()), ..model::Rule::default() }
}

/// The last of so many rules is found, by a request of a browser from tenant 999.
fn find(c: &mut Criterion, name: &str, size: usize, rules: &[model::Rule], host: &str, path: &str) {
    let router = Router::compile(rules, "web", &|_| Some(0)).expect("the rules are good");
    let method = Method::GET;
    let headers = HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8")),
        (HeaderName::from_static("x-tenant"), HeaderValue::from_static("t999")),
    ]);
    let ask = RouteQuery {
        host,
        path,
        query: None,
        method: &method,
        headers: &headers,
        client: [10, 0, 0, 1].into(),
    };
    assert!(router.find(&ask).is_some(), "{name}/{size} must match");
    c.bench_with_input(BenchmarkId::new(name, size), &ask, |b, ask| {
        b.iter(|| router.find(black_box(ask)).map(|rule| rule.index))
    });
}

fn matching(c: &mut Criterion) {
    for size in [10, 100, 1_000, 10_000] {
        let exact: Vec<_> = (0..size).map(|n| rule(Some(format!("shop{n}.example.com")), None)).collect();
        find(c, "hosts", size, &exact, &format!("shop{}.example.com", size - 1), "/shop/cart/items");
        let wild: Vec<_> = (0..size).map(|n| rule(Some(format!("*.shop{n}.example.com")), None)).collect();
        find(c, "wildcards", size, &wild, &format!("www.shop{}.example.com", size - 1), "/shop/cart/items");
    }
    let paths: Vec<_> =
        (0..1_000).map(|n| rule(Some("example.com".into()), Some(format!("/app{n}/v1")))).collect();
    find(c, "prefixes", 1_000, &paths, "example.com", "/app999/v1/cart/items");
    for size in [1, 10, 100, 1_000] {
        let last = size - 1;
        let regexes: Vec<_> = (0..size)
            .map(|n| model::Rule { path_regex: Some(format!("^/app{n}/v[0-9]+/")), ..rule(None, None) })
            .collect();
        find(c, "regexes", size, &regexes, "example.com", &format!("/app{last}/v12/cart/items"));
        let headers: Vec<_> = (1_000 - size..1_000)
            .map(|n| model::Rule {
                header: [("X-Tenant".into(), format!("t{n}"))].into(),
                ..rule(None, None)
            })
            .collect();
        find(c, "headers", size, &headers, "example.com", "/shop/cart/items");
    }
    find(c, "prefixes-respelt", 1_000, &paths, "example.com", "/app999/x/../v1/c%61rt;jsessionid=1.n1");
}

fn lines(c: &mut Criterion) {
    let id = RequestId::Own(1);
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 50_000));
    let mut record = RequestRecord::begin(id.clone(), peer, 0, Now::look());
    if let Ok(request) = Request::get("/shop/cart?item=1").body(()) {
        record.asked(peer.ip(), &id, "shop.example.com", &request.into_parts().0, None);
    }
    record.decision.status = 200;
    let connection = ConnectionFacts { listener: "web", ..ConnectionFacts::default() };
    let entry = LogEntry {
        record: &record,
        connection: &connection,
        id: "r1",
        session: None,
        trace: None,
        duration_ms: 1.0,
    };
    let mut out = Vec::with_capacity(1024);
    for (name, format) in
        [("json", LogFormat::Json), ("combined", LogFormat::Combined), ("httplog", LogFormat::Httplog)]
    {
        c.bench_function(&format!("log/{name}"), |b| {
            b.iter(|| {
                out.clear();
                Format::from(format).write(black_box(&entry), &mut out);
                out.len()
            });
        });
    }
}

criterion_group!(benches, matching, lines);
criterion_main!(benches);

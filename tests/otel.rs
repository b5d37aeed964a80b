//! Traces, with the real binary in front of a collector that the test is: what arrives there, and what nodes
//! are told.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "proxy/support/mod.rs"]
mod support;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use support::wire::{Length, Wire, length, read_body, read_head};
use support::{Client, Conf, DEADLINE, Origin, Proxy, free_addr, proxy::refused_start, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Takes what is posted to it; the first so many posts are answered with 503.
struct Collector {
    addr: SocketAddr,
    busy: Arc<AtomicUsize>,
    taken: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector =
            Self { addr: listener.local_addr().unwrap(), busy: Arc::default(), taken: Arc::default() };
        let (busy, taken) = (collector.busy.clone(), collector.taken.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut wire = Wire::new(stream.unwrap());
                let Ok(Some(head)) = read_head(&mut wire) else { continue };
                let mut body = Vec::new();
                read_body(&mut wire, length(&head, Length::Fixed(0)), |part| body.extend_from_slice(part))
                    .unwrap();
                assert_eq!(
                    (head.line.as_str(), head.get("content-type")),
                    ("POST /v1/traces HTTP/1.1", Some("application/x-protobuf"))
                );
                let refused = busy.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
                if !refused {
                    taken.lock().unwrap().push(ExportTraceServiceRequest::decode(&*body).unwrap());
                }
                let status = if refused { "503 Service Unavailable" } else { "200 OK" };
                write!(wire.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        collector
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let scopes = taken
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The span of the only request for this path.
    fn span(&self, path: &str) -> Span {
        until(&format!("the span of {path}"), || {
            self.spans().into_iter().find(|span| text(span, "url.path") == path)
        })
    }
}

fn conf(nodes: &[Origin], to: SocketAddr) -> Conf {
    Conf::over(nodes).server(&format!("traces = {{ to = \"http://{to}\", service = \"shop\" }}"))
}

fn find<'s>(all: &'s [KeyValue], key: &str) -> Option<&'s Value> {
    all.iter().find(|one| one.key == key)?.value.as_ref()?.value.as_ref()
}

/// An attribute; "" if there is none.
fn text(span: &Span, key: &str) -> String {
    match find(&span.attributes, key) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The traceparent that names this span.
fn naming(span: &Span) -> String {
    format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))
}

#[test]
fn a_request_without_a_trace_begins_one() {
    let (nodes, collector) = (Origin::several(1), Collector::start());
    let proxy = Proxy::start(&conf(&nodes, collector.addr).text());
    let mut client = Client::new(proxy.addr);
    let told = client.get_with("/headers/new?secret=1", &[("tracestate", "a=b")]);
    let span = collector.span("/headers/new");
    assert_eq!((told.seen("traceparent"), told.seen("tracestate")), (vec![naming(&span)], vec![]));
    let line = &proxy.access_of("/headers/new", 1)[0];
    assert_eq!(line["trace_id"], hex(&span.trace_id));
    assert_eq!(
        (span.name.as_str(), span.kind, &span.status, span.parent_span_id.len()),
        ("GET app", 2, &None, 0)
    );
    assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano < span.end_time_unix_nano);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("http.response.status_code", "200"),
        ("server.address", client.host.split(':').next().unwrap()),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("homing.cluster", "app"),
        ("homing.node", "n1"),
        ("homing.rule", "1"),
        ("homing.why", line["why"].as_str().unwrap()),
        ("homing.request_id", line["id"].as_str().unwrap()),
        ("homing.was", ""),
        ("error.type", ""),
    ] {
        assert_eq!(text(&span, key), value, "{key}");
    }
    let resource = collector.taken.lock().unwrap()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(find(&resource.attributes, "service.name"), Some(&Value::StringValue("shop".into())));
}

#[test]
fn a_trace_is_continued_and_its_owner_decides_whether_it_is_kept() {
    let (nodes, collector) = (Origin::several(1), Collector::start());
    let proxy = Proxy::start(&conf(&nodes, collector.addr).text());
    let mut client = Client::new(proxy.addr);
    let came = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
    let unsampled =
        client.get_with("/headers/unsampled", &[("traceparent", &came("00"))]).seen("traceparent");
    let told = client.get_with("/headers/sampled", &[("traceparent", &came("01")), ("tracestate", "a=b")]);
    let span = collector.span("/headers/sampled");
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(
        (told.seen("traceparent"), told.seen("tracestate")),
        (vec![naming(&span)], vec!["a=b".to_owned()])
    );
    let parts: Vec<&str> = unsampled[0].split('-').collect();
    assert_eq!((unsampled.len(), parts[1], parts[3]), (1, TRACE, "00"));
    assert_ne!(parts[2], PARENT);
    // the end sends all that is left
    client.get("/last");
    client.hang_up();
    proxy.signal("TERM");
    assert!(proxy.exit(DEADLINE).success());
    let paths: Vec<String> = collector.spans().iter().map(|span| text(span, "url.path")).collect();
    assert_eq!(paths, ["/headers/sampled", "/last"]);
}

#[test]
fn of_new_traces_a_share_is_kept() {
    let (nodes, collector) = (Origin::several(1), Collector::start());
    let conf = conf(&nodes, collector.addr).text().replace("service = \"shop\"", "sample = 0");
    let proxy = Proxy::start(&conf);
    let mut client = Client::new(proxy.addr);
    assert!(client.get("/headers/no").seen("traceparent")[0].ends_with("-00"));
    client.get_with("/theirs", &[("traceparent", &format!("00-{TRACE}-{PARENT}-01"))]);
    collector.span("/theirs");
    assert_eq!(collector.spans().len(), 1);
}

#[test]
fn a_failure_is_one_and_a_move_says_whence() {
    let (nodes, collector) = (Origin::several(2), Collector::start());
    let proxy = Proxy::start(&conf(&nodes, collector.addr).affinity("{ cookie = \"HOMING\" }").text());
    let mut client = Client::with_jar(proxy.addr);
    let home = client.get("/home").node().to_owned();
    nodes.iter().find(|node| node.name() == home).unwrap().kill();
    let other = client.get("/moved").node().to_owned();
    let moved = collector.span("/moved");
    assert_eq!((text(&moved, "homing.was"), text(&moved, "homing.node")), (home, other));
    assert_eq!(text(&moved, "homing.why"), proxy.why("/moved"));
    nodes.iter().filter(|node| node.name() == text(&moved, "homing.node")).for_each(Origin::kill);
    assert_eq!(client.get("/none").status, 503);
    let none = collector.span("/none");
    assert_eq!(none.status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(
        (text(&none, "http.response.status_code"), text(&none, "error.type")),
        ("503".to_owned(), "503".to_owned())
    );
}

#[test]
fn a_busy_collector_is_asked_again() {
    let (nodes, collector) = (Origin::several(1), Collector::start());
    collector.busy.store(1, SeqCst);
    let admin = free_addr();
    let proxy = Proxy::start(&conf(&nodes, collector.addr).server(&format!("admin = \"{admin}\"")).text());
    Client::new(proxy.addr).get("/patient");
    collector.span("/patient");
    proxy.log.says("did not take spans: it answers 503");
    until("the span is counted", || {
        let metrics = Client::new(admin).get("/metrics").text();
        metrics.contains("homing_spans_total{result=\"exported\"} 1\n").then_some(())
    });
}

#[test]
fn a_collector_that_is_away_costs_no_request() {
    let (nodes, nowhere) = (Origin::several(1), free_addr());
    let proxy = Proxy::start(&conf(&nodes, nowhere).text());
    let mut client = Client::new(proxy.addr);
    for n in 0..200 {
        assert_eq!(client.get(&format!("/away/{n}")).status, 200);
    }
    let told = |line: &str| line.contains(&format!("the collector at http://{nowhere} did not take spans"));
    proxy.log.wait(0, DEADLINE, told).expect("the log says it");
    assert!((0..200).all(|n| client.get(&format!("/still/{n}")).status == 200));
    assert_eq!(proxy.log.all().iter().filter(|line| told(line)).count(), 1, "{:?}", proxy.log.all());
    // nor does it hold up the end
    client.hang_up();
    proxy.signal("TERM");
    assert!(proxy.exit(DEADLINE).success());
}

#[test]
fn a_mistake_is_named() {
    let nodes = Origin::several(1);
    for (wrong, said) in [
        ("{ to = \"collector:4318\" }", "is not the address of a collector"),
        ("{ to = \"http://collector:4318/v1/traces\" }", "is not the address of a collector"),
        ("{ sample = 1.5 }", "1.5 is out of range"),
        ("{ sample = 2 }", "2 is out of range"),
        ("{ sample = nan }", "nan is not a number that can be used here"),
        ("{ service = \"\" }", "has no name"),
    ] {
        let (code, log) = refused_start(&Conf::over(&nodes).server(&format!("traces = {wrong}")).text());
        assert!(code == Some(2) || code == Some(1), "{wrong}: {code:?}");
        assert!(log.contains(said), "{wrong}: {log}");
    }
}

//! Spans as OpenTelemetry's protocol writes them, named by its semantic conventions for HTTP servers.

use super::finished::FinishedSpan;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// Says of a span that it knows whether its parent is from elsewhere, and that it is.
const PARENT: (u32, u32) = (0x100, 0x200);
/// The methods that have a name of their own; any other could be made up.
const METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// A batch, as it is sent.
pub fn encode(service: &str, batch: Vec<FinishedSpan>) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let resource = Resource {
        attributes: vec![text("service.name", service), text("service.version", version)],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "homing".into(),
        version: version.into(),
        ..InstrumentationScope::default()
    };
    let spans = batch.into_iter().map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let all = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![all] }.encode_to_vec()
}

fn span(done: FinishedSpan) -> Span {
    let (remote_known, remote) = PARENT;
    let failed = done.status >= 500;
    Span {
        trace_id: done.place.trace.to_be_bytes().to_vec(),
        span_id: done.place.span.to_be_bytes().to_vec(),
        parent_span_id: done.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
        flags: u32::from(done.place.flags) | remote_known | if done.parent.is_some() { remote } else { 0 },
        name: name(&done),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: done.start,
        end_time_unix_nano: done.end,
        status: failed.then(|| Status { code: StatusCode::Error.into(), message: String::new() }),
        attributes: attributes(done, failed),
        ..Span::default()
    }
}

/// What requests of one kind have in common: the method, and what the rule leads to.
fn name(done: &FinishedSpan) -> String {
    let method = if is_known(&done.method) { &done.method } else { "HTTP" };
    match (&done.cluster, done.rule) {
        (Some(cluster), _) => format!("{method} {cluster}"),
        (None, Some(rule)) => format!("{method} rule {}", rule + 1),
        (None, None) => method.to_owned(),
    }
}

fn is_known(method: &str) -> bool {
    METHODS.contains(&method)
}

fn attributes(done: FinishedSpan, failed: bool) -> Vec<KeyValue> {
    let status = done.status.to_string();
    let version = done.version.trim_start_matches("HTTP/").trim_end_matches(".0");
    // HTTP/1.0 is the one whose nought says something
    let version = if version == "1" { "1.0" } else { version };
    let mut all = vec![
        text("url.scheme", if done.tls { "https" } else { "http" }),
        text("url.path", done.path),
        number("http.response.status_code", done.status.into()),
        text("server.address", done.host),
        text("client.address", done.client.to_string()),
        text("network.protocol.version", version),
        text("homing.why", done.why.word()),
        text("homing.request_id", done.id),
    ];
    if is_known(&done.method) {
        all.push(text("http.request.method", done.method));
    } else {
        all.push(text("http.request.method", "_OTHER"));
        all.push(text("http.request.method_original", done.method));
    }
    let named = [("homing.cluster", done.cluster), ("homing.node", done.node), ("homing.was", done.was)];
    all.extend(named.into_iter().filter_map(|(key, value)| Some(text(key, value?))));
    all.extend(done.rule.map(|rule| number("homing.rule", i64::from(rule) + 1)));
    all.extend(failed.then(|| text("error.type", status)));
    all
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::decide::Why;
    use crate::wire::traceparent::Traceparent;

    fn done(method: &str, version: &'static str, cluster: Option<&str>, rule: Option<u32>) -> FinishedSpan {
        FinishedSpan {
            place: Traceparent::first(1, 2, true),
            parent: None,
            start: 0,
            end: 0,
            client: [127, 0, 0, 1].into(),
            tls: true,
            status: 204,
            why: Why::None,
            rule,
            method: method.into(),
            path: "/".into(),
            host: String::new(),
            version,
            cluster: cluster.map(str::to_owned),
            node: None,
            was: None,
            id: "1".into(),
        }
    }

    #[test]
    fn names_are_few_and_versions_short() {
        for (method, version, cluster, rule, name, kept, short) in [
            ("GET", "HTTP/1.1", Some("app"), Some(0), "GET app", "GET", "1.1"),
            ("PUT", "HTTP/1.0", None, Some(2), "PUT rule 3", "PUT", "1.0"),
            ("x-made-up", "HTTP/2.0", None, None, "HTTP", "_OTHER", "2"),
        ] {
            let span = span(done(method, version, cluster, rule));
            assert_eq!(span.name, name);
            let said = [
                text("http.request.method", kept),
                text("network.protocol.version", short),
                text("url.scheme", "https"),
            ];
            assert!(said.iter().all(|one| span.attributes.contains(one)), "{:?}", span.attributes);
            let original = text("http.request.method_original", method);
            assert_eq!(span.attributes.contains(&original), kept == "_OTHER");
        }
    }
}

use super::super::log_fields::{ConnectionFacts, SOME_CONNECTION};
use super::super::record::RequestRecord;
use super::super::termination::Termination;
use super::*;
use crate::affinity::{KeyRing, PinSent};
use crate::base::clock::Now;
use crate::config;
use crate::table::ClusterLive;
use crate::table::compile::{TableContext, adopt, compile};
use crate::table::decide::Why;
use crate::wire::request_id::RequestId;
use http::Request;
use std::path::Path;
use std::sync::Arc;

fn live(cluster: &str) -> Arc<ClusterLive> {
    let text =
        format!("[listener.f]\nbind = '127.0.0.1:0'\n[cluster.{cluster}.nodes]\ns1 = 'http://127.0.0.1:1'");
    let loaded = config::parse_str(&text, Path::new("homing.toml")).unwrap();
    let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table = compile(Arc::new(loaded.config), &context, None).unwrap();
    adopt(&table, Now::look());
    table.clusters[0].live.clone()
}

fn asked(at: u64, peer: &str, path: &str, agent: &str) -> RequestRecord {
    let peer: std::net::SocketAddr = peer.parse().unwrap();
    let id = RequestId::parse("r1").unwrap();
    let mut record = RequestRecord::begin(id.clone(), peer, 0, Now::look());
    let mut request = Request::get(path);
    if !agent.is_empty() {
        request = request.header("user-agent", agent);
    }
    record.asked(peer.ip(), &id, "h", &request.body(()).unwrap().into_parts().0, None);
    record.decision.at = at;
    record
}

fn sample() -> RequestRecord {
    let mut record = asked(1_795_260_386_202, "[::ffff:127.0.0.1]:56348", "/b1/?q=1", "curl");
    (record.decision.status, record.decision.why, record.decision.node) = (200, Why::MovedDown, Some(0));
    (record.cluster, record.node, record.was) = (Some(live("b1")), Some("s1".into()), Some("s0".into()));
    (record.bytes, record.cookie) = (61, Some(PinSent::Inserted));
    record.answered(0.25, 1.25, 0);
    record
}

fn line(
    format: LogFormat,
    record: &RequestRecord,
    connection: &ConnectionFacts<'_>,
    duration_ms: f64,
) -> String {
    let mut out = Vec::new();
    Format::from(format)
        .write(&LogEntry { record, connection, id: "r1", session: None, trace: None, duration_ms }, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn golden_lines() {
    let line = |format| line(format, &sample(), &SOME_CONNECTION, 1.2346);
    assert_eq!(
        line(LogFormat::Json),
        "{\"time\":\"2026-11-21T11:26:26.202Z\",\"client\":\"127.0.0.1\",\"method\":\"GET\",\"host\":\"h\",\"path\":\"/b1/?q=1\",\"status\":200,\
         \"bytes\":61,\"duration_ms\":1.235,\"cluster\":\"b1\",\"node\":\"s1\",\"was\":\"s0\",\"why\":\"moved:down\",\"id\":\"r1\",\"session\":null,\
         \"listener\":\"f\",\"port\":56348,\"tls\":false,\"version\":\"HTTP/1.1\",\"request_ms\":0.000,\"queue_ms\":0.000,\"connect_ms\":0.250,\
         \"response_ms\":1.000,\"retries\":0,\"note\":null,\"user_agent\":\"curl\",\"referer\":null}\n"
    );
    assert_eq!(
        line(LogFormat::Combined),
        "127.0.0.1 - - [21/Nov/2026:11:26:26 +0000] \"GET /b1/?q=1 HTTP/1.1\" 200 61 \"-\" \"curl\" node=s1 why=moved:down was=s0 session=-\n"
    );
    assert_eq!(
        line(LogFormat::Httplog),
        "127.0.0.1:56348 [21/Nov/2026:11:26:26.202] f b1/s1 0/0/0/1/1 200 61 - - --DI 1/1/0/0/0 0/0 \"GET /b1/?q=1 HTTP/1.1\"\n"
    );
}

#[test]
fn golden_lines_of_what_no_node_has_seen() {
    let mut refused = asked(1_795_260_386_199, "127.0.0.1:56240", "/adm", "");
    (refused.decision.status, refused.bytes, refused.ended) = (403, 192, Termination::Refused);
    assert_eq!(
        line(LogFormat::Httplog, &refused, &SOME_CONNECTION, 0.0),
        "127.0.0.1:56240 [21/Nov/2026:11:26:26.199] f f/<NOSRV> 0/-1/-1/-1/0 403 192 - - PR-- 1/1/0/0/0 0/0 \"GET /adm HTTP/1.1\"\n"
    );
    let unread = RequestRecord::begin(RequestId::Own(1), "127.0.0.1:56240".parse().unwrap(), 0, Now::look());
    let tls = ConnectionFacts { tls: true, ..SOME_CONNECTION };
    let said = line(LogFormat::Httplog, &unread, &tls, 0.0);
    assert!(
        said.contains("] f~ f/<NOSRV> 0/-1") && said.ends_with(" 0 0 - - ---- 1/1/0/0/0 0/0 \"<BADREQ>\"\n"),
        "{said}"
    );
    let said = line(LogFormat::Combined, &unread, &tls, 0.0);
    assert!(said.ends_with("] \"<BADREQ>\" 0 - \"-\" \"-\" node=- why=none was=- session=-\n"), "{said}");
}

#[test]
fn hostile_bytes_stay_in_their_line() {
    let evil = "/a\r\nfake \"#\\\u{1b}[2J\u{85}é\u{7f}";
    let mut record = sample();
    (record.node, record.was, record.note) = (Some(evil.into()), Some(evil.into()), evil.into());
    let connection = ConnectionFacts { listener: evil, ..SOME_CONNECTION };
    for format in [LogFormat::Json, LogFormat::Combined, LogFormat::Httplog] {
        let text = line(format, &record, &connection, f64::NAN);
        assert_eq!(text.chars().filter(|c| c.is_control()).count(), 1, "{text:?}");
        assert!(text.ends_with('\n'));
    }
    let value: serde_json::Value =
        serde_json::from_str(&line(LogFormat::Json, &record, &connection, f64::NAN)).unwrap();
    assert_eq!(
        (value["node"].as_str(), value["listener"].as_str(), value["note"].as_str()),
        (Some(evil), Some(evil), Some(evil))
    );
}

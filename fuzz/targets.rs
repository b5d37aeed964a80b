//! What every parser of bytes from outside holds to, whatever the bytes. The fuzzers here run one of these
//! each, on a nightly compiler; `tests/fuzz.rs` runs all of them on the committed corpus, on the stable one.

// A fuzzer is only one of them.
#![allow(dead_code)]

use bytes::BytesMut;
use homing::affinity::{Affinity, FoundPin, KeyRing, Member, PinRequest};
use homing::config::{self, Loaded};
use homing::heartbeat::{HeartbeatMessage, Sender, agent, datagram, native, post};
use homing::table::normal_path;
use homing::wire::cookies::{self, SetCookie};
use homing::wire::http1::{BodyPart, BodyReader, Framing, HeadScan, Malformed, request};
use homing::wire::proxy_protocol::{self, Header};
use homing::wire::request_id::{RequestId, trace_of};
use http::header::{COOKIE, HeaderMap, HeaderValue};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 11] = [
    ("agent", agent),
    ("conf", conf),
    ("cookies", cookies),
    ("framing", framing),
    ("heartbeat_datagram", heartbeat_datagram),
    ("heartbeat_native", heartbeat_native),
    ("heartbeat_post", heartbeat_post),
    ("normal_path", normal_path),
    ("proxy_protocol", proxy_protocol),
    ("request_id", request_id),
    ("sealed_pin", sealed_pin),
];

const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What an agent has said, it has said: more bytes change nothing. Nothing of it upsets a terminal.
pub fn agent(bytes: &[u8]) {
    let reply = agent::read(bytes);
    if let agent::AgentReply::Said(beat) = &reply {
        assert!(!beat.note.as_deref().unwrap_or_default().contains(char::is_control));
    }
    if reply != agent::AgentReply::Incomplete {
        assert_eq!(agent::read(&[bytes, b"down\n"].concat()), reply);
    }
}

/// A conf file that loads is the same when it is dumped and loaded again; what is wrong with one that does
/// not can be shown.
pub fn conf(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let load = |text: &str| config::parse_str(text, Path::new("/nonexistent/homing.toml"));
    match load(text) {
        Ok(Loaded { config, .. }) => {
            let dumped = config::dump(&config).expect("what was loaded can be dumped");
            match load(&dumped) {
                Ok(again) => assert_eq!(again.config, config, "{dumped}"),
                Err(found) => panic!("{dumped}{found:?}"),
            }
        }
        Err(found) => {
            assert!(!found.is_empty());
            let _ = found.iter().map(ToString::to_string).collect::<String>();
        }
    }
}

/// Cookies are where they are said to be; taking one out leaves the others as they are; a Set-Cookie line is
/// put together again.
pub fn cookies(bytes: &[u8]) {
    for pair in cookies::cookies_in(bytes) {
        assert_eq!(&bytes[pair.range.clone()], pair.value);
    }
    if let Some(set) = SetCookie::parse(bytes) {
        assert_eq!(set.with_value(&[set.value]), bytes);
        let _ = set.ends(1_800_000_000);
    }
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(COOKIE, line);
    }
    let others = |headers: &HeaderMap| -> Vec<(Vec<u8>, Vec<u8>)> {
        let others =
            cookies::cookies(headers).filter(|pair| pair.name != b"A" && !pair.name.starts_with(b"$"));
        others.map(|pair| (pair.name.to_vec(), pair.value.to_vec())).collect()
    };
    let before = others(&headers);
    cookies::shorten(&mut headers, b"A", |value| Some(value.len() / 2..value.len()));
    cookies::remove(&mut headers, b"A");
    assert_eq!(cookies::values(&headers, b"A").count(), 0);
    assert_eq!(others(&headers), before);
}

/// Requests are read, or refused, alike however their bytes arrive.
pub fn framing(bytes: &[u8]) {
    let read = |size: usize| {
        let (mut input, mut scan, mut body) =
            (BytesMut::new(), HeadScan::strict(), BodyReader::strict(Framing::None));
        let mut requests = 0;
        for piece in bytes.chunks(size) {
            input.extend_from_slice(piece);
            loop {
                if !body.is_done() {
                    match body.take(&mut input)? {
                        BodyPart::More => break,
                        BodyPart::End | BodyPart::Data(_) | BodyPart::Trailers(_) => continue,
                    }
                }
                let Some(head) = scan.find(&input)? else { break };
                let whole = input.split_to(head.end).freeze();
                scan = HeadScan::strict();
                body = BodyReader::strict(request::parse(&whole.slice(head), 100)?.framing);
                requests += 1;
            }
        }
        Ok::<_, Malformed>((requests, input.len(), body.length()))
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(read(1), whole);
    assert_eq!(read(7), whole);
}

/// What passes as a datagram passes as a POST, and says the same.
pub fn heartbeat_datagram(bytes: &[u8]) {
    let posted = datagram::read_post(bytes, SOMEBODY);
    if let Ok(heard) = datagram::read_udp(bytes, SOMEBODY) {
        assert_eq!(posted, Ok(heard));
    }
}

/// A heartbeat that is read, by either form, is the same when written and read again. Refusals are short.
pub fn heartbeat_native(bytes: &[u8]) {
    const JSON: &str = "application/json";
    for content_type in [JSON, "application/x-www-form-urlencoded"] {
        match native::read(Some(content_type), bytes) {
            Ok(heard) => {
                let HeartbeatMessage { speaker: Sender::Named { cluster, node, url }, beat } = &heard else {
                    panic!("{heard:?}")
                };
                let written = native::write(cluster, node, url, beat);
                assert_eq!(native::read(Some(JSON), written.as_bytes()).as_ref(), Ok(&heard), "{written}");
            }
            Err(refusal) => assert!(
                refusal.to_string().len() < 1000 && !refusal.to_string().contains(char::is_control),
                "{refusal}"
            ),
        }
    }
}

/// A request is read the same however it arrives, and its message lies behind its head. Refusals are answered
/// in order.
pub fn heartbeat_post(bytes: &[u8]) {
    let whole = post::read(bytes);
    if let Some(early) =
        (0..bytes.len()).map(|end| post::read(&bytes[..end])).find(|early| *early != Ok(None))
    {
        assert_eq!(early.as_ref().ok(), whole.as_ref().ok());
    }
    match whole {
        Ok(Some(message)) => assert!(message.start <= bytes.len() && message.len() <= datagram::LONGEST),
        Ok(None) => {}
        Err(refusal) => assert!(refusal.answer().starts_with("HTTP/1.1 4")),
    }
}

/// A path's one spelling has no other, nothing in it climbs, and it can be sent on.
pub fn normal_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let once = normal_path::normal(text).text.into_owned();
    assert_eq!(normal_path::normal(&once).text, once);
    if text.starts_with('/') {
        assert!(
            once.starts_with('/') && !once.contains("//") && !once.contains("/./") && !once.contains("/../"),
            "{once}"
        );
        assert!(!once.ends_with("/.") && !once.ends_with("/.."), "{once}");
        // The rest of a path that is longer is for the HTTP library to refuse.
        assert!(
            once.len() > 20_000 || normal_path::encode(&once).parse::<http::uri::PathAndQuery>().is_ok(),
            "{once}"
        );
    }
}

/// A header lies within what was read, and is not whole before its last byte.
pub fn proxy_protocol(bytes: &[u8]) {
    if let Header::Parsed { len, .. } = proxy_protocol::parse(bytes) {
        assert!(len <= bytes.len());
        assert_eq!(proxy_protocol::parse(&bytes[..len - 1]), Header::Incomplete);
        assert_eq!(proxy_protocol::parse(&bytes[..len]), proxy_protocol::parse(bytes));
    }
}

/// A key ring, and a pin that was sealed with it for node `n1`.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const PIN: &str = "AdctoA-iniDWrt3KlQGN5pQEu1siiHHSd_d8JNeZOVrBi-G9fRW5rg_OclaovbHyvkyC3cRJ5-3blw";

static SEALED: LazyLock<Affinity> = LazyLock::new(|| {
    let conf = "[listener.l]\nbind = '127.0.0.1:0'\n[cluster.c]\naffinity = { cookie = 'PIN' }\n[cluster.c.nodes]\nn1 = 'http://127.0.0.1:1'";
    let loaded = config::parse_str(conf, Path::new("homing.toml")).expect("a good conf");
    let member = Member { slot: 0, name: "n1", route: "n1", address: None };
    let keys = Arc::new(KeyRing::parse(KEY).expect("a good key"));
    Affinity::compile(loaded.config.cluster["c"].affinity.as_ref(), "c", &[member], keys)
        .expect("a good affinity")
});

/// A seal with any bit changed is no pin.
pub fn sealed_pin(bytes: &[u8]) {
    let opens = |value: &[u8]| {
        let Ok(line) = HeaderValue::from_bytes(&[b"PIN=", value].concat()) else { return false };
        let headers = HeaderMap::from_iter([(COOKIE, line)]);
        let (method, uri) = (&http::Method::GET, &http::Uri::from_static("/"));
        let reading = SEALED.read(&PinRequest {
            method,
            uri,
            headers: &headers,
            client: SOMEBODY,
            hearsay: false,
            now: 1_800_000_000,
        });
        matches!(reading.found, FoundPin::Pin { .. })
    };
    assert!(opens(PIN.as_bytes()), "the pin of this file is out of date");
    opens(bytes);
    let mut changed = PIN.as_bytes().to_vec();
    changed.iter_mut().zip(bytes).for_each(|(byte, change)| *byte ^= change);
    // What ends a cookie, or is trimmed off it, is not part of its value.
    let cut = changed.iter().any(|byte| b";,\" \t".contains(byte));
    assert!(cut || opens(&changed) == (changed == PIN.as_bytes()), "{}", changed.escape_ascii());
}

/// An id that is taken over is written as it came, and can break out of no line, page or header; a trace is
/// 32 digits.
pub fn request_id(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    if let Some(id) = RequestId::read(&value) {
        let text = id.to_string();
        assert!(text.as_bytes() == bytes && text.len() <= 128 && !text.contains(['"', '<', '\\', ' ', ';']));
        assert_eq!(RequestId::parse(&text), Some(id));
    }
    if let Some(trace) = trace_of(&value) {
        assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

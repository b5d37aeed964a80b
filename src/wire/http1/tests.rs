//! A corpus of requests, the usual ways of smuggling among them.

mod chunks;

use super::*;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

/// One request in a corpus, and the verdict on it.
type Case = (&'static str, Option<Malformed>);

use Malformed as A;

const HEADS: &[Case] = &[
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
    ("GET / HTTP/1.0\r\n\r\n", None),
    ("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", None),
    ("OPTIONS * HTTP/1.1\r\nhost:a\r\n\r\n", None),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", None),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", None),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \r\nY:\tz\t\r\n\r\n", None),
    ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\nX: \u{e4}\r\n\r\n", None),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", None),
    ("POST / HTTP/1.1\r\nHost: a\r\nCONTENT-length:   \t003 \t\r\n\r\nabc", None),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\n\0\rGET / HTTP/1.1\r\nHost: b\r\n\r\n", None),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nabc", None),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
    // Tomcat's HeartbeatListener: no Host, and a line end behind the body that its length does not count
    (
        "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nv=1\r\nPOST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nv=1\r\n",
        None,
    ),
    ("\r\n\r\n\r\n\r\n\r\n", Some(A::EmptyLines)),
    ("\nGET / HTTP/1.1\r\n", Some(A::BareLf)),
    ("\rGET / HTTP/1.1\r\n", Some(A::BareCr)),
    (" GET / HTTP/1.1\r\n\r\n", Some(A::BadRequestLine)),
    ("GET  / HTTP/1.1\r\n\r\n", Some(A::BadRequestLine)),
    ("GET / x HTTP/1.1\r\n\r\n", Some(A::BadVersion)),
    ("GET /  HTTP/1.1\r\n\r\n", Some(A::BadVersion)),
    ("GET /\tHTTP/1.1\r\n\r\n", Some(A::BadRequestLine)),
    ("GET /\r\n\r\n", Some(A::BadRequestLine)),
    ("GET /#x HTTP/1.1\r\n\r\n", Some(A::BadRequestLine)),
    ("GET\r\n\r\n", Some(A::BadRequestLine)),
    ("GET / HTTP/1.1\n\r\n", Some(A::BareLf)),
    ("GET / HTTP/1.1 \r\n\r\n", Some(A::BadVersion)),
    ("GET / HTTP/1.2\r\n\r\n", Some(A::BadVersion)),
    ("GET / HTTP/0.9\r\n\r\n", Some(A::BadVersion)),
    ("GET / http/1.1\r\n\r\n", Some(A::BadVersion)),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(A::BadVersion)),
    ("GET / HTTP/1.1\rX\n\r\n", Some(A::BareCr)),
    ("GET /\0 HTTP/1.1\r\n\r\n", Some(A::Nul)),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Some(A::ObsFold)),
    ("GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", Some(A::ObsFold)),
    ("GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", Some(A::ObsFold)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", Some(A::BareLf)),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n\r\n", Some(A::BareLf)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", Some(A::BareCr)),
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", Some(A::BareCr)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Some(A::Nul)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", Some(A::Nul)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Some(A::BadName)),
    ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", Some(A::BadName)),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Some(A::SpaceBeforeColon)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n", Some(A::SpaceBeforeColon)),
    ("GET / HTTP/1.1\r\n\r\n", Some(A::MissingHost)),
    ("GET http://a/ HTTP/1.1\r\n\r\n", Some(A::MissingHost)),
    ("GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", Some(A::DuplicateHost)),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        Some(A::ConflictingLength),
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\n",
        Some(A::ConflictingLength),
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", Some(A::ConflictingLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \x0b5\r\n\r\n", Some(A::BadValue)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", Some(A::BadLength)),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0000000000000000000000000000000000000000005\r\n\r\n",
        Some(A::BadLength),
    ),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", Some(A::ConnectWithBody)),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Some(A::ConnectWithBody)),
];

const ENCODINGS: &[(&str, Option<Malformed>)] = &[
    ("Transfer-Encoding: chunked", None),
    ("transfer-ENCODING:\t Chunked \t", None),
    ("Transfer-Encoding_: gzip", Some(A::BadChunk)),
    ("Transfer-Encoding: gzip, chunked", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: chunked, identity", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: chunked,", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: xchunked", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: \"chunked\"", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: \x0bchunked", Some(A::BadValue)),
    ("Transfer-Encoding: chunked;q=1", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding:", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: identity", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding : chunked", Some(A::SpaceBeforeColon)),
    ("Transfer-Encoding\x0b: chunked", Some(A::BadName)),
    ("Transfer-Encoding\r\n : chunked", Some(A::BadName)),
    ("Transfer-Encoding:\r\n chunked", Some(A::BadTransferEncoding)),
    ("X: y\r\n Transfer-Encoding: chunked", Some(A::ObsFold)),
    ("X: y\nTransfer-Encoding: chunked", Some(A::BareLf)),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", Some(A::LengthAndChunked)),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5", Some(A::LengthAndChunked)),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0", Some(A::LengthAndChunked)),
];

const CHUNKS: &[Case] = &[
    ("0\r\n\r\n", None),
    ("3\r\nabc\r\n0\r\n\r\n", None),
    ("A\r\n0123456789\r\n00\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
    ("3;x=\"y\"\r\na\nb\r\n0;z\r\n\r\n", None),
    ("3\r\nabc\r\n0\r\nX-Sum: 5\r\nY: z\r\n\r\n", None),
    ("\r\n", Some(A::BadChunk)),
    ("+3\r\nabc\r\n", Some(A::BadChunk)),
    ("0x3\r\nabc\r\n", Some(A::BadChunk)),
    (" 3\r\nabc\r\n", Some(A::BadChunk)),
    ("3 \r\nabc\r\n", Some(A::BadChunk)),
    ("3\nabc\r\n", Some(A::BareLf)),
    ("3\rabc\r\n", Some(A::BadChunk)),
    ("3;x\nabc\r\n", Some(A::BareLf)),
    ("3\r,\nabc\r\n", Some(A::BadChunk)),
    ("3;x\rabc\r\n", Some(A::BareCr)),
    ("3;\0\r\nabc\r\n", Some(A::Nul)),
    ("3\r\nabcd\r\n", Some(A::BadChunk)),
    ("3\r\nabc\n", Some(A::BadChunk)),
    ("3\r\nabc\r0\r\n", Some(A::BadChunk)),
    ("00000000000000003\r\nabc\r\n", Some(A::BadChunk)),
    ("fffffffffffffffff\r\n", Some(A::BadChunk)),
    ("0\r\nContent-Length: 3\r\n\r\n", Some(A::ForbiddenTrailer)),
    ("0\r\nTransfer-Encoding: chunked\r\n\r\n", Some(A::ForbiddenTrailer)),
    ("0\r\nhost: b\r\n\r\n", Some(A::ForbiddenTrailer)),
    ("0\r\nX : b\r\n\r\n", Some(A::SpaceBeforeColon)),
    ("0\r\nX: b\n\r\n", Some(A::BareLf)),
    ("0\r\nX: b\r\n c\r\n\r\n", Some(A::ObsFold)),
    ("0\r\nGET / HTTP/1.1\r\n\r\n", Some(A::BadName)),
];

/// All cases as whole byte streams.
fn corpus() -> Vec<(Vec<u8>, Option<Malformed>)> {
    let mut all: Vec<_> = HEADS.iter().map(|(text, verdict)| (text.as_bytes().to_vec(), *verdict)).collect();
    for (line, verdict) in ENCODINGS.iter().filter(|(line, _)| !line.contains('_')) {
        all.push((format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n0\r\n\r\n").into(), *verdict));
    }
    for (body, verdict) in CHUNKS {
        all.push((
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into(),
            *verdict,
        ));
    }
    let on_1_0 = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    all.push((on_1_0.into(), Some(A::BadTransferEncoding)));
    let long = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;{}\r\nabc\r\n",
        "x".repeat(4096)
    );
    all.push((long.clone().into(), Some(A::ExtensionTooLong)));
    all.push((long.replacen("xx", "", 1).into(), None));
    all
}

/// Reads everything that comes in these parts as requests one after the other: what the last of them lacks,
/// or why it is refused.
fn read(parts: &[&[u8]]) -> Result<&'static str, Malformed> {
    let (mut input, mut scan, mut body) =
        (BytesMut::new(), HeadScan::strict(), BodyReader::strict(Framing::None));
    for part in parts {
        input.extend_from_slice(part);
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
        }
    }
    Ok(match (body.is_done(), input.is_empty()) {
        (false, _) => "body",
        (true, false) => "head",
        (true, true) => "nothing",
    })
}

#[test]
fn corpus_whole_and_bytewise() {
    for (bytes, wanted) in corpus() {
        let whole = read(&[&bytes]);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(whole.err(), wanted, "{text:?}");
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(read(&single), whole, "{text:?}");
    }
}

#[test]
fn knows_what_it_lacks() {
    let all =
        "\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\r\n\r\n";
    let head = all.find("\r\n\r\n").unwrap() + 4;
    for at in 1..=all.len() {
        let wanted = if at < head {
            "head"
        } else if at < all.len() {
            "body"
        } else {
            "nothing"
        };
        assert_eq!(read(&[&all.as_bytes()[..at]]), Ok(wanted), "{:?}", &all[..at]);
    }
}

#[test]
fn what_no_request_begins_with_is_refused_at_once() {
    for (bytes, why) in [
        (&b"\x16\x03\x01"[..], A::BadRequestLine),
        (b" ", A::BadRequestLine),
        (b"\rG", A::BareCr),
        (b"\n", A::BareLf),
    ] {
        assert_eq!(read(&[bytes]), Err(why), "{bytes:?}");
    }
}

#[test]
fn a_request_is_read_and_written() {
    let text = "PUT /a?b HTTP/1.1\r\nhost: a\r\nx-two: 1\r\nx-two:  2 \r\nContent-Length: 03\r\nConnection: Close\r\n\r\n";
    let head = request::parse(&Bytes::from_static(text.as_bytes()), 5).unwrap();
    assert_eq!((head.framing, head.keep_alive), (Framing::Length(3), false));
    assert_eq!(head.parts.headers["x-two"], "1");
    let mut out = Vec::new();
    request::write(&mut out, &head.parts, Framing::Length(3));
    let wanted = "PUT /a?b HTTP/1.1\r\nhost: a\r\nx-two: 1\r\nx-two: 2\r\nconnection: Close\r\ncontent-length: 3\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
    assert_eq!(request::parse(&Bytes::from_static(text.as_bytes()), 4).unwrap_err(), A::TooManyLines);
    for (head, target) in [
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*"),
        ("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", "/?b"),
    ] {
        let head = request::parse(&Bytes::from_static(head.as_bytes()), 5).unwrap();
        let mut out = Vec::new();
        request::write(&mut out, &head.parts, Framing::None);
        assert_eq!(String::from_utf8(out).unwrap().split(' ').nth(1), Some(target));
    }
    for (head, keep) in [("HTTP/1.0\r\n\r\n", false), ("HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", true)]
    {
        assert_eq!(request::parse(&Bytes::from(format!("GET / {head}")), 5).unwrap().keep_alive, keep);
    }
}

#[test]
fn answers_are_read_as_they_come() {
    use Framing::{Chunked, Length, None, UntilClose};
    for (asked, head, framing, keep) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Length(5), true),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", None, true),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\n", Length(5), true),
        ("GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", None, true),
        ("GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5\n\n", Chunked, true),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", UntilClose, false),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity,, Chunked\r\n\r\n", Chunked, true),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", None, true),
        ("GET", "HTTP/1.1 200 OK\r\n\r\n", UntilClose, false),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", Length(1), false),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", Length(1), true),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", None, true),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None, true),
        ("GET", "HTTP/1.1 100 Continue\r\n\r\n", None, true),
    ] {
        let read = response::parse(&Bytes::from(head), &asked.parse().unwrap()).unwrap();
        assert_eq!((read.framing, read.keep_alive), (framing, keep), "{head:?}");
        assert!(framing != Chunked || !read.parts.headers.contains_key("content-length"));
    }
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX\0: 5\r\n\r\n",
    ] {
        assert!(response::parse(&Bytes::from(head), &http::Method::GET).is_err(), "{head:?}");
    }
    let many = format!("HTTP/1.1 299 Fine\r\n{}\r\n", "X: y\r\n".repeat(200));
    let read = response::parse(&Bytes::from(many), &http::Method::GET).unwrap();
    assert_eq!(read.parts.headers.len(), 200);
    let folded = "HTTP/1.1 200 Fine\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n";
    let read = response::parse(&Bytes::from(folded), &http::Method::GET).unwrap();
    let mut out = Vec::new();
    response::write(&mut out, &read.parts, Framing::None);
    assert_eq!(String::from_utf8(out).unwrap(), "HTTP/1.1 200 Fine\r\nx: a   b\r\ncontent-length: 0\r\n");
}

/// Requests put together from parts that are each sometimes wrong.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "Host: a\r\n",
        "Host: b\r\n",
        "Content-Length: 3\r\n",
        "content-length: 03 \r\n",
        "Transfer-Encoding: chunked\r\n",
        "X: y\r\n",
        "X:\r\n",
        " z\r\n",
        "X : y\r\n",
        "X: y\n",
        "X: y\r",
        "Content-Length: 3,3\r\n",
        "Transfer-Encoding:x\r\n",
        "\r\n",
    ]);
    let first = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /x HTTP/1.0\r\n",
        "\r\nPUT * HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
    ]);
    let body = prop::sample::select(vec!["", "abc", "3\r\nabc\r\n0\r\n\r\n", "3;\nabc", "GET /"]);
    let request = (first, prop::collection::vec(line, 0..5), any::<bool>(), body).prop_map(
        |(first, lines, host, body)| {
            format!("{first}{}{}\r\n{body}", if host { "Host: a\r\n" } else { "" }, lines.concat())
        },
    );
    (prop::collection::vec(request, 1..3), prop::option::of((any::<prop::sample::Index>(), any::<u8>())))
        .prop_map(|(all, flip)| {
            let mut bytes = all.concat().into_bytes();
            if let Some((at, byte)) = flip {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

/// How many lines of this name, as another parser sees it.
fn count(request: &httparse::Request<'_, '_>, name: &str) -> usize {
    request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case(name)).count()
}

proptest! {
    #[test]
    fn splits_do_not_matter(bytes in requests(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        at.sort();
        let parts: Vec<_> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&parts), read(&[&bytes]));
    }

    #[test]
    fn never_panics(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        let _ = read(&parts);
    }

    #[test]
    fn accepted_has_one_framing(bytes in requests()) {
        let mut scan = HeadScan::strict();
        let Ok(Some(head)) = scan.find(&bytes) else { return Ok(()) };
        let Ok(read) = request::parse(&Bytes::copy_from_slice(&bytes[head.clone()]), 100) else { return Ok(()) };
        let mut lines = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut lines);
        let Ok(parsed) = request.parse(&bytes) else { return Ok(()) };
        prop_assert_eq!(parsed, httparse::Status::Complete(head.end));
        prop_assert_eq!(request.headers.len(), read.parts.headers.len());
        let (lengths, encodings) = (count(&request, "content-length"), count(&request, "transfer-encoding"));
        prop_assert!(lengths + encodings <= 1);
        prop_assert!(count(&request, "host") <= 1);
        prop_assert!(count(&request, "host") == 1 || request.version == Some(0));
        prop_assert_eq!(encodings == 1, read.framing == Framing::Chunked);
        if lengths + encodings == 0 { prop_assert_eq!(read.framing, Framing::None); }
    }
}

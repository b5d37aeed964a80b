//! A corpus of requests, the usual ways of smuggling among them.

use super::*;
use proptest::prelude::*;

/// One request in a corpus, and the verdict on it.
type Case = (&'static str, Option<Ambiguity>);

use Ambiguity as A;

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
    ("\r\n\r\n\r\n\r\n\r\n", Some(A::EmptyLines)),
    ("\nGET / HTTP/1.1\r\n", Some(A::BareLf)),
    ("\rGET / HTTP/1.1\r\n", Some(A::BareCr)),
    (" GET / HTTP/1.1\r\n", Some(A::BadRequestLine)),
    ("GET  / HTTP/1.1\r\n", Some(A::BadRequestLine)),
    ("GET / x HTTP/1.1\r\n", Some(A::BadVersion)),
    ("GET /  HTTP/1.1\r\n", Some(A::BadVersion)),
    ("GET /\tHTTP/1.1\r\n", Some(A::BadRequestLine)),
    ("GET /\r\n", Some(A::BadRequestLine)),
    ("GET /#x HTTP/1.1\r\n", Some(A::BadRequestLine)),
    ("GET\r\n", Some(A::BadRequestLine)),
    ("GET / HTTP/1.1\n", Some(A::BareLf)),
    ("GET / HTTP/1.1 \r\n", Some(A::BadVersion)),
    ("GET / HTTP/1.2\r\n", Some(A::BadVersion)),
    ("GET / HTTP/0.9\r\n", Some(A::BadVersion)),
    ("GET / http/1.1\r\n", Some(A::BadVersion)),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(A::BadVersion)),
    ("GET / HTTP/1.1\rX\n", Some(A::BareCr)),
    ("GET /\0 HTTP/1.1\r\n", Some(A::Nul)),
    ("GET / HTTP/1.1\r\n Host: a\r\n", Some(A::ObsFold)),
    ("GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", Some(A::ObsFold)),
    ("GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", Some(A::ObsFold)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", Some(A::BareLf)),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n", Some(A::BareLf)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", Some(A::BareCr)),
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", Some(A::BareCr)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Some(A::Nul)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", Some(A::Nul)),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Some(A::BadName)),
    ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", Some(A::BadName)),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Some(A::SpaceBeforeColon)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n", Some(A::SpaceBeforeColon)),
    ("GET / HTTP/1.1\r\n\r\n", Some(A::MissingHost)),
    ("GET http://a/ HTTP/1.1\r\n\r\n", Some(A::MissingHost)),
    ("GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", Some(A::DuplicateHost)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Some(A::ConflictingLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\n", Some(A::ConflictingLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", Some(A::ConflictingLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \x0b5\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", Some(A::BadLength)),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0000000000000000000000000000000000000000005\r\n\r\n", Some(A::BadLength)),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", Some(A::ConnectWithBody)),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Some(A::ConnectWithBody)),
];

const ENCODINGS: &[(&str, Option<Ambiguity>)] = &[
    ("Transfer-Encoding: chunked", None),
    ("transfer-ENCODING:\t Chunked \t", None),
    ("Transfer-Encoding_: gzip", Some(A::BadChunk)),
    ("Transfer-Encoding: gzip, chunked", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: chunked, identity", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: chunked,", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: xchunked", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: \"chunked\"", Some(A::BadTransferEncoding)),
    ("Transfer-Encoding: \x0bchunked", Some(A::BadTransferEncoding)),
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
    ("3\rabc\r\n", Some(A::BareCr)),
    ("3;x\nabc\r\n", Some(A::BareLf)),
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
    ("0\r\nGET / HTTP/1.1\r\n\r\n", Some(A::SpaceBeforeColon)),
];

/// All cases as whole byte streams.
fn corpus() -> Vec<(Vec<u8>, Option<Ambiguity>)> {
    let mut all: Vec<_> = HEADS.iter().map(|(text, verdict)| (text.as_bytes().to_vec(), *verdict)).collect();
    for (line, verdict) in ENCODINGS.iter().filter(|(line, _)| !line.contains('_')) {
        all.push((format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n0\r\n\r\n").into(), *verdict));
    }
    for (body, verdict) in CHUNKS {
        all.push((format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into(), *verdict));
    }
    let on_1_0 = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    all.push((on_1_0.into(), Some(A::BadTransferEncoding)));
    let long = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;{}\r\nabc\r\n", "x".repeat(4096));
    all.push((long.clone().into(), Some(A::ExtensionTooLong)));
    all.push((long.replacen("xx", "", 1).into(), None));
    all
}

fn verdict(parts: &[&[u8]]) -> Result<(), (usize, Ambiguity)> {
    let mut guard = RequestGuard::new();
    let mut at = 0;
    for part in parts {
        guard.feed(part).map_err(|(good, why)| (at + good, why))?;
        at += part.len();
    }
    Ok(())
}

#[test]
fn corpus_whole_and_bytewise() {
    for (bytes, wanted) in corpus() {
        let whole = verdict(&[&bytes]);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(whole.err().map(|(_, why)| why), wanted, "{text:?}");
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(verdict(&single), whole, "{text:?}");
    }
}

#[test]
fn what_is_good_never_completes_a_bad_head() {
    for (bytes, _) in corpus().into_iter().filter(|(bytes, wanted)| wanted.is_some() && !bytes.ends_with(b"0\r\n\r\n")) {
        let Err((good, _)) = verdict(&[&bytes]) else { panic!() };
        let mut lines = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut lines);
        if let Ok(httparse::Status::Complete(head)) = request.parse(&bytes[..good]) {
            // Complete means that its body is at fault: the head alone is sound.
            assert!(verdict(&[&bytes[..head]]).is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn knows_where_it_is() {
    let mut guard = RequestGuard::new();
    let mut feed = |text: &str| {
        guard.feed(text.as_bytes()).unwrap();
        (guard.in_head(), guard.in_body())
    };
    assert_eq!(feed("\r\n"), (false, false));
    assert_eq!(feed("P"), (true, false));
    assert_eq!(feed("OST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r"), (true, false));
    assert_eq!(feed("\n"), (false, true));
    assert_eq!(feed("1\r\nx\r\n0\r\n"), (false, true));
    assert_eq!(feed("X: y\r\n\r"), (false, true));
    assert_eq!(feed("\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"), (false, false));
    let mut refused = RequestGuard::new();
    assert_eq!(refused.feed(b"\n"), Err((0, Ambiguity::BareLf)));
    assert_eq!(refused.feed(b"GET"), Err((0, Ambiguity::BareLf)));
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
    let first = prop::sample::select(vec!["GET / HTTP/1.1\r\n", "POST /x HTTP/1.0\r\n", "\r\nPUT * HTTP/1.1\r\n", "GET / HTTP/1.1\n"]);
    let body = prop::sample::select(vec!["", "abc", "3\r\nabc\r\n0\r\n\r\n", "3;\nabc", "GET /"]);
    let request = (first, prop::collection::vec(line, 0..5), any::<bool>(), body)
        .prop_map(|(first, lines, host, body)| format!("{first}{}{}\r\n{body}", if host { "Host: a\r\n" } else { "" }, lines.concat()));
    (prop::collection::vec(request, 1..3), prop::option::of((any::<prop::sample::Index>(), any::<u8>()))).prop_map(|(all, flip)| {
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
        prop_assert_eq!(verdict(&parts), verdict(&[&bytes]));
    }

    #[test]
    fn never_panics(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        let _ = verdict(&parts);
    }

    #[test]
    fn accepted_has_one_framing(bytes in requests()) {
        let mut guard = RequestGuard::new();
        let mut head = 0;
        // Byte by byte up to the end of the first head, or to the first fault.
        let mut begun = false;
        for (at, byte) in bytes.iter().enumerate() {
            if guard.feed(&[*byte]).is_err() { return Ok(()); }
            begun |= guard.in_head();
            if begun && !guard.in_head() { head = at + 1; break; }
        }
        if head == 0 { return Ok(()); }
        let mut lines = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut lines);
        let Ok(parsed) = request.parse(&bytes) else { return Ok(()) };
        prop_assert_eq!(parsed, httparse::Status::Complete(head));
        let (lengths, encodings) = (count(&request, "content-length"), count(&request, "transfer-encoding"));
        prop_assert!(lengths + encodings <= 1);
        prop_assert!(count(&request, "host") <= 1);
        prop_assert!(count(&request, "host") == 1 || request.version == Some(0));
        if encodings == 1 { prop_assert!(guard.in_body() && request.version == Some(1)); }
        if lengths + encodings == 0 { prop_assert!(!guard.in_body()); }
    }
}

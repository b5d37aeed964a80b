//! Ids of the application's own that stand elsewhere than in a cookie.

use super::*;
use crate::base::hash::hash64;

/// A request to this address with these headers, and an answer with this status and these.
fn exchange(
    affinity: &Affinity,
    (method, uri, asked): (&Method, &str, &[(&str, &str)]),
    (status, answered): (u16, &[(&str, &str)]),
) -> (Option<u64>, PinOutcome) {
    let map = |lines: &[(&str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    };
    let (asked, uri) = (map(asked), uri.parse::<Uri>().unwrap());
    let reading = affinity.read(&PinRequest {
        method,
        uri: &uri,
        headers: &asked,
        client: [192, 0, 2, 7].into(),
        hearsay: false,
        now: NOW,
    });
    let answer = PinResponse {
        method,
        secure: false,
        now: NOW,
        slot: 1,
        boot: None,
        honoured: reading.session.is_some(),
        stamp: reading.stamp,
        session: reading.session.unwrap_or(4711),
        status: StatusCode::from_u16(status).unwrap(),
    };
    (reading.session, affinity.finish(&answer, &mut map(answered)))
}

#[test]
fn an_id_in_a_header_is_set_by_the_answer_shown_by_requests_and_ended_by_delete() {
    let mcp = affinity("learn = 'header:Mcp-Session-Id'");
    let (id, shown) = (Some(hash64(b"abc")), &[("mcp-session-id", "abc")][..]);
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let of = |learned, ended, pinned| PinOutcome { learned, ended, pinned, ..PinOutcome::default() };
    let cases = [
        ("set", (&post, &[][..]), (200, shown), (None, of(id, false, false))),
        ("none set", (&post, &[][..]), (200, &[][..]), (None, of(None, false, false))),
        ("shown", (&get, shown), (200, &[][..]), (id, of(None, false, true))),
        ("ended", (&delete, shown), (204, &[][..]), (id, of(None, true, false))),
        ("ended, and said once more", (&delete, shown), (200, shown), (id, of(None, false, true))),
        ("not ended", (&delete, shown), (405, &[][..]), (id, of(None, false, true))),
        ("not known there", (&post, shown), (404, &[][..]), (id, of(None, true, false))),
        ("nothing was shown", (&get, &[][..]), (404, &[][..]), (None, of(None, false, false))),
        (
            "an empty one",
            (&get, &[("mcp-session-id", " ")][..]),
            (200, &[][..]),
            (None, of(None, false, false)),
        ),
    ];
    for (name, (method, asked), answer, wanted) in cases {
        assert_eq!(exchange(&mcp, (method, "/mcp", asked), answer), wanted, "{name}");
    }
    // of another header a 404 is a page that is not there
    let other = affinity("learn = 'header:X-Session'");
    let (_, outcome) = exchange(&other, (&get, "/", &[("x-session", "abc")]), (404, &[]));
    assert!(!outcome.ended && outcome.pinned);
}

#[test]
fn an_id_in_the_address_is_learned_from_where_the_answer_leads() {
    let get = Method::GET;
    for (conf, with, to) in [
        ("learn = 'query:sid'", "/a?x=1&sid=a%20b", "/a?sid=a%20b#top"),
        ("learn = 'path:jsessionid'", "/a;jsessionid=a%20b/c?x=1", "https://app.test/a;jsessionid=a%20b?y"),
    ] {
        let form = affinity(conf);
        let (session, outcome) =
            exchange(&form, (&get, "/a?sidx=1;jsessionidx=2", &[]), (302, &[("location", to)]));
        assert_eq!((session, outcome.learned), (None, Some(hash64(b"a b"))), "{conf}");
        let (session, outcome) = exchange(&form, (&get, with, &[]), (200, &[]));
        assert_eq!((session, outcome.learned, outcome.pinned), (Some(hash64(b"a b")), None, true), "{conf}");
        let released = [("homing-release", "1")];
        assert!(exchange(&form, (&get, with, &[]), (200, &released)).1.ended, "{conf}");
    }
}

#[test]
fn a_log_out_from_the_application_ends_our_pin_where_its_cookie_is_named() {
    let also = affinity("cookie = 'HOMING'\nalso = [{ route = 'JSESSIONID' }]");
    let first = Visit { set_cookie: vec!["JSESSIONID=AA"], ..Visit::default() }.go(&also);
    let pin = first.set_cookie[1].split(';').next().unwrap().to_owned();
    let shown = format!("JSESSIONID=AA; {pin}");
    let out = |set_cookie| Visit { cookie: vec![&shown], set_cookie, ..Visit::default() }.go(&also);
    for line in ["JSESSIONID=; Max-Age=0", "JSESSIONID=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"] {
        let gone = out(vec![line]);
        assert!(gone.outcome.ended && gone.outcome.cookie == PinSent::Deleted, "{line}: {gone:?}");
        assert!(gone.set_cookie.iter().any(|line| line.starts_with("HOMING=; Expires=")), "{gone:?}");
    }
    // a sign-in may clear the old one and set a new one in one answer; another cookie is none of ours
    for lines in [vec!["JSESSIONID=; Max-Age=0", "JSESSIONID=BB"], vec!["cart=; Max-Age=0"]] {
        let kept = out(lines);
        assert!(!kept.outcome.ended && kept.outcome.cookie != PinSent::Deleted, "{kept:?}");
    }
}

#[test]
fn where_an_id_is_learned_from_is_said_in_one_of_four_ways() {
    for wrong in ["header:", "header:a b", "query:", "path:", "body:sid", "a b", "source:x"] {
        let conf = conf(&format!("learn = '{wrong}'"));
        let refused = Affinity::compile(Some(&conf), "shop", &[], Arc::new(KeyRing::generate()));
        assert!(refused.is_err(), "{wrong}");
    }
}

//! Nothing that a client or an application can send breaks anything.

use super::*;
use proptest::prelude::*;

const FORMS: [&str; 8] = [
    "cookie = 'A'\nalso = [{ route = 'A' }, { cookie = 'A', mode = 'prefix', value = 'route' }]",
    "cookie = 'A'\nvalue = 'route'\nmax-idle = '30m'\nmax-life = '8h'",
    "cookie = 'A'\nvalue = 'route'\nmode = 'prefix'",
    "cookie = 'A'\nmode = 'rewrite'",
    "route = 'A'",
    "learn = 'A'",
    "key = 'query:a'",
    "key = 'header:cookie'\nremember = false",
];

fn line() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12),
        proptest::sample::select(vec![
            &b"A="[..],
            b"; ",
            b",",
            b"=",
            b"~",
            b"|",
            b".",
            b"\"",
            b"a1",
            b"$A",
            b"Max-Age=",
            b"Expires="
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn headers(name: http::HeaderName, lines: &[Vec<u8>]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for value in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        map.append(name.clone(), value);
    }
    map
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_bytes_panic(cookies in proptest::collection::vec(line(), 0..4), set in proptest::collection::vec(line(), 0..4),
                      target in "/[a-zA-Z0-9;=?&%./~]{0,30}", now in any::<u64>(), slot in 0u32..5, honoured: bool) {
        for form in FORMS {
            let affinity = affinity(form);
            let mut request = headers(COOKIE, &cookies);
            let Ok(uri) = target.parse::<Uri>() else { continue };
            let client = std::net::Ipv6Addr::LOCALHOST.into();
            let reading = affinity.read(&PinRequest { method: &Method::GET, uri: &uri, headers: &request, client, hearsay: false, now });
            affinity.prepare(&mut request);
            let mut answer = headers(SET_COOKIE, &set);
            let about = PinResponse { method: &Method::GET, secure: true, now, slot, boot: None, honoured, stamp: reading.stamp, session: 1,
                                 status: StatusCode::OK };
            affinity.finish(&about, &mut answer);
        }
    }

    #[test]
    fn removal_leaves_no_trace_and_everything_else(lines in proptest::collection::vec(line(), 0..4)) {
        let mut map = headers(COOKIE, &lines);
        let others = |map: &HeaderMap| crate::wire::cookies::cookies(map).filter(|pair| pair.name != b"A" && !pair.name.starts_with(b"$"))
            .map(|pair| (pair.name.to_vec(), pair.value.to_vec())).collect::<Vec<_>>();
        let before = others(&map);
        crate::wire::cookies::remove(&mut map, b"A");
        prop_assert_eq!(crate::wire::cookies::values(&map, b"A").count(), 0);
        prop_assert_eq!(before, others(&map));
    }
}

//! What reading and writing one pin of each kind costs.

use criterion::{Criterion, criterion_group, criterion_main};
use homing::affinity::{Affinity, Answer, Incoming, KeyRing, Member, Reading};
use homing::config::model;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE, USER_AGENT};
use http::{Method, StatusCode, Uri};
use std::hint::black_box;
use std::sync::Arc;

const NOW: u64 = 1_795_258_798;
const NODES: usize = 8;

/// One kind of pin: its conf, what the client sends, what the application sets.
struct Kind {
    name: &'static str,
    conf: &'static str,
    uri: &'static str,
    cookie: &'static str,
    set_cookie: &'static str,
}

const KINDS: [Kind; 8] = [
    Kind { name: "sealed", conf: "cookie = 'HOMING'", uri: "/shop/cart", cookie: "", set_cookie: "" },
    Kind { name: "route-cookie", conf: "cookie = 'SRV'\nvalue = 'route'", uri: "/shop/cart", cookie: "SRV=route5", set_cookie: "" },
    Kind {
        name: "dates",
        conf: "cookie = 'SRV'\nvalue = 'route'\nmax-idle = '30m'\nmax-life = '8h'",
        uri: "/shop/cart",
        cookie: "SRV=route5|awF5s|awF1y",
        set_cookie: "",
    },
    Kind {
        name: "prefix",
        conf: "cookie = 'ID'\nvalue = 'route'\nmode = 'prefix'",
        uri: "/shop/cart",
        cookie: "ID=route5~0123456789ABCDEF",
        set_cookie: "ID=0123456789ABCDEF; Path=/; HttpOnly",
    },
    Kind {
        name: "jvmroute-cookie",
        conf: "route = 'JSESSIONID'",
        uri: "/shop/cart",
        cookie: "JSESSIONID=0123456789ABCDEF0123456789ABCDEF.route5",
        set_cookie: "JSESSIONID=0123456789ABCDEF0123456789ABCDEF.route5; Path=/shop; HttpOnly",
    },
    Kind {
        name: "jvmroute-path",
        conf: "route = 'JSESSIONID'",
        uri: "/shop/cart;jsessionid=0123456789ABCDEF0123456789ABCDEF.route5?x=1",
        cookie: "",
        set_cookie: "JSESSIONID=0123456789ABCDEF0123456789ABCDEF.route5; Path=/shop; HttpOnly",
    },
    Kind {
        name: "learn",
        conf: "learn = 'PHPSESSID'",
        uri: "/shop/cart",
        cookie: "PHPSESSID=1qa2ws3ed4rf5tg6yh7uj8ik9o",
        set_cookie: "PHPSESSID=1qa2ws3ed4rf5tg6yh7uj8ik9o; path=/",
    },
    Kind { name: "key", conf: "key = 'query:sid'", uri: "/shop/cart?x=1&sid=4711", cookie: "", set_cookie: "" },
];

fn compile(conf: &str) -> Option<Affinity> {
    let conf = model::Affinity::Table(Box::new(toml::from_str(conf).ok()?));
    let names: Vec<(String, String)> = (0..NODES).map(|at| (format!("node{at}"), format!("route{at}"))).collect();
    let member = |(slot, (name, route)): (usize, &'static (String, String))| Member { slot: slot as u32, name, route, address: None };
    let names: &'static Vec<(String, String)> = Box::leak(Box::new(names));
    let members: Vec<Member<'_>> = names.iter().enumerate().map(member).collect();
    Affinity::compile(Some(&conf), "shop", &members, Arc::new(KeyRing::generate())).ok()
}

/// A browser's header with the pin among other cookies.
fn request(pin: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let line = if pin.is_empty() { "theme=dark; lang=en".into() } else { format!("theme=dark; {pin}; lang=en") };
    headers.extend(HeaderValue::from_str(&line).ok().map(|value| (COOKIE, value)));
    headers.insert(USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"));
    headers
}

fn answer<'a>(reading: &Reading<'_>, honoured: bool) -> Answer<'a> {
    let (stamp, session) = (reading.stamp, reading.session.unwrap_or(1));
    Answer { method: &Method::GET, secure: true, now: NOW, slot: 5, boot: 0, honoured, stamp, session, status: StatusCode::OK }
}

fn pins(bench: &mut Criterion) {
    for kind in &KINDS {
        let (Some(affinity), Ok(uri)) = (compile(kind.conf), kind.uri.parse::<Uri>()) else { continue };
        let mut set = HeaderMap::new();
        set.extend(HeaderValue::from_str(kind.set_cookie).ok().filter(|value| !value.is_empty()).map(|value| (SET_COOKIE, value)));
        let incoming = |headers: &HeaderMap, read: &mut dyn FnMut(Reading<'_>)| {
            read(affinity.read(&Incoming { method: &Method::GET, uri: &uri, headers, client: [192, 0, 2, 7].into(), now: NOW }));
        };
        let mut fresh = None;
        incoming(&request(""), &mut |reading| fresh = Some(answer(&reading, false)));
        let Some(fresh) = fresh else { continue };
        // A sealed pin cannot be written down here: it is taken from an answer.
        let mut first = set.clone();
        affinity.finish(&fresh, &mut first);
        let sealed = first.get(SET_COOKIE).and_then(|line| line.to_str().ok()).and_then(|line| line.split(';').next());
        let headers = request(if kind.name == "sealed" { sealed.unwrap_or_default() } else { kind.cookie });
        bench.bench_function(&format!("read/{}", kind.name), |timer| {
            timer.iter(|| {
                incoming(black_box(&headers), &mut |reading| {
                    black_box(reading);
                })
            })
        });
        bench.bench_function(&format!("write/{}", kind.name), |timer| {
            timer.iter_batched_ref(|| set.clone(), |headers| affinity.finish(black_box(&fresh), headers), criterion::BatchSize::SmallInput)
        });
        let mut known = None;
        incoming(&headers, &mut |reading| known = Some(answer(&reading, true)));
        let Some(known) = known else { continue };
        bench.bench_function(&format!("answer-known/{}", kind.name), |timer| {
            timer.iter_batched_ref(|| set.clone(), |headers| affinity.finish(black_box(&known), headers), criterion::BatchSize::SmallInput)
        });
    }
}

criterion_group!(benches, pins);
criterion_main!(benches);

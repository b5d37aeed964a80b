//! What a heartbeat costs, HTTP aside: reading it and hearing it, in a cluster of ten thousand nodes.

use arc_swap::ArcSwap;
use criterion::{Criterion, criterion_group, criterion_main};
use homing::affinity::KeyRing;
use homing::config;
use homing::control::handle;
use homing::control::members::SenderProof;
use homing::feed::HeartbeatSink;
use homing::heartbeat::native;
use homing::table::compile::{self, TableContext};
use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

const NODES: usize = 10_000;
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn heartbeat(criterion: &mut Criterion) {
    let mut text = String::from(
        "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.app]\naffinity = { cookie = 'HOMING' }\n[cluster.app.nodes]\n",
    );
    (0..NODES).for_each(|n| _ = writeln!(text, "n{n} = 'http://10.0.{}.{}:8080'", n >> 8, n & 255));
    let loaded =
        config::parse_str(&text, Path::new("homing.toml")).unwrap_or_else(|found| panic!("{}", found[0]));
    let keys = Arc::new(KeyRing::generate());
    let context = TableContext { files: &loaded.files, keys: &keys };
    let table = compile::compile(Arc::new(loaded.config), &context, None).expect("the conf compiles");
    let (registry, _commands) = handle::channel();
    let beats = HeartbeatSink::new(Arc::new(ArcSwap::from_pointee(table)), registry);
    let body = |n: usize, sequence: u64| {
        let (node, load) = (n % NODES, sequence % 100);
        format!(
            "{{\"cluster\":\"app\",\"node\":\"n{node}\",\"url\":\"http://10.0.0.1:8080\",\"load\":{load},\"sessions\":{load},\
             \"capacity\":200,\"boot\":\"b1\",\"sequence\":{sequence}}}"
        )
    };
    let one = body(7, 1);
    criterion.bench_function("heartbeat/read", |bencher| {
        bencher.iter(|| native::read(Some("application/json"), black_box(one.as_bytes())))
    });
    let mut sequence = 0;
    criterion.bench_function("heartbeat/read-and-hear", |bencher| {
        bencher.iter_batched(
            || {
                sequence += 1;
                body(sequence as usize * 31, sequence)
            },
            |body| {
                let heard =
                    native::read(Some("application/json"), body.as_bytes()).expect("it is a heartbeat");
                let heard = pin!(beats.apply(&heard, FROM, SenderProof::Token))
                    .poll(&mut Task::from_waker(Waker::noop()));
                assert!(matches!(heard, Poll::Ready(Ok(_))));
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, heartbeat);
criterion_main!(benches);

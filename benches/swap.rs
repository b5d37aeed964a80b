//! What a reload costs: reading and checking the file, building the table, publishing it; and what readers pay for
//! always having the newest.

use arc_swap::Cache;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use homing::affinity::KeyRing;
use homing::base::clock::Now;
use homing::config::{self, Loaded};
use homing::control::Registry;
use homing::control::overlay::Overlay;
use std::cell::RefCell;
use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

/// A conf of clusters of ten nodes each; `weight` is that of the very last node, so that two of them differ
/// in one line.
fn conf(nodes: usize, weight: u32) -> Loaded {
    config::parse_str(&text(nodes, weight), Path::new("homing.toml"))
        .unwrap_or_else(|found| panic!("{}", found[0]))
}

fn text(nodes: usize, weight: u32) -> String {
    let mut text = String::from("[listener.web]\nbind = '127.0.0.1:0'\n");
    for cluster in 0..nodes.div_ceil(10) {
        let _ = write!(text, "[[rule]]\nhost = 'app{cluster}.example.com'\ncluster = 'app{cluster}'\n");
        let _ = write!(
            text,
            "[cluster.app{cluster}]\naffinity = {{ cookie = 'HOMING' }}\n[cluster.app{cluster}.nodes]\n"
        );
        for node in 0..10 {
            let weight = if cluster * 10 + node + 1 == nodes { weight } else { 100 };
            let _ = writeln!(
                text,
                "n{node} = {{ url = 'http://10.{}.{}.{node}:8080', weight = {weight} }}",
                cluster >> 8,
                cluster & 255
            );
        }
    }
    text
}

fn start(conf: &Loaded) -> Registry {
    let ring = Arc::new(KeyRing::generate());
    let mut registry = Registry::new(ring, Overlay::default());
    let first =
        registry.prepare(conf.config.clone(), conf.files.clone(), Now::look()).expect("the conf compiles");
    registry.publish(first, Now::look());
    registry
}

/// The reloads of a file in which one node of many changed.
fn reloads(criterion: &mut Criterion) {
    for nodes in [10, 1_000, 10_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("homing.toml");
        std::fs::write(&file, text(nodes, 50)).expect("a file");
        criterion.bench_with_input(BenchmarkId::new("read", nodes), &file, |bencher, file| {
            bencher.iter(|| config::load(file).expect("the conf is good"));
        });
        let confs = [conf(nodes, 50), conf(nodes, 100)];
        let registry = RefCell::new(start(&confs[0]));
        let mut turn = 0;
        let mut next = || {
            turn += 1;
            (confs[turn % 2].config.clone(), confs[turn % 2].files.clone())
        };
        criterion.bench_with_input(BenchmarkId::new("compile", nodes), &nodes, |bencher, _| {
            bencher.iter_batched(
                &mut next,
                |(conf, files)| registry.borrow().prepare(conf, files, Now::look()),
                BatchSize::PerIteration,
            );
        });
        criterion.bench_with_input(BenchmarkId::new("publish", nodes), &nodes, |bencher, _| {
            let prepared = || {
                let (conf, files) = next();
                registry.borrow().prepare(conf, files, Now::look()).expect("the conf compiles")
            };
            bencher.iter_batched(
                prepared,
                |prepared| registry.borrow_mut().publish(prepared, Now::look()),
                BatchSize::PerIteration,
            );
        });
    }
}

/// A request's way to the table: the three that arc-swap offers; workers keep a `Cache`.
fn loads(criterion: &mut Criterion) {
    let registry = start(&conf(1_000, 50));
    let current = registry.current().clone();
    criterion.bench_function("load/guard", |bencher| bencher.iter(|| black_box(current.load()).revision));
    criterion.bench_function("load/full", |bencher| bencher.iter(|| black_box(current.load_full()).revision));
    let mut cache = Cache::new(current);
    criterion.bench_function("load/cache", |bencher| bencher.iter(|| black_box(cache.load()).revision));
}

criterion_group!(benches, reloads, loads);
criterion_main!(benches);

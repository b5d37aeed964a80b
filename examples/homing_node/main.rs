//! Says to Homing that a server is there, for servers that cannot say it themselves: `cargo run --example
//! homing_node -- CLUSTER NAME URL PROXY[,PROXY] [TOKEN] [ROLE]`. Lines on standard input change what is
//! said: `sessions=12 capacity=200 load=30`, `draining`, `ready`; what a line does not say stays as it was.
//! The end of the input stops it.

#![allow(missing_docs)]

mod node;

use node::{Load, Node};
use std::io::BufRead;
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [cluster, name, url, proxies, more @ ..] = args.as_slice() else {
        eprintln!("usage: homing_node CLUSTER NAME URL PROXY[,PROXY] [TOKEN] [ROLE]");
        std::process::exit(2);
    };
    let node = Node {
        proxies: proxies.split(',').map(str::to_owned).collect(),
        token: more.first().filter(|token| !token.is_empty()).cloned(),
        cluster: cluster.clone(),
        name: name.clone(),
        url: url.clone(),
        roles: more.get(1).into_iter().cloned().collect(),
        interval: Duration::from_secs(1),
    };
    let beating = node.start();
    let mut load = Load::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        load.say(&line).unwrap_or_else(|why| eprintln!("{why}"));
        beating.set(load.clone());
    }
}

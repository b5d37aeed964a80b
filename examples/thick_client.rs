//! A client that finds its server by itself: `cargo run --example thick_client -- CLUSTER PROXY[,PROXY]
//! [PATH] [TOKEN]` asks the first proxy that answers for the nodes of the cluster, and the first of those
//! that answers for the path.

#![allow(missing_docs)]

#[path = "homing_node/node.rs"]
mod node;

use node::{Directory, ask, place};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [cluster, proxies, more @ ..] = args.as_slice() else {
        eprintln!("usage: thick_client CLUSTER PROXY[,PROXY] [PATH] [TOKEN]");
        std::process::exit(2);
    };
    let path = more.first().map_or("/", String::as_str);
    let directory = Directory {
        proxies: proxies.split(',').map(str::to_owned).collect(),
        token: more.get(1).cloned(),
        cluster: cluster.clone(),
    };
    let answered = directory.walk(|node| {
        let (status, body) = ask(place(node)?, "GET", path, "", "")?;
        // that one is busy or stopping: the next may not be
        if status >= 500 {
            Err(std::io::Error::other(format!("it answers {status}")))
        } else {
            Ok((node.to_owned(), status, body))
        }
    });
    match answered {
        Ok((node, status, body)) => println!("{node} {status}\n{body}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

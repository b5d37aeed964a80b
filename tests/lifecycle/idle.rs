//! A proxy with nothing to do sleeps.

use crate::support::{Client, Conf, Origin, Proxy, until};
use std::fs;
use std::time::Duration;

/// How often the data-plane threads were woken so far.
fn wakes(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap().path());
    let serving = tasks
        .filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("homing-")));
    let woken = serving.map(|task| {
        let status = fs::read_to_string(task.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    });
    woken.sum()
}

/// Until they have slept for two seconds without a break.
fn sleeps(what: &str, pid: u32) {
    until(what, || {
        let before = wakes(pid);
        std::thread::sleep(Duration::from_secs(2));
        (wakes(pid) == before).then_some(())
    });
}

#[test]
fn who_has_nothing_to_do_sleeps() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes).cluster("pool = { idle-timeout = \"1s\" }");
    let proxy = Proxy::start(&conf.text());
    sleeps("nobody has come yet", proxy.pid);
    let mut client = Client::new(proxy.addr);
    assert_eq!(client.get("/first").status, 200);
    assert_eq!(proxy.access_of("/first", 1).len(), 1, "what is told of a request is handed over");
    drop(client);
    sleeps("the last client is gone, and so is the connection to the node", proxy.pid);
    assert_eq!(Client::new(proxy.addr).get("/second").status, 200);
    assert_eq!(proxy.access_of("/second", 1).len(), 1);
}

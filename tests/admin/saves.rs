//! Files that are saved slowly: in place, with pauses, by somebody who is not done. Nothing is taken before it is whole.

use crate::support::{Client, Conf, DEADLINE, Origin, Proxy, until};
use crate::window::Window;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// The cluster is in a file of its own; its lines, the nodes last.
fn nodes_apart(nodes: &[Origin]) -> (Window, PathBuf, Vec<String>) {
    let window = Window::with(Conf::over(nodes).affinity(r#"{ cookie = "HOMING" }"#));
    let apart = window.proxy.folder().join("nodes.toml");
    let text = window.conf.text();
    let (main, cluster) = text.split_at(text.find("[cluster.app]").unwrap());
    fs::write(&apart, cluster).unwrap();
    assert!(window.proxy.reload_to(&format!("include = [\"nodes.toml\"]\n{main}")).applied());
    window.all_ready();
    (window, apart, cluster.trim_end().lines().map(|line| format!("{line}\n")).collect())
}

fn is_said(proxy: &Proxy, from: usize, what: &str) -> String {
    let line = proxy.log.wait(from, DEADLINE, |line| line.contains(what));
    line.unwrap_or_else(|| panic!("{what:?} is not said:\n{}", proxy.log.all()[from..].join("\n")))
}

fn last_reload_is_good(window: &Window) -> bool {
    window.metric("homing_config_last_reload_successful") == 1.0
}

#[test]
fn nodes_that_are_written_one_by_one_keep_their_sessions() {
    let nodes = Origin::several(4);
    let (window, apart, lines) = nodes_apart(&nodes);
    let mut users: Vec<Client> = (0..12).map(|_| Client::with_jar(window.proxy.addr)).collect();
    let on = |users: &mut [Client]| users.iter_mut().map(|user| user.get("/").node().to_owned()).collect::<Vec<_>>();
    let before = on(&mut users);
    let mark = window.proxy.log.mark();
    // a loop whose output goes to the file: emptied first, closed last
    let mut file = File::create(&apart).unwrap();
    for line in &lines[..lines.len() - 1] {
        file.write_all(line.as_bytes()).unwrap();
        assert_eq!(on(&mut users), before, "written up to {line}");
    }
    is_said(&window.proxy, mark, "nodes.toml is being written");
    assert_eq!((on(&mut users), last_reload_is_good(&window)), (before.clone(), true));
    file.write_all(lines[lines.len() - 1].as_bytes()).unwrap();
    file.write_all(b"# the end\n").unwrap();
    drop(file);
    let said = is_said(&window.proxy, mark, "reloaded");
    assert!(said.contains("waited for its writer") && said.contains("nothing changed"), "{said}");
    assert_eq!(on(&mut users), before);
    assert!(!window.proxy.log.all()[mark..].iter().any(|line| line.contains("refused") || line.contains("ERROR")));
}

#[test]
fn who_never_closes_is_waited_for_until_nothing_is_changed_any_more() {
    let nodes = Origin::several(3);
    let (window, apart, lines) = nodes_apart(&nodes[..2]);
    let mark = window.proxy.log.mark();
    let mut file = File::create(&apart).unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
    file.write_all(format!("late = {:?}\n", nodes[2].url()).as_bytes()).unwrap();
    let said = is_said(&window.proxy, mark, "reloaded");
    assert!(said.contains("late") && said.contains("waited for its writer"), "{said}");
    // and nobody waits for him when somebody else saves
    let mark = window.proxy.log.mark();
    assert!(window.proxy.reload_to(&window.conf.text()).applied());
    assert!(!window.proxy.log.all()[mark..].iter().any(|line| line.contains("waited")));
    drop(file);
}

#[test]
fn what_cannot_be_taken_while_it_is_written_is_no_alert_before_it_is_closed() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    window.all_ready();
    let mark = window.proxy.log.mark();
    let text = window.conf.text();
    let mut file = File::create(window.proxy.conf()).unwrap();
    file.write_all(&text.as_bytes()[..text.len() / 2]).unwrap();
    let said = is_said(&window.proxy, mark, "is still being written");
    assert!(said.contains("WARN") && last_reload_is_good(&window), "{said}");
    assert_eq!(Client::new(window.proxy.addr).get("/").status, 200);
    // it was an error all the same
    drop(file);
    is_said(&window.proxy, mark, "reload refused");
    until("it is an alert", || (!last_reload_is_good(&window)).then_some(()));
    assert!(window.proxy.reload_to(&format!("{text}# good again\n")).applied());
    until("it is none any more", || last_reload_is_good(&window).then_some(()));
}

#[test]
fn files_are_looked_at_where_the_system_tells_nothing() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes);
    let deaf = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=inotify_init1", "-e", "inject=inotify_init1:error=EMFILE"];
    let proxy = Proxy::start_under(&deaf, &conf.text());
    is_said(&proxy, 0, "files cannot be watched");
    for status in [418, 419] {
        let text = conf.text().replacen("[[rule]]", &format!("[[rule]]\npath = \"/tea\"\nrespond = {{ status = {status} }}\n[[rule]]"), 1);
        fs::write(proxy.conf(), text).unwrap();
        until("the file is in force", || (Client::new(proxy.addr).get("/tea").status == status).then_some(()));
    }
}

//! Files that are saved slowly: in place, with pauses, by somebody who is not done. Nothing is taken before
//! it is whole.

use crate::support::{Client, Conf, DEADLINE, Origin, Proxy, until};
use crate::window::Window;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The cluster is in a file of its own; its lines, the nodes last.
fn nodes_apart(nodes: &[Origin]) -> (Window, PathBuf, Vec<String>) {
    apart(Conf::over(nodes).affinity(r#"{ cookie = "HOMING" }"#))
}

fn apart(conf: Conf) -> (Window, PathBuf, Vec<String>) {
    let window = Window::with(conf);
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
    assert!(
        !window.proxy.log.all()[mark..].iter().any(|line| line.contains("refused") || line.contains("ERROR"))
    );
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

/// Users of an application whose sessions only we know the nodes of, and where each is.
fn learned(proxy: &Proxy) -> (Vec<Client>, Vec<String>) {
    let mut users: Vec<Client> = (0..12).map(|_| Client::with_jar(proxy.addr)).collect();
    on(&mut users);
    let before = on(&mut users);
    (users, before)
}

fn on(users: &mut [Client]) -> Vec<String> {
    users.iter_mut().map(|user| user.get("/").node().to_owned()).collect()
}

#[test]
fn a_file_that_is_opened_anew_for_each_line_takes_nothing_away_on_the_way() {
    let nodes = Origin::phps(4);
    let (window, apart, lines) = apart(Conf::over(&nodes).affinity(r#"{ learn = "PHPSESSID" }"#));
    let (mut users, before) = learned(&window.proxy);
    let mark = window.proxy.log.mark();
    drop(File::create(&apart).unwrap());
    is_said(&window.proxy, mark, "is empty");
    let began = Instant::now();
    for line in &lines {
        File::options().append(true).open(&apart).unwrap().write_all(line.as_bytes()).unwrap();
        // longer than a look takes to come
        sleep(Duration::from_millis(150));
        // a machine that stood still has shown us as somebody who was done
        if began.elapsed() < Duration::from_millis(900) {
            assert_eq!(on(&mut users), before, "written up to {line}");
        }
    }
    let said = is_said(&window.proxy, mark, "reloaded");
    if began.elapsed() < Duration::from_secs(3) {
        assert!(said.contains("waited for its writer") && said.contains("nothing changed"), "{said}");
    }
    until("all are back", || (on(&mut users) == before).then_some(()));
    assert!(last_reload_is_good(&window));
}

#[test]
fn what_takes_something_away_is_applied_when_nobody_goes_on() {
    let nodes = Origin::several(3);
    let (window, apart, lines) = nodes_apart(&nodes);
    let reloads = |change: &dyn Fn()| {
        let mark = window.proxy.log.mark();
        change();
        is_said(&window.proxy, mark, "reloaded")
    };
    let fewer = lines[..lines.len() - 1].concat();
    let said = reloads(&|| fs::write(&apart, &fewer).unwrap());
    assert!(said.contains("- node") && said.contains("waited for its writer"), "{said}");
    let said = reloads(&|| fs::write(&apart, lines.concat()).unwrap());
    assert!(said.contains("+ node") && !said.contains("waited"), "{said}");
    // a file that takes the other's place is whole, and who asks is served at once
    fs::write(apart.with_extension("new"), &fewer).unwrap();
    let said = reloads(&|| fs::rename(apart.with_extension("new"), &apart).unwrap());
    assert!(said.contains("- node") && !said.contains("waited"), "{said}");
    let said = reloads(&|| {
        fs::write(&apart, lines[..lines.len() - 2].concat()).unwrap();
        window.proxy.signal("HUP");
    });
    assert!(said.contains("- node") && said.contains("(HUP)"), "{said}");
}

#[test]
fn a_cluster_that_was_away_knows_its_sessions() {
    let nodes = Origin::phps(3);
    let (mut window, apart, _) = apart(Conf::over(&nodes).affinity(r#"{ learn = "PHPSESSID" }"#));
    let (mut users, before) = learned(&window.proxy);
    let main = fs::read_to_string(window.proxy.conf()).unwrap();
    let (head, rules) = main.split_at(main.find("[[rule]]").unwrap());
    let without = format!("{}[[rule]]\nrespond = {{ status = 418 }}\n", head.replace("nodes.toml", "*.tml"));
    // its file is moved away and comes back before anybody could mean it
    let (mark, began) = (window.proxy.log.mark(), Instant::now());
    fs::rename(&apart, apart.with_extension("bak")).unwrap();
    sleep(Duration::from_millis(200));
    fs::copy(apart.with_extension("bak"), &apart).unwrap();
    if began.elapsed() < Duration::from_millis(700) {
        assert_eq!(on(&mut users), before);
        let line = window.proxy.log.all()[mark..]
            .iter()
            .find(|line| line.contains("refused") || line.contains("- cluster"))
            .cloned();
        assert_eq!(line, None);
    }
    // it is taken out, and put back
    for killed in [false, true] {
        assert!(window.proxy.reload_to(&without).applied());
        assert_eq!(users[0].get("/").status, 418);
        if killed {
            fs::write(window.proxy.conf(), format!("{head}{rules}")).unwrap();
            users.iter_mut().for_each(Client::hang_up);
            window.kill_and_start_again();
        } else {
            assert!(window.proxy.reload_to(&format!("{head}{rules}")).applied());
        }
        window.all_ready();
        assert_eq!(on(&mut users), before, "killed: {killed}");
    }
}

#[test]
fn files_are_looked_at_where_the_system_tells_nothing() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes);
    let deaf = [
        "strace",
        "-D",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=inotify_init1",
        "-e",
        "inject=inotify_init1:error=EMFILE",
    ];
    let proxy = Proxy::start_under(&deaf, &conf.text());
    is_said(&proxy, 0, "files cannot be watched");
    for status in [418, 419] {
        let text = conf.text().replacen(
            "[[rule]]",
            &format!("[[rule]]\npath = \"/tea\"\nrespond = {{ status = {status} }}\n[[rule]]"),
            1,
        );
        fs::write(proxy.conf(), text).unwrap();
        until("the file is in force", || {
            (Client::new(proxy.addr).get("/tea").status == status).then_some(())
        });
    }
}

/// As a container has it: the file is another one's, whose folder is not there.
#[test]
fn a_file_that_is_mounted_by_itself_is_looked_at() {
    let can = std::process::Command::new("unshare").args(["--mount", "--map-root-user", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI needs unshare");
        return eprintln!("skipped: no mount namespace can be made here");
    }
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes);
    let mounts = "for file; do :; done; cp \"$file\" \"$file.source\" && mount --bind \"$file.source\" \"$file\" && exec \"$@\"";
    let proxy = Proxy::start_under(
        &["unshare", "--mount", "--map-root-user", "sh", "-c", mounts, "sh"],
        &conf.text(),
    );
    is_said(&proxy, 0, "it is looked at every 2 s");
    for status in [418, 419] {
        let tea = format!("[[rule]]\npath = \"/tea\"\nrespond = {{ status = {status} }}\n[[rule]]");
        let text = conf.text().replacen("[[rule]]", &tea, 1);
        fs::write(proxy.folder().join("homing.toml.source"), text).unwrap();
        until("the file is in force", || {
            (Client::new(proxy.addr).get("/tea").status == status).then_some(())
        });
    }
}

//! Listening on Unix sockets: whose their files are, and what is done about a file that is there already; and
//! what is said when an address cannot be had.

use crate::support::{Client, Conf, Origin, Proxy, Reload, free_addr, proxy::refused_start, until};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Somebody without a name, whom only root can give something.
const SOMEBODY: u32 = 47_110;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Listens on a Unix socket, and on the address that the support waits for.
fn conf(nodes: &[Origin], listener: &str) -> String {
    let conf = Conf::over(nodes).listener(listener);
    let web = format!("bind = \"{}\"", conf.web);
    conf.text().replace(&web, &format!("bind = [\"{}\", \"unix:web.sock\"]", conf.web))
}

#[test]
fn the_file_of_a_socket_is_whose_the_conf_says_also_after_a_reload() {
    let nodes = Origin::several(1);
    let given =
        if is_root() { format!(", user = \"{SOMEBODY}\", group = \"{SOMEBODY}\"") } else { String::new() };
    let text = |mode: &str| {
        let announce = "announce = { bind = \"unix:nodes.sock\", unix = { mode = \"622\" } }";
        let unix = format!("unix = {{ mode = \"{mode}\"{given} }}");
        conf(&nodes, &unix).replacen("[server]", &format!("[server]\n{announce}"), 1)
    };
    let first = text("660");
    let proxy = Proxy::start(&first);
    let at = |name: &str| proxy.folder().join(name);
    let whole = || Client::unix(&at("web.sock")).get("/").status;
    assert_eq!((mode(&at("web.sock")), mode(&at("nodes.sock")), whole()), (0o660, 0o622, 200));
    if is_root() {
        let file = fs::metadata(at("web.sock")).unwrap();
        assert_eq!((file.uid(), file.gid()), (SOMEBODY, SOMEBODY));
    }
    assert!(proxy.reload_to(&first.replace("\"660\"", "\"666\"")).applied());
    assert_eq!((mode(&at("web.sock")), whole()), (0o666, 200), "and it was not closed for that");
    let Reload::Refused(said) = proxy.reload_to(&first.replace("\"660\"", "\"96\"")) else { panic!() };
    assert!(said.contains("`96` is not the mode of a file") && said.contains("octal"), "{said}");
    assert_eq!(whole(), 200);
}

#[test]
fn a_socket_that_a_kill_left_behind_is_taken_over() {
    let nodes = Origin::several(1);
    let mut proxy = Proxy::start(&conf(&nodes, ""));
    proxy.signal("KILL");
    until("it is dead", || proxy.ended());
    assert!(proxy.folder().join("web.sock").exists());
    proxy.start_again();
    assert_eq!(Client::unix(&proxy.folder().join("web.sock")).get("/").status, 200);
}

#[test]
fn a_file_that_somebody_else_serves_or_that_is_no_socket_stays() {
    let nodes = Origin::several(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let text = |path: &Path| {
        let text = Conf::over(&nodes).text();
        let web = text.lines().find(|line| line.starts_with("bind = ")).unwrap().to_owned();
        text.replace(&web, &format!("bind = \"unix:{}\"", path.display()))
    };
    let served = UnixListener::bind(&path).unwrap();
    let (code, said) = refused_start(&text(&path));
    let me = format!("process {} (", std::process::id());
    assert!(code == Some(1) && said.contains(&me) && said.contains("listens there"), "{said}");
    drop(served);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "a diary").unwrap();
    let (code, said) = refused_start(&text(&path));
    assert!(code == Some(1) && said.contains("is a file and no socket"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a diary");
    let (code, said) = refused_start(&text(&folder.path().join("none/s")));
    assert!(code == Some(1) && said.contains("there is no folder") && said.contains("make it"), "{said}");
}

#[test]
fn a_second_instance_does_not_share_the_port_in_silence() {
    let nodes = Origin::several(1);
    let conf = Conf { web: free_addr(), ..Conf::over(&nodes) };
    let first = Proxy::start(&conf.text());
    let (code, said) = refused_start(&conf.server("state-dir = \"another\"").text());
    let who = format!("process {} (homing) listens there", first.pid);
    assert!(code == Some(1) && said.contains(&who), "{said}");
    assert_eq!(Client::new(first.addr).get("/").status, 200);
}

#[test]
fn a_listener_may_get_another_name_or_a_wider_address_while_it_listens() {
    let nodes = Origin::several(1);
    let text = Conf::over(&nodes).text();
    let proxy = Proxy::start(&text);
    let port = proxy.addr.port();
    let wide = text.replace(&format!("127.0.0.1:{port}"), &format!("0.0.0.0:{port}"));
    for text in [text.replace("[listener.web]", "[listener.other]"), wide, text] {
        assert!(proxy.reload_to(&text).applied());
        assert_eq!(Client::new(proxy.addr).get("/").status, 200);
    }
}

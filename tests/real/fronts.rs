//! The front ends that stood there before: the real HAProxy, httpd and nginx, each as one process that ends
//! with the test.

use crate::programs::Running;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

const MODULES: &str = "/usr/lib/apache2/modules";

/// What they need to be installed.
pub const NEEDED: [&str; 3] = ["/usr/sbin/haproxy", "/usr/sbin/apache2", "/usr/sbin/nginx"];

/// A front end with its conf, in which `N1`, `N2` and `N3` stand for the addresses of the nodes, `H1` and
/// `P1` for host and port.
#[derive(Clone, Copy)]
pub enum Front {
    /// The backend's own lines.
    Haproxy(&'static str),
    /// The virtual host's lines.
    Httpd(&'static str),
    /// Lines of `http`, with the upstream `app`; the node or upstream that a request goes to is to be in
    /// `$node`.
    Nginx(&'static str),
}

impl Front {
    /// Starts it on this address and waits until it listens.
    pub fn start(self, bind: SocketAddr, nodes: &[SocketAddr]) -> Started {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fill = |lines: &str| {
            nodes.iter().enumerate().fold(lines.to_string(), |text, (i, at)| {
                let here = |sign: char| format!("{sign}{}", i + 1);
                text.replace(&here('N'), &at.to_string())
                    .replace(&here('H'), &at.ip().to_string())
                    .replace(&here('P'), &at.port().to_string())
            })
        };
        let path = folder.path().join("conf");
        let (text, mut command) = match self {
            Self::Haproxy(backend) => (haproxy(bind, &fill(backend)), Command::new("/usr/sbin/haproxy")),
            Self::Httpd(lines) => {
                (httpd(folder.path(), bind, &fill(lines)), Command::new("/usr/sbin/apache2"))
            }
            Self::Nginx(lines) => (nginx(folder.path(), bind, &fill(lines)), Command::new("/usr/sbin/nginx")),
        };
        std::fs::write(&path, text).expect("its conf is written");
        match self {
            Self::Haproxy(_) => command.arg("-db").arg("-f").arg(&path),
            Self::Httpd(_) => command.arg("-X").arg("-f").arg(&path),
            Self::Nginx(_) => command.arg("-p").arg(folder.path()).arg("-c").arg(&path),
        };
        let mut running = Running::start(&mut command);
        running.until_open(bind);
        Started { _running: running, _folder: folder }
    }
}

/// A front end that runs.
pub struct Started {
    _running: Running,
    _folder: tempfile::TempDir,
}

fn haproxy(bind: SocketAddr, backend: &str) -> String {
    format!(
        "global\n  maxconn 500\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend web\n  bind {bind}\n  default_backend app\nbackend app\n  balance roundrobin\n{backend}\n"
    )
}

fn httpd(folder: &Path, bind: SocketAddr, lines: &str) -> String {
    let modules = [
        "mpm_event",
        "authz_core",
        "env",
        "headers",
        "setenvif",
        "proxy",
        "proxy_http",
        "proxy_balancer",
        "slotmem_shm",
        "lbmethod_byrequests",
        "jk",
    ];
    let load = |name: &&str| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n");
    let load: String =
        modules.iter().filter(|name| **name != "jk" || lines.contains("Jk")).map(load).collect();
    let folder = folder.display();
    format!(
        "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nErrorLog {folder}/error.log\nServerName front.test\n\
         Listen {bind}\n{load}User www-data\nGroup www-data\n{lines}\n"
    )
    .replace("FOLDER", &folder.to_string())
}

fn nginx(folder: &Path, bind: SocketAddr, lines: &str) -> String {
    let folder = folder.display();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temp}{lines}\n\
         server {{ listen {bind}; location / {{ proxy_set_header Host $http_host; proxy_pass http://$node; {ADD} }} }}\n}}\n"
    )
}

/// What a node's answer gets.
const ADD: &str = "add_header Set-Cookie $add;";

//! Who is measured, and how each is started. Their confs are in `../conf`, to be read and doubted.

use super::client::{HOST, Http1, Target, request};
use super::process::{Pinned, said};
use super::run::block_on;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One that is measured.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    /// Its command line; words between `@` are filled in.
    command: &'static str,
    /// Its conf file's text.
    conf: &'static str,
    /// The command that tells its version.
    version: &'static [&'static str],
}

/// The floor, which has no TLS, no affinity and no log.
pub const RELAY: &str = "relay";
/// The one that is compared with the others.
pub const HOMING: &str = "homing";

/// All of them.
pub const PEERS: [Peer; 5] = [
    Peer {
        name: HOMING,
        command: "@homing@ run --config @conf@",
        conf: include_str!("../conf/homing.toml"),
        version: &["@homing@", "--version"],
    },
    Peer {
        name: "haproxy",
        command: "haproxy -db -f @conf@",
        conf: include_str!("../conf/haproxy.cfg"),
        version: &["haproxy", "-v"],
    },
    Peer {
        name: "nginx",
        command: "nginx -p @folder@ -c @conf@",
        conf: include_str!("../conf/nginx.conf"),
        version: &["nginx", "-v"],
    },
    Peer {
        name: "apache",
        command: "apache2 -DFOREGROUND -f @conf@",
        conf: include_str!("../conf/httpd.conf"),
        version: &["apache2", "-v"],
    },
    Peer { name: RELAY, command: "@self@ relay @clear@ 127.0.0.1:@origin@", conf: "", version: &[] },
];

/// What all of them share.
pub struct Field {
    /// The core of whoever is measured.
    pub core: usize,
    /// The program under test.
    pub homing: PathBuf,
    /// The origin listens here on 127.0.0.1 and 127.0.0.2.
    pub origin: u16,
    certificate: CertifiedKey<rcgen::KeyPair>,
}

impl Field {
    pub fn new(core: usize, homing: PathBuf, origin: u16) -> io::Result<Self> {
        let certificate = generate_simple_self_signed([HOST.to_owned()]).map_err(io::Error::other)?;
        Ok(Self { core, homing, origin, certificate })
    }

    /// Settings of TLS 1.3 clients; without `resume` every handshake is a full one.
    pub fn tls(&self, alpn: &str, resume: bool) -> io::Result<Arc<rustls::ClientConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.cert.der().clone()).map_err(io::Error::other)?;
        let builder = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        if !resume {
            config.resumption = rustls::client::Resumption::disabled();
        }
        Ok(Arc::new(config))
    }

    /// The first line of what each says of its version.
    pub fn versions(&self, peers: &[&'static Peer]) -> Vec<String> {
        let version = |peer: &&'static Peer| {
            let (program, args) = peer.version.split_first()?;
            let text = said(&program.replace("@homing@", &self.homing.display().to_string()), args);
            text.lines().next().map(|line| line.trim_start_matches("Server version: ").to_owned())
        };
        peers.iter().filter_map(version).collect()
    }
}

/// A peer that runs. Dropping it ends it and removes its folder.
pub struct Running {
    pub process: Pinned,
    pub clear: SocketAddr,
    pub secure: SocketAddr,
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts a peer afresh and waits for its first answer.
    pub fn start(peer: &Peer, field: &Field, logs: bool) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (clear, secure) = (free_addr()?, free_addr()?);
        // not beside the conf: that folder is watched, and writing there would wake the watcher
        fs::create_dir(folder.path().join("logs"))?;
        let path = folder.path().display().to_string();
        let pem = field.certificate.cert.pem() + &field.certificate.signing_key.serialize_pem();
        fs::write(folder.path().join("bench.pem"), pem)?;
        let words = [
            ("@folder@", path.clone()),
            ("@conf@", format!("{path}/conf")),
            ("@clear@", clear.to_string()),
            ("@secure@", secure.to_string()),
            ("@origin@", field.origin.to_string()),
            ("@homing@", field.homing.display().to_string()),
            ("@self@", std::env::current_exe()?.display().to_string()),
            ("@modules@", "/usr/lib/apache2/modules".to_owned()),
        ];
        let fill =
            |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
        fs::write(folder.path().join("conf"), fill(&of_logs(peer.conf, logs)))?;
        let command: Vec<String> = peer.command.split(' ').map(fill).collect();
        let process = Pinned::start(field.core, &command, &folder.path().join("out"))?;
        let mut running = Self { process, clear, secure, folder };
        running.until_it_answers(peer.name)?;
        Ok(running)
    }

    fn until_it_answers(&mut self, name: &str) -> io::Result<()> {
        let (end, target) = (Instant::now() + Duration::from_secs(10), Target::new(self.clear, None));
        let ask = async || Http1::open(&target).await?.exchange(&request("/", None, "")).await;
        while let Err(error) = block_on(ask()) {
            if !self.process.runs() || Instant::now() > end {
                let read = |file: &str| fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "{name} does not answer ({error}): {}{}",
                    read("out"),
                    read("error.log")
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// A conf's lines with the logs on, or with them off.
fn of_logs(conf: &str, logs: bool) -> String {
    let (kept, dropped) = if logs { ("@logged@", "@unlogged@") } else { ("@unlogged@", "@logged@") };
    let lines = conf
        .lines()
        .filter(|line| !line.ends_with(dropped))
        .map(|line| line.trim_end_matches(kept).trim_end());
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn free_addr() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

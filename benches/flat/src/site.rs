//! A proxy that runs.

use super::client::{Http1, Target};
use super::process::Pinned;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Until it answers, and until it has ended: under valgrind, with a million sessions to read and to write.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all proxies share.
pub struct Field {
    /// The program under test.
    pub homing: PathBuf,
    /// Where the origin listens, on 127.0.0.1 and 127.0.0.2.
    pub origin: u16,
}

/// A proxy that runs in a folder, which keeps its sessions from one to the next. Dropping it ends it.
pub struct Site {
    pub process: Pinned,
    pub web: SocketAddr,
    /// The cookie that a first visitor was given, if he was.
    pub pin: String,
}

impl Site {
    /// Starts it under the words of another program, if there are any, and waits until it answers.
    pub fn start(
        field: &Field,
        folder: &Path,
        tool: &[String],
        conf: impl FnOnce(SocketAddr) -> String,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(folder.join("out"))?;
        let web = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        std::fs::write(folder.join("conf"), conf(web))?;
        let own = [
            field.homing.display().to_string(),
            "run".into(),
            "--config".into(),
            folder.join("conf").display().to_string(),
        ];
        let mut site = Self {
            process: Pinned::start(0, &[tool, &own].concat(), &said(folder))?,
            web,
            pin: String::new(),
        };
        let (end, target) = (Instant::now() + PATIENCE, Target::new(web, None));
        let hello = b"GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n";
        while let Err(error) = block_on(async { Http1::open(&target).await?.exchange(hello).await }) {
            if !site.process.runs() || Instant::now() > end {
                let text = std::fs::read_to_string(said(folder)).unwrap_or_default();
                return Err(io::Error::other(format!("the proxy does not answer ({error}): {text}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        site.pin = first_pin(web)?;
        Ok(site)
    }

    /// Ends it and waits until it has written down its sessions.
    pub fn stop(mut self) {
        self.process.stop(PATIENCE);
    }
}

/// The first cookie of the answer to a visitor without one.
fn first_pin(web: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(web)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let cookies = answer
        .lines()
        .filter_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")));
    Ok(cookies
        .map(|(_, cookie)| cookie.split(';').next().unwrap_or_default().to_owned())
        .next()
        .unwrap_or_default())
}

/// What the proxy in a folder has said.
pub fn said(folder: &Path) -> PathBuf {
    folder.join("out/said")
}

/// Runs on this thread alone.
pub fn block_on<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

//! What a request costs, counted and not timed: instructions and allocations by callgrind, system calls by
//! strace, each against the bound in `tests/guard.toml`. One user with a known session asks for a small page,
//! again and again, over one connection.
//!
//! Nobody acts before the proxy sleeps, so that it meets the same events in the same order each time. What
//! the process costs beside its requests is taken off by counting two runs, one of more requests;
//! instructions over the same time, since what a clock does meanwhile is no request's, and a slow machine has
//! more of it.
//!
//! `HOMING_BLESS=1 cargo test --test guard` writes down what is counted now. Bounds are of the profile it was
//! built with: debug, or `--profile dist`.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[allow(dead_code, reason = "a part of it is enough here")]
#[path = "real/programs.rs"]
mod programs;
#[path = "proxy/support/mod.rs"]
mod support;

use programs::have;
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::{Conf, within};

/// Requests of the two runs.
const RUNS: [u32; 2] = [50, 350];
/// What timers that tick between the requests may add to each.
const SLACK: f64 = 0.5;
/// For whatever is awaited: under callgrind the proxy is fifty times slower, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a compiler of another month may shift instructions by: a few in a hundred.
const ALLOWANCE: f64 = 1.03;

#[test]
fn a_request_costs_no_more_instructions_and_allocations_than_before() {
    if !have(&["valgrind"]) {
        return;
    }
    // Without the log: a timer hands its buffer over, so what it allocates depends on how slow this machine
    // is under valgrind.
    let threads = counted(|port| usual("off", port));
    let [few, many] = &threads[busiest(&threads)];
    check("instructions", per_request(few.instructions, many.instructions), ALLOWANCE, 0.0);
    check("allocations", per_request(few.allocations, many.allocations), 1.0, SLACK);
}

#[test]
fn a_request_costs_as_many_instructions_among_many_nodes_as_among_few() {
    if !have(&["valgrind"]) {
        return;
    }
    let among = |nodes: usize| {
        counted(|port| {
            let conf = Conf::over([])
                .affinity("{ key = \"header:User-Agent\" }")
                .cluster("health = { kind = \"off\" }");
            let conf = conf.server("access-log = { format = \"httplog\", to = \"out/access.log\" }");
            // each at an address of its own: the same one twice is warned of
            (1..=nodes).fold(conf, |conf, n| {
                conf.node(&format!("n{n}"), &format!("\"http://127.0.{}.{}:{port}\"", n / 250, n % 250 + 1))
            })
        })
    };
    let runs = [2, 500].map(among);
    // among many nodes the thread that looks after them may work more than the one that serves
    let serving = busiest(&runs[0]);
    let [few, many] =
        runs.map(|threads| per_request(threads[serving][0].instructions, threads[serving][1].instructions));
    println!("instructions per request: {few:.0} among 2 nodes, {many:.0} among 500 ({})", profile());
    assert!(
        many < few * 1.05,
        "a request costs {few:.0} instructions among 2 nodes, and {many:.0} among 500"
    );
}

/// The counts of each thread in the order of their start, in the short run and in the long one.
fn counted(conf: impl Fn(u16) -> Conf) -> Vec<[Callgrind; 2]> {
    let callgrind = |requests, at_least| {
        let tool =
            ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", "--callgrind-out-file=@out@"];
        let run = Run::new(&tool, &conf, requests, at_least);
        let threads: Vec<_> =
            run.outs().iter().map(|file| Callgrind::parse(&fs::read_to_string(file).unwrap())).collect();
        (threads, run.lasted)
    };
    let (many, lasted) = callgrind(RUNS[1], Duration::ZERO);
    let (few, _) = callgrind(RUNS[0], lasted);
    few.into_iter().zip(many).map(|(few, many)| [few, many]).collect()
}

/// The thread that works most more in the longer run, which is the one that serves.
fn busiest(threads: &[[Callgrind; 2]]) -> usize {
    let more =
        |thread: &usize| threads[*thread][1].instructions.saturating_sub(threads[*thread][0].instructions);
    (0..threads.len()).max_by_key(more).unwrap()
}

/// One node, whose users have a readable cookie.
fn usual(log: &str, port: u16) -> Conf {
    let conf = Conf::over([])
        .node("n1", &format!("\"http://127.0.0.1:{port}\""))
        .affinity("{ cookie = \"SRV\", value = \"route\" }");
    conf.cluster("health = { kind = \"off\" }").server(&format!("access-log = {{ to = {log:?} }}"))
}

#[test]
fn a_request_makes_no_more_system_calls_than_before() {
    if !have(&["strace"]) {
        return;
    }
    let strace = |requests| {
        // -D: the proxy is our child and strace its observer, so that signals reach the proxy
        let run = Run::new(
            &["strace", "-D", "-f", "-o", "@out@"],
            |port| usual("out/access.log", port),
            requests,
            Duration::ZERO,
        );
        system_calls(&within(PATIENCE, "strace ends", || {
            fs::read_to_string(run.out()).ok().filter(|trace| trace.ends_with("+++ exited with 0 +++\n"))
        }))
    };
    let [few, many] = RUNS.map(strace);
    check("system-calls", per_request(few, many), 1.0, SLACK);
}

/// The profile that the proxy was built with: the name of the folder it is in.
fn profile() -> &'static str {
    let folder = Path::new(env!("CARGO_BIN_EXE_homing")).parent().and_then(Path::file_name);
    folder.and_then(|name| name.to_str()).unwrap()
}

fn per_request(few: u64, many: u64) -> f64 {
    (many as f64 - few as f64) / f64::from(RUNS[1] - RUNS[0])
}

/// Compares with the recorded bound, times `factor`, plus `slack`.
fn check(what: &str, counted: f64, factor: f64, slack: f64) {
    static BLESSING: Mutex<()> = Mutex::new(());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard.toml");
    println!("{what} per request: {counted:.2} ({})", profile());
    let _one_at_a_time = BLESSING.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let mut bounds: toml::Table = text.parse().unwrap();
    if std::env::var_os("HOMING_BLESS").is_some() {
        let head: String =
            text.lines().take_while(|line| line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
        let profile = bounds.entry(profile()).or_insert_with(|| toml::Table::new().into());
        profile.as_table_mut().unwrap().insert(what.to_owned(), counted.round().into());
        return fs::write(&file, format!("{head}\n{bounds}")).unwrap();
    }
    let bound = bounds
        .get(profile())
        .unwrap_or_else(|| panic!("{} has no bounds for the profile `{}`", file.display(), profile()));
    let bound = bound[what].as_float().unwrap();
    let most = bound * factor + slack;
    assert!(
        counted <= most,
        "a request costs {counted:.2} {what}; it was {bound}, and {most:.2} is the limit. If it is worth it: HOMING_BLESS=1"
    );
    if counted < bound * 0.95 - slack {
        println!("that is less than the recorded {bound}: HOMING_BLESS=1 keeps it so");
    }
}

/// The proxy's run under a tool, from start to end.
struct Run {
    folder: tempfile::TempDir,
    /// From the first request on.
    lasted: Duration,
}

impl Run {
    /// Runs the proxy under this command line for so many requests, and so long at least; `@out@` is the
    /// tool's file. The conf is told the node's port, which is open on every address of this machine.
    fn new(tool: &[&str], conf: impl Fn(u16) -> Conf, requests: u32, at_least: Duration) -> Self {
        let mut run = Self { folder: tempfile::tempdir().unwrap(), lasted: Duration::ZERO };
        // not beside the conf file: that folder is watched, and each line written there would wake the
        // watcher
        fs::create_dir(run.folder.path().join("out")).unwrap();
        let origin = TcpListener::bind("0.0.0.0:0").unwrap();
        // under callgrind, beside other work, the proxy may not sleep for minutes
        let patient = "idle-timeout = \"1h\"\nheader-timeout = \"1h\"";
        let conf = conf(origin.local_addr().unwrap().port())
            .listener(patient)
            .cluster("timeouts = { response = \"1h\" }");
        let path = run.folder.path().join("homing.toml");
        fs::write(&path, conf.text().replace("workers = 2", "workers = 1")).unwrap();
        let out = run.out().display().to_string();
        let mut command = Command::new(tool[0]);
        command.args(tool[1..].iter().map(|word| word.replace("@out@", &out)));
        command
            .arg(env!("CARGO_BIN_EXE_homing"))
            .arg("run")
            .arg("--config")
            .arg(path)
            .env_remove("NOTIFY_SOCKET")
            .env("HOMING_LOG", "warn");
        let mut proxy = Process(command.stdin(Stdio::null()).spawn().unwrap());
        let pid = proxy.0.id();
        std::thread::spawn(move || {
            for stream in origin.incoming().flatten() {
                std::thread::spawn(move || answer(stream, pid));
            }
        });
        run.lasted = ask(conf.web, pid, requests, at_least);
        support::proxy::signal(pid, "TERM");
        let status = within(PATIENCE, "the proxy ends", || proxy.0.try_wait().unwrap());
        assert!(status.success(), "{tool:?}: {status}");
        run
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out/counts")
    }

    /// The tool's files of single threads, in the order of their start.
    fn outs(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path().join("out")).unwrap().map(|entry| entry.unwrap().path());
        let mut threads: Vec<_> =
            files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("counts-")).collect();
        threads.sort();
        threads
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The user: one request after the other, spread over so long at least: what is looked at while connections
/// are kept is the same for few and for many. How long they took.
fn ask(proxy: SocketAddr, pid: u32, requests: u32, at_least: Duration) -> Duration {
    let mut stream = within(PATIENCE, "the proxy listens", || TcpStream::connect(proxy).ok());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /shop/cart HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\r\n\
                   Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nCookie: theme=dark; SRV=n1\r\n\r\n";
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let begun = Instant::now();
    for n in 0..requests {
        std::thread::sleep((at_least * n / requests).saturating_sub(begun.elapsed()));
        until_it_sleeps(pid);
        stream.write_all(request.as_bytes()).unwrap();
        let status = read_head(&mut answers).expect("the proxy answers and keeps the connection");
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        let mut body = [0; 2];
        std::io::Read::read_exact(&mut answers, &mut body).unwrap();
    }
    std::thread::sleep(at_least.saturating_sub(begun.elapsed()));
    begun.elapsed()
}

/// The node: one answer after the other.
fn answer(mut stream: TcpStream, pid: u32) {
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    while read_head(&mut requests).is_some() {
        until_it_sleeps(pid);
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok";
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// The first line of a head, once all of it was read; nothing at the end.
fn read_head(stream: &mut impl BufRead) -> Option<String> {
    let mut lines = stream.lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.find(String::is_empty)?;
    Some(first)
}

/// Until no thread of the proxy has anything to do.
fn until_it_sleeps(pid: u32) {
    let sleeps = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S'))
    };
    let end = Instant::now() + PATIENCE;
    while !fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().all(sleeps) {
        assert!(Instant::now() < end, "the proxy never sleeps");
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Calls of the busiest thread, which is the one that serves. Not a request's are a wait that only a timer
/// ended, and waking the log's writer, which a timer does.
fn system_calls(trace: &str) -> u64 {
    let mut threads: HashMap<&str, i64> = HashMap::new();
    for (thread, what) in trace.lines().filter_map(|line| line.split_once(' ')) {
        let begins = !what.trim_start().starts_with("<... ") && !what.contains("futex(");
        let in_vain = what.contains("epoll_wait") && what.ends_with("= 0");
        *threads.entry(thread).or_default() += i64::from(begins) - i64::from(in_vain);
    }
    threads.into_values().max().unwrap().unsigned_abs()
}

/// Counts of a whole run.
#[derive(Debug, Default)]
struct Callgrind {
    instructions: u64,
    allocations: u64,
}

impl Callgrind {
    /// Sums the calls of the allocator's functions. A function's name is written out once and is a number in
    /// brackets after that.
    fn parse(text: &str) -> Self {
        const ALLOCATE: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
        let (mut names, mut callee, mut found) = (HashMap::new(), "", Self::default());
        for line in text.lines() {
            if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                let (number, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    names.insert(number, name);
                }
                callee = names[number];
            } else if let Some(calls) = line.strip_prefix("calls=") {
                let count: u64 = calls.split_whitespace().next().unwrap().parse().unwrap();
                if ALLOCATE.contains(&callee) {
                    found.allocations += count;
                }
            } else if let Some(total) =
                line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: "))
            {
                found.instructions = total.trim().parse().unwrap();
            }
        }
        assert!(found.instructions > 0, "callgrind counted nothing");
        found
    }
}

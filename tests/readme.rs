//! The README's chapters with commands, run as they stand: only addresses are other ones.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "proxy/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use support::log::Lines;
use support::{Conf, DEADLINE, Origin, Proxy, free_addr, until};

/// A command of a chapter, and the lines that it is said to print.
struct Step {
    command: String,
    printed: Vec<String>,
}

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The commands of a chapter.
fn steps(chapter: &str) -> Vec<Step> {
    let readme = readme();
    let chapter = readme.split(&format!("## {chapter}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for line in chapter.split("```console\n").skip(1).flat_map(|block| block.split("```").next().unwrap().lines()) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
            None => steps.last_mut().unwrap().printed.push(line.to_owned()),
        }
    }
    assert!(steps.len() >= 4);
    steps
}

/// Whether a text has these parts in this order; `…` stands for anything.
fn fits(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('…').filter(|part| !part.is_empty()).all(|part| match rest.find(part.trim()) {
        Some(at) => {
            rest = &rest[at + part.trim().len()..];
            true
        }
        None => false,
    })
}

#[test]
fn a_node_joins_with_one_curl_and_drains_with_one_command() {
    let nodes = Origin::several(3);
    let [admin, announce] = [free_addr(), free_addr()];
    let conf = Conf::over(&nodes[..2]).affinity(r#""cookie""#).server(&format!("admin = \"{admin}\"\nannounce = \"{announce}\""));
    // the support names its cluster `app`
    let conf = conf.text().replace("cluster = \"app\"", "cluster = \"shop\"").replace("[cluster.app", "[cluster.shop");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    std::fs::write(folder.path().join("conf/homing.toml"), &conf).unwrap();
    let proxy = Proxy::start_in(folder, "conf/homing.toml");
    until("the token is made", || proxy.folder().join("conf/state/join.token").exists().then_some(()));
    let bin = Path::new(env!("CARGO_BIN_EXE_homing")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let third = nodes[2].addr.to_string();
    let ours = |text: &str| text.replace("127.0.0.1:9901", &announce.to_string()).replace("127.0.0.1:8083", &third);
    let mut before = String::from("set -e\n");
    for step in steps("A node joins") {
        let run = || {
            let script = format!("{before}{}", ours(&step.command));
            let out = Command::new("bash").args(["-c", &script]).env("PATH", &path).current_dir(proxy.folder()).output().unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            assert!(out.status.success(), "{}: {said}", step.command);
            said
        };
        let said = run();
        // the first check of a node that was just let in may be under way
        let last = step.command.starts_with("homing status");
        let said = if last { until("the last picture is as shown", || Some(run()).filter(|said| all(said, &step.printed))) } else { said };
        assert!(all(&said, &step.printed), "{} printed:\n{said}", step.command);
        if step.command.contains("=$(") {
            before.push_str(&format!("{}\n", step.command));
        }
    }
}

fn all(said: &str, printed: &[String]) -> bool {
    printed.iter().all(|line| fits(said, line))
}

/// A line without what differs from run to run: numbers, ids, times, widths; node names where they were drawn.
fn masked(line: &str, names: bool) -> String {
    let line = regex(r"\d{4}-\d\d-\d\dT\S+|[0-9a-f]{16}|\d+ (s|min|h)\b( \d+ (s|min)\b)?").replace_all(line, "#").into_owned();
    let line = if line.contains("visit") { line } else { regex(r"([A-Za-z]?)\d+(\.\d+)*").replace_all(&line, Number).into_owned() };
    let line = if names { regex(r"\bn\d\b").replace_all(&line, "n#").into_owned() } else { line };
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn regex(pattern: &str) -> regex::Regex {
    regex::Regex::new(pattern).unwrap()
}

/// A number; one behind a letter is part of a name.
struct Number;

impl regex::Replacer for Number {
    fn replace_append(&mut self, found: &regex::Captures<'_>, out: &mut String) {
        out.push_str(if found[1].is_empty() { "#" } else { &found[0] });
    }
}

/// Whether all that is said to be printed was, line for line and in this order; a line of `…` is any lines.
fn is_as_told(said: &str, printed: &[String], names: bool) -> bool {
    let mut lines = said.lines().map(|line| masked(line, names));
    printed.iter().filter(|line| !matches!(line.trim(), "" | "…")).all(|line| {
        let told = masked(line, names);
        lines.any(|line| if told.contains('…') { fits(&line, &told) } else { line == told })
    })
}

/// Runs a command as somebody at a terminal would; what it prints, and whether its end was good.
fn run(command: &str, folder: &Path, admin: Option<&str>) -> (String, bool) {
    let bin = Path::new(env!("CARGO_BIN_EXE_homing")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{command} 2>&1")]).env("PATH", path).env_remove("HOMING_ADMIN").current_dir(folder);
    let out = bash.envs(admin.map(|admin| ("HOMING_ADMIN", admin))).output().unwrap();
    (String::from_utf8(out.stdout).unwrap(), out.status.success())
}

#[test]
fn the_first_fifteen_minutes_are_as_they_are_told() {
    let steps = steps("The first fifteen minutes");
    let own = steps.iter().position(|step| step.command == "homing check").unwrap();
    demo(&steps[..own]);
    own_conf(&steps[own..]);
}

fn demo(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_homing"));
    demo.arg("demo").current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = demo.spawn().unwrap();
    let out = Lines::follow(demo.stdout.take().unwrap());
    out.wait(0, DEADLINE, |line| line.contains("Ctrl-C")).expect("it says how it ends");
    let said = out.all().join("\n");
    assert!(is_as_told(&said, &steps[0].printed, true), "{said}");
    let address = |what: &str| regex(&format!(r"{what} +http://(\S+)/")).captures(&said).unwrap()[1].to_owned();
    let (proxy, admin) = (address("proxy"), address("page"));
    until("the demo serves", || std::net::TcpStream::connect(&proxy).ok());
    let page = support::Client::new(admin.parse().unwrap()).get("/");
    assert!(page.status == 200 && page.text().contains("n3"), "the page is there: {}", page.text());
    for step in &steps[1..] {
        let (said, good) = run(&step.command.replace("127.0.0.1:8080", &proxy), folder.path(), Some(&format!("http://{admin}")));
        assert!(good && is_as_told(&said, &step.printed, true), "{}\n{said}", step.command);
    }
    support::proxy::signal(demo.id(), "INT");
    assert!(demo.wait().unwrap().success(), "Ctrl-C is a good end");
}

fn own_conf(steps: &[Step]) {
    let nodes = Origin::several(2);
    let [web, admin] = [free_addr(), free_addr()].map(|address| address.to_string());
    let [first, second] = [0, 1].map(|n: usize| nodes[n].addr.to_string());
    let there = [
        ("0.0.0.0:8080", &web),
        ("127.0.0.1:8080", &web),
        ("127.0.0.1:9900", &admin),
        ("10.0.0.11:8080", &first),
        ("10.0.0.12:8080", &second),
    ];
    let ours = |text: &str| there.iter().fold(text.to_owned(), |text, (told, real)| text.replace(told, real));
    let readme = readme();
    let conf = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    std::fs::write(folder.path().join("conf/homing.toml"), ours(conf).replace("affinity", "afinity")).unwrap();
    let (mut folder, mut proxy) = (Some(folder), None);
    for step in steps {
        let told: Vec<String> = step.printed.iter().map(|line| ours(line)).collect();
        if step.command == "homing run" {
            let running = Proxy::start_in(folder.take().unwrap(), "conf/homing.toml");
            until("it says where it is", || is_as_told(&running.log.all().join("\n"), &told, false).then_some(()));
            proxy = Some(running);
            continue;
        }
        let place = proxy.as_ref().map_or_else(|| folder.as_ref().unwrap().path(), Proxy::folder);
        let once = || {
            let (said, good) = run(&ours(&step.command), place, None);
            // the conf file's path is told as the proxy was given it
            (said.replace(&format!("{}/", place.display()), ""), good)
        };
        let (said, good) = match step.command.as_str() {
            // first checks, and the file that was saved, take a moment
            "homing status" => until("the picture is as told", || Some(once()).filter(|(said, _)| is_as_told(said, &told, false))),
            _ => once(),
        };
        assert!(is_as_told(&said, &told, false), "{}\n{said}", step.command);
        let bad = ["1 error", "refused: ", "the deadline has passed"].iter().any(|word| said.contains(word));
        assert_eq!(good, !bad, "{}\n{said}", step.command);
    }
}

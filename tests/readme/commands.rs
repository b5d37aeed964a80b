//! The commands of README.md and of every page of the book, run as they stand: only addresses are other ones.

use crate::pages::{self, Page, Step};
use crate::support::log::Lines;
use crate::support::{self, DEADLINE, Origin, Proxy, free_addr, until};
use crate::told::{is_as_told, regex};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The conf file that README.md shows, with nodes that are there, at addresses that are free.
pub struct World {
    addresses: Vec<(&'static str, String)>,
    _nodes: Vec<Origin>,
}

impl World {
    pub fn new() -> Self {
        let nodes = Origin::several(3);
        let [web, admin, announce] =
            [free_addr(), free_addr(), free_addr()].map(|address| address.to_string());
        let node = |n: usize| nodes[n].addr.to_string();
        let addresses = vec![
            ("0.0.0.0:8080", web.clone()),
            ("127.0.0.1:8080", web),
            ("127.0.0.1:9900", admin),
            ("127.0.0.1:9901", announce),
            ("10.0.0.11:8080", node(0)),
            ("10.0.0.12:8080", node(1)),
            ("127.0.0.1:8083", node(2)),
        ];
        Self { addresses, _nodes: nodes }
    }

    /// A text with the addresses of this world.
    pub fn ours(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (told, real)| text.replace(told, real))
    }

    /// A folder with the conf file, changed.
    pub fn folder(&self, change: impl Fn(String) -> String) -> TempDir {
        let readme = pages::page("README.md");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("conf")).unwrap();
        std::fs::write(folder.path().join("conf/homing.toml"), change(self.ours(readme.blocks("toml")[0])))
            .unwrap();
        folder
    }

    /// The proxy with that conf, which nodes can announce themselves to, once its nodes are checked.
    pub fn start(&self) -> Proxy {
        let announce = self.ours("[server]\nannounce = \"127.0.0.1:9901\"");
        let proxy =
            Proxy::start_in(self.folder(|conf| conf.replace("[server]", &announce)), "conf/homing.toml");
        until("its nodes serve", || {
            run("homing status", proxy.folder(), None).0.contains("2 of 2 nodes serve").then_some(())
        });
        proxy
    }

    /// What a step is said to print, here.
    fn told(&self, step: &Step) -> Vec<String> {
        step.printed.iter().map(|line| self.ours(line)).collect()
    }

    /// Runs a step, with what goes before it, and holds what it prints against what is told.
    fn holds(&self, before: &str, step: &Step, folder: &Path) {
        let told = self.told(step);
        let once = || {
            let (said, good) = run(&format!("{before}{}", self.ours(&step.command)), folder, None);
            // the conf file's path is told as the proxy was given it
            (said.replace(&format!("{}/", folder.display()), ""), good)
        };
        let (said, good) = match step.command.split(' ').nth(1) {
            // first checks, and the file that was saved, take a moment
            Some("status" | "nodes") => until("the picture is as told", || {
                Some(once()).filter(|(said, _)| is_as_told(said, &told, false))
            }),
            _ => once(),
        };
        assert!(is_as_told(&said, &told, false), "{}\n{said}", step.command);
        let bad = ["1 error", "refused: ", "the deadline has passed"].iter().any(|word| said.contains(word));
        assert_eq!(good, !bad, "{}\n{said}", step.command);
    }
}

/// Runs a command as somebody at a terminal would; what it prints, and whether its end was good.
fn run(command: &str, folder: &Path, admin: Option<&str>) -> (String, bool) {
    let bin = Path::new(env!("CARGO_BIN_EXE_homing")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("exec 2>&1\n{command}")])
        .env("PATH", path)
        .env_remove("HOMING_ADMIN")
        .current_dir(folder);
    let out = bash.envs(admin.map(|admin| ("HOMING_ADMIN", admin))).output().unwrap();
    (String::from_utf8(out.stdout).unwrap(), out.status.success())
}

#[test]
fn the_first_fifteen_minutes_are_as_they_are_told() {
    let steps = pages::page("README.md").steps();
    let own = steps.iter().position(|step| step.command == "homing check").unwrap();
    assert!(own >= 4 && steps.len() >= own + 10);
    demo(&steps[..own]);
    own_conf(&steps[own..]);
}

fn demo(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_homing"));
    demo.arg("demo")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut demo = demo.spawn().unwrap();
    let out = Lines::follow(demo.stdout.take().unwrap());
    out.wait(0, DEADLINE, |line| line.contains("Ctrl-C")).expect("it says how it ends");
    let said = out.all().join("\n");
    assert!(is_as_told(&said, &steps[0].printed, true), "{said}");
    let address =
        |what: &str| regex(&format!(r"{what} +http://(\S+)/")).captures(&said).unwrap()[1].to_owned();
    let (proxy, admin) = (address("proxy"), address("page"));
    for door in [&proxy, &admin] {
        until("the demo serves", || std::net::TcpStream::connect(door).ok());
    }
    let page = support::Client::new(admin.parse().unwrap()).get("/");
    assert!(page.status == 200 && page.text().contains("n3"), "the page is there: {}", page.text());
    for step in &steps[1..] {
        let (said, good) = run(
            &step.command.replace("127.0.0.1:8080", &proxy),
            folder.path(),
            Some(&format!("http://{admin}")),
        );
        assert!(good && is_as_told(&said, &step.printed, true), "{}\n{said}", step.command);
    }
    support::proxy::signal(demo.id(), "INT");
    assert!(demo.wait().unwrap().success(), "Ctrl-C is a good end");
}

fn own_conf(steps: &[Step]) {
    let world = World::new();
    let (mut folder, mut proxy) = (Some(world.folder(|conf| conf.replace("affinity", "afinity"))), None);
    for step in steps {
        if step.command == "homing run" {
            let running = Proxy::start_in(folder.take().unwrap(), "conf/homing.toml");
            let told = world.told(step);
            until("it says where it is", || {
                is_as_told(&running.log.all().join("\n"), &told, false).then_some(())
            });
            proxy = Some(running);
        } else {
            world.holds(
                "",
                step,
                proxy.as_ref().map_or_else(|| folder.as_ref().unwrap().path(), Proxy::folder),
            );
        }
    }
}

#[test]
fn the_commands_of_the_book_do_what_it_says() {
    let pages: Vec<Page> = pages::book().into_iter().filter(|page| !page.steps().is_empty()).collect();
    let names: Vec<_> = pages.iter().map(|page| &*page.name).collect();
    assert!(names.contains(&"docs/src/joining.md"), "{names:?}");
    for page in pages {
        let world = World::new();
        let proxy = world.start();
        until("the token is made", || proxy.folder().join("conf/state/join.token").exists().then_some(()));
        let mut before = String::new();
        for step in page.steps() {
            world.holds(&before, &step, proxy.folder());
            if step.command.contains("=$(") {
                before.push_str(&format!("{}\n", step.command));
            }
        }
    }
}

//! The command line on a terminal: a pseudo-terminal made by `script`, with keys that are pressed and a
//! screen that is read.

use crate::fake::Fake;
use crate::support::{Origin, until};
use crate::verbs::{by, done, node};
use crate::window::Window;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A terminal of 120 columns and 30 lines, and what runs in it.
struct Terminal {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Runs the binary, and tells how it left the terminal.
    fn homing(arguments: &str, environment: &[(&str, &str)]) -> Self {
        let line = format!(
            "stty rows 30 cols 120; before=$(stty -g); '{}' {arguments}; echo \"code $?\"; \
             test \"$before\" = \"$(stty -g)\" && echo as before",
            env!("CARGO_BIN_EXE_homing")
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
            .env_remove("NO_COLOR")
            .env_remove("HOMING_ADMIN")
            .env_remove("HOMING_TOKEN")
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh");
        let mut child = command.envs(environment.iter().copied()).spawn().expect("script is there: bsdutils");
        let mut out = child.stdout.take().unwrap();
        let shown: Arc<Mutex<Vec<u8>>> = Arc::default();
        let screen = shown.clone();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut some) {
                screen.lock().unwrap().extend_from_slice(&some[..n]);
            }
        });
        Self { child, shown }
    }

    /// Everything that was sent to it.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// What stands on it now.
    fn screen(&self) -> String {
        let size = |n| NonZeroU16::new(n).unwrap();
        let mut screen = vt100::Parser::new(size(30), size(120), 0);
        screen.process(&self.shown.lock().unwrap());
        screen.screen().contents()
    }

    fn until_shown(&self, what: &str) {
        until(&format!("{what:?} on the screen"), || self.screen().contains(what).then_some(()));
    }

    fn press(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Everything that was shown, once it has ended and the terminal is as it was before.
    fn end(mut self, code: i32) -> String {
        until("it ends", || self.text().contains("as before").then_some(()));
        let _ = self.child.wait();
        let text = self.text();
        assert!(text.contains(&format!("code {code}")), "{text}");
        text
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn states_are_coloured_on_a_terminal_unless_its_user_says_no() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    window.all_ready();
    let status = format!("status --admin http://{}", window.admin);
    let coloured = Terminal::homing(&status, &[]).end(0);
    assert!(coloured.contains("\x1b[32mready\x1b[0m"), "{coloured:?}");
    let plain = Terminal::homing(&status, &[("NO_COLOR", "1")]).end(0);
    assert!(plain.contains("ready") && !plain.contains('\x1b'), "{plain:?}");
}

#[test]
fn a_drain_is_one_line_that_is_rewritten() {
    let looks = [("draining", 12), ("draining", 12), ("draining", 3), ("drained", 0)];
    let looks = looks.map(|(state, left)| by(node(state, left), 3600, "keep", false));
    let fake = Fake::start([vec![done()], looks.to_vec()].concat());
    let text =
        Terminal::homing(&format!("drain app/n1 --wait --deadline 1h --admin http://{}", fake.addr), &[])
            .end(0);
    let plain = text.replace("\x1b[33mdraining\x1b[0m", "draining");
    assert!(
        plain.contains("\rn1 is draining: 12 sessions left, 0 s so far, 59 min until the deadline\x1b[K"),
        "{plain:?}"
    );
    assert!(plain.contains("\x1b[K\rn1 is draining: 3 sessions left"), "no new line between them: {plain:?}");
    assert!(plain.contains("\x1b[K\r\nn1 is drained after"), "{plain:?}");
}

#[test]
fn top_is_live_and_leaves_the_terminal_as_it_was() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut top = Terminal::homing(&format!("top --admin http://{}", window.admin), &[]);
    top.until_shown("2 of 2 nodes serve");
    let names: Vec<&str> = nodes.iter().map(Origin::name).collect();
    assert!(names.iter().all(|name| top.screen().contains(&format!("\n  {name}"))), "{}", top.screen());
    // another node, by keys: select, drain, yes
    top.press("jd");
    top.until_shown(&format!("drain app/{}?", names[1]));
    top.press("y");
    window.node_is(names[1], "drained");
    top.until_shown("drained");
    // what another does is seen as well, and what is refused is told
    window.homing(&["enable", &format!("app/{}", names[1])]);
    window.homing(&["disable", &format!("app/{}", names[1])]);
    top.until_shown("maintenance");
    top.press("kd");
    top.until_shown(&format!("drain app/{}?", names[0]));
    top.press("y");
    top.until_shown("refused: ");
    top.press("q");
    let text = top.end(0);
    assert!(
        text.contains("\x1b[?1049h") && text.contains("\x1b[?1049l") && text.contains("\x1b[?25h"),
        "the screen of before is back"
    );
}

#[test]
fn top_goes_on_when_the_proxy_does_not_answer() {
    let nodes = Origin::several(1);
    let mut window = Window::over(&nodes);
    let mut top = Terminal::homing(&format!("top --admin http://{}", window.admin), &[]);
    top.until_shown("1 of 1 node");
    window.proxy.signal("KILL");
    top.until_shown("no proxy at");
    window.proxy.exit(crate::support::DEADLINE);
    window.start_again();
    top.until_shown("client connection");
    top.press("q");
    top.end(0);
    let gone = Terminal::homing(&format!("top --admin http://{}", crate::support::free_addr()), &[]).end(4);
    assert!(gone.contains("no proxy at") && !gone.contains("\x1b[?1049h"), "{gone}");
}

#[test]
fn top_in_a_pipe_is_one_frame() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    for arguments in [&["top", "--once"][..], &["top"]] {
        let said = window.homing(arguments);
        assert!(said.code == 0 && said.out.starts_with("homing ") && !said.out.contains('\x1b'), "{said:?}");
        let table: Vec<&str> = said
            .out
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .skip_while(|word| *word != "NODE")
            .collect();
        assert_eq!(table[..4], ["NODE", "app", nodes[0].name(), nodes[1].name()], "{}", said.out);
    }
    assert_eq!(window.homing(&["top", "--json"]).json()["clusters"][0]["cluster"], "app");
}

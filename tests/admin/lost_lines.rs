//! Access-log lines that were lost cost no request, and none of them is lost unseen.

use crate::support::{Client, Conf, Origin, until};
use crate::window::Window;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LOST: &str = "homing_access_log_lines_lost_total";

fn logging_to(nodes: &[Origin], to: &str) -> Window {
    let window = Window::with(Conf::over(nodes).server(&format!("access-log = {{ to = {to:?} }}")));
    window.all_ready();
    window
}

fn lost(window: &Window) -> [f64; 2] {
    let lost = ["slow", "failed"].map(|cause| window.metric(&format!("{LOST}{{cause=\"{cause}\"}}")));
    let told = window.status()["lost_lines"].clone();
    assert!(
        lost[0] <= told["slow"].as_f64().unwrap() && lost[1] <= told["failed"].as_f64().unwrap(),
        "{lost:?} {told}"
    );
    lost
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    let nodes = Origin::several(1);
    let window = logging_to(&nodes, "/dev/full");
    assert_eq!(lost(&window), [0.0, 0.0]);
    let mut client = Client::new(window.proxy.addr);
    (0..25).for_each(|_| assert_eq!(client.get("/").status, 200));
    until("each line is counted once", || (lost(&window) == [0.0, 25.0]).then_some(()));
}

#[test]
fn lines_that_their_reader_is_too_slow_for_are_counted() {
    let nodes = Origin::several(1);
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // open for both, because one end alone would wait for the other
    let unread = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let window = logging_to(&nodes, pipe.to_str().unwrap());
    let (mut client, mut asked) = (Client::new(window.proxy.addr), 0);
    let path = format!("/{}", "x".repeat(4000));
    until("the pipe and all buffers are full", || {
        for _ in 0..100 {
            assert_eq!(client.get(&path).status, 200);
            asked += 1;
        }
        (lost(&window)[0] > 0.0).then_some(())
    });
    // read again, it has every line from then on: none is in both counts, and none in neither
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    std::thread::spawn(move || {
        for _line in BufReader::new(unread).lines() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let all = |asked: usize| written.load(Ordering::SeqCst) + lost(&window)[0] as usize == asked;
    until("what was on its way is read", || all(asked).then_some(()));
    let before = lost(&window);
    (0..25).for_each(|_| assert_eq!(client.get("/").status, 200));
    until("all are read", || all(asked + 25).then_some(()));
    assert_eq!((lost(&window), before[1]), (before, 0.0));
}

#[test]
fn a_pipe_that_nobody_reads_keeps_nobody_waiting() {
    let nodes = Origin::several(1);
    let window = logging_to(&nodes, "off");
    let pipe = window.proxy.folder().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let conf = std::fs::read_to_string(window.proxy.conf()).unwrap();
    let piped = conf.replace("to = \"off\"", &format!("to = {pipe:?}"));
    assert!(piped != conf && window.proxy.reload_to(&piped).applied());
    assert_eq!(Client::new(window.proxy.addr).get("/seen").status, 200);
    assert_eq!(window.homing(&["healthcheck"]).code, 0);
    let mut lines = BufReader::new(OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("/seen"), "whoever reads it later has what was written: {line}");
    window.proxy.signal("TERM");
    assert!(window.proxy.exit(std::time::Duration::from_secs(60)).success());
}

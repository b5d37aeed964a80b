//! Faults that are sown on purpose: a simulation that finds none of them is a toy. All are sown into one copy
//! of the source, which is built once; a variable says which of them is in force. Nothing of this is in the
//! product.

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Fewer would not tell whether the promises are worth anything.
const FEWEST: usize = 12;
/// The variable that says which fault is in force, by its place in the table.
const IN_FORCE: &str = "HOMING_FAULT";
/// What the copy has more than the product.
const SWITCH: &str = "
/// Whether this fault is in force.
pub fn is_faulty(number: usize) -> bool {
    static IN_FORCE: std::sync::LazyLock<Option<usize>> = std::sync::LazyLock::new(|| std::env::var(\"HOMING_FAULT\").ok()?.parse().ok());
    *IN_FORCE == Some(number)
}
";

#[derive(Deserialize)]
struct Table {
    fault: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    name: String,
    file: String,
    code: String,
    wrong: String,
    /// Why a world of made-up time cannot be expected to notice it.
    covered: Option<String>,
}

impl Fault {
    /// What stands before that which is taken out, that, and what stands behind it.
    fn parts(&self) -> (&str, &str, &str) {
        let marked = self
            .code
            .split_once('«')
            .and_then(|(before, rest)| rest.split_once('»').map(|(right, after)| (before, right, after)));
        marked.unwrap_or(("", &self.code, ""))
    }

    /// As it stands in the source.
    fn right(&self) -> String {
        self.code.replace(['«', '»'], "")
    }

    /// The source with this fault in it, too.
    fn sow(&self, number: usize, text: &str) -> String {
        let (before, right, after) = self.parts();
        let either = format!("if crate::base::is_faulty({number}) {{ {} }} else {{ {right} }}", self.wrong);
        let either = if right.ends_with(';') { either } else { format!("({either})") };
        text.replacen(&self.right(), &format!("{before}{either}{after}"), 1)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> Vec<Fault> {
    let text = fs::read_to_string(root().join("tests/simulation/faults.toml")).unwrap();
    toml::from_str::<Table>(&text).unwrap().fault
}

#[test]
fn every_fault_can_still_be_made() {
    let faults = table();
    assert!(faults.iter().filter(|fault| fault.covered.is_none()).count() >= FEWEST);
    for fault in &faults {
        let text = fs::read_to_string(root().join(&fault.file))
            .unwrap_or_else(|why| panic!("{}: {} {why}", fault.name, fault.file));
        assert_eq!(
            text.matches(&fault.right()).count(),
            1,
            "{}: {} does not have it once: {}",
            fault.name,
            fault.file,
            fault.right()
        );
    }
}

#[test]
#[ignore = "long: builds the product once more, with every fault in it"]
fn every_fault_is_found_within_the_seeds_of_a_normal_run() {
    let faults = table();
    let program = build(&sown(&faults));
    let sound = run(&program, "none", "300");
    assert!(sound.status.success(), "without a fault: {}", said(&sound));
    let mut missed = Vec::new();
    for (number, fault) in faults.iter().enumerate() {
        let seeds = crate::SEEDS.to_string();
        let text = said(&run(&program, &number.to_string(), &seeds));
        match text.lines().find(|line| line.starts_with("seed ")) {
            Some(found) => println!("{}: {found}", fault.name),
            None if fault.covered.is_some() => println!("{}: not found, as is known", fault.name),
            None => missed.push(&*fault.name),
        }
    }
    assert!(missed.is_empty(), "nobody notices: {missed:#?}");
}

/// The source with all faults in it.
fn sown(faults: &[Fault]) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
    _ = fs::remove_dir_all(&to);
    copy(&root().join("src"), &to.join("src"));
    fs::remove_file(to.join("src/main.rs")).unwrap();
    for name in ["Cargo.lock", "tests", "benches", "examples", "docs", "conf"]
        .iter()
        .filter(|name| root().join(name).exists())
    {
        std::os::unix::fs::symlink(root().join(name), to.join(name)).unwrap();
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    // without the program: another of that name would stand in its place
    let program = "[[bin]]\nname = \"homing\"\npath = \"src/main.rs\"\n";
    assert!(manifest.contains(program));
    fs::write(to.join("Cargo.toml"), manifest.replace(program, "").replace("default-run = \"homing\"\n", ""))
        .unwrap();
    let base = to.join("src/base/mod.rs");
    fs::write(&base, fs::read_to_string(&base).unwrap() + SWITCH).unwrap();
    for (number, fault) in faults.iter().enumerate() {
        let file = to.join(&fault.file);
        let sound = fs::read_to_string(&file).unwrap();
        let faulty = fault.sow(number, &sound);
        assert_ne!(faulty, sound, "{}: another fault is in its place", fault.name);
        fs::write(&file, faulty).unwrap();
    }
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// Builds the simulation of the copy, apart from the product: cargo does not tell the two from each other.
fn build(at: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-built");
    let built = Command::new(env!("CARGO"))
        .args([
            "test",
            "--locked",
            "--offline",
            "--test",
            "simulation",
            "--no-run",
            "--message-format",
            "json",
        ])
        .env("CARGO_TARGET_DIR", target)
        .current_dir(at)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", said(&built));
    let text = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut named = messages
        .filter(|message| message["target"]["name"] == "simulation")
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    named.next().unwrap()
}

fn run(program: &Path, fault: &str, seeds: &str) -> Output {
    Command::new(program)
        .args(["--exact", "the_promises_hold_in_every_world"])
        .envs([(IN_FORCE, fault), ("HOMING_SEEDS", seeds), ("HOMING_MOST", "1")])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

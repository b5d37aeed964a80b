//! The pages: README.md and those of the book.

use std::fs;
use std::path::{Path, PathBuf};

/// README.md, or a page of the book.
pub struct Page {
    /// From the root of the repository.
    pub name: String,
    pub text: String,
}

/// A command, and the lines that it is said to print.
pub struct Step {
    pub command: String,
    pub printed: Vec<String>,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn page(name: &str) -> Page {
    Page {
        name: name.to_owned(),
        text: fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}")),
    }
}

/// The pages of the book.
pub fn book() -> Vec<Page> {
    let names = fs::read_dir(root().join("docs/src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    names.iter().map(|name| page(&format!("docs/src/{name}"))).collect()
}

/// All of them.
pub fn all() -> Vec<Page> {
    std::iter::once(page("README.md")).chain(book()).collect()
}

impl Page {
    /// What stands between fences in this language.
    pub fn blocks(&self, language: &str) -> Vec<&str> {
        self.text
            .split(&format!("```{language}\n"))
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap())
            .collect()
    }

    /// Its commands, in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for line in self.blocks("console").into_iter().flat_map(str::lines) {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
                None => steps
                    .last_mut()
                    .unwrap_or_else(|| panic!("{}: {line} has no command", self.name))
                    .printed
                    .push(line.to_owned()),
            }
        }
        steps
    }

    /// Its lines without those between fences.
    pub fn prose(&self) -> impl Iterator<Item = &str> {
        let mut fenced = false;
        self.text.lines().filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
    }
}

#[test]
fn the_readme_is_read_in_a_minute() {
    let lines = page("README.md").text.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines, 150 at most: what is for later stands in docs/src");
}

#[test]
fn every_conf_that_is_shown_is_one() {
    let mut seen = 0;
    for page in all() {
        for block in page.blocks("toml") {
            toml::from_str::<homing::config::model::Config>(block)
                .unwrap_or_else(|error| panic!("{}: {error}\n{block}", page.name));
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} are shown");
}

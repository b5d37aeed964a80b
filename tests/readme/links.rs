//! Every link between pages leads to a file and an anchor, and every page of the book is in its table of
//! contents.

use crate::pages::{self, Page, root};
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

/// Where a page's relative links lead, as they are written.
fn links(page: &Page) -> Vec<String> {
    let link = regex::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let targets = page
        .prose()
        .flat_map(|line| link.captures_iter(line).map(|found| found[1].to_owned()).collect::<Vec<_>>());
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(page: &Page) -> HashSet<String> {
    let headings =
        page.prose().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|text| text.chars().filter(kept).collect::<String>().to_lowercase().replace(' ', "-"))
        .collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
        plain
    })
}

/// What is wrong with a page's links.
fn broken(page: &Page) -> Vec<String> {
    let (folder, in_book) = (Path::new(&page.name).parent().unwrap(), page.name.starts_with("docs/src/"));
    let look = |target: &String| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { PathBuf::from(&page.name) } else { plain(&folder.join(file)) };
        if in_book && !file.starts_with("docs/src") {
            return Some("leads out of the book, where a site has nothing");
        }
        if !root().join(&file).exists() {
            return Some("there is no such file");
        }
        let there = || anchors(&pages::page(file.to_str().unwrap()));
        (!anchor.is_empty() && !there().contains(anchor)).then_some("there is no such heading")
    };
    links(page)
        .iter()
        .filter_map(|target| look(target).map(|why| format!("{}: ({target}) {why}", page.name)))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let all: Vec<Page> = pages::all().into_iter().chain([pages::page("CONTRIBUTING.md")]).collect();
    let wrong: Vec<_> = all.iter().flat_map(broken).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all.iter().map(|page| links(page).len()).sum::<usize>() > 30);
}

#[test]
fn a_link_to_nowhere_is_seen() {
    let text = "# One two: `three`\n[a](none.md) [b](#one-two-three) [c](#four) [d](../../README.md) [e](https://example.com)\n```\n[f](x)\n```\n";
    let found = broken(&Page { name: "docs/src/none.txt".into(), text: text.into() });
    // its own headings are read from the file, and there is none
    assert_eq!(
        found.iter().filter(|line| line.contains("(none.md) there is no such file")).count(),
        1,
        "{found:?}"
    );
    assert!(
        found.iter().any(|line| line.contains("(../../README.md) leads out"))
            && !found.iter().any(|line| line.contains("(x)"))
    );
    let page = Page { name: "docs/src/SUMMARY.md".into(), text: text.into() };
    assert!(anchors(&page).contains("one-two-three"));
    assert!(broken(&page).iter().any(|line| line.contains("(#four) there is no such heading")));
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let mut listed = links(&pages::page("docs/src/SUMMARY.md"));
    listed.sort();
    let there: Vec<_> =
        pages::book().iter().map(|page| page.name.trim_start_matches("docs/src/").to_owned()).collect();
    assert_eq!(listed, there.into_iter().filter(|name| name != "SUMMARY.md").collect::<Vec<_>>());
    for page in pages::book() {
        assert!(page.text.starts_with("# "), "{} has no title", page.name);
    }
}

//! Documents, the lock, and the folder's untidy days. The ledgers have tests of their own.

use super::*;
use std::collections::BTreeMap;

pub(super) type Notes = BTreeMap<String, u32>;

impl Stored for Notes {}

pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(super) fn open(folder: &tempfile::TempDir) -> StateDir {
    StateDir::open(&folder.path().join("deep/state")).unwrap()
}

pub(super) fn notes(count: u32) -> Notes {
    (0..count).map(|n| (format!("note {n}"), n)).collect()
}

fn damaged(dir: &StateDir) -> Vec<String> {
    let names = fs::read_dir(&dir.path).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|n| n.contains(".damaged-")).collect();
    names.sort();
    names
}

#[test]
fn a_document_is_read_as_it_was_written() {
    let folder = folder();
    let dir = open(&folder);
    assert_eq!(dir.read::<Notes>("notes", "they start empty"), Notes::new());
    assert!(dir.write("notes", &notes(3)).is_ok());
    assert!(dir.write("notes", &notes(2)).is_ok());
    drop(dir);
    let dir = open(&folder);
    assert_eq!(dir.read::<Notes>("notes", "they start empty"), notes(2));
    assert_eq!(damaged(&dir), [""; 0]);
}

#[test]
fn only_its_owner_may_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let dir = open(&folder);
    dir.write("notes", &notes(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir.path), mode(&dir.path("notes.json"))), (0o700, 0o600));
}

#[test]
fn no_link_that_somebody_put_there_is_followed() {
    let outside = folder();
    let theirs = outside.path().join("theirs");
    fs::write(&theirs, "as it was").unwrap();
    let folder = folder();
    let dir = open(&folder);
    std::os::unix::fs::symlink(&theirs, dir.path("notes.json.new")).unwrap();
    let refused = dir.write("notes", &notes(1)).unwrap_err().to_string();
    assert!(refused.contains("notes.json.new is a symbolic link"), "{refused}");
    let path = dir.path.clone();
    drop(dir);
    fs::remove_file(path.join(LOCK)).unwrap();
    std::os::unix::fs::symlink(&theirs, path.join(LOCK)).unwrap();
    assert!(!open(&folder).is_held(), "it is as if it could not be written");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "as it was");
}

#[test]
fn what_cannot_be_understood_is_set_aside() {
    let whole = serde_json::to_string(&Document { format: FORMAT, data: notes(3) }).unwrap();
    let cases: [&[u8]; 7] = [
        b"",
        b"\0\0\0\0",
        b"Dear diary",
        &whole.as_bytes()[..whole.len() / 2],
        br#"{"format":0,"data":{}}"#,
        br#"{"format":1,"data":[1,2]}"#,
        br#"{"format":1}"#,
    ];
    for text in cases {
        let folder = folder();
        let dir = open(&folder);
        fs::write(dir.path("notes.json"), text).unwrap();
        assert_eq!(dir.read::<Notes>("notes", "they start empty"), Notes::new());
        let [aside] = &damaged(&dir)[..] else { panic!("{:?} for {text:?}", damaged(&dir)) };
        assert!(aside.starts_with("notes.json.damaged-"), "{aside}");
        assert_eq!(fs::read(dir.path(aside)).unwrap(), text, "nothing of it is thrown away");
        assert!(dir.write("notes", &notes(1)).is_ok());
        assert_eq!(dir.read::<Notes>("notes", "they start empty"), notes(1));
    }
}

#[test]
fn what_a_later_version_wrote_is_not_touched() {
    let later: [(&str, &[u8]); 2] = [
        ("runtime.json", b"{\"format\":20,\"data\":{}}"),
        ("ledgers", b"homing ledgers 20\nof its own kind"),
    ];
    for (name, text) in later {
        let folder = folder();
        let path = open(&folder).path;
        fs::write(path.join(name), text).unwrap();
        let before = everything(&path);
        let refusal = StateDir::open(&path).unwrap_err().to_string();
        assert!(
            refusal.contains(name) && refusal.contains("later version of Homing (format 20"),
            "{refusal}"
        );
        assert_eq!(everything(&path), before, "{name}");
        fs::remove_file(path.join(name)).unwrap();
        assert!(open(&folder).is_held());
    }
}

/// The names and contents of all files.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn another_version_is_told_from_damage() {
    assert!(
        parse::<Notes>(br#"{"format":0,"data":"?"}"#).unwrap_err().to_string().contains("another version")
    );
    assert!(parse::<Notes>(br#"{"format":1,"data":"?"}"#).unwrap_err().to_string().contains("damaged"));
}

#[test]
fn the_newest_few_damaged_files_are_kept() {
    let folder = folder();
    let dir = open(&folder);
    for old in
        ["notes.json.damaged-1", "notes.json.damaged-20", "notes.json.damaged-3", "other.json.damaged-1"]
    {
        fs::write(dir.path(old), "?").unwrap();
    }
    fs::write(dir.path("notes.json"), "?").unwrap();
    dir.read::<Notes>("notes", "they start empty");
    let names = damaged(&dir);
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(!names.iter().any(|n| n == "notes.json.damaged-1"), "{names:?}");
    assert!(names.iter().any(|n| n == "other.json.damaged-1"), "{names:?}");
}

#[test]
fn a_folder_has_one_holder() {
    let folder = folder();
    let dir = open(&folder);
    let refusal = StateDir::open(&dir.path).unwrap_err().to_string();
    assert!(
        refusal.contains("in use") && refusal.contains(&format!("process {}", std::process::id())),
        "{refusal}"
    );
    drop(dir);
    assert!(open(&folder).is_held());
}

#[test]
fn a_folder_that_cannot_be_used_is_read_and_not_written() {
    let folder = folder();
    fs::write(folder.path().join("file"), "in the way").unwrap();
    let dir = StateDir::open(&folder.path().join("file/state")).unwrap();
    assert!(!dir.is_held());
    assert_eq!(dir.read::<Notes>("notes", "they start empty"), Notes::new());
    assert!(dir.write("notes", &notes(1)).is_err());
}

#[test]
fn a_failure_leaves_the_document_of_before_and_passes() {
    let folder = folder();
    let dir = open(&folder);
    assert!(dir.write("notes", &notes(1)).is_ok());
    fs::create_dir(dir.path("notes.json.new")).unwrap();
    assert!(dir.write("notes", &notes(2)).is_err());
    assert!(dir.write("notes", &notes(2)).is_err());
    assert_eq!(dir.failing.lock().unwrap().len(), 1);
    assert_eq!(dir.read::<Notes>("notes", "they start empty"), notes(1));
    fs::remove_dir(dir.path("notes.json.new")).unwrap();
    assert!(dir.write("notes", &notes(2)).is_ok());
    assert!(dir.failing.lock().unwrap().is_empty());
    assert_eq!(dir.read::<Notes>("notes", "they start empty"), notes(2));
}

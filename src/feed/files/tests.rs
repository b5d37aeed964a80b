use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// Generous: the machine may be busy. Polling is slower than this, so what passes was seen by an event.
const SOON: Duration = Duration::from_millis(1900);
/// How long silence is waited for.
const STILL: Duration = Duration::from_millis(250);

fn dir_with(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

async fn must_change(files: &mut FileWatcher, what: &str) {
    tokio::time::timeout(SOON, files.changed()).await.unwrap_or_else(|_| panic!("not noticed: {what}"));
}

async fn must_stay(files: &mut FileWatcher, what: &str) {
    assert!(tokio::time::timeout(STILL, files.changed()).await.is_err(), "reported: {what}");
}

#[tokio::test]
async fn every_way_to_save_a_file_is_noticed() {
    let dir = dir_with(&[("homing.toml", "one")]);
    let path = dir.path().join("homing.toml");
    let mut files = FileWatcher::new(&[path.clone().into()]);
    must_stay(&mut files, "nothing").await;

    fs::write(&path, "two").unwrap();
    must_change(&mut files, "in place").await;
    fs::write(dir.path().join(".homing.toml.tmp"), "three").unwrap();
    fs::rename(dir.path().join(".homing.toml.tmp"), &path).unwrap();
    must_change(&mut files, "renamed over").await;
    fs::remove_file(&path).unwrap();
    must_change(&mut files, "deleted").await;
    fs::write(&path, "four").unwrap();
    must_change(&mut files, "made anew").await;
    fs::rename(&path, dir.path().join("homing.toml~")).unwrap();
    fs::write(&path, "five").unwrap();
    must_change(&mut files, "backup kept beside").await;
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .map(|mut file| std::io::Write::write_all(&mut file, b"six"))
        .unwrap()
        .unwrap();
    must_change(&mut files, "appended").await;
    must_stay(&mut files, "after the last change").await;
}

#[tokio::test]
async fn what_changes_no_content_is_not_reported() {
    let dir = dir_with(&[("homing.toml", "one"), ("other", "")]);
    let path = dir.path().join("homing.toml");
    let mut files = FileWatcher::new(&[path.clone().into()]);
    fs::write(&path, "one").unwrap();
    fs::write(dir.path().join("other"), "x").unwrap();
    fs::read(&path).unwrap();
    must_stay(&mut files, "same content").await;
}

#[tokio::test]
async fn a_kubernetes_swap_is_noticed_again_and_again() {
    let dir =
        dir_with(&[("..1/homing.toml", "one"), ("..2/homing.toml", "two"), ("..3/homing.toml", "three")]);
    let at = |name: &str| dir.path().join(name);
    symlink("..1", at("..data")).unwrap();
    symlink("..data/homing.toml", at("homing.toml")).unwrap();
    let mut files = FileWatcher::new(&[at("homing.toml").into()]);
    for version in ["..2", "..3", "..1"] {
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        must_change(&mut files, version).await;
        fs::write(at(version).join("homing.toml"), "edited behind the link").unwrap();
        must_change(&mut files, "behind the link").await;
    }
}

#[tokio::test]
async fn a_folder_counts_with_what_is_in_it() {
    let dir = dir_with(&[("certs/a.pem", "a")]);
    let certs = dir.path().join("certs");
    symlink("certs", dir.path().join("link")).unwrap();
    let mut files = FileWatcher::new(&[dir.path().join("link").into()]);
    fs::write(certs.join("b.pem"), "b").unwrap();
    must_change(&mut files, "a new file").await;
    fs::write(certs.join("a.pem"), "c").unwrap();
    must_change(&mut files, "an edited file").await;
    fs::remove_file(certs.join("b.pem")).unwrap();
    must_change(&mut files, "a file less").await;
}

#[tokio::test]
async fn a_replaced_folder_is_followed() {
    let dir = dir_with(&[("conf/homing.toml", "one"), ("new/homing.toml", "two")]);
    let at = |name: &str| dir.path().join(name);
    let mut files = FileWatcher::new(&[at("conf/homing.toml").into()]);
    fs::rename(at("conf"), at("old")).unwrap();
    fs::rename(at("new"), at("conf")).unwrap();
    must_change(&mut files, "folder swapped").await;
    fs::write(at("conf/homing.toml"), "three").unwrap();
    must_change(&mut files, "file in the new folder").await;
    fs::remove_dir_all(at("conf")).unwrap();
    must_change(&mut files, "folder gone").await;
    fs::create_dir(at("conf")).unwrap();
    fs::write(at("conf/homing.toml"), "four").unwrap();
    must_change(&mut files, "folder made anew").await;
}

#[tokio::test]
async fn a_new_set_keeps_what_is_known() {
    let dir = dir_with(&[("a", "1"), ("b", "1")]);
    let at = |name: &str| dir.path().join(name);
    let mut files = FileWatcher::new(&[at("a").into()]);
    fs::write(at("a"), "2").unwrap();
    files.set(&[at("a").into(), at("b").into()]);
    must_change(&mut files, "a change before the new set").await;
    fs::write(at("b"), "2").unwrap();
    must_change(&mut files, "a file of the new set").await;
    files.set(&[at("a").into()]);
    fs::write(at("b"), "3").unwrap();
    must_stay(&mut files, "a file no longer watched").await;
}

#[tokio::test]
async fn a_dropped_wait_forgets_nothing() {
    let dir = dir_with(&[("a", "1")]);
    let mut files = FileWatcher::new(&[dir.path().join("a").into()]);
    fs::write(dir.path().join("a"), "2").unwrap();
    for _ in 0..20 {
        tokio::time::timeout(Duration::from_millis(3), files.changed()).await.ok();
    }
    // either one of the short waits saw it, or this one does
    let seen = fingerprint::take(&files.watched) == files.prints;
    assert!(seen || tokio::time::timeout(SOON, files.changed()).await.is_ok());
}

#[tokio::test]
async fn without_the_systems_help_files_are_looked_at() {
    let dir = dir_with(&[("a", "1")]);
    let mut files = FileWatcher::polling();
    files.set(&[dir.path().join("a").into()]);
    fs::write(dir.path().join("a"), "2").unwrap();
    // whoever waits has other things to do as well, each time before the next look
    let pause = Duration::from_millis(POLL / 4);
    for _ in 0..40 {
        if tokio::time::timeout(pause, files.changed()).await.is_ok() {
            return;
        }
    }
    panic!("not looked at");
}

#[tokio::test]
async fn who_is_not_done_is_waited_for() {
    let dir = dir_with(&[("a", "1"), ("real/b", "1"), ("certs/c", "1")]);
    let at = |name: &str| dir.path().join(name);
    symlink("real", at("link")).unwrap();
    let mut files = FileWatcher::new(&[at("a").into(), at("link/b").into(), at("certs").into()]);
    for name in ["a", "real/b", "certs/c", "certs/new"] {
        let mut file = fs::File::create(at(name)).unwrap();
        must_stay(&mut files, "emptied").await;
        std::io::Write::write_all(&mut file, b"half").unwrap();
        must_stay(&mut files, "half of it").await;
        drop(file);
        must_change(&mut files, name).await;
        // a file that takes the place of one that is being written is whole
        let _open = fs::File::create(at(name)).unwrap();
        fs::write(at("other"), "2").unwrap();
        fs::rename(at("other"), at(name)).unwrap();
        must_change(&mut files, name).await;
    }
}

#[tokio::test]
async fn beside_files_of_a_pattern_anything_may_be_written() {
    let conf = "include = [\"*.toml\"]\nlistener.web.bind = \"127.0.0.1:0\"\n[[rule]]\nrespond = {}\n";
    let dir = dir_with(&[("homing.toml", conf), ("access.log", "")]);
    let at = |name: &str| dir.path().join(name);
    let loaded = crate::config::load(&at("homing.toml")).unwrap();
    let mut files = FileWatcher::new(&[]);
    files.set(&loaded.watched);
    let mut log = fs::OpenOptions::new().append(true).open(at("access.log")).unwrap();
    let mut line = || std::io::Write::write_all(&mut log, b"GET /").unwrap();
    line();
    must_stay(&mut files, "a line of a log").await;
    fs::write(at("new.toml"), "one").unwrap();
    line();
    must_change(&mut files, "a file that fits, while the log is open").await;
    fs::write(at("new.toml"), "two").unwrap();
    must_change(&mut files, "another text in it").await;
    fs::write(at(".new.toml"), "hidden").unwrap();
    fs::write(at("new.toml~"), "two").unwrap();
    line();
    must_stay(&mut files, "what an editor leaves").await;
    fs::remove_file(at("new.toml")).unwrap();
    must_change(&mut files, "a file less").await;
    fs::rename(at("new.toml~"), at("back.toml")).unwrap();
    must_change(&mut files, "a file that got a name that fits").await;
}

#[test]
fn a_loop_of_links_ends() {
    let dir = tempfile::tempdir().unwrap();
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    let spots = spots_of(&[dir.path().join("a").into()]);
    assert!(spots.values().any(|names| names.hold(std::ffi::OsStr::new("b"))));
}

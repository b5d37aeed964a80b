//! Whose the files are that root makes for a service of another user: that user's, who has to read them.

use rustix::process::geteuid;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// Makes a folder, with those that it is in, for its owner alone. What root makes belongs to whoever the folder
/// around it belongs to.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    make_folder(around(path))?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    // whoever owns the folder around it might have put something else there
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    if let Ok(folder) = OpenOptions::new().read(true).custom_flags(flags).open(path) {
        adopt(path, &folder);
    }
    Ok(())
}

/// What root has made at this place belongs to whoever the folder around it belongs to; where it may not be
/// given away it stays root's.
pub fn adopt(path: &Path, file: &File) {
    if let Some((user, group)) = owner(around(path)) {
        let _ = fchown(file, Some(user), Some(group));
    }
}

/// Opens a file that belongs to whoever the folder around it belongs to. A link in its place is refused: whoever
/// owns the folder might have root write to, and give away, what he has no right to.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file =
        options.custom_flags(libc::O_NOFOLLOW).open(path).map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => io::Error::other(format!(
                "{} is a symbolic link, and none is followed: remove it",
                path.display()
            )),
            _ => error,
        })?;
    adopt(path, &file);
    Ok(file)
}

fn around(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Who a folder belongs to, where that is another user and we are root.
fn owner(folder: &Path) -> Option<(u32, u32)> {
    let folder = fs::metadata(folder).ok().filter(|_| geteuid().is_root())?;
    (folder.uid() != 0).then(|| (folder.uid(), folder.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::chown;

    #[test]
    fn what_root_makes_belongs_to_whoever_the_folder_belongs_to() {
        const NOBODY: u32 = 65_534;
        let folder = tempfile::tempdir().unwrap();
        let theirs = geteuid().is_root() && chown(folder.path(), Some(NOBODY), Some(NOBODY)).is_ok();
        let owner = if theirs { NOBODY } else { geteuid().as_raw() };
        let deep = folder.path().join("a/b");
        make_folder(&deep).unwrap();
        make_folder(&deep).unwrap();
        let path = deep.join("file");
        adopt(&path, &File::create(&path).unwrap());
        for path in [folder.path().join("a"), deep.clone(), path.clone()] {
            let made = fs::metadata(&path).unwrap();
            assert_eq!(made.uid(), owner, "{}", path.display());
        }
        assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o700);
        assert!(make_folder(&path.join("x")).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_refused_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let (theirs, link) = (folder.path().join("theirs"), folder.path().join("link"));
        fs::write(&theirs, "as it was").unwrap();
        std::os::unix::fs::symlink(&theirs, &link).unwrap();
        let refused = open(OpenOptions::new().write(true).create(true).truncate(true), &link).unwrap_err();
        assert!(refused.to_string().contains("link is a symbolic link"), "{refused}");
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "as it was");
        assert!(open(OpenOptions::new().write(true), &theirs).is_ok());
    }
}

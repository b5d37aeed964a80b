//! Where the system does not tell of changes: what another machine can change, and a file that is mounted by
//! itself, as containers do with a conf file: events come with the folder that it was in before.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What is mounted, the latest last.
const TABLE: &str = "/proc/self/mountinfo";
/// Far beyond any such table.
const LONGEST: u64 = 4 << 20;
/// File systems that others change, too.
const SHARED: [&str; 12] = [
    "9p",
    "afs",
    "ceph",
    "cifs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "vboxsf",
    "virtiofs",
];

/// What is mounted.
pub struct Mounts(Vec<Mount>);

struct Mount {
    at: PathBuf,
    shared: bool,
}

impl Mounts {
    /// As it is now; nothing where the system does not say.
    pub fn now() -> Self {
        let mut text = Vec::new();
        let read = File::open(TABLE).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
        Self::of(if read.is_ok() { &text } else { b"" })
    }

    fn of(table: &[u8]) -> Self {
        Self(table.split(|&byte| byte == b'\n').filter_map(mount).collect())
    }

    /// Whether nobody may tell of changes at this path, which has no symlinks in it.
    pub fn are_silent_at(&self, path: &Path) -> bool {
        let over = self.0.iter().filter(|mount| path.starts_with(&mount.at));
        // of two at one place the later one is seen
        let Some(mount) = over.max_by_key(|mount| mount.at.components().count()) else { return false };
        mount.shared || (mount.at == path && path.is_file())
    }
}

/// A line: number, parent, device, root, place, options, more of them, a dash, the kind.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|&byte| byte == b' ');
    let at = PathBuf::from(OsString::from_vec(unescape(words.nth(4)?)));
    let kind = str::from_utf8(words.skip_while(|word| *word != b"-").nth(1)?).ok()?;
    Some(Mount { at, shared: SHARED.contains(&kind) || kind.starts_with("fuse") })
}

/// Spaces and the like stand as three octal digits behind a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some((&byte, rest)) = left.split_first() {
        let octal = rest.get(..3).filter(|_| byte == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(real) => {
                plain.push(real);
                left = rest.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(byte);
                left = rest;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_without_events_are_known() {
        let table = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            30 21 0:40 /etc /mnt/with\\040space rw shared:1 master:2 - nfs4 host:/etc rw\n\
            31 21 8:1 /x /etc/hostname rw - ext4 /dev/sda1 rw\n\
            32 30 8:2 / /mnt/with\\040space/local rw - xfs /dev/sdb rw\n\
            33 21 0:41 / /fuse rw - fuse.sshfs host: rw\n\
            torn line\n34 21 0:41 / /torn rw -\n";
        let mounts = Mounts::of(table);
        for (path, silent) in [
            ("/etc/passwd", false),
            ("/etc/hostname", true),
            ("/mnt/with space/homing.toml", true),
            ("/mnt/with space/local/homing.toml", false),
            ("/mnt/within/homing.toml", false),
            ("/fuse/certs", true),
        ] {
            assert_eq!(mounts.are_silent_at(Path::new(path)), silent, "{path}");
        }
        assert!(!Mounts::of(b"").are_silent_at(Path::new("/etc/hostname")));
        assert!(!Mounts::now().0.is_empty());
    }
}

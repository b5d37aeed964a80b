//! What the watched files and folders hold, as one number each: only what differs here counts as a change.

use crate::config::watched::{Watched, fits};
use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use twox_hash::XxHash64;

/// Bytes of a file that are looked at; beyond it, its length and time stand for the rest.
const FILE_LIMIT: u64 = 4 << 20;
/// Entries of a folder that are looked at.
const FOLDER_LIMIT: usize = 4096;

/// By what is watched.
pub type Fingerprints = HashMap<Watched, u64>;

/// The fingerprints of these files and folders. Reads them: not for a thread that serves.
pub fn take(watched: &[Watched]) -> Fingerprints {
    watched.iter().map(|one| (one.clone(), of_one(&one.path, one.pattern.as_deref()))).collect()
}

fn of_one(path: &Path, pattern: Option<&str>) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    let outcome = match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => add_folder(&mut hasher, path, pattern),
        Ok(meta) if meta.is_file() => add_file(&mut hasher, path),
        // a pipe or a device would keep us waiting
        Ok(_) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        hasher.write(error.kind().to_string().as_bytes());
    }
    hasher.finish()
}

fn add_folder(hasher: &mut XxHash64, path: &Path, pattern: Option<&str>) -> io::Result<()> {
    hasher.write(b"folder");
    let counts = |entry: &PathBuf| {
        pattern.is_none_or(|pattern| {
            entry.file_name().and_then(|n| n.to_str()).is_some_and(|n| fits(pattern, n))
        })
    };
    let entries = fs::read_dir(path)?.filter_map(|entry| Some(entry.ok()?.path())).filter(counts);
    let mut entries: Vec<PathBuf> = entries.take(FOLDER_LIMIT).collect();
    entries.sort();
    for entry in entries {
        hasher.write(entry.as_os_str().as_encoded_bytes());
        hasher.write(&[0]);
        let meta = fs::metadata(&entry);
        if meta.is_ok_and(|meta| meta.is_file()) {
            let mut inner = XxHash64::with_seed(0);
            // a file that went away meanwhile, or that we may not read, counts by its name
            if add_file(&mut inner, &entry).is_ok() {
                hasher.write_u64(inner.finish());
            }
        }
    }
    Ok(())
}

fn add_file(hasher: &mut XxHash64, path: &Path) -> io::Result<()> {
    hasher.write(b"file");
    let file = File::open(path)?;
    let meta = file.metadata()?;
    let mut rest = file.take(FILE_LIMIT);
    let mut buffer = vec![0; 16 << 10];
    loop {
        match rest.read(&mut buffer)? {
            0 => break,
            n => hasher.write(&buffer[..n]),
        }
    }
    if meta.len() > FILE_LIMIT {
        let time = meta
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |age| age.as_nanos());
        hasher.write_u64(meta.len());
        hasher.write_u128(time);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_count_and_times_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.toml", "folder", "none"].map(|name| dir.path().join(name));
        let take = |paths: &[PathBuf; 3]| -> HashMap<PathBuf, u64> {
            let prints = super::take(&paths.clone().map(Watched::from));
            prints.into_iter().map(|(watched, print)| (watched.path, print)).collect()
        };
        fs::write(&paths[0], "one").unwrap();
        fs::create_dir(&paths[1]).unwrap();
        let first = take(&paths);
        fs::write(&paths[0], "one").unwrap();
        assert_eq!(take(&paths), first);
        fs::write(&paths[0], "two").unwrap();
        let second = take(&paths);
        assert_ne!(second[&paths[0]], first[&paths[0]]);
        assert_eq!(second[&paths[1]], first[&paths[1]]);
        fs::write(paths[1].join("x.pem"), "key").unwrap();
        let third = take(&paths);
        assert_ne!(third[&paths[1]], second[&paths[1]]);
        fs::write(paths[1].join("x.pem"), "kez").unwrap();
        assert_ne!(take(&paths)[&paths[1]], third[&paths[1]]);
        fs::write(&paths[2], "").unwrap();
        assert_ne!(take(&paths)[&paths[2]], third[&paths[2]]);
    }
}

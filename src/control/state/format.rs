//! Which version wrote the files of a state folder. What a later one wrote is not for this one to read, to
//! set aside or to write over: the way back to that version has to stay open, with all its sessions.

use super::ledgers::frames::FORMAT_LINE;
use crate::control::error::{Error, Formats};
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The longest document, far beyond any that is written.
pub const LONGEST: u64 = 256 << 20;
/// The latest version of documents that is read.
pub const DOCUMENT: u32 = 3;
/// The version of the file of the ledgers.
pub const LEDGERS: u32 = 1;
/// The longest first line of that file.
const FIRST_LINE: u64 = 64;

/// Its version alone: one of another version may hold anything.
#[derive(Deserialize)]
pub struct Version {
    pub format: u32,
}

/// Refuses a folder in which a later version has written. Nothing is changed; what cannot be read is for
/// others to say.
pub fn refuse_later(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.path();
        let (found, read) = match file.extension() {
            Some(end) if end == "json" => (document(&file), DOCUMENT),
            None => (ledgers(&file), LEDGERS),
            _ => continue,
        };
        if let Some(found) = found.filter(|found| *found > read) {
            return Err(Error::LaterVersion { file, formats: Formats { found, read } });
        }
    }
    Ok(())
}

/// The format of a document.
fn document(file: &Path) -> Option<u32> {
    let text = read_up_to(file, LONGEST).ok()?;
    serde_json::from_slice::<Version>(&text).ok().map(|version| version.format)
}

/// The format of a file of ledgers; none if it is something else.
fn ledgers(file: &Path) -> Option<u32> {
    let mut line = Vec::new();
    File::open(file).ok()?.take(FIRST_LINE).read_to_end(&mut line).ok()?;
    let number = line.strip_prefix(FORMAT_LINE)?.split(|&byte| byte == b'\n').next()?;
    str::from_utf8(number).ok()?.parse().ok()
}

/// What a file holds; one that is longer than this is refused.
pub fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes")));
    }
    Ok(text)
}

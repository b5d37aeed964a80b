//! Files that are read whole.

use std::error::Error;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// Why there is nothing of a file. Its words stand behind the file's name.
#[derive(Debug, Clone)]
pub enum FileError {
    /// The system does not give it.
    Unreadable(Arc<io::Error>),
    /// It is larger than 16 MiB.
    TooLarge,
    /// It is a pipe, a socket or a device.
    NoFile,
    /// It belongs to a conf, and nobody has read it with that.
    NotRead,
}

/// What a file holds, 16 MiB at most. Nothing is waited for: a pipe would keep whoever reads it, and with him
/// everything that the control thread does.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(FileError::NoFile);
    }
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST { Err(FileError::TooLarge) } else { Ok(bytes) }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(Arc::new(error))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(out, "cannot be read: {error}"),
            Self::TooLarge => write!(out, "is larger than {} MiB", LARGEST >> 20),
            Self::NoFile => out.write_str("is a pipe, a socket or a device, and no file"),
            Self::NotRead => out.write_str("was not read with the conf"),
        }
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error.as_ref()),
            Self::TooLarge | Self::NoFile | Self::NotRead => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_there_is_read_and_what_is_too_large_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (small, large, gone) =
            (folder.path().join("small"), folder.path().join("large"), folder.path().join("gone"));
        fs::write(&small, "text").unwrap();
        fs::File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(read(&small).unwrap(), b"text");
        assert_eq!(read(&large).unwrap_err().to_string(), "is larger than 16 MiB");
        let why = read(&gone).unwrap_err();
        assert!(why.to_string().starts_with("cannot be read: ") && why.source().is_some(), "{why}");
        assert!(read(folder.path()).unwrap_err().to_string().starts_with("cannot be read: "));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(read(&pipe), Err(FileError::NoFile)), "nobody waits for somebody to write into it");
    }
}

//! Where access-log lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where access-log lines go.
#[derive(Debug)]
pub enum LogDestination {
    /// The standard output.
    Stdout,
    /// A file that grows.
    File {
        /// It, open.
        file: File,
        /// Where it is opened anew once it was moved away.
        path: PathBuf,
    },
}

impl LogDestination {
    /// What the conf file says: "off" for nowhere, "stdout", or a file, in `folder` if it is relative.
    pub fn open(to: &str, folder: &Path) -> io::Result<Option<Self>> {
        Ok(match to {
            "off" => None,
            "stdout" => Some(Self::Stdout),
            file => {
                let path = folder.join(file);
                Some(Self::File { file: append_to(&path)?, path })
            }
        })
    }

    /// Writes whole lines.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        match self {
            Self::Stdout => {
                let mut out = io::stdout();
                out.write_all(lines)?;
                out.flush()
            }
            Self::File { file, .. } => file.write_all(lines),
        }
    }

    /// Opens the file anew, after it was moved away.
    pub fn reopen(&mut self) {
        let Self::File { file, path } = self else { return };
        match append_to(path) {
            Ok(new) => *file = new,
            Err(error) => tracing::warn!("access log {}: {error}; the old file stays in use", path.display()),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    // nobody waits until somebody reads a pipe: opened for both, it is one whose reader is slow
    let is_pipe = std::fs::metadata(path).is_ok_and(|is| is.file_type().is_fifo());
    // a log tells who asked for what
    OpenOptions::new().create(true).read(is_pipe).append(true).mode(0o640).open(path)
}

//! The file that is appended to, and the one with everything that is to replace it.

use super::frames::FIRST_LINE;
use super::kept::KeptLedger;
use std::fs::File;
use std::io::{self, Write};
use std::thread::JoinHandle;

/// Sessions written at one tick to a file that is to replace the present one.
const STEP: usize = if cfg!(test) { 16 } else { 64 << 10 };

/// A file, and how much was written to it.
pub struct AppendFile {
    pub file: File,
    pub length: u64,
    /// Its length when it took its place.
    pub whole: u64,
}

/// A file that is being filled with everything.
pub struct LedgerRewrite {
    pub out: AppendFile,
    /// The next part: cluster and part of its ledger.
    at: (usize, usize),
    pub began: u32,
    /// It has everything, and is being put on the disk and in its place.
    pub settling: Option<JoinHandle<io::Result<()>>>,
}

impl AppendFile {
    /// Begins a file that holds nothing of any session yet.
    pub fn begin(file: File) -> io::Result<Self> {
        let mut new = Self { file, length: 0, whole: 0 };
        new.write(FIRST_LINE)?;
        Ok(new)
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl LedgerRewrite {
    /// Nothing of any ledger is in it yet.
    pub fn begin(file: File, now: u32) -> io::Result<Self> {
        Ok(Self { out: AppendFile::begin(file)?, at: (0, 0), began: now, settling: None })
    }

    /// The next sessions. True when there are no more.
    pub fn gather(&mut self, kept: &[KeptLedger], out: &mut Vec<u8>) -> bool {
        let mut room = STEP;
        while let Some(ledger) = kept.get(self.at.0) {
            match ledger.parts(self.at.1, room, out) {
                (_, Some(part)) => {
                    self.at.1 = part;
                    return false;
                }
                (count, None) => {
                    room -= count;
                    self.at = (self.at.0 + 1, 0);
                }
            }
        }
        true
    }
}

//! Small things everything else stands on: units as written in the conf file, hashing, files, tokens, the
//! clock, owners, cores, words for numbers, open files, tasks that are not to end, and threads whose end is waited for.

pub mod background;
pub mod clock;
pub mod cores;
pub mod count;
pub mod file;
pub mod hash;
pub mod log_throttle;
pub mod maybe;
pub mod open_files;
pub mod owner;
pub mod report;
pub mod tasks;
pub mod token;
pub mod units;
pub mod users;
pub mod wait_guard;
pub mod words;

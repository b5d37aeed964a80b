//! `homing completions` and `homing man`: made from the command line's own description, so that they cannot
//! fall behind it.

use super::show::{complain, print};
use clap::Command;
use clap_complete::Shell;
use std::path::Path;

/// Prints the completions for a shell.
pub fn completions(mut command: Command, shell: Shell) -> i32 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "homing", &mut script);
    print(&String::from_utf8_lossy(&script));
    0
}

/// Prints the manual page, or writes it and a page for each verb into a folder.
pub fn man(command: Command, folder: Option<&Path>) -> i32 {
    let written = match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder))
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map(|()| print(&String::from_utf8_lossy(&page)))
        }
    };
    match written {
        Ok(()) => 0,
        Err(error) => {
            let place = folder.map_or_else(String::new, |folder| format!(" to {}", folder.display()));
            complain(&format!("the manual cannot be written{place}: {error}"));
            1
        }
    }
}

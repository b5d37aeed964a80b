//! How things are shown to people: tables, ages, colours.

use crate::admin::status::ClusterState;
pub use crate::base::words::{age, count, counts, span};
use crate::table::State;
use anstyle::AnsiColor;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

/// A table with aligned columns.
pub struct TextTable {
    columns: Vec<(&'static str, ColumnSide)>,
    rows: Vec<Vec<String>>,
}

/// The side that a column is flush with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ColumnSide {
    /// For words.
    Left,
    /// For numbers.
    Right,
}

impl TextTable {
    /// No rows yet.
    pub fn new(columns: &[(&'static str, ColumnSide)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row. What nodes say of themselves gives no orders to the terminal.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.into_iter().map(|cell| cell.replace(char::is_control, "\u{fffd}")).collect());
    }

    /// As text, a line each.
    pub fn text(&self) -> String {
        let mut widths: Vec<usize> = self.columns.iter().map(|(title, _)| title.chars().count()).collect();
        for row in &self.rows {
            row.iter().zip(&mut widths).for_each(|(cell, width)| *width = (*width).max(cell.chars().count()));
        }
        let line = |cells: &mut dyn Iterator<Item = &str>, painted: bool| {
            let mut line = String::new();
            for ((cell, (_, side)), width) in cells.zip(&self.columns).zip(&widths) {
                let pad = " ".repeat(width - cell.chars().count());
                let cell = if painted { word(cell) } else { cell.to_owned() };
                line += &if *side == ColumnSide::Left {
                    format!("{cell}{pad}  ")
                } else {
                    format!("{pad}{cell}  ")
                };
            }
            line.trim_end().to_owned() + "\n"
        };
        let mut text = line(&mut self.columns.iter().map(|(title, _)| *title), false);
        for row in &self.rows {
            text += &line(&mut row.iter().map(String::as_str), true);
        }
        text
    }
}

/// A state in its colour; anything else as it is. `print` takes the colours off where nobody would see them.
pub fn word(text: &str) -> String {
    let colour = match (State::of_word(text), ClusterState::of_word(text), text) {
        (Some(state), ..) => match state {
            State::Ready | State::Aside => AnsiColor::Green,
            State::Full
            | State::Draining
            | State::Syncing
            | State::Silent
            | State::Unknown
            | State::Pending => AnsiColor::Yellow,
            State::Down => AnsiColor::Red,
            State::Drained | State::Maintenance | State::Removed => AnsiColor::Cyan,
        },
        (_, Some(ClusterState::Degraded), _) => AnsiColor::Yellow,
        (_, Some(ClusterState::Disabled), _) => AnsiColor::Cyan,
        (.., "applied" | "ok") => AnsiColor::Green,
        (.., "refused" | "expired") => AnsiColor::Red,
        _ => return text.to_owned(),
    };
    let style = colour.on_default();
    format!("{style}{text}{style:#}")
}

/// Why standard output did not take everything.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints to standard output, in colours on a terminal whose user has not said no; who has closed it has seen
/// enough.
pub fn print(text: &str) {
    let mut out = anstream::stdout();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error);
    }
}

/// Why something that was printed is lost, if it is.
pub fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// Says something on standard error, if that can be said there.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What is told while something goes on: on a terminal one line that is rewritten, elsewhere a line each time
/// that it differs.
pub struct Progress {
    terminal: bool,
    said: String,
}

impl Progress {
    /// Nothing is said yet.
    pub fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), said: String::new() }
    }

    /// How it stands; `clock` is what changes all the time, and is left out where lines stay.
    pub fn show(&mut self, line: &str, clock: &str) {
        match self.terminal {
            true => print(&format!("\r{line}{clock}\x1b[K")),
            false if self.said != line => print(&format!("{line}\n")),
            false => {}
        }
        line.clone_into(&mut self.said);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && !self.said.is_empty() {
            print("\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_colours_take_no_room() {
        let mut table = TextTable::new(&[
            ("NODE", ColumnSide::Left),
            ("STATE", ColumnSide::Left),
            ("SESSIONS", ColumnSide::Right),
            ("WHY", ColumnSide::Left),
        ]);
        table.row(vec!["n1".into(), "ready".into(), "12".into(), "answers".into()]);
        table.row(vec!["number2".into(), "down".into(), "0".into(), String::new()]);
        let plain =
            "NODE     STATE  SESSIONS  WHY\nn1       ready        12  answers\nnumber2  down          0\n";
        assert_eq!(anstream::adapter::strip_str(&table.text()).to_string(), plain);
        let coloured = table.text();
        assert!(coloured.contains("\x1b[32mready\x1b[0m        12"), "{coloured:?}");
        table.row(vec!["\x1b[2J".into()]);
        assert!(!table.text().contains("\x1b[2J"));
    }
}

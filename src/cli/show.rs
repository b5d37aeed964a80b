//! How things are shown to people: tables, ages, colours.

pub use crate::base::words::{age, count, span};
use std::io::IsTerminal;

/// A table with aligned columns.
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

/// The side that a column is flush with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// For words.
    Left,
    /// For numbers.
    Right,
}

impl Table {
    /// No rows yet.
    pub fn new(columns: &[(&'static str, Side)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// As text, a line each.
    pub fn text(&self, paint: Paint) -> String {
        let mut widths: Vec<usize> = self.columns.iter().map(|(title, _)| title.chars().count()).collect();
        for row in &self.rows {
            row.iter().zip(&mut widths).for_each(|(cell, width)| *width = (*width).max(cell.chars().count()));
        }
        let line = |cells: &mut dyn Iterator<Item = &str>, painted: bool| {
            let mut line = String::new();
            for ((cell, (_, side)), width) in cells.zip(&self.columns).zip(&widths) {
                let pad = " ".repeat(width - cell.chars().count());
                let cell = if painted { paint.word(cell) } else { cell.to_owned() };
                line += &if *side == Side::Left { format!("{cell}{pad}  ") } else { format!("{pad}{cell}  ") };
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

/// Whether there are colours.
#[derive(Clone, Copy)]
pub struct Paint(bool);

impl Paint {
    /// On a terminal whose user has not said no.
    pub fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(std::io::stdout().is_terminal() && !refused)
    }

    /// A state in its colour; anything else as it is.
    pub fn word(self, word: &str) -> String {
        let colour = match word {
            "ready" => 32,
            "full" | "draining" | "syncing" | "silent" | "checking" | "pending" | "degraded" => 33,
            "down" | "refused" => 31,
            "drained" | "maintenance" | "removed" => 36,
            _ => return word.to_owned(),
        };
        if self.0 { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_colours_take_no_room() {
        let mut table = Table::new(&[("NODE", Side::Left), ("STATE", Side::Left), ("SESSIONS", Side::Right), ("WHY", Side::Left)]);
        table.row(vec!["n1".into(), "ready".into(), "12".into(), "answers".into()]);
        table.row(vec!["number2".into(), "down".into(), "0".into(), String::new()]);
        let plain = "NODE     STATE  SESSIONS  WHY\nn1       ready        12  answers\nnumber2  down          0\n";
        assert_eq!(table.text(Paint(false)), plain);
        let coloured = table.text(Paint(true));
        assert!(coloured.contains("\x1b[32mready\x1b[0m        12"), "{coloured:?}");
    }
}

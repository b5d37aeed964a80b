//! Diagnostics: what is wrong, where, and what to do about it. One shape for every reader of a conf file.

use std::path::PathBuf;

/// How bad a finding is. Errors stop a load; warnings do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not applied.
    Error,
    /// The file is applied; the operator should look.
    Warning,
}

/// A place in a file: lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the operator named it.
    pub path: PathBuf,
    /// Line, from 1; 0 when the finding is about the file as a whole.
    pub line: usize,
    /// Column in characters, from 1; 0 when the finding is about the file as a whole.
    pub column: usize,
    /// The text of that line.
    pub text: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Where, if it has a place.
    pub place: Option<Place>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do, for example the nearest known key.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: None, message: message.into(), help: None }
    }
    /// A warning without a place yet.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }
    /// The same finding, with what to do about it.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
    /// The same finding, at a place.
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }
}

/// `path:line:column: error: message`, the text of the line with a mark under the column, and the help.
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        match &self.place {
            Some(p) if p.line > 0 => write!(f, "{}:{}:{}: ", p.path.display(), p.line, p.column)?,
            Some(p) => write!(f, "{}: ", p.path.display())?,
            None => {}
        }
        write!(f, "{word}: {}", self.message)?;
        if let Some(p) = self.place.as_ref().filter(|p| p.line > 0) {
            write!(
                f,
                "\n    {}\n    {}^",
                p.text.replace('\t', " "),
                " ".repeat(p.column.saturating_sub(1))
            )?;
        }
        match &self.help {
            Some(help) => write!(f, "\n    help: {help}"),
            None => Ok(()),
        }
    }
}

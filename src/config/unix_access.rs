//! Whose the file of a Unix socket is: what the conf says of it, in the numbers of the system.

use super::model::UnixSocket;
use crate::base::users;
use std::fmt;

/// What is to be so of a file; what is not said stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnixAccess {
    /// Who may do what with it.
    pub mode: Option<u32>,
    /// The number of its user.
    pub user: Option<u32>,
    /// The number of its group.
    pub group: Option<u32>,
}

impl UnixAccess {
    /// What the conf says.
    pub fn of(conf: &UnixSocket) -> Result<Self, UnixAccessError> {
        let mode = conf.mode.as_deref().map(mode_of).transpose()?;
        let user = |name: &String| users::user(name).ok_or_else(|| UnixAccessError::User(name.clone()));
        let group = |name: &String| users::group(name).ok_or_else(|| UnixAccessError::Group(name.clone()));
        Ok(Self {
            mode,
            user: conf.user.as_ref().map(user).transpose()?,
            group: conf.group.as_ref().map(group).transpose()?,
        })
    }

    /// What is said here, and otherwise there.
    pub fn or(self, other: Self) -> Self {
        Self {
            mode: self.mode.or(other.mode),
            user: self.user.or(other.user),
            group: self.group.or(other.group),
        }
    }
}

/// What is said of a file and cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnixAccessError {
    /// No mode.
    Mode(String),
    /// There is no such user.
    User(String),
    /// There is no such group.
    Group(String),
}

impl UnixAccessError {
    /// The key that says it.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Mode(_) => "mode",
            Self::User(_) => "user",
            Self::Group(_) => "group",
        }
    }

    /// What to write.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Mode(_) => "write octal digits, as in \"660\" for its user and its group",
            Self::User(_) => "write a name of /etc/passwd, or the number of a user",
            Self::Group(_) => "write a name of /etc/group, or the number of a group",
        }
    }
}

impl fmt::Display for UnixAccessError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(text) => write!(out, "`{text}` is not the mode of a file"),
            Self::User(name) => write!(out, "this machine has no user `{name}`"),
            Self::Group(name) => write!(out, "this machine has no group `{name}`"),
        }
    }
}

impl std::error::Error for UnixAccessError {}

fn mode_of(text: &str) -> Result<u32, UnixAccessError> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| UnixAccessError::Mode(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(mode: &str, user: &str, group: &str) -> Result<UnixAccess, UnixAccessError> {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        UnixAccess::of(&UnixSocket { mode: said(mode), user: said(user), group: said(group) })
    }

    #[test]
    fn modes_names_and_numbers_are_read() {
        let of = |mode, user, group| Ok(UnixAccess { mode, user, group });
        for (mode, user, group, read) in [
            ("", "", "", of(None, None, None)),
            ("660", "root", "root", of(Some(0o660), Some(0), Some(0))),
            ("0666", "4711", "0", of(Some(0o666), Some(4711), Some(0))),
            ("688", "", "", Err(UnixAccessError::Mode("688".into()))),
            ("+77", "", "", Err(UnixAccessError::Mode("+77".into()))),
            ("66", "", "", Err(UnixAccessError::Mode("66".into()))),
            ("4755", "", "", Err(UnixAccessError::Mode("4755".into()))),
            ("", "no-such-user", "", Err(UnixAccessError::User("no-such-user".into()))),
            ("", "4294967295", "", Err(UnixAccessError::User("4294967295".into()))),
            ("", "", "no-such-group", Err(UnixAccessError::Group("no-such-group".into()))),
        ] {
            assert_eq!(access(mode, user, group), read);
        }
    }
}

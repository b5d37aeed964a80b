//! `${NAME}` in a text: the environment variable of that name. `$${` stands for `${` itself.

/// Why a text could not be filled in.
#[derive(Debug, PartialEq, Eq)]
pub struct EnvError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// The text with every `${NAME}` replaced.
pub fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, EnvError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(kept) = before.strip_suffix('$') {
            out.push_str(kept);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let name = after.split('}').next().unwrap_or_default();
        if name.len() == after.len() || !is_name(name) {
            let message = "`${` starts the name of an environment variable, and none follows".to_owned();
            return Err(EnvError {
                message,
                help: "write ${NAME}; for the two characters themselves write $${".into(),
            });
        }
        let Some(value) = lookup(name) else {
            let message = format!("the environment variable `{name}` is not set");
            return Err(EnvError {
                message,
                help: format!("set {name} where homing is started, or write the value here"),
            });
        };
        out.push_str(&value);
        rest = &after[name.len() + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The text written so that `expand` gives it back.
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "PORT").then(|| "8080".to_owned())
    }

    #[test]
    fn names_are_filled_in() {
        for (text, expanded) in [
            ("", ""),
            ("a:${PORT}/x${PORT}", "a:8080/x8080"),
            ("$${PORT}", "${PORT}"),
            ("$1 $", "$1 $"),
            ("a$${", "a${"),
            ("$$${", "$${"),
        ] {
            assert_eq!(expand(text, &lookup).unwrap(), expanded, "{text}");
            assert_eq!(expand(&escape(text), &lookup).unwrap(), text, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(expand("${OTHER}", &lookup).unwrap_err().message.contains("`OTHER` is not set"));
        for bad in ["${", "${}", "${1}", "${A B}", "${PORT"] {
            assert!(expand(bad, &lookup).is_err(), "{bad}");
        }
    }
}

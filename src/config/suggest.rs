//! The did-you-mean.

/// The known word nearest to a mistyped one, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = simple(word);
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let other = simple(candidate);
        let distance = strsim::damerau_levenshtein(&plain, &other);
        let longest = plain.chars().count().max(other.chars().count());
        let likeness = strsim::jaro_winkler(&plain, &other);
        let near = distance <= 1 + longest / 4 && distance < longest || likeness > 0.88;
        let score = likeness - distance as f64 / 100.0;
        if near && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The help line: the nearest word, or else all of them.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, all: &str) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("{all}: none yet"),
        None => format!("{all}: {}", known.join(", ")),
    }
}

/// Letters and digits only, so that `max_idle`, `maxIdle` and `max-idle` are the same.
fn simple(word: &str) -> String {
    word.chars().take(200).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meant_word_is_found() {
        let known = ["bind", "tls", "max-headers", "idle-timeout", "header-timeout"];
        for (typed, meant) in [
            ("bnid", "bind"),
            ("max_headers", "max-headers"),
            ("idleTimeout", "idle-timeout"),
            ("bindd", "bind"),
        ] {
            assert_eq!(nearest(typed, known), Some(meant));
        }
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}

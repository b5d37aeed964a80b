//! Ranges of status codes, as in "200-399" or "200,204".

use std::fmt;
use std::ops::RangeInclusive;

/// Why a text names no ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeError {
    /// This part is no range.
    NoRange(String),
    /// This one begins behind its end.
    Backwards(String),
}

impl fmt::Display for RangeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRange(part) => {
                write!(
                    out,
                    "`{part}` is not a status or a range of them: write them as in \"200-399\" or \"200,204\""
                )
            }
            Self::Backwards(part) => {
                write!(out, "the range `{part}` runs backwards: write the smaller status first")
            }
        }
    }
}

impl std::error::Error for RangeError {}

/// The ranges that a text names, in its order.
pub fn status_ranges(text: &str) -> Result<Vec<RangeInclusive<u16>>, RangeError> {
    text.split(',').map(|part| one(part.trim())).collect()
}

fn one(part: &str) -> Result<RangeInclusive<u16>, RangeError> {
    let code = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|code| digits && (100..=599).contains(code))
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    match (code(first.trim()), code(last.trim())) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        (Some(_), Some(_)) => Err(RangeError::Backwards(part.to_owned())),
        _ => Err(RangeError::NoRange(part.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read() {
        assert_eq!(status_ranges("200-399").unwrap(), [200..=399]);
        assert_eq!(status_ranges("200, 204,300 - 302").unwrap(), [200..=200, 204..=204, 300..=302]);
        for bad in ["", "200,", "99", "600", "2xx", "300-200", "200-", "+200"] {
            assert!(status_ranges(bad).is_err(), "{bad}");
        }
    }
}

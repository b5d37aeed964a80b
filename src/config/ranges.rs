//! Ranges of status codes, as in "200-399" or "200,204".

use std::ops::RangeInclusive;

/// The ranges that a text names, in its order.
pub fn status_ranges(text: &str) -> Result<Vec<RangeInclusive<u16>>, String> {
    text.split(',').map(|part| one(part.trim())).collect()
}

fn one(part: &str) -> Result<RangeInclusive<u16>, String> {
    let code = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|code| digits && (100..=599).contains(code))
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    match (code(first.trim()), code(last.trim())) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        (Some(_), Some(_)) => Err(format!("the range `{part}` runs backwards: write the smaller status first")),
        _ => Err(format!("`{part}` is not a status or a range of them: write them as in \"200-399\" or \"200,204\"")),
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

//! Which of two versions is the newer one.

use std::cmp::Ordering;

/// Compares as people read versions: runs of digits by their number, everything else by its letters; a
/// version that goes on with a dash (`2.0-rc1`) comes before the one that ends there.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one, other);
    loop {
        match (a.is_empty(), b.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return if b.starts_with('-') { Ordering::Greater } else { Ordering::Less },
            (false, true) => return if a.starts_with('-') { Ordering::Less } else { Ordering::Greater },
            (false, false) => {}
        }
        let (x, y) = (piece(&mut a), piece(&mut b));
        let order = match (number(x), number(y)) {
            (Some(x), Some(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The next run of digits, or of anything else up to the next separator, which stands alone.
fn piece<'a>(text: &mut &'a str) -> &'a str {
    let kind = |c: char| {
        if c.is_ascii_digit() {
            0
        } else if c.is_alphabetic() {
            1
        } else {
            2
        }
    };
    let first = text.chars().next().map_or(2, kind);
    let end = text
        .char_indices()
        .skip(1)
        .find(|(_, c)| kind(*c) != first || first == 2)
        .map_or(text.len(), |(at, _)| at);
    let (piece, rest) = text.split_at(end);
    *text = rest;
    piece
}

/// The digits without leading zeros.
fn number(piece: &str) -> Option<&str> {
    piece.starts_with(|c: char| c.is_ascii_digit()).then(|| piece.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_people_read_them() {
        for (older, newer) in [
            ("1.9", "1.10"),
            ("1.2", "1.2.1"),
            ("2.0-rc1", "2.0"),
            ("2.0-rc1", "2.0-rc2"),
            ("2.0-rc9", "2.0-rc10"),
            ("v1.2", "v1.3"),
            ("2026-11-20", "2026-11-21"),
            ("build9", "build10"),
            ("", "1"),
            ("99999999999999999999998", "99999999999999999999999"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
        }
        assert_eq!(compare("1.02", "1.2"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn one_order_for_all(a in "[0-9a-c.é-]{0,8}", b in "[0-9a-c.é-]{0,8}", c in "[0-9a-c.é-]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b) == Ordering::Less && compare(&b, &c) == Ordering::Less {
                prop_assert_eq!(compare(&a, &c), Ordering::Less);
            }
        }
    }
}

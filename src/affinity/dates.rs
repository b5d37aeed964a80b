//! The date stamps behind a readable pin: `|LAST|FIRST`, five characters each, as HAProxy writes them.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Stamps further ahead than this are not believed.
const AHEAD: u64 = 86_400;

/// A moment in units of four seconds, rounded up, which is all a stamp can hold.
pub(super) fn units(unix: u64) -> u32 {
    ((unix.saturating_add(3) >> 2) & 0x3fff_ffff) as u32
}

/// The unix seconds of a stamp.
pub(super) fn seconds(units: u32) -> u64 {
    u64::from(units) << 2
}

/// Five characters, most significant first.
pub(super) fn write(units: u32) -> [u8; 5] {
    let mut text = [0; 5];
    for (place, byte) in text.iter_mut().enumerate() {
        *byte = ALPHABET[(units >> (24 - 6 * place)) as usize & 63];
    }
    text
}

/// Reads the five characters at the start of `text`. A stamp of zero counts as none.
pub(super) fn read(text: &[u8]) -> Option<u32> {
    let mut units = 0;
    for byte in text.get(..5)? {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        units = units << 6 | u32::from(digit);
    }
    (units != 0).then_some(units)
}

/// Takes `VALUE|LAST|FIRST` apart: value, last, first.
pub(super) fn split(text: &[u8]) -> (&[u8], Option<u32>, Option<u32>) {
    let Some(bar) = memchr::memchr(b'|', text) else { return (text, None, None) };
    let stamps = &text[bar + 1..];
    let first = memchr::memchr(b'|', stamps).and_then(|bar| read(&stamps[bar + 1..]));
    (&text[..bar], read(stamps), first)
}

/// True when a stamp lies further back than `limit`, or further ahead than clocks differ.
pub(super) fn is_over(stamp: Option<u32>, limit: Option<u64>, now: u64) -> bool {
    let (Some(stamp), Some(limit)) = (stamp.map(seconds), limit) else { return false };
    now.saturating_sub(stamp) > limit || stamp.saturating_sub(now) > AHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_haproxys() {
        for (unix, text) in [
            (0, "AAAAA"),
            (1_700_000_000, "ZVPxA"),
            (1_781_006_397, "aigAQ"),
            (1_781_006_400, "aigAQ"),
            (1_795_258_798, "awF5s"),
        ] {
            assert_eq!(write(units(unix)), text.as_bytes(), "{unix}");
            assert_eq!(read(text.as_bytes()), Some(units(unix)).filter(|units| *units != 0));
        }
        assert_eq!(split(b"a2|awF5T|awF1y"), (&b"a2"[..], read(b"awF5T"), read(b"awF1y")));
        assert_eq!(split(b"a2|xx"), (&b"a2"[..], None, None));
        assert_eq!(split(b"a2||awF1y").2, read(b"awF1y"));
    }
}

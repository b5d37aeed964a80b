//! Tokens (RFC 9110 section 5.6.2): what methods, and the names of headers and cookies, are made of.

/// Whether a byte may stand in one.
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether a text is one.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_no_separators() {
        assert!(is_token("JSESSIONID") && is_token("!#$%&'*+-.^_`|~") && !is_token(""));
        let others =
            (0..=u8::MAX).filter(|byte| !is_token_byte(*byte)).filter(u8::is_ascii_graphic).map(char::from);
        assert_eq!(others.collect::<String>(), "\"(),/:;<=>?@[\\]{}");
        assert!(!is_token("a b") && !is_token("ä"));
    }
}

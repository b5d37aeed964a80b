//! Cookie and Set-Cookie header lines as bytes: found, cut out and replaced without touching what stands
//! beside them.
//!
//! Clients send junk, so nothing here fails: what cannot be read as `name=value` is passed over.

use super::token::is_token_byte;
use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use std::ops::Range;

/// One `name=value` of a request's Cookie headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookiePair<'h> {
    /// The name, without the space around it.
    pub name: &'h [u8],
    /// The value, without the space around it; quotes are left on.
    pub value: &'h [u8],
    /// Where the value stands in its header line.
    pub range: Range<usize>,
}

/// All cookies of a request, over all Cookie headers, in order. `;` separates, and `,` where a `name=`
/// follows it.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = CookiePair<'_>> {
    headers.get_all(COOKIE).iter().flat_map(|line| cookies_in(line.as_bytes()))
}

/// Makes several Cookie lines one (RFC 9113 section 8.2.3). HTTP/2 clients send one for each cookie, and
/// nodes read one line, or put commas between them.
pub fn join(headers: &mut HeaderMap) {
    let http::header::Entry::Occupied(mut entry) = headers.entry(COOKIE) else { return };
    if entry.iter().nth(1).is_none() {
        return;
    }
    let mut one = Vec::with_capacity(entry.iter().map(|line| line.len() + 2).sum());
    for line in entry.iter() {
        let line = line.as_bytes().trim_ascii();
        let line = line.strip_suffix(b";").unwrap_or(line);
        if !line.is_empty() {
            one.extend_from_slice(if one.is_empty() { b"" } else { b"; " });
            one.extend_from_slice(line);
        }
    }
    // text out of header values is one again
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(one)) {
        entry.insert(value);
    }
}

/// The cookies of one Cookie header line.
pub fn cookies_in(line: &[u8]) -> impl Iterator<Item = CookiePair<'_>> {
    Segments { line, next: Some(0) }.filter_map(|segment| pair(line, segment))
}

/// The values of all cookies called `name`, in order.
pub fn values<'h>(headers: &'h HeaderMap, name: &'h [u8]) -> impl Iterator<Item = &'h [u8]> {
    cookies(headers).filter(move |pair| pair.name == name).map(|pair| pair.value)
}

/// The value without a pair of double quotes around it.
pub fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"").unwrap_or(value);
    inner.strip_suffix(b"\"").unwrap_or(inner)
}

/// Cuts every cookie called `name`, with the `$` attributes behind it, out of the Cookie headers; lines left
/// without a cookie go away.
pub fn remove(headers: &mut HeaderMap, name: &[u8]) -> bool {
    let mut removed = false;
    edit(headers, &COOKIE, |line| {
        let edit = without(line.as_bytes(), name);
        removed |= !matches!(edit, Edit::Keep);
        edit
    });
    removed
}

/// Replaces the values of cookies called `name` by a part of themselves: `part` says which, None to leave one
/// as it is.
pub fn shorten(headers: &mut HeaderMap, name: &[u8], part: impl Fn(&[u8]) -> Option<Range<usize>>) -> bool {
    let cut = |pair: &CookiePair<'_>| if pair.name == name { part(pair.value) } else { None };
    if !cookies(headers).any(|pair| cut(&pair).is_some()) {
        return false;
    }
    edit(headers, &COOKIE, |line| {
        let line = line.as_bytes();
        let mut out = Vec::with_capacity(line.len());
        let mut done = 0;
        for pair in cookies_in(line) {
            if let Some(kept) = cut(&pair).and_then(|range| pair.value.get(range)) {
                out.extend_from_slice(&line[done..pair.range.start]);
                out.extend_from_slice(kept);
                done = pair.range.end;
            }
        }
        if done == 0 {
            return Edit::Keep;
        }
        out.extend_from_slice(&line[done..]);
        Edit::Replace(out)
    });
    true
}

/// What becomes of one header line.
pub enum Edit {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It says this instead; text that no header may hold leaves the line as it was.
    Replace(Vec<u8>),
}

/// Goes over all lines of one header and does to each what `decide` says. The order of the lines stays.
pub fn edit(headers: &mut HeaderMap, header: &HeaderName, mut decide: impl FnMut(&HeaderValue) -> Edit) {
    let http::header::Entry::Occupied(mut entry) = headers.entry(header) else { return };
    let mut gone: Vec<usize> = Vec::new();
    for (at, line) in entry.iter_mut().enumerate() {
        match decide(line) {
            Edit::Keep => {}
            Edit::Remove => gone.push(at),
            Edit::Replace(text) => {
                if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(text)) {
                    *line = value;
                }
            }
        }
    }
    if gone.is_empty() {
        return;
    }
    // A header map cannot drop one of several lines, so the survivors are put back.
    let (name, lines) = entry.remove_entry_mult();
    let kept: Vec<HeaderValue> =
        lines.enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, line)| line).collect();
    for line in kept {
        headers.append(name.clone(), line);
    }
}

/// A Set-Cookie line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie<'h> {
    /// The cookie's name.
    pub name: &'h [u8],
    /// Its value, quotes left on.
    pub value: &'h [u8],
    line: &'h [u8],
    range: Range<usize>,
}

impl<'h> SetCookie<'h> {
    /// Reads a line; None when it has no `=` in its first part.
    pub fn parse(line: &'h [u8]) -> Option<Self> {
        let end = memchr::memchr(b';', line).unwrap_or(line.len());
        let CookiePair { name, value, range } = pair(line, 0..end)?;
        Some(Self { name, value, line, range })
    }

    /// The same line with `parts`, one behind the other, for its value.
    pub fn with_value(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(self.line.len() + parts.iter().map(|part| part.len()).sum::<usize>());
        out.extend_from_slice(&self.line[..self.range.start]);
        for part in parts {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(&self.line[self.range.end..]);
        out
    }

    /// True when the line deletes its cookie: an empty value, Max-Age of nothing, or Expires not after `now`
    /// (unix seconds).
    pub fn ends(&self, now: u64) -> bool {
        unquoted(self.value).is_empty() || is_expired(self.line, now)
    }
}

/// True when a Set-Cookie line's Max-Age or, without one, its Expires has passed at `now` (unix seconds).
pub fn is_expired(line: &[u8], now: u64) -> bool {
    let mut expires = None;
    for attribute in line.split(|byte| *byte == b';').skip(1) {
        let Some(eq) = memchr::memchr(b'=', attribute) else { continue };
        let (key, value) = (attribute[..eq].trim_ascii(), unquoted(attribute[eq + 1..].trim_ascii()));
        if key.eq_ignore_ascii_case(b"max-age") && is_number(value) {
            // RFC 6265: Max-Age wins over Expires.
            return value.starts_with(b"-") || value.iter().all(|digit| *digit == b'0');
        }
        if key.eq_ignore_ascii_case(b"expires") {
            expires = Some(value);
        }
    }
    expires.is_some_and(|date| has_passed(date, now))
}

fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn has_passed(date: &[u8], now: u64) -> bool {
    let Ok(text) = std::str::from_utf8(date) else { return false };
    let parsed = cookie::Cookie::parse(format!("x=; Expires={text}"));
    match parsed.ok().and_then(|cookie| cookie.expires_datetime()) {
        Some(when) => when.unix_timestamp() <= i64::try_from(now).unwrap_or(i64::MAX),
        // Servers write many dates that no grammar allows, but all that delete a cookie name this year.
        None => text.contains("1970"),
    }
}

/// The raw pieces between separators, space included.
struct Segments<'h> {
    line: &'h [u8],
    next: Option<usize>,
}

impl Iterator for Segments<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.next?;
        let mut from = start;
        loop {
            let Some(at) = self.line.get(from..).and_then(|rest| memchr::memchr2(b';', b',', rest)) else {
                self.next = None;
                return Some(start..self.line.len());
            };
            let at = from + at;
            // Values may hold commas (PHP's session ids do), so one separates only where a name follows.
            if self.line[at] == b';' || names_cookie(&self.line[at + 1..]) {
                self.next = Some(at + 1);
                return Some(start..at);
            }
            from = at + 1;
        }
    }
}

fn names_cookie(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(text.len());
    end > 0 && text[end..].trim_ascii_start().first() == Some(&b'=')
}

fn pair(line: &[u8], segment: Range<usize>) -> Option<CookiePair<'_>> {
    let text = line.get(segment.clone())?;
    let eq = memchr::memchr(b'=', text)?;
    let name = text[..eq].trim_ascii();
    let raw = &text[eq + 1..];
    let left = raw.trim_ascii_start();
    let value = left.trim_ascii_end();
    let start = segment.start + eq + 1 + (raw.len() - left.len());
    (!name.is_empty()).then_some(CookiePair { name, value, range: start..start + value.len() })
}

/// The line without the named cookies; it goes when no cookie is left.
fn without(line: &[u8], name: &[u8]) -> Edit {
    if memchr::memmem::find(line, name).is_none() {
        return Edit::Keep;
    }
    let mut out: Vec<u8> = Vec::with_capacity(line.len());
    let (mut removed, mut behind_removed) = (false, false);
    let mut useful = false;
    for segment in (Segments { line, next: Some(0) }) {
        let text = line[segment.clone()].trim_ascii();
        let attribute = text.starts_with(b"$");
        let named = pair(line, segment.clone()).is_some_and(|pair| pair.name == name);
        if named || (attribute && behind_removed) {
            (removed, behind_removed) = (true, true);
            continue;
        }
        behind_removed = false;
        useful |= !attribute && !text.is_empty();
        if out.is_empty() {
            out.extend_from_slice(line[segment].trim_ascii_start());
        } else {
            out.extend_from_slice(&line[segment.start - 1..segment.end]);
        }
    }
    match (removed, useful) {
        (false, _) => Edit::Keep,
        (true, true) => Edit::Replace(out),
        (true, false) => Edit::Remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(COOKIE).iter().map(|line| line.to_str().unwrap()).collect()
    }

    #[test]
    fn several_lines_become_one() {
        for (before, after) in [
            (&[][..], &[][..]),
            (&["a=1;"], &["a=1;"]),
            (&["a=1", "b=2", "c=3"], &["a=1; b=2; c=3"]),
            (&["a=1; b=2", "c=3"], &["a=1; b=2; c=3"]),
            (&["a=1;", "", " b=2; "], &["a=1; b=2"]),
            (&["a=1", "a=2"], &["a=1; a=2"]),
        ] {
            let mut headers = map(before);
            join(&mut headers);
            assert_eq!(lines(&headers), after, "{before:?}");
        }
    }

    #[test]
    fn removal_keeps_the_other_bytes() {
        for (before, after) in [
            ("x=1; SRV=a2; y=2", vec!["x=1; y=2"]),
            ("SRV=a2", vec![]),
            ("x=1;SRV=a2", vec!["x=1"]),
            ("SRV=a2, x=1", vec!["x=1"]),
            ("SRV=a1; SRV=a2", vec![]),
            ("$Version=1; SRV=a2; $Path=/", vec![]),
            ("SRV=zz; x=1", vec!["x=1"]),
            ("x=1; srv=a2", vec!["x=1; srv=a2"]),
            ("x=a,b;  y = 2 ;SRV = a2; z", vec!["x=a,b;  y = 2 ; z"]),
        ] {
            let mut headers = map(&[before]);
            remove(&mut headers, b"SRV");
            assert_eq!(lines(&headers), after, "{before}");
        }
        let mut headers = map(&["a=1", "SRV=x", "b=2; SRV=y"]);
        assert!(remove(&mut headers, b"SRV"));
        assert_eq!(lines(&headers), ["a=1", "b=2"]);
    }

    #[test]
    fn commas_separate_only_before_names() {
        let found: Vec<_> =
            cookies_in(b"id=ab,cd-e; x = 1 , y=2,z; =5; q").map(|pair| (pair.name, pair.value)).collect();
        assert_eq!(found, [(&b"id"[..], &b"ab,cd-e"[..]), (b"x", b"1"), (b"y", b"2,z")]);
    }

    #[test]
    fn set_cookie_lines() {
        let line = SetCookie::parse(b"ID = abc ; Path=/app; HttpOnly").unwrap();
        assert_eq!((line.name, line.value), (&b"ID"[..], &b"abc"[..]));
        assert_eq!(line.with_value(&[b"a1~", b"abc"]), b"ID = a1~abc ; Path=/app; HttpOnly");
        for (line, expired) in [
            ("a=1; Max-Age=0", true),
            ("a=1; max-age=-1", true),
            ("a=1; Max-Age=99999999999999999999999", false),
            ("a=1; Max-Age=60; Expires=Thu, 01-Jan-1970 00:00:01 GMT", false),
            ("a=1; Expires=Thu, 01-Jan-1970 00:00:01 GMT", true),
            ("a=1; expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/", true),
            ("a=1; Expires=Sat, 21 Nov 2026 11:00:34 GMT", false),
            ("a=1; Expires=Sat, 21 Nov 2020 11:00:34 GMT", true),
            ("a=1; Expires=rubbish", false),
            ("a=1", false),
        ] {
            assert_eq!(is_expired(line.as_bytes(), 1_700_000_000), expired, "{line}");
        }
    }
}

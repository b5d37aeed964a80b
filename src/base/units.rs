//! Durations (`"5s"`), sizes (`"16KiB"`) and other values that are strings in the conf file.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Why a text is none of these: what is wrong, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitError {
    /// No duration.
    Duration(String),
    /// One that is too long.
    LongDuration(String),
    /// No size.
    Size(String),
    /// One that is too large.
    LargeSize(String),
    /// No network.
    Network(String),
}

impl fmt::Display for UnitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(text) => {
                write!(out, "`{text}` is not a duration: write a number and ms, s, m, h or d, as in \"5s\"")
            }
            Self::LongDuration(text) => {
                write!(out, "`{text}` is longer than a hundred years; write \"off\" for no limit")
            }
            Self::Size(text) => {
                write!(
                    out,
                    "`{text}` is not a size: write a number and B, KB, KiB, MB, MiB, GB or GiB, as in \"16KiB\""
                )
            }
            Self::LargeSize(text) => write!(out, "`{text}` is too large a size"),
            Self::Network(text) => {
                write!(out, "`{text}` is not a network: write an address and a length, as in \"10.0.0.0/8\"")
            }
        }
    }
}

impl std::error::Error for UnitError {}

/// A duration as the conf file writes it: a number and `ms`, `s`, `m`, `h` or `d`; `"off"` where a limit can
/// be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

/// The longest duration the conf file takes: a hundred years.
const LONGEST_MS: u64 = 100 * 365 * 86_400_000;

impl Duration {
    /// Whole seconds.
    pub const fn secs(n: u64) -> Self {
        Self(std::time::Duration::from_secs(n))
    }
    /// Milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(std::time::Duration::from_millis(n))
    }
    /// The value of a limit; none for "off".
    pub fn limit(self) -> Option<std::time::Duration> {
        Some(self.0).filter(|_| self != Self::millis(LONGEST_MS))
    }
    /// The value for code that waits.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Duration(text.to_owned());
        if text == "off" {
            return Ok(Self::millis(LONGEST_MS));
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let unit = match text[digits..].trim_start() {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        match number.checked_mul(unit) {
            Some(ms) if ms <= LONGEST_MS => Ok(Self::millis(ms)),
            _ => Err(UnitError::LongDuration(text.to_owned())),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis() as u64;
        match ms {
            LONGEST_MS => f.write_str("off"),
            0 => f.write_str("0s"),
            _ if ms.is_multiple_of(86_400_000) => write!(f, "{}d", ms / 86_400_000),
            _ if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ if ms.is_multiple_of(1000) => write!(f, "{}s", ms / 1000),
            _ => write!(f, "{ms}ms"),
        }
    }
}

/// A number of bytes as the conf file writes it: `"16KiB"`, `"1MiB"`, `"500KB"`, or a bare number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// The value as a length in memory.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl FromStr for Size {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Size(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let unit: u64 = match text[digits..].trim_start() {
            "" | "B" => 1,
            "KB" | "k" => 1000,
            "KiB" | "K" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" | "M" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" | "G" => 1 << 30,
            _ => return Err(wrong()),
        };
        number.checked_mul(unit).map(Self).ok_or_else(|| UnitError::LargeSize(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1 << 30 && n.is_multiple_of(1 << 30) => write!(f, "{}GiB", n >> 30),
            n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => write!(f, "{}MiB", n >> 20),
            n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

/// Seconds in the two largest units.
pub fn span(seconds: u64) -> String {
    let two = |large: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{large} {one}"),
        _ => format!("{large} {one} {small} {other}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => two(seconds / 60, "min", seconds % 60, "s"),
        600..3600 => format!("{} min", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A network as the conf file writes it: `10.0.0.0/8`, `2001:db8::/32`, or a bare address for that address
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub ipnet::IpNet);

impl Network {
    /// True when the address is inside; an IPv4-mapped IPv6 address counts as the IPv4 one.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        text.parse()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from))
            .map(Self)
            .map_err(|_| UnitError::Network(text.to_owned()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! string_in_conf {
    ($type:ty, $name:literal, $pattern:literal, $description:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(d)?;
                text.parse().map_err(D::Error::custom)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "description": $description})
            }
        }
    };
}

string_in_conf!(
    Duration,
    "Duration",
    // a hundred years at most
    "^([0-9]{1,12} ?ms|[0-9]{1,9} ?s|[0-9]{1,7} ?(m|min)|[0-9]{1,5} ?h|[0-9]{1,4} ?d|off)$",
    "a duration such as \"5s\"; \"off\" for no limit"
);
string_in_conf!(Size, "Size", "^[0-9]+ ?(B|KB|k|KiB|K|MB|MiB|M|GB|GiB|G)?$", "a size such as \"16KiB\"");

string_in_conf!(Network, "Network", "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$", "a network such as \"10.0.0.0/8\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, ms, printed) in [
            ("5s", 5000, "5s"),
            ("250ms", 250, "250ms"),
            ("90m", 5_400_000, "90m"),
            ("1h", 3_600_000, "1h"),
            ("0s", 0, "0s"),
        ] {
            let d: Duration = text.parse().unwrap();
            assert_eq!((d.get().as_millis(), d.to_string().as_str()), (ms, printed));
        }
        assert_eq!("off".parse::<Duration>().unwrap().to_string(), "off");
        for bad in ["", "5", "s", "5 years", "-1s", "999999999999999999999s", "40000000000d"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_and_print() {
        for (text, bytes, printed) in [
            ("16KiB", 16384, "16KiB"),
            ("1MiB", 1 << 20, "1MiB"),
            ("100", 100, "100B"),
            ("5KB", 5000, "5000B"),
        ] {
            let s: Size = text.parse().unwrap();
            assert_eq!((s.0, s.to_string().as_str()), (bytes, printed));
        }
        for bad in ["", "KiB", "1TiB", "-5", "99999999999999999999", "99999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}

//! The users and groups of this machine, as /etc/passwd and /etc/group have them.

use std::fs::File;
use std::io::Read;

/// Far beyond any such file; what a directory service knows is not in it.
const LONGEST: u64 = 4 << 20;

/// The name of a user; "uid 1000" for one without.
pub fn name_of(uid: u32) -> String {
    let name = read("/etc/passwd").and_then(|text| find(&text, uid));
    name.unwrap_or_else(|| format!("uid {uid}"))
}

/// The number of a user; a number is one as it is.
pub fn user(name: &str) -> Option<u32> {
    number_of("/etc/passwd", name)
}

/// The number of a group; a number is one as it is.
pub fn group(name: &str) -> Option<u32> {
    number_of("/etc/group", name)
}

fn read(file: &str) -> Option<String> {
    let mut text = Vec::new();
    File::open(file).and_then(|file| file.take(LONGEST).read_to_end(&mut text)).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn number_of(file: &str, name: &str) -> Option<u32> {
    if !name.is_empty() && name.bytes().all(|digit| digit.is_ascii_digit()) {
        // the last one means that nothing is changed
        return name.parse().ok().filter(|id| *id != u32::MAX);
    }
    let of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    };
    read(file)?.lines().find_map(of)
}

fn find(passwd: &str, uid: u32) -> Option<String> {
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.contains(char::is_control))?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    passwd.lines().find_map(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_his_number() {
        let passwd = "# local\nroot:x:0:0:root:/root:/bin/sh\n:x:7:7::/:\n\nanna:x:1000:1000:A:/home/anna:/bin/sh\nbroken:x\n";
        for (uid, name) in [(0, Some("root")), (1000, Some("anna")), (7, None), (100, None)] {
            assert_eq!(find(passwd, uid).as_deref(), name, "{uid}");
        }
        assert_eq!(name_of(4_000_000_000), "uid 4000000000");
    }
}

//! The users of this machine, as /etc/passwd has them.

use std::fs::File;
use std::io::Read;

/// Far beyond any such file; what a directory service knows is not in it.
const LONGEST: u64 = 4 << 20;

/// The name of a user; "uid 1000" for one without.
pub fn name_of(uid: u32) -> String {
    let mut text = Vec::new();
    let read = File::open("/etc/passwd").and_then(|file| file.take(LONGEST).read_to_end(&mut text));
    let name = read.ok().and_then(|_| find(&String::from_utf8_lossy(&text), uid));
    name.unwrap_or_else(|| format!("uid {uid}"))
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

use super::*;

fn home(doors: &[(&str, OwnAddressKind)], interfaces: &[&str]) -> OwnAddresses {
    let door = |(at, kind): &(&str, OwnAddressKind)| OwnAddress {
        place: Address::Tcp(at.parse().unwrap()),
        kind: *kind,
    };
    OwnAddresses {
        doors: doors.iter().map(door).collect(),
        interfaces: interfaces.iter().map(|ip| ip.parse().unwrap()).collect(),
    }
}

const ADMIN: OwnAddressKind = OwnAddressKind::Control("server.admin");

#[test]
fn a_door_is_known_by_every_address_that_leads_to_it() {
    let home = home(
        &[
            ("127.0.0.1:9900", ADMIN),
            ("0.0.0.0:80", OwnAddressKind::Clients),
            ("[::]:81", OwnAddressKind::Clients),
        ],
        &["10.0.0.5", "fd00::5"],
    );
    for (to, door, alias) in [
        ("127.0.0.1:9900", Some(ADMIN), Some(ADMIN)),
        ("0.0.0.0:9900", Some(ADMIN), Some(ADMIN)),
        ("[::ffff:127.0.0.1]:9900", Some(ADMIN), Some(ADMIN)),
        ("127.0.0.2:9900", None, Some(ADMIN)),
        ("[::1]:9900", None, Some(ADMIN)),
        ("[::]:9900", None, Some(ADMIN)),
        ("127.0.0.1:9901", None, None),
        ("10.0.0.5:9900", None, None),
        ("10.0.0.5:80", Some(OwnAddressKind::Clients), Some(OwnAddressKind::Clients)),
        ("127.8.8.8:80", Some(OwnAddressKind::Clients), Some(OwnAddressKind::Clients)),
        ("[::ffff:10.0.0.5]:80", Some(OwnAddressKind::Clients), Some(OwnAddressKind::Clients)),
        ("10.0.0.6:80", None, None),
        ("[fd00::5]:80", None, None),
        ("[fd00::5]:81", Some(OwnAddressKind::Clients), Some(OwnAddressKind::Clients)),
        ("10.0.0.5:81", Some(OwnAddressKind::Clients), Some(OwnAddressKind::Clients)),
    ] {
        let to = to.parse().unwrap();
        assert_eq!((home.door(to), home.alias(to)), (door, alias), "{to}");
    }
}

#[test]
fn a_node_that_comes_by_itself_is_believed_so_far() {
    let home = home(
        &[("127.0.0.1:9900", ADMIN), ("0.0.0.0:80", OwnAddressKind::Clients)],
        &["10.0.0.5", "169.254.3.3"],
    );
    let read = |words: &str| {
        JoinableAddresses::read(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    for (urls, from, to, good) in [
        ("", "10.0.0.9", "10.0.0.9:8080", true),
        ("", "::ffff:10.0.0.9", "10.0.0.9:8080", true),
        ("sender", "10.0.0.9", "10.0.0.8:8080", false),
        ("10.0.0.0/24", "10.0.0.9", "10.0.0.8:8080", true),
        ("10.0.0.0/24", "10.9.0.9", "10.9.0.9:8080", false),
        ("sender 10.0.0.0/24", "10.9.0.9", "10.9.0.9:8080", true),
        ("", "127.0.0.1", "127.0.0.1:8080", true),
        ("", "127.0.0.1", "[::1]:8080", true),
        ("", "127.0.0.1", "10.0.0.5:8080", true),
        ("", "10.0.0.5", "127.0.0.3:8080", true),
        ("", "10.0.0.9", "127.0.0.1:8080", false),
        ("0.0.0.0/0", "10.0.0.9", "127.0.0.1:8080", false),
        ("0.0.0.0/0", "10.0.0.9", "0.0.0.0:8080", false),
        ("0.0.0.0/0", "10.0.0.9", "169.254.169.254:80", false),
        ("", "127.0.0.1", "169.254.169.254:80", false),
        ("", "169.254.7.7", "169.254.7.7:8080", true),
        ("::/0", "fd00::9", "[fe80::1]:8080", false),
        // never home, whoever says it
        ("", "127.0.0.1", "127.0.0.1:9900", false),
        ("127.0.0.0/8", "127.0.0.1", "127.0.0.9:9900", false),
        ("0.0.0.0/0", "127.0.0.1", "[::ffff:127.0.0.1]:9900", false),
        ("0.0.0.0/0", "10.0.0.9", "10.0.0.5:80", false),
        ("", "10.0.0.5", "10.0.0.5:80", false),
    ] {
        let reach = LinkReach::Announced { from: Some(from.parse().unwrap()), into: read(urls) };
        let said = reach.admits(&home, to.parse().unwrap());
        assert_eq!(said.is_ok(), good, "{urls:?} {from} {to}: {said:?}");
    }
    let before = LinkReach::Announced { from: None, into: JoinableAddresses::default() };
    assert!(
        before.admits(&home, "10.0.0.8:8080".parse().unwrap()).is_ok(),
        "it joined before that was asked"
    );
    assert!(before.admits(&home, "127.0.0.1:9900".parse().unwrap()).is_err());
}

#[test]
fn the_conf_file_may_chain_and_says_so_where_it_means_the_control_plane() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("admin.sock"), folder.path().join("other"));
    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::os::unix::fs::symlink(&path, &other).unwrap();
    let mut home = home(&[("127.0.0.1:9900", ADMIN), ("0.0.0.0:80", OwnAddressKind::Clients)], &[]);
    home.doors.push(OwnAddress { place: Address::Unix(path), kind: ADMIN });
    let (plain, meant) = (LinkReach::Written, LinkReach::Own);
    for (to, good) in
        [("127.0.0.1:80", true), ("127.0.0.1:9900", false), ("127.0.0.2:9900", true), ("10.0.0.1:9900", true)]
    {
        let to = to.parse().unwrap();
        assert_eq!(plain.admits(&home, to).is_ok(), good, "{to}");
        assert!(meant.admits(&home, to).is_ok());
    }
    assert!(plain.admits_socket(&home, &other).is_err() && meant.admits_socket(&home, &other).is_ok());
    assert!(plain.admits_socket(&home, &folder.path().join("app.sock")).is_ok());
}

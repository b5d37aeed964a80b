//! Sealed pins: what they show, when they are written, and that nobody else can make one.

use super::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};

const SEALED: &str = "cookie = 'HOMING'";

fn pin(affinity: &Affinity, visit: Visit<'_>) -> String {
    let seen = visit.go(affinity);
    let [line] = seen.set_cookie.as_slice() else { panic!("{seen:?}") };
    line.split(';').next().unwrap().to_owned()
}

#[test]
fn a_pin_comes_back_and_stays() {
    let sealed = affinity(SEALED);
    let first = Visit::default().go(&sealed);
    let line = &first.set_cookie[0];
    assert!(line.starts_with("HOMING=") && line.ends_with("; Path=/; HttpOnly"), "{line}");
    // two letters may be in one of them by chance
    let others = (0..8).map(|_| Visit::default().go(&sealed).set_cookie[0].clone());
    assert!(!line.contains("10.0.0") && others.filter(|line| line.contains("s1")).count() < 4);
    let tls = Visit { secure: true, ..Visit::default() }.go(&sealed);
    assert!(tls.set_cookie[0].ends_with("; Path=/; HttpOnly; Secure; SameSite=None"), "{tls:?}");
    let cookie = line.split(';').next().unwrap();
    let lines = format!("a=1; {cookie}; b=2");
    let again =
        Visit { cookie: vec![&lines], balanced: 2, now: NOW + 1_000_000, ..Visit::default() }.go(&sealed);
    assert_eq!((again.slot, again.session, again.cookie), (1, Some(4711), vec!["a=1; b=2".to_owned()]));
    assert!(again.set_cookie.is_empty() && !again.outcome.pinned);
}

#[test]
fn ten_thousand_forgeries_are_refused() {
    let sealed = affinity(SEALED);
    let cookie = pin(&sealed, Visit::default());
    let mut random = SmallRng::seed_from_u64(1);
    for round in 0..10_000 {
        let mut bytes = cookie.clone().into_bytes();
        let at = random.random_range(7..bytes.len());
        let old = bytes[at];
        match round % 4 {
            0 => bytes[at] ^= 1 << random.random_range(0..7),
            1 => {
                bytes[at] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                    [random.random_range(0..64)]
            }
            2 => bytes.truncate(at),
            _ => bytes.insert(at, b'A'),
        }
        if bytes.get(at) == Some(&old) && round % 4 == 1 {
            continue;
        }
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, value);
        let uri = Uri::from_static("/");
        let found = sealed
            .read(&PinRequest {
                method: &Method::GET,
                uri: &uri,
                headers: &headers,
                client: [127, 0, 0, 1].into(),
                hearsay: false,
                now: NOW,
            })
            .found;
        let spoiled = String::from_utf8_lossy(&bytes).into_owned();
        // A byte that ends the cookie early, or the space around it, can leave the name without a value or
        // the pin as it was.
        if spoiled.trim_end_matches([';', ' ', '\t']) == cookie {
            continue;
        }
        assert!(matches!(found, FoundPin::Lost(Lost::Tampered) | FoundPin::Absent), "{found:?} {spoiled}");
    }
}

#[test]
fn only_its_own_cluster_and_name_take_a_pin() {
    let keys = Arc::new(KeyRing::generate());
    let cookie = pin(&affinity_with(SEALED, &keys), Visit::default());
    let members = [member(1, "s1", "a1")];
    let bank = Affinity::compile(Some(&conf(SEALED)), "bank", &members, keys.clone()).unwrap();
    assert_eq!(read(&bank, "/", &[&cookie], NOW).found, FoundPin::Lost(Lost::Tampered));
    let renamed = cookie.replace("HOMING", "OTHER");
    assert_eq!(
        read(&affinity_with("cookie = 'OTHER'", &keys), "/", &[&renamed], NOW).found,
        FoundPin::Lost(Lost::Tampered)
    );
}

#[test]
fn two_proxies_agree_whatever_the_order() {
    let text = KeyRing::generate().to_text();
    let ring = || Arc::new(KeyRing::parse(&text).unwrap());
    let here = affinity_with(SEALED, &ring());
    let members = [member(0, "s2", "a2"), member(1, "new", "n"), member(9, "s1", "a1")];
    let there = Affinity::compile(Some(&conf(SEALED)), "shop", &members, ring()).unwrap();
    let cookie = pin(&here, Visit { balanced: 1, ..Visit::default() });
    assert_eq!(read(&there, "/", &[&cookie], NOW).found, FoundPin::Pin { slots: &[9], via: Via::Cookie });
    let fewer = Affinity::compile(Some(&conf(SEALED)), "shop", &members[..2], ring()).unwrap();
    let lost = read(&fewer, "/", &[&cookie], NOW);
    assert_eq!((lost.found, lost.session), (FoundPin::Lost(Lost::UnknownRoute), Some(4711)));
}

#[test]
fn old_keys_open_and_are_replaced() {
    let (old, new) = (KeyRing::generate(), KeyRing::generate());
    let both = Arc::new(KeyRing::parse(&(new.to_text() + &old.to_text())).unwrap());
    let new = affinity_with(SEALED, &Arc::new(new));
    let cookie = pin(&affinity_with(SEALED, &Arc::new(old)), Visit { balanced: 2, ..Visit::default() });
    assert_eq!(read(&new, "/", &[&cookie], NOW).found, FoundPin::Lost(Lost::Tampered));
    let rotated = affinity_with(SEALED, &both);
    let visit = Visit { cookie: vec![&cookie], ..Visit::default() };
    assert_eq!(visit.go(&rotated).slot, 2);
    let fresh = pin(&rotated, visit);
    let reading = read(&new, "/", &[&fresh], NOW);
    assert_eq!(
        (reading.found, reading.session),
        (FoundPin::Pin { slots: &[2], via: Via::Cookie }, Some(4711))
    );
}

#[test]
fn ages_count_when_asked_for() {
    let aged = affinity("cookie = 'HOMING'\nmax-idle = '30m'\nmax-life = '8h'");
    let mut cookie = pin(&aged, Visit::default());
    let at = |cookie: &str, after: u64| {
        Visit { cookie: vec![cookie], now: NOW + after, balanced: 2, ..Visit::default() }.go(&aged)
    };
    assert!(at(&cookie, 890).set_cookie.is_empty());
    assert_eq!(at(&cookie, 910).set_cookie.len(), 1);
    assert_eq!(read(&aged, "/", &[&cookie], NOW + 1810).found, FoundPin::Lost(Lost::Expired));
    // Kept alive by use, it still ends with its life.
    for minute in (20..480).step_by(20) {
        let seen = at(&cookie, minute * 60);
        assert_eq!(seen.slot, 1, "{minute}");
        cookie = seen.set_cookie[0].split(';').next().unwrap().to_owned();
    }
    assert_eq!(read(&aged, "/", &[&cookie], NOW + 8 * 3600 + 10).found, FoundPin::Lost(Lost::Expired));
}

/// What a pin says, so many seconds later, but for its last use; and whether it is renewed.
fn unused<'t>(affinity: &'t Affinity, cookie: &str, after: u64) -> Option<(FoundPin<'t>, bool)> {
    let headers = http::HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())]);
    let uri = Uri::from_static("/");
    let request = PinRequest {
        method: &Method::GET,
        uri: &uri,
        headers: &headers,
        client: [192, 0, 2, 7].into(),
        hearsay: false,
        now: NOW + after,
    };
    affinity.read_unused(&request).map(|reading| (reading.found, reading.stamp.refresh))
}

#[test]
fn a_pin_that_seems_idle_says_whose_it_is_to_whom_knows_better() {
    let aged = affinity("cookie = 'HOMING'\nmax-idle = '30m'\nmax-life = '8h'");
    let cookie = pin(&aged, Visit::default());
    assert_eq!(unused(&aged, &cookie, 1810), Some((FoundPin::Pin { slots: &[1], via: Via::Cookie }, true)));
    assert_eq!(unused(&aged, &cookie, 8 * 3600 + 10), None, "its life is over");
    assert_eq!(unused(&aged, "HOMING=junk", 1810), None);
    assert_eq!(
        unused(&affinity("cookie = 'HOMING'\nvalue = 'route'\nmax-idle = '30m'"), "HOMING=n1", 1810),
        None,
        "it names no session"
    );
}

#[test]
fn the_valid_one_of_several_wins() {
    let sealed = affinity(SEALED);
    let cookie = pin(&sealed, Visit { balanced: 2, ..Visit::default() });
    let (both, split) = (format!("HOMING=junk; {cookie}"), ["HOMING=junk; x=y", &cookie]);
    assert_eq!(Visit { cookie: vec![&both], ..Visit::default() }.go(&sealed).slot, 2);
    assert_eq!(Visit { cookie: split.to_vec(), ..Visit::default() }.go(&sealed).slot, 2);
    assert_eq!(read(&sealed, "/", &["HOMING=junk"], NOW).found, FoundPin::Lost(Lost::Tampered));
    assert_eq!(read(&sealed, "/", &["HOMING="], NOW).found, FoundPin::Absent);
}

#[test]
fn a_node_can_release_its_session() {
    let sealed = affinity(SEALED);
    let cookie = pin(&sealed, Visit::default());
    let released = Visit { cookie: vec![&cookie], release: true, ..Visit::default() }.go(&sealed);
    assert!(released.outcome.ended && !released.outcome.pinned);
    assert_eq!(released.set_cookie, ["HOMING=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; Path=/; HttpOnly"]);
    assert!(Visit { release: true, ..Visit::default() }.go(&sealed).set_cookie.is_empty());
}

#[test]
fn only_a_cookie_of_ours_is_sealed() {
    let members = [member(1, "s1", "a1")];
    for mode in ["prefix", "rewrite", "passive"] {
        let built = |value: &str| {
            let conf = conf(&format!("cookie = 'ID'\nmode = '{mode}'\n{value}"));
            Affinity::compile(Some(&conf), "shop", &members, Arc::new(KeyRing::generate()))
        };
        assert!(built("value = 'sealed'").is_err(), "{mode}");
        assert!(built("value = 'dynamic'\ndynamic-key = 'k'").is_ok(), "{mode}");
        let cookie = if mode == "prefix" { "ID=a1~abc" } else { "ID=a1" };
        let found = FoundPin::Pin { slots: &[1], via: Via::Cookie };
        assert_eq!(
            read(&built("").unwrap(), "/", &[cookie], NOW).found,
            found,
            "{mode}: readable unless it says otherwise"
        );
    }
}

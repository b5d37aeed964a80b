use super::*;
use std::os::unix::fs::PermissionsExt;

fn shown(authorization: &str) -> Option<ShownToken> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
    ShownToken::by(&headers)
}

#[test]
fn any_token_of_the_file_is_good() {
    let (new, old) = (generate(), generate());
    let tokens = Tokens::parse(&format!("# newest first\n{new}\n\n  {old}   # until Friday\n")).unwrap();
    for (token, good) in [
        (new.as_str(), true),
        (&old, true),
        (&generate(), false),
        ("", false),
        (&new[1..], false),
        ("#", false),
    ] {
        assert_eq!(
            shown(&format!("Bearer {token}")).is_some_and(|shown| tokens.admit(&shown)),
            good,
            "{token}"
        );
        assert!(!Tokens::none().admit(&ShownToken(hash(token.as_bytes()))));
    }
    assert_eq!(format!("{tokens:?}"), "Tokens(2, not shown)");
}

#[test]
fn a_nodes_token_is_good_for_that_node_alone() {
    let (new, old) = (generate(), generate());
    let tokens = Tokens::parse(&format!("{new}\n{old}")).unwrap();
    let shown = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {text}").parse().unwrap());
        NodeToken::by(&headers)
            .filter(|token| tokens.admit_node(token))
            .map(|token| format!("{} {}", token.cluster(), token.node()))
    };
    let n1 = NodeToken::make(&old, "app", "n1");
    assert_eq!(shown(&n1).as_deref(), Some("app n1"));
    assert_eq!(shown(&NodeToken::make(&new, "app", "n2")).as_deref(), Some("app n2"));
    assert!(!n1.contains(&old), "the cluster's is not in it");
    for wrong in [
        n1.replace("n1", "n2"),
        n1.replace("app", "bank"),
        n1[..n1.len() - 1].to_owned(),
        format!("{n1}/x"),
        old.clone(),
        NodeToken::make(&generate(), "app", "n1"),
    ] {
        assert_eq!(shown(&wrong), None, "{wrong}");
    }
}

#[test]
fn files_without_a_good_token_are_refused_without_repeating_them() {
    for wrong in [
        "",
        "# nothing\n",
        "hunter2\n",
        "abcdefghijklmnop qrstuvwxyz012345\n",
        "p\u{e4}sswordpassword\n",
        &"x".repeat(1025),
    ] {
        let said = Tokens::parse(wrong).unwrap_err().to_string();
        assert!(said.contains("homing token"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_pass_is_good_for_its_time_its_token_and_its_process_until_it_is_ended() {
    let (token, passes) = (generate(), Passes::default());
    let (tokens, shown) = (Tokens::parse(&token).unwrap(), ShownToken::of(&token));
    let pass = passes.issue(&tokens, &shown, 100, 1).unwrap();
    let other = passes.issue(&tokens, &shown, 100, 1).unwrap();
    assert!(passes.admit(&tokens, &pass, 99) && passes.admit(&tokens, &other, 99));
    assert!(!passes.admit(&tokens, &pass, 100), "its time is over");
    assert!(!passes.admit(&Tokens::parse(&generate()).unwrap(), &pass, 99), "its token is good no more");
    assert!(!Passes::default().admit(&tokens, &pass, 99), "another process");
    assert!(!pass.contains(&token) && pass != other);
    assert_eq!(passes.issue(&tokens, &ShownToken::of(&generate()), 100, 1), None);
    for wrong in ["", ".", "100", &token, &pass[1..]] {
        assert!(!passes.admit(&tokens, wrong, 99), "{wrong}");
        passes.end(wrong);
    }
    passes.end(&pass);
    assert!(!passes.admit(&tokens, &pass, 99) && passes.admit(&tokens, &other, 99), "one is ended");
}

#[test]
fn passes_are_bounded() {
    let (token, passes) = (generate(), Passes::default());
    let (tokens, shown) = (Tokens::parse(&token).unwrap(), ShownToken::of(&token));
    let issue = |until| passes.issue(&tokens, &shown, until, 1).unwrap();
    let (last, first) = (issue(1000), issue(10));
    (0..MOST_PASSES - 1).for_each(|_| drop(issue(100)));
    assert!(!passes.admit(&tokens, &first, 2) && passes.admit(&tokens, &last, 2));
    assert_eq!(passes.0.borrow().len(), MOST_PASSES);
    passes.issue(&tokens, &shown, 2000, 500).unwrap();
    assert_eq!(passes.0.borrow().len(), 2, "what is over is gone");
}

#[test]
fn tokens_come_as_bearers() {
    let tokens = Tokens::parse("correct-#horse-battery").unwrap();
    for (header, good) in [
        ("Bearer correct-#horse-battery", true),
        ("bearer  correct-#horse-battery ", true),
        ("Basic correct-#horse-battery", false),
        ("correct-#horse-battery", false),
        ("Bearer", false),
        ("Bearer ", false),
        ("", false),
    ] {
        assert_eq!(shown(header).is_some_and(|shown| tokens.admit(&shown)), good, "{header}");
    }
    assert!(ShownToken::by(&HeaderMap::new()).is_none());
}

#[test]
fn a_missing_file_is_made_once_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/join.token");
    let token = first_or_made(&path).unwrap();
    assert_eq!((first_or_made(&path).unwrap(), first(&path).unwrap()), (token.clone(), token));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    assert!(first_or_made(&path.join("x")).is_err());
}

#[test]
fn a_token_is_not_written_where_a_link_leads() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, path) = (folder.path().join("theirs"), folder.path().join("admin.token"));
    fs::write(&theirs, "as it was").unwrap();
    std::os::unix::fs::symlink(&theirs, path.with_extension(format!("new-{}", std::process::id()))).unwrap();
    let refused = first_or_made(&path).unwrap_err().to_string();
    assert!(refused.starts_with("cannot be made: ") && refused.contains("is a symbolic link"), "{refused}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "as it was");
}

use super::*;
use http::HeaderValue;

#[test]
fn edits_go_in_order() {
    let mut model = HeaderEdits { remove: vec!["X-Old".into(), "X-Two".into()], ..HeaderEdits::default() };
    model.set.insert("X-New".into(), "was {header.X-Old}".into());
    model.set.insert("X-Node".into(), "{node}".into());
    model.add.insert("X-Two".into(), "added".into());
    let edits = Edits::compile(&model).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-old", "o"), ("x-two", "t"), ("x-node", "forged")] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let asked = headers.clone();
    edits.apply(&mut headers, &TemplateFacts { headers: Some(&asked), ..TemplateFacts::default() });
    assert_eq!(headers.len(), 2);
    assert_eq!(
        (&headers["x-new"], &headers["x-two"]),
        (&HeaderValue::from_static("was o"), &HeaderValue::from_static("added"))
    );
    assert!(Edits::default().is_empty());
}

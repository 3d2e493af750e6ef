//! Structured fields: examples of RFC 9651 and of the fields that the edge reads and writes.

use proptest::prelude::*;
use seawall_http::sf::{
    Bare, Item, MEMBERS, Member, PARAMETERS, SfError, find, join, parse_dictionary, parse_item,
    parse_list, write_dictionary, write_item, write_list,
};

fn bare(text: &str) -> Result<Bare, SfError> {
    parse_item(text.as_bytes()).map(|item| item.bare)
}

#[test]
fn each_type_of_item_is_read() {
    for (text, want) in [
        ("42", Bare::Integer(42)),
        ("-999999999999999", Bare::Integer(-999_999_999_999_999)),
        ("  007 ", Bare::Integer(7)),
        ("4.5", Bare::Decimal(4500)),
        ("-0.125", Bare::Decimal(-125)),
        ("\"a \\\"b\\\\\"", Bare::String("a \"b\\".into())),
        ("foo123/456:*", Bare::Token("foo123/456:*".into())),
        (":aGVsbG8=:", Bare::Bytes(b"hello".to_vec())),
        (":aGVsbG8:", Bare::Bytes(b"hello".to_vec())),
        ("::", Bare::Bytes(Vec::new())),
        ("?1", Bare::Boolean(true)),
        ("@1659578233", Bare::Date(1_659_578_233)),
        ("%\"f%c3%bc %22\"", Bare::Display("f\u{fc} \"".into())),
    ] {
        assert_eq!(bare(text), Ok(want), "{text}");
    }
}

#[test]
fn what_has_another_form_is_refused_whole() {
    for text in [
        "",
        "1 2",
        "--1",
        "-",
        "1.",
        ".5",
        "\"open",
        "\"a\nb\"",
        "\"\\x\"",
        "\"\u{e9}\"",
        "?2",
        "?",
        "@1.5",
        "@",
        ":a",
        ":a*:",
        ":a=b:",
        "%\"\u{e9}\"",
        "%\"%C3%BC\"",
        "%\"%ff\"",
        "%x",
        "a b",
        "a;",
        "a;B=1",
        "a;b=",
        "(a)",
        "\ta",
        "1;a=(b)",
    ] {
        assert!(
            matches!(bare(text), Err(SfError::Syntax(_))),
            "{text:?}: {:?}",
            bare(text)
        );
    }
    for text in ["1234567890123456", "1234567890123.0", "1.1234"] {
        assert_eq!(bare(text), Err(SfError::Range), "{text}");
    }
    for text in [
        "a,",
        ",a",
        "a,,b",
        "a b",
        "(a",
        "(a b",
        "(a,b)",
        "((a))",
        "(\"a\"\"b\")",
    ] {
        assert!(parse_list(text.as_bytes()).is_err(), "{text}");
    }
    for text in ["a=", "A=1", "a=1,", "=1", "a 1", "a=1 b=2"] {
        assert!(parse_dictionary(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn cache_status_reads_and_writes_back() {
    let text = b"ExampleCache; hit; ttl=376, \"CDN Company\";fwd=uri-miss;detail=\"x\"";
    let list = parse_list(text).unwrap();
    let first = list[0].as_item().unwrap();
    assert_eq!(first.bare.as_text(), Some("ExampleCache"));
    assert_eq!(
        first.parameter("hit").and_then(Bare::as_boolean),
        Some(true)
    );
    assert_eq!(first.parameter("ttl").and_then(Bare::as_integer), Some(376));
    let mut out = Vec::new();
    write_list(&list, &mut out).unwrap();
    assert_eq!(
        out,
        b"ExampleCache;hit;ttl=376, \"CDN Company\";fwd=uri-miss;detail=\"x\""
    );
}

#[test]
fn no_vary_search_and_priority_read_and_write_back() {
    let dictionary =
        parse_dictionary(b"key-order, params=(\"a\" \"b\");x, except=?0 ,key-order").unwrap();
    assert_eq!(dictionary.len(), 3);
    let Some(Member::InnerList(items, _)) = find(&dictionary, "params") else {
        panic!("no inner list");
    };
    assert_eq!(items[1].bare.as_text(), Some("b"));
    let mut out = Vec::new();
    write_dictionary(&dictionary, &mut out).unwrap();
    assert_eq!(out, b"key-order, params=(\"a\" \"b\");x, except=?0");
    let lines = [&b"u=1"[..], b"i", b"u=3"];
    let priority = parse_dictionary(&join(lines.into_iter())).unwrap();
    let urgency = find(&priority, "u").and_then(Member::as_item).unwrap();
    assert_eq!(urgency.bare, Bare::Integer(3));
    assert!(parse_list(b"").unwrap().is_empty() && parse_dictionary(b"  ").unwrap().is_empty());
}

#[test]
fn members_and_parameters_have_limits() {
    assert_eq!(
        parse_list(["a"; MEMBERS].join(",").as_bytes())
            .unwrap()
            .len(),
        MEMBERS
    );
    assert_eq!(
        parse_list(["a"; MEMBERS + 1].join(",").as_bytes()),
        Err(SfError::TooMany)
    );
    let inner = format!("({})", ["a"; MEMBERS + 1].join(" "));
    assert_eq!(parse_list(inner.as_bytes()), Err(SfError::TooMany));
    let keys = |count: usize| (0..count).map(|n| format!("k{n}")).collect::<Vec<_>>();
    assert!(parse_dictionary(keys(MEMBERS).join(",").as_bytes()).is_ok());
    assert_eq!(
        parse_dictionary(keys(MEMBERS + 1).join(",").as_bytes()),
        Err(SfError::TooMany)
    );
    let item = format!("a;{}", keys(PARAMETERS + 1).join(";"));
    assert_eq!(parse_item(item.as_bytes()), Err(SfError::TooMany));
}

#[test]
fn what_does_not_fit_its_type_is_not_written() {
    for value in [
        Bare::Integer(1_000_000_000_000_000),
        Bare::Decimal(i64::MIN),
        Bare::String("a\nb".into()),
        Bare::String("\u{e9}".into()),
        Bare::Token("a b".into()),
        Bare::Token(String::new()),
        Bare::Date(i64::MAX),
    ] {
        assert!(
            write_item(&value.clone().into(), &mut Vec::new()).is_err(),
            "{value:?}"
        );
    }
    let item = Item {
        bare: Bare::Boolean(true),
        parameters: vec![("Bad".into(), Bare::Boolean(true))],
    };
    assert_eq!(
        write_item(&item, &mut Vec::new()),
        Err(SfError::NotRepresentable)
    );
}

fn any_bare() -> impl Strategy<Value = Bare> {
    let fifteen = -999_999_999_999_999i64..=999_999_999_999_999;
    prop_oneof![
        fifteen.clone().prop_map(Bare::Integer),
        fifteen.clone().prop_map(Bare::Decimal),
        fifteen.prop_map(Bare::Date),
        "[ -~]{0,12}".prop_map(Bare::String),
        "[a-zA-Z*][a-z0-9:/!#$%&'*+.^_`|~-]{0,8}".prop_map(Bare::Token),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Bare::Bytes),
        any::<bool>().prop_map(Bare::Boolean),
        ".{0,6}".prop_map(Bare::Display),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in any_bare(), parameter in any_bare()) {
        let item = Item { bare: value, parameters: vec![("q".into(), parameter)] };
        let mut out = Vec::new();
        write_item(&item, &mut out).unwrap();
        prop_assert_eq!(parse_item(&out), Ok(item));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(text in "[a-z0-9\"\\\\();:=,?@%* .+/-]{0,40}") {
        let _ = (parse_item(text.as_bytes()), parse_list(text.as_bytes()), parse_dictionary(text.as_bytes()));
    }
}

use super::*;

fn load(text: &str, limits: &Limits, cut: bool) -> (Vec<String>, Result<(), JsonError>) {
    let mut store = Store::default();
    let loaded = store.load_json(text.as_bytes(), cut, limits);
    let text = |place| String::from_utf8_lossy(store.text(place)).into_owned();
    (
        store
            .members
            .iter()
            .map(|m| format!("{}={}", text(m.name), text(m.value)))
            .collect(),
        loaded,
    )
}

#[track_caller]
fn leaves(text: &str, expected: &[&str]) {
    assert_eq!(
        load(text, &Limits::default(), false),
        (expected.iter().map(|s| s.to_string()).collect(), Ok(()))
    );
}

#[track_caller]
fn refused(text: &str) {
    assert_eq!(
        load(text, &Limits::default(), false).1,
        Err(JsonError::Syntax),
        "{text}"
    );
}

#[test]
fn leaves_have_their_path_as_name() {
    leaves(
        r#"{"a":1,"b":{"c":"x"},"d":true,"e":null,"f":-1.5e+3}"#,
        &[
            "json.a=1",
            "json.b.c=x",
            "json.d=true",
            "json.e=",
            "json.f=-1.5e+3",
        ],
    );
    leaves(
        r#"{"a":[1,2],"b":[]}"#,
        &["json.a.array_0=1", "json.a.array_1=2"],
    );
    leaves(
        r#"{"a":[{"b":1},{"b":2,"c":3}]}"#,
        &[
            "json.a.array_0.b=1",
            "json.a.array_1.b=2",
            "json.a.array_1.c=3",
        ],
    );
    leaves(
        r#"[[1],[2,[3]],4]"#,
        &[
            "json.array_0.array_0=1",
            "json.array_1.array_0=2",
            "json.array_1.array_1.array_0=3",
            "json.array_2=4",
        ],
    );
    leaves(r#"{"a":{},"":2,"a":3}"#, &["json.empty-key=2", "json.a=3"]);
    leaves(" \"x\" ", &["json=x"]);
    leaves(
        r#"{"a.":1,"b":{"c.":{"d":2},"e":3}}"#,
        &["json.a.=1", "json.b.c..d=2", "json.b.e=3"],
    );
}

#[test]
fn strings_are_decoded() {
    leaves(
        r#"["\u0027 or\t1=1","\ud83d\ude00","\ud800x","é","\/\\\""]"#,
        &[
            "json.array_0=' or\t1=1",
            "json.array_1=😀",
            "json.array_2=\u{fffd}x",
            "json.array_3=é",
            "json.array_4=/\\\"",
        ],
    );
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "[1 2]",
        "01",
        "-",
        "1.",
        "1e",
        "tru",
        "nul",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "{} {}",
        "{\"a\":1,}",
        "[",
        "]",
        "{\"a\":1]",
        "[1}",
        "{'a':1}",
        "NaN",
        "{\"a\":1,,\"b\":2}",
    ] {
        refused(text);
    }
    let mut store = Store::default();
    assert_eq!(
        store.load_json(b"\"\xff\"", false, &Limits::default()),
        Err(JsonError::Syntax)
    );
}

#[test]
fn one_level_past_the_depth_limit_is_refused() {
    let limits = Limits {
        json_depth_max: 3,
        ..Limits::default()
    };
    assert_eq!(load("[[[1]]]", &limits, false).1, Ok(()));
    assert_eq!(load("[[[[1]]]]", &limits, false).1, Err(JsonError::TooDeep));
    assert_eq!(
        load(&"[".repeat(100_000), &Limits::default(), false).1,
        Err(JsonError::TooDeep)
    );
}

#[test]
fn one_argument_past_the_limit_is_refused() {
    let limits = Limits {
        args_max: 2,
        ..Limits::default()
    };
    assert_eq!(load("[1,2]", &limits, false).1, Ok(()));
    assert_eq!(
        load("[1,2,3]", &limits, false).1,
        Err(JsonError::TooManyArgs)
    );
}

#[test]
fn a_name_past_its_limit_is_refused() {
    let key = "k".repeat(NAME_BYTES_MAX);
    assert_eq!(
        load(&format!("{{\"{key}\":1}}"), &Limits::default(), false).1,
        Err(JsonError::NameTooLong)
    );
}

#[test]
fn of_a_document_that_was_cut_the_beginning_counts() {
    let whole = r#"{"a":"one","b":[true,null,{"c":"twó"}],"d":12}"#;
    for end in 0..whole.len() {
        let mut store = Store::default();
        assert_eq!(
            store.load_json(&whole.as_bytes()[..end], true, &Limits::default()),
            Ok(()),
            "{end}"
        );
    }
    let (names, _) = load(r#"{"a":"one","b":"tw"#, &Limits::default(), true);
    assert_eq!(names, ["json.a=one", "json.b=tw"]);
    assert_eq!(
        load(r#"{"a" x"#, &Limits::default(), true).1,
        Err(JsonError::Syntax)
    );
}

#[test]
fn random_bytes_never_break_the_parser() {
    let alphabet = b"{}[]\":,\\u0012eE+-.truefalsn \xc3\xa9";
    let mut seed = 99u64;
    for round in 0..20_000 {
        let text: Vec<u8> = (0..round % 40)
            .map(|_| {
                seed = seed
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                alphabet[(seed >> 33) as usize % alphabet.len()]
            })
            .collect();
        let mut store = Store::default();
        let _ = store.load_json(&text, round % 2 == 0, &Limits::default());
        assert!(store.buffer.len() <= 4096 + text.len() * 64);
    }
}

//! Parts, flags and limits.

use super::*;

/// Name, file name, data.
type Shown = (String, Option<String>, String);

fn parse(body: &str) -> (Vec<Shown>, Flags, bool) {
    let mut parser = Parser {
        flags: Flags::default(),
        parts: Vec::new(),
        parts_max: 3,
    };
    let parsed = parser.parse(body.as_bytes(), b"B").is_ok();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let parts = parser.parts.iter().map(|p| {
        let name = p.name.as_deref().map(text).unwrap_or_default();
        (name, p.filename.as_deref().map(text), text(p.data))
    });
    (parts.collect(), parser.flags, parsed)
}

fn part(disposition: &str, data: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{data}\r\n")
}

#[test]
fn fields_and_files_are_told_apart() {
    let body =
        part("name=\"a\"", "1\r\n2") + &part("name=\"f\"; filename=\"x.php\"", "<?") + "--B--\r\n";
    let (parts, flags, parsed) = parse(&body);
    let expected = [
        ("a".to_owned(), None, "1\r\n2".to_owned()),
        ("f".to_owned(), Some("x.php".to_owned()), "<?".to_owned()),
    ];
    assert!(parsed && !flags.strict_error() && !flags.unmatched_boundary);
    assert_eq!(parts, expected);
}

#[test]
fn what_others_could_read_differently_raises_its_flag() {
    type Check = fn(&Flags) -> bool;
    let good = part("name=a", "1");
    let cases: [(String, Check); 11] = [
        (format!("x\r\n{good}--B--\r\n"), |f| f.data_before),
        (format!("{good}--B--\r\nx"), |f| f.data_after),
        (format!("{good}--B--\r\n").replace("\r\n", "\n"), |f| {
            f.lf_line
        }),
        (part("name='a'", "1") + "--B--", |f| f.invalid_quoting),
        (part("name=\"a", "1") + "--B--", |f| f.invalid_quoting),
        (part("name=a; name=b", "1") + "--B--", |f| f.invalid_part),
        (part("name=a;\r\n filename=x", "1") + "--B--", |f| {
            f.header_folding
        }),
        (part("filename=x", "1") + "--B--", |f| f.invalid_part),
        ("--B\r\nX\r\n\r\n1\r\n--B--".to_owned(), |f| f.invalid_part),
        (part("name=a", "--Boundary") + "--B--", |f| {
            f.unmatched_boundary
        }),
        (part("name=a", "--other") + "--B--", |f| {
            f.unmatched_boundary
        }),
    ];
    for (body, flag) in cases {
        assert!(flag(&parse(&body).1), "{body}");
    }
}

#[test]
fn a_body_without_its_end_is_an_error_and_what_is_there_counts() {
    let (parts, _, parsed) = parse(&part("name=a", "evil"));
    assert!(!parsed && parts[0].2 == "evil");
    assert!(!parse("").2 && !parse("--B").2);
}

#[test]
fn parts_and_headers_have_limits() {
    let four = part("name=a", "1").repeat(4) + "--B--";
    let (parts, flags, parsed) = parse(&four);
    assert!(!parsed && flags.too_many_parts && parts.len() == 3);
    let long = format!(
        "--B\r\n{}\r\n",
        format!("X: {}\r\n", "y".repeat(1000)).repeat(9)
    );
    assert!(!parse(&long).2);
}

#[test]
fn the_boundary_is_found_and_its_oddities_are_told() {
    let found = |text: &str| {
        let mut flags = Flags::default();
        (boundary(text.as_bytes(), &mut flags), flags)
    };
    let plain = found("multipart/form-data; boundary=Ab-1");
    assert_eq!(plain, (Some(b"Ab-1".to_vec()), Flags::default()));
    assert!(
        found("multipart/form-data; boundary=\"a\"")
            .1
            .boundary_quoted
    );
    assert!(found("multipart/form-data boundary=a").1.missing_semicolon);
    assert!(
        found("multipart/form-data; boundary = a")
            .1
            .boundary_whitespace
    );
    for (text, boundary) in [
        (
            "m; boundary=----WebKitFormBoundaryA1",
            "----WebKitFormBoundaryA1",
        ),
        ("m; boundary=\"boundary\"", "boundary"),
        ("m; boundary=boundary; charset=utf-8", "boundary"),
    ] {
        assert_eq!(
            found(text).0.as_deref(),
            Some(boundary.as_bytes()),
            "{text}"
        );
    }
    for none in [
        "multipart/form-data",
        "m; boundary=\"a\"; Boundary=b",
        "m; boundary=",
        "m; boundary=a;boundary=b",
        "m; boundary=a\x01",
    ] {
        assert_eq!(found(none).0, None, "{none}");
    }
}

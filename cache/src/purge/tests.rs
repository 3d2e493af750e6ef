use super::*;
use crate::testing::Head;

fn labels(url: &str, tags: &str) -> Labels {
    let tags = tags_of(&Head::new(&[("Surrogate-Key", tags)]).fields()).unwrap();
    Labels::new("shop".into(), url.as_bytes().into(), tags)
}

fn verdict(purges: &Purges, url: &str, tags: &str, since: u64) -> Verdict {
    purges.verdict(&labels(url, tags), b"key", since)
}

#[test]
fn a_purge_takes_what_it_names_and_is_older() {
    let page = "shop.test/a/b?c";
    for scope in [
        Scope::All,
        Scope::Site(b"shop"),
        Scope::Tag(b"red"),
        Scope::Prefix(b"shop.test/a"),
        Scope::Prefix(b"shop.test/a/b?c"),
        Scope::Url(b"shop.test/a/b?c"),
        Scope::Key(b"key"),
    ] {
        let purges = Purges::new();
        purges.note(scope, Manner::Hard, 7);
        assert_eq!(
            verdict(&purges, page, "blue red", 0),
            Verdict::Gone,
            "{scope:?}"
        );
        assert_eq!(verdict(&purges, page, "blue red", 1), Verdict::Untouched);
        let purges = Purges::new();
        purges.note(scope, Manner::Soft, 7);
        assert_eq!(verdict(&purges, page, "blue red", 0), Verdict::Stale(7));
        purges.note(scope, Manner::Hard, 8);
        assert_eq!(verdict(&purges, page, "blue red", 0), Verdict::Gone);
    }
    for scope in [
        Scope::Site(b"other"),
        Scope::Tag(b"re"),
        Scope::Tag(b"shop"),
        Scope::Prefix(b"shop.test/b"),
        Scope::Prefix(b"shop.test/a/b?cd"),
        Scope::Url(b"shop.test/a/b"),
        Scope::Key(b"shop"),
    ] {
        let purges = Purges::new();
        purges.note(scope, Manner::Hard, 7);
        assert_eq!(
            verdict(&purges, page, "red", 0),
            Verdict::Untouched,
            "{scope:?}"
        );
    }
}

#[test]
fn of_nested_prefixes_the_last_purge_counts_as_a_naive_search_says() {
    let parts = [
        "", "/", "/a", "/a/", "/a/b", "/a/c", "/ab", "/b/a", "/a/b/c", "/a/b/c/d",
    ];
    let purges = Purges::new();
    let noted: Vec<(String, u64)> = parts
        .iter()
        .map(|part| {
            let prefix = format!("h{part}");
            let entry = purges.note(Scope::Prefix(prefix.as_bytes()), Manner::Hard, 0);
            (prefix, entry.mark.hard)
        })
        .collect();
    for part in parts.iter().chain(&["/zz", "/a/b/cc", "/aa/b"]) {
        let url = format!("h{part}");
        let last = noted.iter().filter(|(prefix, _)| url.starts_with(prefix));
        let last = last.map(|(_, epoch)| *epoch).max().unwrap();
        assert_eq!(
            verdict(&purges, &url, "", last),
            Verdict::Untouched,
            "{url}"
        );
        assert_eq!(verdict(&purges, &url, "", last - 1), Verdict::Gone, "{url}");
    }
}

#[test]
fn past_the_limit_of_marks_too_much_is_purged_and_never_too_little() {
    let purges = Purges::new();
    let tag = |n: usize| format!("tag-{n}");
    for n in 0..=MARKS_MAX {
        purges.note(Scope::Tag(tag(n).as_bytes()), Manner::Hard, 0);
    }
    assert!(purges.entries().1.len() <= MARKS_MAX / 2 + 2);
    for n in [0, 1, MARKS_MAX / 2, MARKS_MAX] {
        assert_eq!(verdict(&purges, "h/", &tag(n), 0), Verdict::Gone, "{n}");
    }
    // What was stored after the forgotten purges is what it was.
    let epoch = purges.epoch();
    assert_eq!(
        verdict(&purges, "h/", &tag(0), epoch - 1),
        Verdict::Untouched
    );
    for n in 0..=PREFIXES_MAX {
        purges.note(Scope::Prefix(tag(n).as_bytes()), Manner::Hard, 0);
    }
    assert_eq!(verdict(&purges, "tag-0/x", "", epoch), Verdict::Gone);
    assert!(purges.entries().1.len() <= MARKS_MAX / 2 + PREFIXES_MAX / 2 + 3);
}

#[test]
fn what_is_remembered_can_be_restored() {
    let purges = Purges::new();
    purges.note(Scope::Tag(b"red"), Manner::Hard, 0);
    purges.note(Scope::Prefix(b"shop.test/a"), Manner::Soft, 5);
    let (epoch, entries) = purges.entries();
    let again = Purges::restored(purges.seed(), epoch, entries);
    assert_eq!(verdict(&again, "h/", "red", 0), Verdict::Gone);
    assert_eq!(verdict(&again, "shop.test/a/1", "", 1), Verdict::Stale(5));
    assert_eq!(again.epoch(), 2);
}

#[test]
fn tags_are_split_as_each_field_has_them() {
    let head = Head::new(&[
        ("Surrogate-Key", "b  a\tc"),
        ("Cache-Tag", "d e, f ,,a"),
        ("CDN-Tag", " g "),
    ]);
    let tags = tags_of(&head.fields()).unwrap();
    assert_eq!(&*tags, b"a\nb\nc\nd e\nf\ng\n");
}

#[test]
fn too_many_or_too_long_tags_are_none() {
    use crate::options::{TAG_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX};
    let tags = |text: String| tags_of(&Head::new(&[("Cache-Tag", &text)]).fields());
    assert!(tags("x".repeat(TAG_BYTES_MAX)).is_some());
    assert!(tags("x".repeat(TAG_BYTES_MAX + 1)).is_none());
    let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    assert!(tags(many(TAGS_MAX).join(",")).is_some());
    assert!(tags(many(TAGS_MAX + 1).join(",")).is_none());
    let long: Vec<String> = (100..101 + TAGS_BYTES_MAX / 1000)
        .map(|n| n.to_string().repeat(340))
        .collect();
    assert!(tags(long.join(",")).is_none());
}

//! The internal CA's files through crashes, races and carelessness, and what it issues.

use seawall_tls::{InternalCa, TlsError, certified_key, limits, names, not_after};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Barrier},
    time::{Duration, SystemTime},
};

fn open(dir: &Path) -> InternalCa {
    InternalCa::open_or_create(dir).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn it_is_made_once_with_a_private_key_and_a_public_root() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state/ca");
    let first = open(&state);
    assert_eq!(entries(&state), ["ca-key.pem", "ca.pem"]);
    assert_eq!(mode(&state.join("ca-key.pem")), 0o600);
    assert_eq!(mode(&first.root_path()), 0o644);
    assert_eq!(
        fs::read_to_string(first.root_path()).unwrap(),
        first.root_pem()
    );
    assert!(!first.root_pem().contains("PRIVATE"));
    assert_eq!(open(&state).root_pem(), first.root_pem());
    let years = first
        .root_not_after()
        .duration_since(SystemTime::now())
        .unwrap()
        .as_secs()
        / (365 * 24 * 3600);
    assert_eq!(years, 9, "almost ten");
}

#[test]
fn of_many_that_start_at_once_one_makes_it_and_all_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = Arc::new(Barrier::new(8));
    let starters: Vec<_> = (0..8)
        .map(|_| {
            let (path, barrier) = (dir.path().to_owned(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                open(&path).root_pem().to_owned()
            })
        })
        .collect();
    let roots: Vec<String> = starters
        .into_iter()
        .map(|starter| starter.join().unwrap())
        .collect();
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert_eq!(
        entries(dir.path()),
        ["ca-key.pem", "ca.pem"],
        "no temporary file stays"
    );
}

#[test]
fn a_crash_before_the_link_leaves_a_file_that_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join(".ca-1a2b3c.tmp"),
        "-----BEGIN CERTIFICATE-----\nMIIB",
    )
    .unwrap();
    let root = open(dir.path()).root_pem().to_owned();
    assert_eq!(open(dir.path()).root_pem(), root);
}

#[test]
fn a_crash_between_the_two_files_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let root = open(dir.path()).root_pem().to_owned();
    let path = dir.path().join("ca.pem");
    fs::remove_file(&path).unwrap();
    assert_eq!(
        fs::read_to_string(open(dir.path()).root_path()).unwrap(),
        root
    );
    for half_written in ["", &root[..100], "another"] {
        fs::write(&path, half_written).unwrap();
        open(dir.path());
        assert_eq!(fs::read_to_string(&path).unwrap(), root);
    }
}

#[test]
fn a_damaged_ca_is_an_error_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    let path = dir.path().join("ca-key.pem");
    let good = fs::read_to_string(&path).unwrap();
    let other_dir = tempfile::tempdir().unwrap();
    open(other_dir.path());
    let other = fs::read_to_string(other_dir.path().join("ca-key.pem")).unwrap();
    let key_at = good.find("-----BEGIN PRIVATE KEY-----").unwrap();
    let other_key_at = other.find("-----BEGIN PRIVATE KEY-----").unwrap();
    let too_large = good.repeat(limits::CA_FILE_BYTES_MAX as usize / good.len() + 1);
    for damaged in [
        "",
        &good[..good.len() / 2],
        &good[..key_at],
        &good[key_at..],
        &format!("{}{}", &good[..key_at], &other[other_key_at..]),
        &format!("{}{}", &good[..key_at], good),
        &too_large,
    ] {
        fs::write(&path, damaged).unwrap();
        let error = InternalCa::open_or_create(dir.path()).unwrap_err();
        assert!(matches!(error, TlsError::BadCa { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("remove it to have a new CA made"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(matches!(
        InternalCa::open_or_create(dir.path()),
        Err(TlsError::BadCa { .. })
    ));
    fs::write(&path, good).unwrap();
    open(dir.path());
}

#[test]
fn a_key_that_others_could_read_is_made_private() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    let path = dir.path().join("ca-key.pem");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    open(dir.path());
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_place_that_cannot_be_a_directory_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = InternalCa::open_or_create(&file.join("ca")).unwrap_err();
    assert!(matches!(error, TlsError::File { .. }));
    assert!(error.to_string().contains("file/ca"), "{error}");
}

#[test]
fn it_issues_for_names_wildcards_and_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let issued = open(dir.path())
        .issue(&["Shop.Test", "*.shop.test", "127.0.0.1", "::1", "localhost"])
        .unwrap();
    assert_eq!(
        names(&issued.key),
        ["shop.test", "*.shop.test", "127.0.0.1", "::1", "localhost"]
    );
    assert_eq!(issued.key.cert.len(), 1);
}

#[test]
fn a_certificate_lives_ninety_days_and_is_renewed_after_sixty() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path());
    let now = SystemTime::now();
    let issued = ca.issue_at(&["a.test"], now).unwrap();
    assert_eq!(issued.not_after, now + 90 * DAY);
    let written = not_after(&issued.key).unwrap();
    assert!(issued.not_after.duration_since(written).unwrap() < Duration::from_secs(1));
    assert!(!issued.needs_renewal(now + 59 * DAY));
    assert!(issued.needs_renewal(now + 60 * DAY));
    assert!(issued.needs_renewal(now + 91 * DAY));
    let again = ca.issue_at(&["A.test"], now + 59 * DAY).unwrap();
    assert!(
        Arc::ptr_eq(&again.key, &issued.key),
        "the same one until then"
    );
    let renewed = ca.issue_at(&["a.test"], now + 60 * DAY).unwrap();
    assert!(!Arc::ptr_eq(&renewed.key, &issued.key));
}

#[test]
fn nothing_outlives_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path());
    let near_the_end = ca.root_not_after() - Duration::from_secs(3600);
    assert_eq!(
        ca.issue_at(&["a.test"], near_the_end).unwrap().not_after,
        ca.root_not_after()
    );
    let after = ca.root_not_after() + Duration::from_secs(1);
    assert!(matches!(
        ca.issue_at(&["b.test"], after),
        Err(TlsError::RootExpired(_))
    ));
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path());
    let long = format!("{}.test", "x".repeat(64));
    for name in [
        "",
        "a b.test",
        "*",
        "*.*.test",
        "a.*.test",
        "bücher.test",
        "a..test",
        "a\0.test",
        long.as_str(),
    ] {
        assert!(
            matches!(ca.issue(&[name]), Err(TlsError::BadName(bad)) if bad == name),
            "{name:?}"
        );
    }
    assert!(matches!(ca.issue(&[]), Err(TlsError::NameCount(0))));
    let many = vec!["a.test"; limits::LEAF_NAMES_MAX + 1];
    assert!(matches!(ca.issue(&many), Err(TlsError::NameCount(101))));
    let long = format!("{0}.{0}.test", "x".repeat(60));
    assert_eq!(names(&ca.issue(&[&long]).unwrap().key), [long]);
}

#[test]
fn the_roots_of_two_installations_differ_by_name() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = |dir: &Path| {
        let pem = fs::read(dir.join("ca-key.pem")).unwrap();
        names(&certified_key(&pem, &pem).unwrap())
    };
    open(one.path());
    open(two.path());
    assert!(name(one.path())[0].starts_with("seawall internal ca "));
    assert_ne!(name(one.path()), name(two.path()));
}

#[test]
fn what_was_issued_is_forgotten_past_the_limit_and_issued_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path());
    let first = ca.issue(&["0.test"]).unwrap();
    for index in 1..=limits::ISSUED_MAX {
        ca.issue(&[&format!("{index}.test")]).unwrap();
    }
    assert!(!Arc::ptr_eq(
        &ca.issue(&["0.test"]).unwrap().key,
        &first.key
    ));
}

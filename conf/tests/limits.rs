//! Every limit on what is read, with a text past it.

use seawall_conf::{FILE_BYTES_MAX, LoadOptions, load, load_text, yaml};
use std::path::Path;

fn first_message(path: &Path) -> String {
    let error = load(path, &LoadOptions::default()).expect_err("past the limit");
    error
        .diagnostics
        .iter()
        .next()
        .map(|d| d.message.clone())
        .unwrap_or_default()
}

#[test]
fn a_file_past_the_size_limit_is_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("big.yaml");
    std::fs::File::create(&path)
        .and_then(|f| f.set_len(FILE_BYTES_MAX + 1))
        .expect("a sparse file");
    assert!(first_message(&path).contains("is larger than"));
}

#[test]
fn more_values_than_the_limit_are_refused() {
    let text = format!("trusted_proxies: [{}]\n", "a, ".repeat(yaml::NODES_MAX));
    let error = load_text("a.yaml", text, &LoadOptions::default()).expect_err("past the limit");
    assert_eq!(
        error.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(),
        ["yaml-limit"]
    );
}

#[test]
fn more_included_files_than_the_limit_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    for i in 0..yaml::FILES_MAX {
        std::fs::write(dir.path().join(format!("{i}.part")), "").expect("written");
    }
    let path = dir.path().join("main.yaml");
    std::fs::write(&path, "include: '*.part'\n").expect("written");
    assert!(first_message(&path).contains("more than 1024 files"));
}

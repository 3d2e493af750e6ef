//! Which commit this binary is of, for `seawall --version`: what the builder says (`SEAWALL_COMMIT`), what a source archive
//! says of itself (the file `commit`, filled in by `git archive`), or what git says. Builds for development say that they are
//! such: they would else be built anew by every commit. The same sources give the same words, whatever the day or machine.

use std::{env, fs, process::Command};

/// Digits of a commit that are shown.
const DIGITS: usize = 12;

fn main() {
    println!("cargo:rerun-if-env-changed=SEAWALL_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=commit");
    println!("cargo:rustc-env=SEAWALL_COMMIT={}", commit());
}

fn commit() -> String {
    if let Ok(said) = env::var("SEAWALL_COMMIT")
        && is_commit(&said)
    {
        return said.chars().take(DIGITS).collect();
    }
    let archived = fs::read_to_string("commit").unwrap_or_default();
    if is_commit(archived.trim()) {
        return archived.trim().chars().take(DIGITS).collect();
    }
    if env::var("PROFILE").as_deref() != Ok("release") {
        return "development build".to_owned();
    }
    if let Some(path) = git(&["rev-parse", "--git-path", "HEAD"]) {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Some(branch) = git(&["symbolic-ref", "-q", "HEAD"])
        && let Some(path) = git(&["rev-parse", "--git-path", &branch])
    {
        println!("cargo:rerun-if-changed={path}");
    }
    match git(&["rev-parse", "HEAD"]).filter(|said| is_commit(said)) {
        Some(commit) => commit.chars().take(DIGITS).collect(),
        None => "unknown commit".to_owned(),
    }
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !said.trim().is_empty()).then(|| said.trim().to_owned())
}

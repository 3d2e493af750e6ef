//! Files of names and password hashes, as `htpasswd` and `openssl passwd` write them.
//!
//! Taken: bcrypt (`$2y$`, `$2a$`, `$2b$`), argon2 (`$argon2id$`, `$argon2i$`, `$argon2d$`), SHA-crypt (`$5$`, `$6$`),
//! MD5-crypt (`$apr1$`, `$1$`), `{SHA}` and `{SSHA}`. Refused: a password as it is (`{PLAIN}`), DES-crypt, which looks at
//! eight letters only, and anything unknown: each is a finding at its line, in which nothing of the hash is shown.

use super::md5crypt;
use base64::{Engine, engine::general_purpose};
use seawall_diag::{Diagnostic, Diagnostics, Severity, SourceMap, Span};
use sha1::{Digest, Sha1};
use std::{collections::HashMap, path::Path};
use subtle::ConstantTimeEq;

/// Names and hashes of one file.
pub struct Htpasswd {
    users: HashMap<Box<[u8]>, Hash, ahash::RandomState>,
    /// Verified in place of a hash that is not there, so that a name nobody has costs what one costs that somebody has.
    stand_in: Option<Hash>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hash {
    Bcrypt(String),
    Argon2(Argon2),
    Sha256Crypt(ShaCrypt),
    Sha512Crypt(ShaCrypt),
    Md5Crypt {
        apache: bool,
        salt: Box<[u8]>,
        sum: Box<[u8]>,
    },
    Sha1 {
        sum: Box<[u8]>,
        salt: Box<[u8]>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Argon2 {
    kind: argon2::Algorithm,
    version: argon2::Version,
    params: argon2::Params,
    salt: Vec<u8>,
    sum: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ShaCrypt {
    rounds: usize,
    salt: Box<[u8]>,
    sum: Box<[u8]>,
}

/// Memory one argon2 hash may ask for, in KiB: a file must not be able to exhaust the machine.
const ARGON2_KIB_MAX: u32 = 1 << 20;
/// bcrypt's cost at most: 2^17 rounds take about ten seconds.
const BCRYPT_COST_MAX: u32 = 17;
/// Rounds of SHA-crypt at most.
const SHA_ROUNDS_MAX: usize = 5_000_000;

impl Htpasswd {
    /// Reads a file's text. Lines that cannot be used are findings at their place.
    pub fn parse(
        path: &Path,
        text: &str,
        severity: Severity,
        sources: &mut SourceMap,
        found: &mut Diagnostics,
    ) -> Self {
        // Lines are quoted in messages: what is a secret must not be in them.
        let file = sources.add(path, masked(text));
        let mut users: HashMap<Box<[u8]>, Hash, ahash::RandomState> = HashMap::default();
        let mut stand_in = None;
        let mut start = 0;
        for (shown, line) in masked(text).split('\n').zip(text.split('\n')) {
            let at = Span::new(file, start, start + shown.trim_end().len());
            start += shown.len() + 1;
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match entry(line) {
                Ok((name, hash)) => {
                    stand_in.get_or_insert_with(|| hash.clone());
                    // The first of a name counts, as in Apache and nginx.
                    users.entry(name.as_bytes().into()).or_insert(hash);
                }
                Err(why) => found.push(
                    Diagnostic {
                        severity,
                        ..Diagnostic::error("password-hash", at, why)
                    }
                    .help("make it anew: htpasswd -B FILE NAME"),
                ),
            }
        }
        Self { users, stand_in }
    }

    /// Whether a name is there.
    pub fn knows(&self, name: &[u8]) -> bool {
        self.users.contains_key(name)
    }

    /// Whether this is the password of this name. Takes as long as the hash asks for (milliseconds to seconds), also for
    /// a name that nobody has: not for a thread that serves.
    pub fn verify(&self, name: &[u8], password: &[u8]) -> bool {
        match (self.users.get(name), &self.stand_in) {
            (Some(hash), _) => hash.verify(password),
            (None, Some(hash)) => {
                hash.verify(password);
                false
            }
            (None, None) => false,
        }
    }
}

/// The same lines with the same beginnings, and stars for what follows the names.
fn masked(text: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some((name, _)) => format!("{name}:***"),
        None if line.trim().is_empty() || line.starts_with('#') => line.to_owned(),
        None => "***".to_owned(),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn entry(line: &str) -> Result<(&str, Hash), String> {
    let Some((name, rest)) = line.split_once(':') else {
        return Err("a line is NAME:HASH".into());
    };
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    // What follows a second colon is a comment.
    let text = rest.split(':').next().unwrap_or_default().trim_end();
    hash(text).map(|hash| (name, hash))
}

fn hash(text: &str) -> Result<Hash, String> {
    let broken = |kind: &str| format!("this {kind} hash is not whole");
    if let Some(rest) = text.strip_prefix("{SHA}") {
        let sum = general_purpose::STANDARD.decode(rest).unwrap_or_default();
        return if sum.len() == 20 {
            Ok(Hash::Sha1 {
                sum: sum.into(),
                salt: Box::default(),
            })
        } else {
            Err(broken("{SHA}"))
        };
    }
    if let Some(rest) = text.strip_prefix("{SSHA}") {
        let both = general_purpose::STANDARD.decode(rest).unwrap_or_default();
        return match both.split_at_checked(20) {
            Some((sum, salt)) => Ok(Hash::Sha1 {
                sum: sum.into(),
                salt: salt.into(),
            }),
            None => Err(broken("{SSHA}")),
        };
    }
    let mut parts = text.split('$');
    if parts.next() != Some("") {
        return Err(if text.starts_with("{PLAIN}") {
            "a password stands here as it is".into()
        } else if text.len() == 13 {
            "DES-crypt looks at eight letters of a password only".into()
        } else {
            "a password as it is, or a hash of an unknown kind".into()
        });
    }
    match parts.next() {
        Some("2a" | "2b" | "2y") => bcrypt(text).ok_or_else(|| broken("bcrypt")),
        Some(kind @ ("argon2id" | "argon2i" | "argon2d")) => {
            argon2(kind, parts).ok_or_else(|| broken("argon2"))
        }
        Some("5") => sha_crypt(parts, 43)
            .map(Hash::Sha256Crypt)
            .ok_or_else(|| broken("SHA-256-crypt")),
        Some("6") => sha_crypt(parts, 86)
            .map(Hash::Sha512Crypt)
            .ok_or_else(|| broken("SHA-512-crypt")),
        Some(magic @ ("apr1" | "1")) => match (parts.next(), parts.next()) {
            (Some(salt), Some(sum)) if sum.len() == 22 => Ok(Hash::Md5Crypt {
                apache: magic == "apr1",
                salt: salt.as_bytes().into(),
                sum: sum.as_bytes().into(),
            }),
            _ => Err(broken("MD5-crypt")),
        },
        _ => Err("a hash of an unknown kind".into()),
    }
}

fn bcrypt(text: &str) -> Option<Hash> {
    let (cost, rest) = text.get(4..)?.split_once('$')?;
    let cost: u32 = cost.parse().ok()?;
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    ((4..=BCRYPT_COST_MAX).contains(&cost) && rest.len() == 53 && rest.bytes().all(letters))
        .then(|| Hash::Bcrypt(text.to_owned()))
}

/// `$argon2id$v=19$m=65536,t=3,p=4$salt$hash` (the PHC string format); without `v` it is version 16.
fn argon2<'a>(kind: &str, mut parts: impl Iterator<Item = &'a str>) -> Option<Hash> {
    let mut next = parts.next()?;
    let mut version = argon2::Version::V0x10;
    if let Some(v) = next.strip_prefix("v=") {
        version = argon2::Version::try_from(v.parse::<u32>().ok()?).ok()?;
        next = parts.next()?;
    }
    let (mut m, mut t, mut p) = (None, None, None);
    for pair in next.split(',') {
        let (name, value) = pair.split_once('=')?;
        let value: u32 = value.parse().ok()?;
        match name {
            "m" => m = Some(value),
            "t" => t = Some(value),
            "p" => p = Some(value),
            _ => return None,
        }
    }
    let decode = |text: &str| general_purpose::STANDARD_NO_PAD.decode(text).ok();
    let (salt, sum) = (decode(parts.next()?)?, decode(parts.next()?)?);
    let m = m.filter(|m| *m <= ARGON2_KIB_MAX)?;
    let params = argon2::Params::new(m, t?, p?, Some(sum.len())).ok()?;
    let kind = match kind {
        "argon2id" => argon2::Algorithm::Argon2id,
        "argon2i" => argon2::Algorithm::Argon2i,
        _ => argon2::Algorithm::Argon2d,
    };
    (salt.len() >= 8 && parts.next().is_none()).then_some(Hash::Argon2(Argon2 {
        kind,
        version,
        params,
        salt,
        sum,
    }))
}

/// `[rounds=N$]salt$hash`
fn sha_crypt<'a>(mut parts: impl Iterator<Item = &'a str>, letters: usize) -> Option<ShaCrypt> {
    let mut next = parts.next()?;
    let mut rounds = sha_crypt::ROUNDS_DEFAULT;
    if let Some(n) = next.strip_prefix("rounds=") {
        rounds = n.parse::<usize>().ok()?.max(sha_crypt::ROUNDS_MIN);
        next = parts.next()?;
    }
    let sum = parts.next()?;
    (rounds <= SHA_ROUNDS_MAX && sum.len() == letters).then(|| ShaCrypt {
        rounds,
        salt: next.as_bytes().into(),
        sum: sum.as_bytes().into(),
    })
}

impl Hash {
    fn verify(&self, password: &[u8]) -> bool {
        match self {
            // A password with a NUL is cut there by who made the hash; bcrypt says so itself.
            Hash::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Hash::Argon2(hash) => {
                let mut made = vec![0; hash.sum.len()];
                argon2::Argon2::new(hash.kind, hash.version, hash.params.clone())
                    .hash_password_into(password, &hash.salt, &mut made)
                    .is_ok_and(|()| same(&made, &hash.sum))
            }
            Hash::Sha256Crypt(hash) => sha_crypt::Sha256Params::new(hash.rounds)
                .and_then(|p| sha_crypt::sha256_crypt_b64(password, &hash.salt, &p))
                .is_ok_and(|made| same(made.as_bytes(), &hash.sum)),
            Hash::Sha512Crypt(hash) => sha_crypt::Sha512Params::new(hash.rounds)
                .and_then(|p| sha_crypt::sha512_crypt_b64(password, &hash.salt, &p))
                .is_ok_and(|made| same(made.as_bytes(), &hash.sum)),
            Hash::Md5Crypt { apache, salt, sum } => {
                let magic: &[u8] = if *apache { b"$apr1$" } else { b"$1$" };
                same(&md5crypt::hash(password, salt, magic), sum)
            }
            Hash::Sha1 { sum, salt } => {
                let made = Sha1::new()
                    .chain_update(password)
                    .chain_update(salt)
                    .finalize();
                same(&made, sum)
            }
        }
    }
}

/// Whether two sums are the same, in a time that does not say where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Htpasswd, Vec<String>) {
        let (mut sources, mut found) = (SourceMap::default(), Diagnostics::default());
        let file = Htpasswd::parse(
            Path::new("users"),
            text,
            Severity::Error,
            &mut sources,
            &mut found,
        );
        (file, found.lines(&sources))
    }

    #[test]
    fn every_kind_that_is_taken_is_verified() {
        // Made by `htpasswd`, `openssl passwd` and `argon2`.
        let text = "\
apr1:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/
md5:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1
sha512:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.
sha256:$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.
sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
ssha:{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==
bcrypt:$2y$05$vSfWbsmbnS4ihELc.Wj0B.bHZxqcEVeVE0icBhz7mPgEweHsTLpsO
argon2:$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHQ$lMZ3qepwpR/DVeTzcMSEh3OjqCJg8oOzHPIw8cZ1uXY
";
        let (file, findings) = read(text);
        assert!(findings.is_empty(), "{findings:?}");
        for name in [
            "apr1", "md5", "sha512", "sha256", "sha", "ssha", "bcrypt", "argon2",
        ] {
            assert!(file.verify(name.as_bytes(), b"secret"), "{name}");
            assert!(!file.verify(name.as_bytes(), b"secreT"), "{name}");
            assert!(!file.verify(name.as_bytes(), b""), "{name}");
        }
        assert!(!file.verify(b"nobody", b"secret"));
    }

    #[test]
    fn what_is_refused_is_named_at_its_line_without_its_secret() {
        let (file, findings) = read(
            "# comment\n\na:plaintext\nb:{PLAIN}plaintext\nc:abJnggxhB/yWI\nd:$2y$05$short\ne:$9$x$y\nf\n:x\n\
             g:$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAA\n",
        );
        let lines: Vec<_> = findings
            .iter()
            .filter_map(|f| f.split(':').nth(1)?.parse::<u32>().ok())
            .collect();
        assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9, 10], "{findings:#?}");
        assert!(!findings.iter().any(|f| f.contains("plaintext")));
        assert!(!file.knows(b"a") && !file.verify(b"a", b"plaintext"));
    }

    #[test]
    fn nothing_of_a_hash_is_kept_for_messages() {
        let mut sources = SourceMap::default();
        let text = "a:{PLAIN}geheim\nb:x:geheim\ngeheim\n";
        Htpasswd::parse(
            Path::new("users"),
            text,
            Severity::Error,
            &mut sources,
            &mut Diagnostics::default(),
        );
        assert!(sources.iter().all(|(_, _, text)| !text.contains("geheim")));
    }

    #[test]
    fn the_first_line_of_a_name_counts() {
        let (file, _) =
            read("a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\na:$apr1$ab$ZgbyBttfAvWjwKDroS41O1\n");
        assert!(file.verify(b"a", b"secret"));
    }
}

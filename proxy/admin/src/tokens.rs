//! Tokens: who may use the API over TCP, for what, and until when.
//!
//! A token is `swt_ID_SECRET`; the file holds a line for each: `ID NAME SCOPES EXPIRES HASH`, the hash by argon2id, and maybe
//! `totp:SECRET` behind it: then whoever changes something shows a code as well (see [`crate::Codes`]). The id
//! says which line is meant, so that one attempt costs one hash. What was verified is remembered by its SHA-256 until the
//! file is read again, so that a console does not compute a hash for every request.

use crate::{
    audit::hex,
    codes::{self, Codes, WrongCode},
};
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash::SaltString};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 128;

/// Tokens of a file.
const TOKENS_MAX: usize = 1000;

/// Bytes of randomness in a secret.
const SECRET_BYTES: usize = 24;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything that is only read.
    Read,
    /// Purging and warming caches.
    Cache,
    /// Servers: draining, weights, checks.
    Pools,
    /// Certificates: asking for new ones.
    Certs,
    /// Records of zones.
    Dns,
    /// The configuration and the log's level.
    Config,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 6] = [
        Scope::Read,
        Scope::Cache,
        Scope::Pools,
        Scope::Certs,
        Scope::Dns,
        Scope::Config,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Cache => "cache",
            Scope::Pools => "pools",
            Scope::Certs => "certs",
            Scope::Dns => "dns",
            Scope::Config => "config",
        }
    }

    /// From a word.
    pub fn parse(word: &str) -> Option<Self> {
        Scope::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// Who a token says one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token's name.
    pub name: String,
    /// What it is good for; every token may read.
    pub scopes: Vec<Scope>,
    /// What changes something needs a code, and none came with the request.
    pub lacks_code: bool,
}

/// Why a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not known, or its secret is wrong.
    Unknown,
    /// It was good until its day.
    Expired,
    /// The code that came with it is none, or was used before.
    Code(WrongCode),
}

struct Line {
    name: String,
    scopes: Vec<Scope>,
    /// Seconds since 1970; `None` is never.
    expires: Option<u64>,
    hash: String,
    /// The secret of its codes.
    totp: Option<Vec<u8>>,
}

/// The tokens of a file.
#[derive(Default)]
pub struct Tokens {
    /// None is good, but one is needed.
    closed: bool,
    lines: HashMap<String, Line>,
    verified: Mutex<HashMap<[u8; 32], String>>,
    codes: Arc<Codes>,
}

/// A line that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Tokens {
    /// Reads a file; lines that cannot be used are told and count as no token.
    pub fn read(text: &str) -> (Self, Vec<BadLine>) {
        let mut tokens = Tokens::default();
        let mut bad = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if tokens.lines.len() >= TOKENS_MAX {
                bad.push(BadLine {
                    line: number,
                    why: "more than 1000 tokens",
                });
                break;
            }
            match read_line(line) {
                Ok((id, line)) => drop(tokens.lines.insert(id, line)),
                Err(why) => bad.push(BadLine { line: number, why }),
            }
        }
        (tokens, bad)
    }

    /// Tokens are asked for, and none is good: a file that cannot be read opens nothing.
    pub fn none_good() -> Self {
        Self {
            closed: true,
            ..Self::default()
        }
    }

    /// Whether none are asked for.
    pub fn is_empty(&self) -> bool {
        !self.closed && self.lines.is_empty()
    }

    /// Goes on with the codes that were used before: reading the file again makes none of them good.
    pub fn with_codes(mut self, codes: Arc<Codes>) -> Self {
        self.codes = codes;
        self
    }

    /// Codes that were used.
    pub fn codes(&self) -> Arc<Codes> {
        self.codes.clone()
    }

    /// What became of tokens since `before`, for the record: never a secret.
    pub fn changes_since(&self, before: &Tokens) -> Vec<String> {
        let named = |what: &str, id: &str, line: &Line| format!("{what} {} ({id})", line.name);
        let differs = |a: &Line, b: &Line| {
            (&a.name, &a.scopes, a.expires, &a.hash, &a.totp)
                != (&b.name, &b.scopes, b.expires, &b.hash, &b.totp)
        };
        let mut all = Vec::new();
        for (id, line) in &self.lines {
            match before.lines.get(id) {
                None => all.push(named("added", id, line)),
                Some(old) if differs(old, line) => all.push(named("changed", id, line)),
                Some(_) => {}
            }
        }
        let gone = before
            .lines
            .iter()
            .filter(|(id, _)| !self.lines.contains_key(*id));
        all.extend(gone.map(|(id, line)| named("removed", id, line)));
        all.sort();
        all
    }

    /// Whom a token belongs to, with the code that came beside it. Computes for some tens of milliseconds where it is not remembered.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn verify(
        &self,
        token: &str,
        code: Option<&str>,
        now: SystemTime,
    ) -> Result<Bearer, Refused> {
        let (id, secret) = parts(token).ok_or(Refused::Unknown)?;
        let line = self.lines.get(id).ok_or(Refused::Unknown)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let remembered = || {
            self.verified
                .lock()
                .is_ok_and(|v| v.get(&digest).is_some_and(|i| i == id))
        };
        if !remembered() {
            let hash = PasswordHash::new(&line.hash).map_err(|_| Refused::Unknown)?;
            Argon2::default()
                .verify_password(secret.as_bytes(), &hash)
                .map_err(|_| Refused::Unknown)?;
            if let Ok(mut verified) = self.verified.lock() {
                verified.insert(digest, id.to_owned());
            }
        }
        let now_s = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        if line.expires.is_some_and(|until| now_s >= until) {
            return Err(Refused::Expired);
        }
        if let (Some(secret), Some(code)) = (&line.totp, code) {
            let used = self.codes.take(id, secret, code, now_s);
            used.map_err(Refused::Code)?;
        }
        Ok(Bearer {
            name: line.name.clone(),
            scopes: line.scopes.clone(),
            lacks_code: line.totp.is_some() && code.is_none(),
        })
    }
}

fn parts(token: &str) -> Option<(&str, &str)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    token.strip_prefix("swt_")?.split_once('_')
}

fn read_line(line: &str) -> Result<(String, Line), &'static str> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (fields, totp) = match fields.as_slice() {
        [fields @ .., last] if last.starts_with("totp:") => (fields, Some(*last)),
        fields => (fields, None),
    };
    let [id, name, scopes, expires, hash] = fields else {
        return Err(
            "a token is ID NAME SCOPES EXPIRES HASH [totp:SECRET]: see `seawall token new`",
        );
    };
    let totp = totp.map(|text| codes::secret(text.trim_start_matches("totp:")));
    let totp = totp.map(|secret| secret.ok_or("totp: is followed by at least 16 bytes in base32"));
    let totp = totp.transpose()?;
    let mut all = Vec::new();
    for word in scopes.split(',') {
        match word {
            "all" => all.extend(Scope::ALL),
            word => all.push(
                Scope::parse(word)
                    .ok_or("an unknown scope: read, cache, pools, certs, dns, config or all")?,
            ),
        }
    }
    let expires = match *expires {
        "never" => None,
        text => Some(
            text.parse()
                .map_err(|_| "EXPIRES is seconds since 1970, or never")?,
        ),
    };
    PasswordHash::new(hash).map_err(|_| "HASH is no argon2 hash")?;
    let line = Line {
        name: (*name).to_owned(),
        scopes: all,
        expires,
        hash: (*hash).to_owned(),
        totp,
    };
    Ok(((*id).to_owned(), line))
}

/// A new token: what its holder gets, and the file's line for it.
pub struct Made {
    /// Shown once.
    pub token: String,
    /// For the file.
    pub line: String,
}

impl Made {
    /// Asks for codes as well. Gives the address that an authenticator application takes, often as a picture.
    ///
    /// # Errors
    /// [`MakeError::Random`]
    pub fn with_codes(&mut self, name: &str) -> Result<String, MakeError> {
        let secret = codes::new_secret().ok_or(MakeError::Random)?;
        self.line += &format!(" totp:{secret}");
        Ok(format!(
            "otpauth://totp/Seawall:{name}?secret={secret}&issuer=Seawall"
        ))
    }
}

/// Why none can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// A name is one word.
    #[error("a token's name is one word of letters, digits, `-`, `_` and `.`")]
    Name,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// argon2 refused.
    #[error("the token cannot be hashed: {0}")]
    Hash(String),
}

/// Makes a token.
///
/// # Errors
/// See [`MakeError`].
pub fn make(name: &str, scopes: &[Scope], life: Option<Duration>) -> Result<Made, MakeError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || !name.bytes().all(word) {
        return Err(MakeError::Name);
    }
    let mut random = [0_u8; SECRET_BYTES + 4 + 16];
    getrandom::fill(&mut random).map_err(|_| MakeError::Random)?;
    let (id, rest) = random.split_at(4);
    let (secret, salt) = rest.split_at(SECRET_BYTES);
    let (id, secret) = (hex(id), hex(secret));
    let salt = SaltString::encode_b64(salt).map_err(|e| MakeError::Hash(e.to_string()))?;
    let hash = Argon2::default()
        .hash_password(secret.as_bytes(), &salt)
        .map_err(|e| MakeError::Hash(e.to_string()))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let expires = life.map_or_else(
        || "never".to_owned(),
        |life| (now + life).as_secs().to_string(),
    );
    let scopes: Vec<&str> = scopes.iter().map(|s| s.as_str()).collect();
    let line = format!("{id} {name} {} {expires} {hash}", scopes.join(","));
    Ok(Made {
        token: format!("swt_{id}_{secret}"),
        line,
    })
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WrongCode;

    #[test]
    fn a_token_is_good_for_what_it_says_until_it_expires() {
        let made = make("ci", &[Scope::Cache], Some(Duration::from_secs(100))).unwrap();
        let (tokens, bad) = Tokens::read(&format!("# tokens\n\n{}\n", made.line));
        assert!(bad.is_empty());
        let now = SystemTime::now();
        let bearer = tokens.verify(&made.token, None, now).unwrap();
        assert_eq!(
            (bearer.name.as_str(), bearer.scopes),
            ("ci", vec![Scope::Cache])
        );
        assert!(tokens.verify(&made.token, None, now).is_ok(), "remembered");
        let later = now + Duration::from_secs(101);
        assert_eq!(
            tokens.verify(&made.token, None, later),
            Err(Refused::Expired),
            "remembered or not"
        );
        let mut wrong = made.token.clone();
        wrong.pop();
        wrong.push('g');
        for wrong in [
            wrong.as_str(),
            "",
            "swt_",
            "swt__",
            "x",
            &"a".repeat(10_000),
        ] {
            assert_eq!(tokens.verify(wrong, None, now), Err(Refused::Unknown));
        }
        assert!(
            !made.line.contains(made.token.rsplit('_').next().unwrap()),
            "the file holds no secret"
        );
    }

    #[test]
    fn lines_that_cannot_be_used_are_told_by_number() {
        let good = make("a", &Scope::ALL, None).unwrap().line;
        let bad = good.replace("read,", "reed,");
        let (tokens, told) = Tokens::read(&format!(
            "x\n{good}\n{bad}\n{}\n",
            good.replace("$argon2id", "argon")
        ));
        assert!(!tokens.is_empty());
        assert_eq!(told.iter().map(|b| b.line).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(make("two words", &[], None).is_err());
    }

    #[test]
    fn tokens_that_come_change_and_go_are_told_without_their_secrets() {
        let a = make("a", &[Scope::Read], None).unwrap().line;
        let b = make("b", &[Scope::Cache], None).unwrap().line;
        let read = |text: &str| Tokens::read(text).0;
        let before = read(&format!("{a}\n{b}\n"));
        assert!(
            read(&format!("{b}\n{a}\n"))
                .changes_since(&before)
                .is_empty()
        );
        let c = make("c", &Scope::ALL, None).unwrap().line;
        let after = read(&format!("{}\n{c}\n", a.replace(" read ", " read,dns ")));
        let told = after.changes_since(&before);
        let words: Vec<&str> = told.iter().map(|t| t.split(" (").next().unwrap()).collect();
        assert_eq!(words, ["added c", "changed a", "removed b"]);
        assert!(!told.join(" ").contains("argon2"));
    }

    #[test]
    fn a_code_that_is_asked_for_is_shown_once() {
        let mut made = make("ops", &Scope::ALL, None).unwrap();
        let address = made.with_codes("ops").unwrap();
        assert!(address.starts_with("otpauth://totp/Seawall:ops?secret="));
        let (tokens, bad) = Tokens::read(&made.line);
        assert!(bad.is_empty());
        let now = SystemTime::now();
        assert!(tokens.verify(&made.token, None, now).unwrap().lacks_code);
        let wrong = tokens.verify(&made.token, Some("000"), now);
        assert_eq!(wrong, Err(Refused::Code(WrongCode::Wrong)));
        let (_, bad) = Tokens::read(&made.line.replace("totp:", "totp:1"));
        assert_eq!(bad.len(), 1);
        // A token without codes heeds none.
        let plain = make("ci", &[Scope::Cache], None).unwrap();
        let (tokens, _) = Tokens::read(&plain.line);
        assert!(
            !tokens
                .verify(&plain.token, Some("000"), now)
                .unwrap()
                .lacks_code
        );
    }
}

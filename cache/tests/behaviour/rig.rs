//! A cache, requests by path, and an origin that says what the test wants.

pub(crate) use crate::testing::Head;
use bytes::Bytes;
use seawall_cache::*;
use seawall_http::Method;
use std::sync::Arc;

/// Sun, 06 Nov 1994 08:49:37 GMT, the start of every test.
pub const START_MS: u64 = 784_111_777_000;
pub const CC: &str = "Cache-Control";

pub fn key(path: &str) -> Key {
    let mut buf = KeyBuf::new();
    buf.part(b"https");
    buf.part(b"shop.test");
    buf.part(path.as_bytes());
    buf.finish().to_key()
}

pub struct Rig {
    pub cache: Arc<Cache>,
    pub rules: Rules,
    pub now_ms: u64,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(Options::with_memory(64 << 20))
    }

    pub fn with(options: Options) -> Rig {
        Rig {
            cache: Cache::new(options),
            rules: Rules::default(),
            now_ms: START_MS,
        }
    }

    /// With a disk of 64 MiB.
    pub fn on(directory: &std::path::Path) -> Rig {
        let disk = DiskOptions {
            path: directory.into(),
            bytes: 64 << 20,
            min_free_bytes: 0,
        };
        let options = Options::with_memory(64 << 20);
        let cache = Cache::with_disk(options, &disk).unwrap();
        cache.flush();
        Rig {
            cache,
            rules: Rules::default(),
            now_ms: START_MS,
        }
    }

    /// Looks up, and waits for the disk where it has to.
    pub fn get_loaded(&self, path: &str) -> Lookup {
        for _ in 0..3 {
            match self.get(path) {
                Lookup::Load(load) => futures_block_on(load.ready()),
                found => return found,
            }
        }
        panic!("three times the disk")
    }

    pub fn pass_s(&mut self, seconds: u64) {
        self.now_ms += seconds * 1000;
    }

    pub fn get(&self, path: &str) -> Lookup {
        self.ask(Method::Get, path, &[])
    }

    pub fn ask(&self, method: Method, path: &str, lines: &[(&str, &str)]) -> Lookup {
        let head = Head::new(lines);
        let request = Request {
            method,
            fields: head.fields(),
            now_ms: self.now_ms,
        };
        self.cache.lookup(key(path).as_ref(), &request, &self.rules)
    }

    /// Hands a fill the origin's head.
    pub fn respond(
        &self,
        fill: &mut Fill,
        request: &[(&str, &str)],
        status: u16,
        lines: &[(&str, &str)],
    ) -> Responded {
        let (request, response) = (Head::new(request), Head::new(lines));
        let request = Request {
            method: Method::Get,
            fields: request.fields(),
            now_ms: self.now_ms,
        };
        let response = ResponseMeta {
            status,
            fields: response.fields(),
            request_time_ms: self.now_ms,
            response_time_ms: self.now_ms,
        };
        fill.respond(&request, &self.rules, response)
    }

    /// Lets a fill run its course with a 200.
    pub fn complete(
        &self,
        mut fill: Fill,
        request: &[(&str, &str)],
        lines: &[(&str, &str)],
        body: &str,
    ) -> Option<Arc<Object>> {
        let responded = self.respond(&mut fill, request, 200, lines);
        assert!(matches!(responded, Responded::Store(_)), "{responded:?}");
        let _ = fill.push(Bytes::copy_from_slice(body.as_bytes()));
        fill.finish()
    }

    /// Fetches a path that is not stored.
    pub fn store(&self, path: &str, lines: &[(&str, &str)], body: &str) -> Arc<Object> {
        self.store_for(path, &[], lines, body)
    }

    pub fn store_for(
        &self,
        path: &str,
        request: &[(&str, &str)],
        lines: &[(&str, &str)],
        body: &str,
    ) -> Arc<Object> {
        let fill = miss(self.ask(Method::Get, path, request));
        self.complete(fill, request, lines, body).expect("stored")
    }
}

/// A name for each kind of answer.
pub fn kind(lookup: &Lookup) -> &'static str {
    match lookup {
        Lookup::Hit(_) => "hit",
        Lookup::Stale(_, Some(_), _) => "stale, renew",
        Lookup::Stale(_, None, _) => "stale",
        Lookup::Revalidate(..) => "revalidate",
        Lookup::Join(_) => "join",
        Lookup::Miss(_) => "miss",
        Lookup::Load(_) => "load",
        Lookup::Pass(Pass::Unstorable | Pass::Uses) => "pass",
        Lookup::Pass(Pass::NoStore | Pass::Credentials) => "request",
        Lookup::Pass(Pass::Method) => "method",
        Lookup::Pass(Pass::Bypass) => "bypass",
        Lookup::OnlyIfCached => "only-if-cached",
    }
}

pub fn miss(lookup: Lookup) -> Fill {
    match lookup {
        Lookup::Miss(fill) => fill,
        other => panic!("a miss, not {}", kind(&other)),
    }
}

pub fn hit(lookup: Lookup) -> Hit {
    match lookup {
        Lookup::Hit(hit) => hit,
        other => panic!("a hit, not {}", kind(&other)),
    }
}

pub fn join(lookup: Lookup) -> FillReader {
    match lookup {
        Lookup::Join(reader) => reader,
        other => panic!("a join, not {}", kind(&other)),
    }
}

pub fn revalidate(lookup: Lookup) -> Fill {
    match lookup {
        Lookup::Revalidate(_, fill) => fill,
        other => panic!("a revalidation, not {}", kind(&other)),
    }
}

pub fn body(object: &Object) -> Vec<u8> {
    object.chunks().concat()
}

/// A seeded generator: xorshift64*.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// Runs a future that some other thread completes.
fn futures_block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future);
}

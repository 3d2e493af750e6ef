//! `seawall cache warm`: asks for URLs as a client would, at a rate.
//!
//! It is a client and nothing else: what it asks for is routed, judged and stored as for anybody, and the daemon may be elsewhere.

use crate::terminal;
use anyhow::{Context, bail, ensure};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use seawall_tls::{ClientOptions, client_config};
use std::{
    collections::HashSet,
    fs,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

/// URLs at most.
const URLS_MAX: usize = 100_000;
/// The largest sitemap (sitemaps.org: 50 MiB uncompressed).
const SITEMAP_BYTES_MAX: u64 = 50 << 20;
/// Sitemaps that a sitemap index may name.
const SITEMAPS_MAX: usize = 100;
/// How long an answer may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What is warmed up.
#[derive(clap::Args)]
pub struct Warming {
    /// A file with a URL a line; - reads standard input
    #[arg(required_unless_present = "sitemap")]
    list: Option<PathBuf>,
    /// A sitemap, or an index of sitemaps, asked for in the same way
    #[arg(long, value_name = "URL")]
    sitemap: Option<String>,
    /// Requests a second
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Where to connect, whatever host the URLs name
    #[arg(long, value_name = "ADDRESS:PORT")]
    connect: Option<String>,
    /// Authorities to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Warms up.
pub fn run(warming: &Warming) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(warming)?;
    let mut urls = match &warming.list {
        Some(path) => read_list(path)?,
        None => Vec::new(),
    };
    if let Some(sitemap) = &warming.sitemap {
        urls.extend(asker.sitemap(sitemap)?);
    }
    let mut seen = HashSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    ensure!(urls.len() <= URLS_MAX, "more than {URLS_MAX} URLs");
    let began = Instant::now();
    let (mut hits, mut stored, mut failures) = (0, 0, 0);
    for (n, url) in urls.iter().enumerate() {
        let due = Duration::from_secs_f64(n as f64 / f64::from(warming.rate));
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        match asker.ask(url, io::sink(), u64::MAX) {
            Ok(head) if head.status < 400 => {
                hits += u32::from(head.is_hit());
                stored += u32::from(head.is_stored());
            }
            Ok(head) => {
                failures += 1;
                terminal::err(format_args!("{url}: status {}\n", head.status));
            }
            Err(error) => {
                failures += 1;
                terminal::err(format_args!("{url}: {error:#}\n"));
            }
        }
    }
    terminal::out(format_args!(
        "{} asked for in {:.1} s: {stored} stored, {hits} were there, {failures} failed\n",
        urls.len(),
        began.elapsed().as_secs_f64()
    ))?;
    Ok(match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn read_list(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin().lock())?
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    let lines = text.lines().map(str::trim);
    let urls = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(urls.map(str::to_owned).collect())
}

/// The head of an answer.
struct Head {
    status: u16,
    text: String,
}

impl Head {
    fn cache_status(&self) -> Option<&str> {
        let mut lines = self.text.lines();
        lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("cache-status").then_some(value)
        })
    }

    fn is_hit(&self) -> bool {
        self.cache_status()
            .is_some_and(|said| said.contains("; hit"))
    }

    fn is_stored(&self) -> bool {
        self.cache_status()
            .is_some_and(|said| said.contains("; stored"))
    }
}

struct Asker<'a> {
    connect: Option<&'a str>,
    tls: Arc<rustls::ClientConfig>,
}

impl Asker<'_> {
    fn new(warming: &Warming) -> anyhow::Result<Asker<'_>> {
        let ca = match &warming.ca {
            Some(path) => {
                Some(fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
            }
            None => None,
        };
        let tls = client_config(&ClientOptions {
            ca_pem: ca.as_deref(),
            verify: true,
            ..ClientOptions::default()
        })?;
        Ok(Asker {
            connect: warming.connect.as_deref(),
            tls,
        })
    }

    /// The URLs of a sitemap; of all sitemaps that an index names.
    fn sitemap(&self, url: &str) -> anyhow::Result<Vec<String>> {
        let text = self.text(url)?;
        if !text.contains("<sitemapindex") {
            return Ok(locations(&text));
        }
        let mut all = Vec::new();
        for sitemap in locations(&text).iter().take(SITEMAPS_MAX) {
            all.extend(locations(&self.text(sitemap)?));
        }
        Ok(all)
    }

    fn text(&self, url: &str) -> anyhow::Result<String> {
        let mut body = Vec::new();
        let head = self.ask(url, &mut body, SITEMAP_BYTES_MAX)?;
        ensure!(head.status == 200, "{url}: status {}", head.status);
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// One request on a connection of its own.
    fn ask(&self, url: &str, mut body: impl Write, bytes_max: u64) -> anyhow::Result<Head> {
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => bail!("not an absolute URL"),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.split('#').next().filter(|path| !path.is_empty());
        let path = path.unwrap_or("/");
        let is_clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            is_clean(authority) && is_clean(path) && !authority.is_empty(),
            "not a URL that could be asked for"
        );
        let stream = self.stream(authority, tls)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        // As browsers ask, so that it is their variant that is stored. HTTP/1.0 framing is not wanted: Connection says when it is over.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nAccept-Encoding: gzip, br, zstd\r\nUser-Agent: seawall-warm\r\nConnection: close\r\n\r\n"
        );
        if tls {
            let host = authority
                .rsplit_once(':')
                .map_or(authority, |(host, _)| host);
            let name = ServerName::try_from(host.to_owned())?;
            let session = ClientConnection::new(self.tls.clone(), name)?;
            exchange(
                StreamOwned::new(session, stream),
                &request,
                &mut body,
                bytes_max,
            )
        } else {
            exchange(stream, &request, &mut body, bytes_max)
        }
    }

    fn stream(&self, authority: &str, tls: bool) -> anyhow::Result<TcpStream> {
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let default = if tls { 443 } else { 80 };
        let target = match (self.connect, has_port) {
            (Some(connect), _) => connect.to_owned(),
            (None, true) => authority.to_owned(),
            (None, false) => format!("{authority}:{default}"),
        };
        let mut addresses = target
            .to_socket_addrs()
            .with_context(|| format!("cannot find {target}"))?;
        let address = addresses.next().context("the name has no address")?;
        Ok(TcpStream::connect_timeout(&address, CONNECT_MAX)?)
    }
}

/// The head; the body goes by as it comes, framing and all.
fn exchange(
    mut stream: impl Read + Write,
    request: &str,
    body: &mut impl Write,
    bytes_max: u64,
) -> anyhow::Result<Head> {
    const HEAD_BYTES_MAX: usize = 128 << 10;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    let end = loop {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "the answer ends within its head");
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(bytes.len() <= HEAD_BYTES_MAX, "the head is too long");
    };
    let mut left = bytes_max;
    let mut keep = |part: &[u8]| {
        ensure!(part.len() as u64 <= left, "the body is too long");
        left -= part.len() as u64;
        body.write_all(part)?;
        Ok(())
    };
    keep(bytes.get(end..).unwrap_or_default())?;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => keep(buffer.get(..count).unwrap_or_default())?,
            // Some close without a word of TLS.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(e.into()),
        }
    }
    bytes.truncate(end);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok());
    let status = status.context("the answer is not HTTP/1.1")?;
    Ok(Head { status, text })
}

/// What stands in `<loc>`: chunk sizes may fall between, never within, as a sitemap's lines are written whole; what is broken is no URL.
fn locations(text: &str) -> Vec<String> {
    let parts = text.split("<loc>").skip(1);
    let inner = parts.filter_map(|part| part.split("</loc>").next());
    inner
        .map(|url| url.trim().replace("&amp;", "&"))
        .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sitemap_names_its_pages() {
        let text = "<urlset><url><loc> https://a/1?b&amp;c </loc></url>\n<url><loc>/relative</loc></url><loc>http://b</loc>";
        assert_eq!(locations(text), ["https://a/1?b&c", "http://b"]);
    }

    #[test]
    fn a_list_has_comments_and_empty_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# pages\n\nhttp://a/1\n  http://a/2  \n").unwrap();
        assert_eq!(
            read_list(file.path()).unwrap(),
            ["http://a/1", "http://a/2"]
        );
    }
}

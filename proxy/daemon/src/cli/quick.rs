//! `seawall run --host NAME --to ADDRESS` and `seawall run --root DIR`: a configuration from a few words, served at once.
//!
//! What is served is a file like any other, in the state directory: it can be looked at, edited (a change is taken up) and
//! moved to /etc/seawall. `--print` only prints it.

use crate::{configuration::Source, keeper, terminal};
use anyhow::{Context, ensure};
use seawall_sys::privileges;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// A configuration in a few words.
#[derive(clap::Args, Clone, Default)]
pub struct Quick {
    /// Serve this name (repeatable); with HTTPS: a public name gets a certificate of Let's Encrypt, others one of the internal CA
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    host: Vec<String>,
    /// Pass requests on to this origin: 127.0.0.1:3000, https://app.lan, unix:/run/app.sock, fastcgi:unix:/run/php.sock
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config")]
    to: Option<String>,
    /// Serve the files of this directory
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    root: Option<PathBuf>,
    /// Where plain HTTP is listened on [default: 80 with --host, else 127.0.0.1:8080; without the right to bind 80: 8080]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config")]
    listen: Option<String>,
    /// Where HTTPS is listened on; `off` for none [default: 443 with --host; without the right to bind it: 8443]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config")]
    https: Option<String>,
    /// Your mail address for the CA, whose terms you agree to by this
    #[arg(long, value_name = "MAIL", conflicts_with = "config")]
    email: Option<String>,
    /// Where certificates and the generated file are kept [default: /var/lib/seawall for root, else ~/.local/state/seawall]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    state: Option<PathBuf>,
    /// Print the configuration instead of serving it
    #[arg(long)]
    print: bool,
}

impl Quick {
    /// Whether the words are there.
    pub fn is_meant(&self) -> bool {
        self.to.is_some() || self.root.is_some() || !self.host.is_empty()
    }

    /// Whether nothing is served.
    pub fn only_prints(&self) -> bool {
        self.print
    }

    /// Serves it.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let state = self.state()?;
        let text = self.yaml(&state, Ports::of_this_process())?;
        if self.print {
            terminal::out(format_args!("{text}"))?;
            return Ok(ExitCode::SUCCESS);
        }
        std::fs::create_dir_all(&state)
            .with_context(|| format!("cannot make {}", state.display()))?;
        let path = state.join("run.yaml");
        let next = state.join("run.yaml.new");
        std::fs::write(&next, &text)
            .and_then(|()| std::fs::rename(&next, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        terminal::err(format_args!(
            "serving {} (edit it: changes are taken up; Ctrl-C stops)\n",
            path.display()
        ));
        keeper::run(Source::file(path))
    }

    fn state(&self) -> anyhow::Result<PathBuf> {
        let given = self.state.clone();
        let state = match given {
            Some(state) => state,
            None if privileges::is_root() => "/var/lib/seawall".into(),
            None => {
                let home = || std::env::var_os("HOME").map(|h| Path::new(&h).join(".local/state"));
                let base = std::env::var_os("XDG_STATE_HOME")
                    .map(PathBuf::from)
                    .or_else(home);
                base.context("no HOME: say where files may be kept by --state DIR")?
                    .join("seawall")
            }
        };
        Ok(std::path::absolute(state)?)
    }

    /// The configuration.
    fn yaml(&self, state: &Path, ports: Ports) -> anyhow::Result<String> {
        ensure!(
            self.to.is_some() || self.root.is_some(),
            "say what is served: --to ADDRESS or --root DIR"
        );
        let mut out = String::from("version: 1\n");
        let named = !self.host.is_empty();
        let listen = self.listen.clone().unwrap_or_else(|| match named {
            true => ports.http.to_string(),
            false => "127.0.0.1:8080".to_owned(),
        });
        let https = match self.https.as_deref() {
            Some("off") => None,
            Some(address) => Some(address.to_owned()),
            None => named.then(|| ports.https.to_string()),
        };
        let _ = writeln!(
            out,
            "process: {{ state: {} }}",
            quoted(&state.to_string_lossy())
        );
        let _ = writeln!(
            out,
            "admin: {}",
            quoted(&format!("unix:{}", state.join("admin.sock").display()))
        );
        let _ = writeln!(out, "listen:\n  - {{ http: {} }}", quoted(&listen));
        if let Some(https) = https {
            let _ = writeln!(out, "  - {{ https: {} }}", quoted(&https));
        }
        if let Some(email) = &self.email {
            let _ = writeln!(out, "acme: {{ email: {}, agree_tos: true }}", quoted(email));
        }
        let hosts: Vec<String> = match named {
            true => self.host.iter().map(|h| quoted(h)).collect(),
            false => vec![quoted("*")],
        };
        let _ = writeln!(out, "sites:\n  - host: [{}]", hosts.join(", "));
        if let Some(root) = &self.root {
            let root = std::path::absolute(root)?;
            ensure!(root.is_dir(), "{} is no directory", root.display());
            let _ = writeln!(out, "    root: {}", quoted(&root.to_string_lossy()));
            if self.to.is_none() {
                out.push_str("    listing: true\n    compress: [zstd, br, gzip]\n");
            }
        }
        if let Some(to) = &self.to {
            let _ = writeln!(out, "    to: {}", quoted(to));
        }
        Ok(out)
    }
}

/// Ports of the web, or those that anybody may bind.
#[derive(Clone, Copy)]
struct Ports {
    http: u16,
    https: u16,
}

impl Ports {
    fn of_this_process() -> Self {
        match privileges::may_bind_low_ports() {
            true => Self {
                http: 80,
                https: 443,
            },
            false => Self {
                http: 8080,
                https: 8443,
            },
        }
    }
}

/// JSON's strings are strings of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_conf::{LoadOptions, load_text};

    const LOW: Ports = Ports {
        http: 80,
        https: 443,
    };

    fn loaded(quick: &Quick) -> (String, seawall_conf::model::Config) {
        let text = quick.yaml(Path::new("/var/lib/seawall"), LOW).unwrap();
        let loaded = load_text("/var/lib/seawall/run.yaml", &text, &LoadOptions::default());
        let (config, _) = loaded.unwrap_or_else(|e| panic!("{text}\n{e}"));
        (text, config)
    }

    #[test]
    fn a_name_and_an_origin_are_a_site_with_https() {
        let quick = Quick {
            host: vec!["shop.example".into(), "www.shop.example".into()],
            to: Some("127.0.0.1:3000".into()),
            email: Some("ops@shop.example".into()),
            ..Quick::default()
        };
        let (_, config) = loaded(&quick);
        assert_eq!(config.sites.len(), 1);
        assert!(config.listeners.iter().any(|l| l.tls));
        assert_eq!(config.pools.len(), 1);
        assert!(config.acme.is_some());
    }

    #[test]
    fn a_directory_alone_is_served_on_the_loopback() {
        let root = tempfile::tempdir().unwrap();
        let quick = Quick {
            root: Some(root.path().join(".")),
            ..Quick::default()
        };
        let (text, config) = loaded(&quick);
        assert!(text.contains("127.0.0.1:8080"), "{text}");
        assert!(!config.listeners.iter().any(|l| l.tls));
    }

    #[test]
    fn what_is_missing_is_said() {
        let quick = Quick {
            host: vec!["a.test".into()],
            ..Quick::default()
        };
        let error = quick.yaml(Path::new("/s"), LOW).unwrap_err().to_string();
        assert!(error.contains("--to"), "{error}");
        let quick = Quick {
            root: Some("/nowhere/at/all".into()),
            ..Quick::default()
        };
        assert!(quick.yaml(Path::new("/s"), LOW).is_err());
    }
}

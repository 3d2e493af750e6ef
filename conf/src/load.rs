//! From a file to a [`Config`], or to everything that is wrong with it.

use crate::model::{Config, Syntax};
use crate::{nginx, yaml};
use seawall_diag::{Diagnostic, Diagnostics, SourceMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest configuration file that is read.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where `${env:NAME}` is looked up.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What reads a configuration file and those it includes. May stop after [`FILE_BYTES_MAX`] and one byte: a longer file
/// is refused. An error's number is told as nginx tells it.
pub type FileReader = Arc<dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync>;

/// What the command line says of a configuration.
#[derive(Clone)]
pub struct LoadOptions {
    /// nginx's `-p`: what relative paths of an nginx.conf start from. Default `/etc/nginx`.
    pub prefix: Option<PathBuf>,
    /// nginx's `-g`: directives put before the file's own.
    pub directives: Option<String>,
    /// nginx's `-e`: an error log in place of the default one.
    pub error_log: Option<PathBuf>,
    /// The syntax; by default `.yaml` and `.yml` are YAML, and anything else is nginx.conf.
    pub syntax: Option<Syntax>,
    /// The environment; the process's own by default.
    pub env: Environment,
    /// How files are read; by default with the rights of this process. For a worker that has dropped its rights, the
    /// files may be those of somebody else.
    pub read: FileReader,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            prefix: None,
            directives: None,
            error_log: None,
            syntax: None,
            env: Arc::new(|name| std::env::var(name).ok()),
            read: Arc::new(read_bounded),
        }
    }
}

/// A configuration that cannot be loaded: all that is wrong, and the texts it is wrong in.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", diagnostics.lines(sources).join("\n"))]
#[non_exhaustive]
pub struct LoadError {
    /// The texts.
    pub sources: SourceMap,
    /// What is wrong, warnings included.
    pub diagnostics: Diagnostics,
}

/// Loads a file with all it includes. The diagnostics beside the configuration are warnings.
///
/// # Errors
/// Every error of the files, in the order of the text; see [`Diagnostics::render`].
pub fn load(path: &Path, options: &LoadOptions) -> Result<(Config, Diagnostics), LoadError> {
    match read(path, options) {
        Ok(text) => load_text(path, text, options),
        Err(message) => {
            let mut diagnostics = Diagnostics::default();
            diagnostics.error("io", None, message);
            Err(LoadError {
                sources: SourceMap::default(),
                diagnostics,
            })
        }
    }
}

/// As [`load`], of a text already at hand; `name` is what it is reported as, and its directory is where relative
/// paths and includes start from.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    name: impl Into<PathBuf>,
    text: impl Into<String>,
    options: &LoadOptions,
) -> Result<(Config, Diagnostics), LoadError> {
    let name = name.into();
    let syntax = options.syntax.unwrap_or_else(|| syntax_of(&name));
    let mut sources = SourceMap::default();
    let file = sources.add(name, text.into());
    let (config, sources, mut diagnostics) = match syntax {
        Syntax::Yaml => yaml::load(sources, file, options),
        Syntax::Nginx => nginx::load(sources, file, options),
    };
    diagnostics.sort();
    match config {
        Some(config) if !diagnostics.has_errors() => Ok((config, diagnostics)),
        _ => {
            if !diagnostics.has_errors() {
                diagnostics.push(Diagnostic::error(
                    "unreadable",
                    None,
                    "the configuration could not be read",
                ));
            }
            Err(LoadError {
                sources,
                diagnostics,
            })
        }
    }
}

fn syntax_of(path: &Path) -> Syntax {
    match path.extension().and_then(|e| e.to_str()) {
        Some("yaml" | "yml") => Syntax::Yaml,
        _ => Syntax::Nginx,
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file's text, or nginx's message of why not.
pub(crate) fn read(path: &Path, options: &LoadOptions) -> Result<String, String> {
    let bytes = (options.read)(path).map_err(|e| open_failed(path, &e))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "\"{}\" is larger than {FILE_BYTES_MAX} bytes",
            path.display()
        ));
    }
    // Comments in old encodings are common in nginx.conf; they must not keep it from being read.
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => e.into_bytes().iter().map(|b| char::from(*b)).collect(),
    })
}

/// nginx's words for what cannot be opened.
pub(crate) fn open_failed(path: &Path, error: &io::Error) -> String {
    let words = error.to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    format!(
        "open() \"{}\" failed ({}: {words})",
        path.display(),
        error.raw_os_error().unwrap_or(0)
    )
}

//! nginx's command line (`-t`, `-s reload`, `-p PREFIX -c FILE`), with its words and its exit codes.
//!
//! Read as nginx reads it: letters may be joined (`-tq`), a value may follow its letter or be the next argument, and what
//! is not an option is an error. Recognised when the first argument is one of its options, so that a symbolic link or
//! an `ExecStart=` that only exchanges the binary's name is enough.

use super::{check, signal};
use crate::{
    configuration::{self, Source, Style},
    keeper, terminal, version,
};
use seawall_conf::model::Config;
use seawall_sys::{files, signals};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Debian's places.
const PREFIX_DEFAULT: &str = "/etc/nginx";
const CONFIG_DEFAULT: &str = "/etc/nginx/nginx.conf";

const HELP: &str = "\
Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]
             [-e filename] [-c filename] [-g directives]

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version and configure options then exit
  -t            : test configuration and exit
  -T            : test configuration, dump it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to a master process: stop, quit, reopen, reload
  -p prefix     : set prefix path (default: /etc/nginx/)
  -e filename   : set error log file (default: what the configuration names)
  -c filename   : set configuration file (default: /etc/nginx/nginx.conf)
  -g directives : set global directives out of configuration file

This is seawall; its own commands are listed by `seawall --help`.
";

/// What nginx's options say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    help: bool,
    version: bool,
    configure: bool,
    test: bool,
    dump: bool,
    quiet: bool,
    signal: Option<String>,
    prefix: Option<PathBuf>,
    error_log: Option<PathBuf>,
    config: Option<PathBuf>,
    directives: Option<String>,
}

/// Whether these arguments (the program's name among them) are nginx's.
pub fn is_meant(arguments: &[OsString]) -> bool {
    let first = arguments
        .get(1)
        .and_then(|argument| argument.to_str())
        .unwrap_or_default();
    let mut letters = first.chars();
    letters.next() == Some('-')
        && letters
            .next()
            .is_some_and(|letter| "pcegtTvVqsh?".contains(letter))
}

/// Does what nginx would do.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(message) => return fail(&message),
    };
    if options.help || options.version || options.configure {
        terminal::err(format_args!("{}\n", version::nginx_line()));
        if options.help {
            terminal::err(format_args!("{HELP}"));
        }
        if options.configure {
            terminal::err(format_args!("{}\n", version::nginx_configure_line()));
        }
        return ExitCode::SUCCESS;
    }
    let source = options.source();
    if options.test || options.dump {
        return test(&source, options.dump, options.quiet);
    }
    if let Some(name) = &options.signal {
        return send(&source, name);
    }
    match keeper::run(source) {
        Ok(code) => code,
        Err(error) => fail(&format!("[emerg] {error:#}")),
    }
}

impl Options {
    fn source(&self) -> Source {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let prefix = absolute(self.prefix.as_deref().unwrap_or(Path::new(PREFIX_DEFAULT)));
        let path = self
            .config
            .as_ref()
            .map_or(PathBuf::from(CONFIG_DEFAULT), |path| prefix.join(path));
        Source {
            path,
            prefix: Some(prefix),
            directives: self.directives.clone(),
            error_log: self.error_log.clone(),
            style: Style::Nginx,
        }
    }
}

/// As `ngx_get_options()`; the error is what nginx says after `nginx: `.
fn parse(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments
        .iter()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    while let Some(argument) = arguments.next() {
        let Some(letters) = argument.strip_prefix('-') else {
            return Err(format!("invalid option: \"{argument}\""));
        };
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '?' | 'h' => options.help = true,
                'v' => options.version = true,
                'V' => options.configure = true,
                't' => options.test = true,
                'T' => options.dump = true,
                'q' => options.quiet = true,
                'p' | 'e' | 'c' | 'g' | 's' => {
                    let attached = rest.as_str();
                    let value = if attached.is_empty() {
                        arguments.next()
                    } else {
                        Some(attached.to_owned())
                    };
                    options.set(letter, value)?;
                    break;
                }
                other => return Err(format!("invalid option: \"{other}\"")),
            }
        }
    }
    Ok(options)
}

impl Options {
    fn set(&mut self, letter: char, value: Option<String>) -> Result<(), String> {
        let what = match letter {
            'p' => "directory name",
            'g' | 's' => "parameter",
            _ => "file name",
        };
        let value = value.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| format!("option \"-{letter}\" requires {what}"))?;
        match letter {
            'p' => self.prefix = Some(value.into()),
            'e' => self.error_log = Some(value.into()),
            'c' => self.config = Some(value.into()),
            'g' => self.directives = Some(value),
            _ if signal::by_name(&value).is_some() => self.signal = Some(value),
            _ => return Err(format!("invalid option: \"-s {value}\"")),
        }
        Ok(())
    }
}

fn fail(message: &str) -> ExitCode {
    terminal::err(format_args!("nginx: {message}\n"));
    ExitCode::FAILURE
}

/// `-t` and `-T`
fn test(source: &Source, dump: bool, quiet: bool) -> ExitCode {
    let path = source.path.display();
    let findings = check::examine(source);
    configuration::report(&findings.diagnostics, &findings.sources, source.style);
    let failed = || fail(&format!("configuration file {path} test failed"));
    let Some(config) = findings.config.as_ref().filter(|_| findings.ok()) else {
        return failed();
    };
    if !quiet {
        terminal::err(format_args!(
            "nginx: the configuration file {path} syntax is ok\n"
        ));
    }
    if let Err(error) = open_logs(config) {
        fail(&format!("[emerg] {error}"));
        return failed();
    }
    if !quiet {
        terminal::err(format_args!(
            "nginx: configuration file {path} test is successful\n"
        ));
    }
    if dump {
        for (_, name, text) in findings.sources.iter() {
            let text = format_args!("# configuration file {}:\n{text}\n", name.display());
            if let Err(error) = terminal::out(text) {
                return fail(&format!("[emerg] {error}"));
            }
        }
    }
    ExitCode::SUCCESS
}

/// nginx's test opens (and creates) the logs, and package scripts count on being told of a missing directory.
fn open_logs(config: &Config) -> Result<(), seawall_sys::Error> {
    let access = config.log.access.iter().filter_map(|log| log.file());
    for path in access.chain(config.log.error.path.as_deref()) {
        files::open_append(path)?;
    }
    Ok(())
}

/// `-s`
fn send(source: &Source, name: &str) -> ExitCode {
    let path = match signal::pid_path(source) {
        Ok(Some(path)) => path,
        Ok(None) => return ExitCode::FAILURE,
        Err(error) => return fail(&format!("[error] {error:#}")),
    };
    let pid = match keeper::read_pid(&path) {
        Ok(pid) => pid,
        Err(error) => return fail(&format!("[error] {error}")),
    };
    let Some(signal) = signal::by_name(name) else {
        return ExitCode::FAILURE;
    };
    match signals::send(pid, signal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.trim_start_matches("kill() ");
            fail(&format!("[alert] kill({pid}, {}) {reason}", signal as i32))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn nginxs_options_are_told_from_our_commands() {
        for line in [
            "x -t",
            "x -tq",
            "x -c f",
            "x -p /x -c f",
            "x -?",
            "x -h",
            "x -V",
            "x -gdaemon off;",
        ] {
            assert!(is_meant(&arguments(line)), "{line}");
        }
        for line in [
            "x",
            "x run",
            "x check -c f",
            "x --help",
            "x --version",
            "x -",
            "x -x",
        ] {
            assert!(!is_meant(&arguments(line)), "{line}");
        }
    }

    #[test]
    fn letters_may_be_joined_and_values_attached() {
        let options = parse(&arguments("x -tq -p/srv -c nginx.conf")).unwrap();
        assert!(options.test && options.quiet && !options.dump);
        assert_eq!(options.source().path, Path::new("/srv/nginx.conf"));
        assert_eq!(options.source().prefix.as_deref(), Some(Path::new("/srv")));
        assert_eq!(
            parse(&arguments("x -tc f")).unwrap().config,
            Some("f".into())
        );
        assert_eq!(
            parse(&arguments("x -t")).unwrap().source().path,
            Path::new(CONFIG_DEFAULT)
        );
    }

    #[test]
    fn mistakes_are_told_in_nginxs_words() {
        let error = |line: &str| parse(&arguments(line)).unwrap_err();
        assert_eq!(error("x -t foo"), "invalid option: \"foo\"");
        assert_eq!(error("x -tx"), "invalid option: \"x\"");
        assert_eq!(error("x -s foo"), "invalid option: \"-s foo\"");
        assert_eq!(error("x -s"), "option \"-s\" requires parameter");
        assert_eq!(error("x -c"), "option \"-c\" requires file name");
        assert_eq!(error("x -p"), "option \"-p\" requires directory name");
    }
}

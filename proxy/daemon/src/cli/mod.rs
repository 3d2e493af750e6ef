//! The command line: our own, and nginx's for init scripts that know nothing of us.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | done; for a daemon in the background: it serves |
//! | 1 | it could not be done, and standard error says why: the configuration has errors, a socket cannot be bound, the daemon is not running, the API refused; or (`diff`, `test`) it does not hold |
//! | 2 | the command line itself was wrong, or (`diff`, `test`) what was to be compared or tried could not be read |

mod admin_client;
mod archive;
mod cache;
mod cases;
mod cert;
mod check;
mod config;
mod dns;
mod document;
mod nginx;
mod operate;
mod quick;
mod regressions;
mod signal;
mod text;
mod trust;
mod upgrade;
mod waf;
mod warm;
mod watch;

use crate::{
    configuration::{self, Source},
    demo, keeper, terminal, version, worker,
};
use check::Format;
use clap::{Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// Where our own configuration is.
const CONFIG_DEFAULT: &str = "/etc/seawall/seawall.yaml";

/// What was to be compared or tried cannot be read.
const CODE_WRONG: u8 = 2;

/// Our own command line.
#[derive(Parser)]
#[command(name = "seawall", version = version::WITH_COMMIT, about = "A self-hosted edge in one daemon.", after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
nginx's own options are understood too, when one of them comes first:
  seawall [-?hvVtTq] [-s stop|quit|reopen|reload] [-p PREFIX] [-e LOG] [-c FILE] [-g DIRECTIVES]

Signals to the running daemon: HUP reloads, USR1 reopens the logs, USR2 upgrades the binary, QUIT drains and ends, TERM and INT end at once.

Exit codes: 0 done; 1 it could not be done, or does not hold (check, diff, test, audit verify), and standard error says why; 2 the command line was wrong, or what was to be compared or tried cannot be read.";

#[derive(Subcommand)]
enum Command {
    /// Run the daemon with a configuration (YAML, or nginx.conf by any other ending)
    ///
    /// Stays in the foreground unless the configuration says `daemon on` (nginx.conf), and then returns 0 once
    /// the sockets are bound and the pid file is written.
    ///
    /// Or without one: `seawall run --host shop.example --to 127.0.0.1:3000`, `seawall run --root DIR`.
    Run {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        quick: quick::Quick,
    },
    /// Check a configuration and report everything that is wrong with it
    ///
    /// Exit code 1 if there are errors; warnings alone are 0.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// How findings are printed: with carets on standard error, or as JSON on standard output
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Print the JSON Schema of the YAML syntax, for editors
    Schema,
    /// Lay YAML files out: indentation and space; comments and order stay
    Fmt(text::Fmt),
    /// Say in the configuration's own terms what NEW says otherwise than OLD
    ///
    /// Exit code 0 where they say the same, 1 where not, 2 where one cannot be read.
    Diff {
        /// The one before
        old: PathBuf,
        /// The one after
        new: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Try requests on a configuration, without serving it: what becomes of each must be what a file says
    ///
    /// Exit code 0 where all is as it says, 1 where not, 2 where the file or the configuration cannot be read.
    Test(cases::Test),
    /// Let the running daemon load its configuration again, and report what it finds
    Reload(operate::Connection),
    /// Let the running daemon drain and end (found by its pid file)
    Stop {
        #[command(flatten)]
        config: ConfigFile,
        /// End at once instead of draining
        #[arg(long)]
        fast: bool,
    },
    /// Show what the running daemon is doing; as JSON where standard output is no terminal
    Status {
        /// As JSON in any case
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        connection: operate::Connection,
    },
    /// Show requests, errors, latency and pools, again and again
    Top {
        /// Seconds between
        #[arg(long, default_value_t = 2)]
        every: u64,
        /// End after so many times
        #[arg(short = 'n', long)]
        times: Option<u64>,
        #[command(flatten)]
        connection: operate::Connection,
    },
    /// Show requests as they end, each with what was decided: route, WAF, cache, upstream
    Tail(watch::Tail),
    /// The configuration of the running daemon: show, put, confirm, revert, revisions
    #[command(subcommand)]
    Config(config::Config),
    /// Put an earlier configuration in the place of the one that is served
    Rollback {
        /// Which, as `seawall config revisions` lists them [default: the one before]
        revision: Option<u64>,
        /// What is there now comes back after this time unless `seawall config confirm` comes first
        #[arg(long, value_name = "TIME")]
        confirm: Option<String>,
        #[command(flatten)]
        connection: operate::Connection,
    },
    /// Let a server finish what it has and take nothing new
    Drain {
        /// The pool
        pool: String,
        /// The server's address as `seawall status` shows it
        server: String,
        #[command(flatten)]
        connection: operate::Connection,
    },
    /// Let a drained server take requests again
    Undrain {
        /// The pool
        pool: String,
        /// The server's address
        server: String,
        #[command(flatten)]
        connection: operate::Connection,
    },
    /// Who changed what over the API
    #[command(subcommand)]
    Audit(trust::Audit),
    /// Tokens for the API over TCP
    #[command(subcommand)]
    Token(trust::Token),
    /// Purge the running daemon's caches: one URL with all its variants, or all by tag, prefix or site
    Purge {
        #[command(flatten)]
        what: operate::What,
        /// Make it stale instead of removing it: it may serve while it is renewed, and where the origin fails
        #[arg(long)]
        soft: bool,
        #[command(flatten)]
        connection: operate::Connection,
    },
    /// Zones and their records: list, set, ask, check; DS records for the parent, keys and what comes next
    #[command(subcommand)]
    Dns(dns::Dns),
    /// Certificates: list, show, renew, explain
    #[command(subcommand)]
    Cert(cert::Cert),
    /// Look into the running daemon's caches, or fill them
    Cache {
        #[command(subcommand)]
        command: cache::CacheCommand,
    },
    /// Say why the WAF refused a request, or would refuse one, and which line would let it pass
    Explain(waf::Explain),
    /// What the WAF refused, and what it is not to look at
    #[command(subcommand)]
    Waf(waf::Waf),
    /// Run the demo: the bundled shop behind the edge, on 127.0.0.1 ports 8080, 8443, 5353 and 9180
    Demo {
        /// Directory for its files
        #[arg(long, default_value = ".demo")]
        state: PathBuf,
    },
    /// Keep what is worth keeping in one file: configuration, certificates, keys, revisions, audit log, zones' changes
    ///
    /// The daemon may run meanwhile. Caches are not in it.
    Backup(archive::Backup),
    /// Put a backup back, all of it or nothing; not while the daemon runs
    Restore(archive::Restore),
    /// Print what completes commands in a shell: source it, or put it where the shell looks
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, for man(1)
    #[command(hide = true)]
    Man,
    /// Print the version
    Version,
    /// Let the running daemon become the binary that is installed now, with no request lost
    ///
    /// The new binary looks at the configuration first; where it cannot serve it, the old one serves on and the exit code is 1.
    Upgrade(upgrade::Upgrade),
    /// What the keeper starts; of no use by hand
    #[command(hide = true)]
    Worker,
    /// What a keeper asks of another binary before it becomes it
    #[command(hide = true)]
    UpgradeCheck {
        /// The letter's version.
        #[arg(long)]
        handover: u32,
    },
}

/// Which configuration.
#[derive(clap::Args, Clone)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,
}

/// Does what the arguments (the program's name among them) ask for.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    if nginx::is_meant(&arguments) {
        return nginx::main(&arguments);
    }
    match run(Arguments::parse_from(arguments).command) {
        Ok(code) => code,
        Err(error) => {
            terminal::err(format_args!("seawall: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { config, quick } => {
            if quick.is_meant() {
                return quick.run();
            }
            if quick.only_prints() {
                anyhow::bail!(
                    "--print prints what --host, --to and --root stand for; a file is printed by cat"
                );
            }
            let source = Source::file(config.config);
            // A restore that was cut short is ended before anything of it is read.
            archive::carry_out(&source.path, usize::MAX)?;
            keeper::run(source)
        }
        Command::Schema => text::schema(),
        Command::Fmt(wanted) => text::fmt(&wanted),
        Command::Diff { old, new, json } => text::diff(&old, &new, json),
        Command::Check { config, format } => check::check(&Source::file(config.config), format),
        Command::Test(wanted) => cases::run(&wanted),
        Command::Backup(wanted) => archive::backup(&wanted),
        Command::Restore(wanted) => archive::restore(&wanted),
        Command::Completions { shell } => document::completions(shell),
        Command::Man => document::man(),
        Command::Reload(connection) => operate::reload(&connection),
        Command::Stop { config, fast } => signal::stop(&Source::file(config.config), fast),
        Command::Status { json, connection } => watch::status(&connection, json),
        Command::Top {
            every,
            times,
            connection,
        } => watch::top(&connection, every, times),
        Command::Tail(wanted) => watch::tail(&wanted),
        Command::Config(command) => config::run(&command),
        Command::Rollback {
            revision,
            confirm,
            connection,
        } => config::rollback(&connection, revision, confirm.as_deref()),
        Command::Drain {
            pool,
            server,
            connection,
        } => trust::drain(&connection, &pool, &server, "drain"),
        Command::Undrain {
            pool,
            server,
            connection,
        } => trust::drain(&connection, &pool, &server, "undrain"),
        Command::Audit(command) => trust::audit(&command),
        Command::Token(command) => trust::token(&command),
        Command::Purge {
            what,
            soft,
            connection,
        } => operate::purge(&connection, &what, soft),
        Command::Dns(command) => dns::run(command),
        Command::Cert(command) => cert::run(command),
        Command::Cache { command } => cache::run(&command),
        Command::Explain(what) => waf::explain(&what),
        Command::Waf(command) => waf::run(&command),
        Command::Demo { state } => demo::run(&state),
        Command::Version => {
            terminal::out(format_args!("seawall {}\n", version::WITH_COMMIT))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Upgrade(command) => upgrade::run(&command),
        Command::Worker => worker(),
        Command::UpgradeCheck { handover } => upgrade::check(handover),
    }
}

/// The worker's process, around the worker itself: what it dies of is in the log and on standard error.
fn worker() -> anyhow::Result<ExitCode> {
    let keeper::Welcomed {
        keeper,
        source,
        log,
        generation,
        patient,
    } = keeper::welcome()?;
    let style = source.style;
    let options = worker::WorkerOptions {
        source,
        log: log.clone(),
        generation,
        patient,
    };
    let outcome = worker::run(keeper, options);
    if let Err(error) = &outcome {
        configuration::complain(&log, style, format_args!("{error:#}"));
    }
    log.flush_within(crate::log::FLUSH_PATIENCE);
    Ok(outcome.unwrap_or(ExitCode::FAILURE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_command_and_hides_the_worker() {
        let help = Arguments::command().render_long_help().to_string();
        for command in [
            "run",
            "check",
            "schema",
            "fmt",
            "diff",
            "reload",
            "stop",
            "status",
            "purge",
            "cert",
            "cache",
            "demo",
            "version",
            "top",
            "tail",
            "config",
            "rollback",
            "drain",
            "audit",
            "token",
            "test",
            "completions",
            "backup",
            "restore",
        ] {
            assert!(
                help.contains(&format!("\n  {command} ")),
                "{command} is missing in:\n{help}"
            );
        }
        assert!(!help.contains("\n  worker"));
    }
}

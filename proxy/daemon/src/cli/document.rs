//! The manual page and the completions of shells: both from the one definition of the commands, so that neither can drift.

use super::{AFTER_HELP, Arguments};
use crate::terminal;
use clap::{Arg, Command, CommandFactory};
use std::{fmt::Write as _, process::ExitCode};

/// `seawall completions`
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "seawall", &mut out);
    terminal::out(format_args!("{}", String::from_utf8_lossy(&out)))?;
    Ok(ExitCode::SUCCESS)
}

/// `seawall man`
pub fn man() -> anyhow::Result<ExitCode> {
    terminal::out(format_args!("{}", page(Arguments::command())))?;
    Ok(ExitCode::SUCCESS)
}

const FILES: &[(&str, &str)] = &[
    ("/etc/seawall/seawall.yaml", "The configuration."),
    (
        "/var/lib/seawall",
        "Keys, certificates, accounts, revisions, zones' changes and the audit log; for the daemon's user alone.",
    ),
    (
        "/var/cache/seawall, /var/log/seawall",
        "What may be lost, and the logs.",
    ),
    (
        "/usr/share/doc/seawall/examples",
        "Configurations to begin with.",
    ),
];

const EXAMPLES: &[(&str, &str)] = &[
    (
        "seawall run --host shop.example --to 127.0.0.1:3000",
        "Serves an application by its name, with HTTPS.",
    ),
    (
        "seawall check && seawall reload",
        "Goes over to what the file says now, where that can be served.",
    ),
    (
        "seawall test tests.yaml",
        "Tries requests on a configuration before it serves.",
    ),
    (
        "seawall backup /var/backups/seawall.tar",
        "Everything that is worth keeping, in one file.",
    ),
];

/// The whole page, in man(7)'s language.
fn page(mut command: Command) -> String {
    command.build();
    let mut out = String::from(".TH SEAWALL 8 \"\" \"Seawall\" \"System Administration\"\n");
    out += ".SH NAME\nseawall \\- self-hosted edge: DNS, TLS, WAF, cache and balancer\n";
    out += ".SH SYNOPSIS\n.B seawall\n.I COMMAND\n.RI [ OPTIONS ]\n";
    out += ".SH DESCRIPTION\nOne daemon answers DNS, ends TLS, judges requests, caches and balances, as\n\
            .I /etc/seawall/seawall.yaml\nsays. It also reads nginx.conf and takes nginx's own options.\n";
    out += ".SH COMMANDS\n";
    let mut commands = Vec::new();
    listed(&command, "seawall", &mut commands);
    for (name, command) in commands {
        described(&mut out, &name, command);
    }
    // Usage, signals and exit codes are said once, in the help.
    for part in AFTER_HELP.split("\n\n") {
        let (title, text) = match part.split_once(':') {
            Some((title, text)) if title.starts_with("Signals") => ("SIGNALS", text),
            Some(("Exit codes", text)) => ("EXIT STATUS", text),
            _ => ("NGINX'S OPTIONS", part),
        };
        let _ = writeln!(out, ".SH \"{title}\"");
        for line in text.trim().lines() {
            match line.strip_prefix("  ") {
                Some(code) => {
                    let _ = writeln!(out, ".PP\n.B {}\n.PP", escaped(code));
                }
                None => {
                    let _ = writeln!(out, "{}", escaped(line));
                }
            }
        }
    }
    out += ".SH EXAMPLES\n";
    for (line, about) in EXAMPLES {
        let _ = writeln!(out, ".TP\n.B {}\n{}", escaped(line), escaped(about));
    }
    out += ".SH FILES\n";
    for (path, about) in FILES {
        let _ = writeln!(out, ".TP\n.I {}\n{}", escaped(path), escaped(about));
    }
    out += ".SH ENVIRONMENT\n.TP\n.B SEAWALL_TOKEN\nA token for the admin API over TCP.\n\
            .TP\n.B SEAWALL_CODE\nThe code of the moment, where the token asks for one.\n";
    out += ".SH SEE ALSO\n.BR systemctl (1),\n.BR journalctl (1)\n";
    out
}

/// Commands that do something, in the order of the help.
fn listed<'a>(command: &'a Command, name: &str, all: &mut Vec<(String, &'a Command)>) {
    for sub in command.get_subcommands() {
        if sub.is_hide_set() || sub.get_name() == "help" {
            continue;
        }
        let name = format!("{name} {}", sub.get_name());
        if sub.has_subcommands() {
            listed(sub, &name, all);
        } else {
            all.push((name, sub));
        }
    }
}

fn described(out: &mut String, name: &str, command: &Command) {
    let arguments = command.get_arguments().filter(|a| !a.is_hide_set());
    let arguments: Vec<&Arg> = arguments.filter(|a| a.get_id() != "help").collect();
    let mut usage = name.to_owned();
    if arguments.iter().any(|a| !a.is_positional()) {
        usage += " [OPTIONS]";
    }
    for place in arguments.iter().filter(|a| a.is_positional()) {
        let value = value_of(place);
        let _ = match place.is_required_set() {
            true => write!(usage, " {value}"),
            false => write!(usage, " [{value}]"),
        };
    }
    let _ = writeln!(out, ".SS \"{}\"", escaped(&usage).replace('"', "\\(dq"));
    let about = command.get_long_about().or(command.get_about());
    for line in about.map(ToString::to_string).unwrap_or_default().lines() {
        let _ = match line.is_empty() {
            true => writeln!(out, ".PP"),
            false => writeln!(out, "{}", escaped(line)),
        };
    }
    for argument in arguments {
        let mut names = Vec::new();
        if let Some(short) = argument.get_short() {
            names.push(format!("-{short}"));
        }
        if let Some(long) = argument.get_long() {
            names.push(format!("--{long}"));
        }
        let takes = argument.get_action().takes_values();
        let mut head = names.join(", ");
        if takes || argument.is_positional() {
            let _ = write!(head, " {}", value_of(argument));
        }
        let help = argument.get_long_help().or(argument.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(out, ".TP\n.B {}\n{}", escaped(head.trim()), escaped(&help));
    }
}

fn value_of(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    match names {
        [] => argument.get_id().as_str().to_uppercase(),
        names => names
            .iter()
            .map(|n| n.as_str())
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// A text that roff takes as it is.
fn escaped(text: &str) -> String {
    let mut out = text.replace('\\', "\\e").replace('-', "\\-");
    out = out.replace('\n', " ");
    if out.starts_with(['.', '\'']) {
        out.insert_str(0, "\\&");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_every_option() {
        let mut command = Arguments::command();
        command.build();
        let text = page(command.clone());
        let mut all = Vec::new();
        listed(&command, "seawall", &mut all);
        assert!(all.len() > 40, "{}", all.len());
        for (name, command) in all {
            assert!(
                text.contains(&format!(".SS \"{}", escaped(&name))),
                "{name}"
            );
            for argument in command.get_arguments() {
                let Some(long) = argument.get_long().filter(|l| *l != "help") else {
                    continue;
                };
                assert!(
                    text.contains(&escaped(&format!("--{long}"))),
                    "{name} --{long}"
                );
            }
        }
        for section in ["SIGNALS", "EXIT STATUS", "FILES", "EXAMPLES"] {
            assert!(
                text.contains(&format!(".SH \"{section}\""))
                    || text.contains(&format!(".SH {section}"))
            );
        }
        // A line that roff would take for a request of its own.
        assert!(!text.lines().any(|l| l.starts_with('\'')));
    }

    #[test]
    fn every_shell_is_told_of_the_commands() {
        for shell in [
            clap_complete::Shell::Bash,
            clap_complete::Shell::Zsh,
            clap_complete::Shell::Fish,
        ] {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "seawall", &mut out);
            let text = String::from_utf8(out).unwrap();
            for word in ["undrain", "rollback", "revisions", "completions"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }
}

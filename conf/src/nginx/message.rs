//! A finding as nginx would say it.

use seawall_diag::{Diagnostic, SourceMap};

/// `message in FILE:LINE`, as nginx prints it after `nginx: [emerg] `; without a place the message alone.
pub fn nginx_message(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    match diagnostic.at {
        Some(at) => {
            let (line, _) = sources.line_column(at);
            format!(
                "{} in {}:{line}",
                diagnostic.message,
                sources.name(at.file).display()
            )
        }
        None => diagnostic.message.clone(),
    }
}

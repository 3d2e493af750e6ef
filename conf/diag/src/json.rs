//! Findings as JSON, for the API and for editors.

use crate::{Diagnostics, Severity, SourceMap, Span};
use serde_json::{Map, Value, json};

impl Diagnostics {
    /// An array of `{ severity, code, message, file, line, column, end_line, end_column, help, related }`.
    ///
    /// Lines and columns count from 1, columns in characters; what is not known is left out.
    pub fn to_json(&self, sources: &SourceMap) -> Value {
        Value::Array(
            self.iter()
                .map(|finding| {
                    let mut object = finding.at.map_or_else(Map::new, |at| place(sources, at));
                    let severity = match finding.severity {
                        Severity::Error => "error",
                        Severity::Warning => "warning",
                    };
                    object.insert("severity".into(), severity.into());
                    object.insert("code".into(), finding.code.into());
                    object.insert("message".into(), finding.message.as_str().into());
                    if let Some(help) = &finding.help {
                        object.insert("help".into(), help.as_str().into());
                    }
                    if !finding.related.is_empty() {
                        let related = finding.related.iter().map(|(at, note)| {
                            let mut object = place(sources, *at);
                            object.insert("message".into(), note.as_str().into());
                            Value::Object(object)
                        });
                        object.insert("related".into(), related.collect());
                    }
                    Value::Object(object)
                })
                .collect(),
        )
    }
}

fn place(sources: &SourceMap, at: Span) -> Map<String, Value> {
    let (line, column) = sources.line_column(at);
    let (end_line, end_column) = sources.line_column(Span {
        start: at.end,
        ..at
    });
    let mut object = Map::new();
    object.insert(
        "file".into(),
        json!(sources.name(at.file).to_string_lossy()),
    );
    object.insert("line".into(), line.into());
    object.insert("column".into(), column.into());
    object.insert("end_line".into(), end_line.into());
    object.insert("end_column".into(), end_column.into());
    object
}

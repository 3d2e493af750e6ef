//! The JSON Schema of the YAML syntax, for editors (`# yaml-language-server: $schema=...`).
//!
//! Which fields there are is what the readers' own [`Shape`]s say, so the schema cannot forget one; what a field holds is
//! said in [`super::schema_table`] and [`super::schema_sites`], in a small language:
//!
//! | word | JSON |
//! |---|---|
//! | `text`, `path`, `address`, `duration`, `size`, `rate`, `percent` | a string, with its form; a bare number where YAML has one |
//! | `number`, `bool`, `any`, `off` | as named; `off` is `false` or `off` |
//! | `'word'` | that word |
//! | `@name` | the object of that name |
//! | `[x]` | a list of x, or one x |
//! | `{x}` | names to x |
//! | `x / y` | either |

use super::read::Shape;
use super::{schema_sites, schema_table};
use serde_json::{Map, Value, json};

/// One object: its name, its shape, and what its fields hold: a line each, `field: type -- what it is for`.
pub(super) type Object = (&'static str, &'static Shape, &'static str);

fn objects() -> impl Iterator<Item = &'static Object> {
    schema_table::TABLE.iter().chain(schema_sites::TABLE)
}

/// The schema.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for (name, shape, lines) in objects() {
        definitions.insert((*name).to_owned(), object(shape, lines));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Seawall",
        "description": "The configuration of seawall, schema version 1",
        "$ref": "#/$defs/configuration",
        "$defs": definitions,
    })
}

fn object(shape: &Shape, lines: &str) -> Value {
    let mut properties = Map::new();
    for field in shape.fields {
        let said = lines
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .find(|(name, _)| name == field);
        let (kind, about) = match said {
            None => ("any", ""),
            Some((_, said)) => said.split_once(" -- ").unwrap_or((said, "")),
        };
        let mut value = read(kind.trim());
        if let Some(value) = value.as_object_mut().filter(|_| !about.is_empty()) {
            value.insert("description".into(), about.trim().into());
        }
        properties.insert((*field).to_owned(), value);
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn read(kind: &str) -> Value {
    let parts = split(kind);
    if parts.len() > 1 {
        let words: Option<Vec<&str>> = parts.iter().map(|p| word(p)).collect();
        return match words {
            Some(words) => json!({ "enum": words }),
            None => json!({ "anyOf": parts.iter().map(|p| read(p)).collect::<Vec<_>>() }),
        };
    }
    let inner = |open: char, close: char| kind.strip_prefix(open)?.strip_suffix(close);
    if let Some(kind) = inner('[', ']') {
        let one = read(kind);
        return json!({ "anyOf": [one, { "type": "array", "items": one }] });
    }
    if let Some(kind) = inner('{', '}') {
        return json!({ "type": "object", "additionalProperties": read(kind) });
    }
    if let Some(name) = kind.strip_prefix('@') {
        return json!({ "$ref": format!("#/$defs/{name}") });
    }
    if let Some(word) = word(kind) {
        return json!({ "enum": [word] });
    }
    match kind {
        "text" => json!({ "type": ["string", "number", "boolean"] }),
        "path" => json!({ "type": "string", "minLength": 1 }),
        "address" => {
            json!({ "type": ["string", "integer"], "examples": ["127.0.0.1:8080", "unix:/run/app.sock"] })
        }
        "duration" => {
            json!({ "type": ["string", "integer"], "examples": ["500ms", "30s", "5m", "1h", "7d"] })
        }
        "size" => json!({ "type": ["string", "integer"], "examples": ["64KiB", "10MiB"] }),
        "rate" => json!({ "type": "string", "examples": ["50/s", "600/m"] }),
        "percent" => json!({ "type": ["string", "number"], "examples": ["20%"] }),
        // With `${env:}` any number is a string.
        "number" => json!({ "type": ["integer", "string"] }),
        "bool" => json!({ "enum": [true, false, "on", "off", "yes", "no"] }),
        "off" => json!({ "enum": [false, "off"] }),
        _ => json!({}),
    }
}

fn word(kind: &str) -> Option<&str> {
    kind.strip_prefix('\'')?.strip_suffix('\'')
}

/// At the slashes outside of brackets.
fn split(kind: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0_i32, 0);
    for (at, c) in kind.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            '/' if depth == 0 => {
                parts.push(kind.get(from..at).unwrap_or_default().trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(kind.get(from..).unwrap_or_default().trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_about_a_field_that_there_is() {
        for (name, shape, lines) in objects() {
            for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
                let (field, _) = line
                    .split_once(": ")
                    .unwrap_or_else(|| panic!("{name}: {line}"));
                assert!(
                    shape.fields.contains(&field),
                    "{name} has no field `{field}`"
                );
            }
        }
    }

    #[test]
    fn every_object_that_is_named_is_there() {
        let text = schema().to_string();
        let defined: Vec<&str> = objects().map(|(name, ..)| *name).collect();
        for named in text.split("#/$defs/").skip(1) {
            let name = named.split('"').next().unwrap_or_default();
            assert!(defined.contains(&name), "{name}");
        }
    }

    #[test]
    fn types_are_read() {
        assert_eq!(read("'a' / 'b'"), json!({ "enum": ["a", "b"] }));
        let list = json!({ "anyOf": [{}, { "type": "array", "items": {} }] });
        assert_eq!(read("[any]"), list);
        let either = read("[@site / text] / off");
        assert_eq!(either["anyOf"].as_array().map(Vec::len), Some(2));
    }
}

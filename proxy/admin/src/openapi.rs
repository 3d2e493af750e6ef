//! The OpenAPI 3.1 document, from the table of endpoints.

use crate::endpoints::{Carries, ENDPOINTS, Endpoint, Handler, Verb};
use serde_json::{Map, Value, json};

/// The document.
pub fn document(version: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(
                endpoint.verb.as_str().to_ascii_lowercase(),
                operation(endpoint),
            );
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Seawall admin API",
            "version": version,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "Over TCP; made by `seawall token new`. The unix socket asks the kernel who it is.",
            } },
            "schemas": { "Problem": {
                "type": "object",
                "description": "RFC 9457",
                "required": ["type", "title", "status"],
                "properties": {
                    "type": { "type": "string" },
                    "title": { "type": "string" },
                    "status": { "type": "integer" },
                    "detail": { "type": "string" },
                    "diagnostics": { "type": "array", "items": { "type": "object" } },
                    "rendered": { "type": "string" },
                },
            } },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let named = endpoint
        .path
        .split('{')
        .skip(1)
        .filter_map(|p| p.split('}').next());
    let named = named.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let asked = endpoint.query.iter().map(|(name, about)| {
        json!({ "name": name, "in": "query", "description": about, "schema": { "type": "string" } })
    });
    let mut operation = json!({
        "operationId": id(endpoint),
        "summary": endpoint.summary,
        "parameters": named.chain(asked).collect::<Vec<_>>(),
        "responses": {
            "2XX": { "description": "Done", "content": { kind(endpoint): { "schema": {} } } },
            "default": {
                "description": "Not done",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            },
        },
    });
    let Some(fields) = operation.as_object_mut() else {
        return operation;
    };
    if endpoint.verb != Verb::Get {
        fields.insert("x-seawall-scope".into(), endpoint.scope.as_str().into());
    }
    match endpoint.carries {
        Carries::Nothing => {}
        Carries::Yaml => {
            let body = json!({ "required": true, "content": { "application/yaml": { "schema": { "type": "string" } } } });
            fields.insert("requestBody".into(), body);
        }
        Carries::Json(members) => {
            let mut properties = Map::new();
            for (name, kind, about) in members {
                let member = json!({ "type": kind, "description": about });
                properties.insert((*name).to_owned(), member);
            }
            let schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
            let body = json!({ "content": { "application/json": { "schema": schema } } });
            fields.insert("requestBody".into(), body);
        }
    }
    operation
}

fn kind(endpoint: &Endpoint) -> &'static str {
    match endpoint.handler {
        Handler::Events => "text/event-stream",
        Handler::Plain(_) => "application/json",
    }
}

/// `getPoolsServersDrain`: unique, because method and path are.
fn id(endpoint: &Endpoint) -> String {
    let mut id = endpoint.verb.as_str().to_ascii_lowercase();
    let path = endpoint.path.trim_start_matches("/api/v1/");
    for word in path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        let mut letters = word.chars();
        id.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        id.push_str(letters.as_str());
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_and_the_table_name_the_same_endpoints() {
        let document = document("1");
        let mut told = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                told.insert((method.to_uppercase(), path.clone()));
            }
        }
        let listed: BTreeSet<_> = ENDPOINTS
            .iter()
            .map(|e| (e.verb.as_str().to_owned(), e.path.to_owned()))
            .collect();
        assert_eq!(told, listed);
    }

    #[test]
    fn operations_have_ids_of_their_own_and_every_parameter_of_their_path() {
        let document = document("1");
        let mut ids = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for operation in methods.as_object().unwrap().values() {
                assert!(
                    ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                    "{path}"
                );
                let parameters = operation["parameters"].as_array().unwrap();
                let in_path = parameters.iter().filter(|p| p["in"] == "path").count();
                assert_eq!(in_path, path.matches('{').count(), "{path}");
            }
        }
    }
}

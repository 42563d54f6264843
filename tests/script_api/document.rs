//! The service as it describes itself: what is tested of all routes comes from here, so that a
//! new one is tested as soon as it is there.

use std::collections::BTreeSet;

/// One operation of the OpenAPI document.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: String,
    /// With `{names}`.
    pub path: String,
    /// What the token must allow.
    pub scopes: Vec<String>,
    /// The statuses that it may answer.
    pub statuses: BTreeSet<u16>,
}

/// All operations.
pub fn operations() -> Vec<Operation> {
    let document = monkeyci_tui::script_api::openapi();
    let paths = document["paths"].as_object().unwrap();
    let all: Vec<Operation> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(|(method, operation)| {
                let scopes = operation["security"][0]["token"].as_array().unwrap();
                let responses = operation["responses"].as_object().unwrap();
                Operation {
                    method: method.to_ascii_uppercase(),
                    path: path.clone(),
                    scopes: scopes
                        .iter()
                        .map(|scope| scope.as_str().unwrap().to_owned())
                        .collect(),
                    statuses: responses.keys().map(|code| code.parse().unwrap()).collect(),
                }
            })
        })
        .collect();
    assert!(all.len() > 20, "the document has operations: {}", all.len());
    all
}

impl Operation {
    /// The path with one text in the place of every name.
    pub fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = self.path.as_str();
        while let Some((before, name)) = rest.split_once('{') {
            filled.push_str(before);
            filled.push_str(text);
            rest = name.split_once('}').unwrap().1;
        }
        filled + rest
    }

    pub fn has_names(&self) -> bool {
        self.path.contains('{')
    }
}

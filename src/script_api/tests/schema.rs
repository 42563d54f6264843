//! As much of JSON Schema as the document uses. A keyword that is not known here is an error, so
//! that nothing is taken for checked that was not looked at.

use serde_json::Value as Json;

/// Words about a schema that say nothing of a value.
const REMARKS: [&str; 7] = [
    "description",
    "title",
    "example",
    "examples",
    "format",
    "contentMediaType",
    "default",
];

/// What is wrong with a value, if anything.
pub(super) fn misfit(document: &Json, schema: &Json, value: &Json) -> Option<String> {
    let fields = match schema {
        Json::Bool(true) => return None,
        Json::Object(fields) => fields,
        _ => return Some(format!("{schema} is no schema")),
    };
    fields.iter().find_map(|(keyword, rule)| {
        let fits = match keyword.as_str() {
            remark if REMARKS.contains(&remark) => true,
            "$ref" => return misfit(document, target(document, rule), value),
            "type" => match rule {
                Json::Array(types) => types.iter().any(|name| is_a(name, value)),
                name => is_a(name, value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap()),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
            "required" => value.as_object().is_none_or(|object| {
                let names = rule.as_array().unwrap();
                names
                    .iter()
                    .all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "properties" => {
                return value.as_object().and_then(|object| {
                    object.iter().find_map(|(name, value)| {
                        misfit(document, rule.get(name)?, value).map(|why| format!("{name}: {why}"))
                    })
                });
            }
            "additionalProperties" => {
                return value.as_object().and_then(|object| {
                    let named = |name: &String| fields.get("properties")?.get(name);
                    let mut others = object.iter().filter(|(name, _)| named(name).is_none());
                    match rule {
                        Json::Bool(false) => {
                            others.next().map(|(name, _)| format!("{name:?} is odd"))
                        }
                        rule => others.find_map(|(_, value)| misfit(document, rule, value)),
                    }
                });
            }
            "items" => {
                return value
                    .as_array()
                    .and_then(|items| items.iter().find_map(|item| misfit(document, rule, item)));
            }
            "oneOf" => fitting(document, rule, value) == 1,
            "anyOf" => fitting(document, rule, value) > 0,
            other => return Some(format!("the keyword {other} is not known to this test")),
        };
        (!fits).then(|| format!("{value} does not fit {keyword}: {rule}"))
    })
}

fn fitting(document: &Json, schemas: &Json, value: &Json) -> usize {
    let schemas = schemas.as_array().unwrap();
    schemas
        .iter()
        .filter(|schema| misfit(document, schema, value).is_none())
        .count()
}

/// What a reference leads to.
pub(super) fn target<'a>(document: &'a Json, reference: &Json) -> &'a Json {
    let reference = reference.as_str().unwrap();
    let pointer = reference.strip_prefix('#').expect("references stay inside");
    document
        .pointer(pointer)
        .unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn is_a(name: &Json, value: &Json) -> bool {
    match name.as_str().unwrap() {
        "string" => value.is_string(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type of JSON Schema"),
    }
}

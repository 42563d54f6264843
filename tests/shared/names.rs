//! Names in a path that lead elsewhere, or are none.

/// Segments of a URL; those that would be written somewhere have the marker in them.
pub fn hostile_names(marker: &str) -> Vec<String> {
    vec![
        "..".to_owned(),
        "%2e%2e".to_owned(),
        "%2E%2e%2foutside%2fsecret.txt".to_owned(),
        format!("..%2f..%2f..%2f..%2f..%2f..%2ftmp%2f{marker}"),
        format!("%2ftmp%2f{marker}"),
        format!("a%2f..%2f..%2f..%2f..%2f..%2ftmp%2f{marker}"),
        "..%5c..%5cx".to_owned(),
        ".".to_owned(),
        "%2f".to_owned(),
        "%00".to_owned(),
        "a%00b".to_owned(),
        "%0d%0aset-cookie:%20a=b".to_owned(),
        "%ff%fe".to_owned(),
        "%".to_owned(),
        "%zz".to_owned(),
        "%252e%252e%252f".to_owned(),
        "%1b[2J".to_owned(),
        "-rf".to_owned(),
        "~".to_owned(),
        "$HOME".to_owned(),
        "a".repeat(300),
        "a".repeat(5_000),
        "%c3%a9".repeat(200),
        "events.edn".to_owned(),
        "..;".to_owned(),
    ]
}

//! Changing `config.toml` without touching what else is in it: comments, order and all.
//!
//! The change is made in the text, line by line, and then read back: what comes out has to mean
//! what was there before, but for the one change. Where that is not so, nothing is changed.

use toml::{Table, Value};

/// What is written of a server. What else its table has stays.
#[derive(Debug, Clone, Copy)]
pub struct ServerEntry<'a> {
    /// A name that [`is_server_name`](super::is_server_name) takes.
    pub name: &'a str,
    /// The address of its API.
    pub url: &'a str,
    /// The org where none is named; `None` leaves what is there.
    pub org: Option<&'a str>,
}

/// Puts a server into the text of a `config.toml`: into its table where there is one, else into a
/// new table at the end. `None`: the text is written in a way that this cannot follow.
pub fn with_server(text: &str, entry: ServerEntry<'_>) -> Option<String> {
    let mut pairs = vec![("url", entry.url)];
    pairs.extend(entry.org.map(|org| ("org", org)));
    let before: Table = text.parse().ok()?;
    let mut wanted = before.clone();
    let servers = wanted
        .entry("servers")
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()?;
    let is_new = !servers.contains_key(entry.name);
    let server = servers
        .entry(entry.name)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()?;
    for (key, value) in &pairs {
        server.insert((*key).to_owned(), Value::String((*value).to_owned()));
    }
    let changed = if is_new {
        appended(text, entry.name, &pairs)
    } else {
        replaced(text, entry.name, &pairs)?
    };
    (changed.parse::<Table>().ok()? == wanted).then_some(changed)
}

fn line(key: &str, value: &str) -> String {
    format!("{key} = {}\n", Value::String(value.to_owned()))
}

fn appended(text: &str, name: &str, pairs: &[(&str, &str)]) -> String {
    let mut changed = text.to_owned();
    if !changed.is_empty() {
        if !changed.ends_with('\n') {
            changed.push('\n');
        }
        if !changed.ends_with("\n\n") {
            changed.push('\n');
        }
    }
    changed.push_str(&format!("[servers.{name}]\n"));
    for (key, value) in pairs {
        changed.push_str(&line(key, value));
    }
    changed
}

/// The table's lines are those from its header to the next one.
fn replaced(text: &str, name: &str, pairs: &[(&str, &str)]) -> Option<String> {
    let header = format!("[servers.{name}]");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_header = |line: &&str| {
        let bare = line.split('#').next().unwrap_or_default();
        bare.split_whitespace().collect::<String>() == header
    };
    let start = lines.iter().position(is_header)? + 1;
    let length = lines[start..]
        .iter()
        .position(|line| line.trim_start().starts_with('['))
        .unwrap_or(lines.len() - start);
    let mut body: Vec<String> = lines[start..start + length]
        .iter()
        .map(|line| (*line).to_owned())
        .collect();
    for (key, value) in pairs {
        let sets_it = |line: &String| line.split('=').next().is_some_and(|k| k.trim() == *key);
        match body.iter_mut().find(|line| sets_it(line)) {
            Some(there) => {
                let new = line(key, value);
                *there = match comment_of(there) {
                    Some(comment) => format!("{} {comment}", new.trim_end()),
                    None => new,
                };
            }
            None => body.insert(0, line(key, value)),
        }
    }
    let mut changed = lines[..start].concat();
    if !changed.ends_with('\n') {
        changed.push('\n');
    }
    changed.push_str(&body.concat());
    changed.push_str(&lines[start + length..].concat());
    Some(changed)
}

/// The comment at the end of a line that sets a key, with the line's end.
fn comment_of(line: &str) -> Option<&str> {
    let (at, _) = line.match_indices('#').find(|(at, _)| {
        line[..*at]
            .parse::<Table>()
            .is_ok_and(|table| !table.is_empty())
    })?;
    Some(&line[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str, name: &str, url: &str, org: Option<&str>) -> Option<String> {
        with_server(text, ServerEntry { name, url, org })
    }

    #[test]
    fn a_new_server_is_a_table_at_the_end() {
        assert_eq!(
            put("", "a", "https://h", Some("o")).unwrap(),
            "[servers.a]\nurl = \"https://h\"\norg = \"o\"\n"
        );
        let text = "# mine\n[storage]\nkind = \"folder\" # here";
        assert_eq!(
            put(text, "a", "https://h", None).unwrap(),
            "# mine\n[storage]\nkind = \"folder\" # here\n\n[servers.a]\nurl = \"https://h\"\n"
        );
        let other = "[servers.b]\nurl = \"https://b\"\n";
        let both = put(other, "a", "https://h", None).unwrap();
        assert!(both.starts_with(other) && both.contains("[servers.a]"));
        // A table within a line has no end that could be appended to.
        assert_eq!(
            put(
                "servers = { b = { url = \"x\" } }\n",
                "a",
                "https://h",
                None
            ),
            None
        );
    }

    #[test]
    fn a_known_server_keeps_what_else_is_said_of_it() {
        let text = "[servers.b]\nurl = \"https://b\"\n\n# the old one\n[ servers.a ] # hm\n# why\n\
                    timeout = 5\nurl = \"https://old#x\" # of \"all\"\n\n[keys]\nurl = 1\n";
        assert_eq!(
            put(text, "a", "https://new", Some("o\"x")).unwrap(),
            "[servers.b]\nurl = \"https://b\"\n\n# the old one\n[ servers.a ] # hm\norg = 'o\"x'\n\
             # why\ntimeout = 5\nurl = \"https://new\" # of \"all\"\n\n[keys]\nurl = 1\n"
        );
        let same = "[servers.a]\nurl = \"https://h\"\norg = \"o\"\n";
        assert_eq!(put(same, "a", "https://h", None).unwrap(), same);
        assert_eq!(
            put("[servers.a]", "a", "https://h", None).unwrap(),
            "[servers.a]\nurl = \"https://h\"\n"
        );
    }

    #[test]
    fn what_cannot_be_followed_is_left_alone() {
        for text in [
            "[servers]\na = { url = \"https://old\" }\n",
            "servers.a.url = \"https://old\"\n",
            "[servers.a]\nnote = \"\"\"\n[keys]\n\"\"\"\nurl = \"https://old\"\n",
            "[servers.a]\n\"url\" = \"https://old\"\n",
            "[servers.a",
            "servers = 1\n",
        ] {
            assert_eq!(put(text, "a", "https://new", None), None, "{text}");
        }
    }
}

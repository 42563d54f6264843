//! What a source file names of the crate root, by its tokens.

use std::ops::Range;

use super::Source;

/// The name of a module of ours (or of an item of the crate root) somewhere in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    pub line: usize,
    pub name: String,
}

/// What a file names of the crate root.
pub fn imports(source: &Source) -> Vec<Import> {
    let code = without_tests(&without_text(&source.text));
    let tokens = tokens(&code);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut found = Vec::new();
    // Inline modules that are open, each with the depth of braces at which it closes.
    let mut inline: Vec<usize> = Vec::new();
    let mut braces = 0;
    let mut at = 0;
    while at < tokens.len() {
        let before = |n: usize| at.checked_sub(n).map_or("", text);
        // A path is looked at from its first segment on.
        let begins_path = text(at + 1) == "::" && before(1) != "::";
        match text(at) {
            "{" => {
                if before(2) == "mod" {
                    inline.push(braces);
                }
                braces += 1;
            }
            "}" => {
                braces = braces.saturating_sub(1);
                inline.pop_if(|open| *open == braces);
            }
            "crate" | "monkeyci_tui" if begins_path => {
                at = follow(&tokens, at + 2, 0, &mut found);
                continue;
            }
            "super" if begins_path => {
                let depth = source.module.len() + inline.len();
                at = follow(&tokens, at, depth, &mut found);
                continue;
            }
            // In `lib.rs` a path may begin with a module.
            name if begins_path && source.row() == "lib" && declares(&tokens, name) => {
                found.push(Import::of(&tokens[at]));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Whether a module is declared somewhere in a file.
fn declares(tokens: &[Token<'_>], name: &str) -> bool {
    tokens
        .windows(2)
        .any(|pair| pair[0].text == "mod" && pair[1].text == name)
}

/// Follows a path from a segment on and returns where it ends. `depth` is how far the module
/// it starts in is below the crate root; what is named at the root itself is an import.
fn follow(tokens: &[Token<'_>], mut at: usize, mut depth: usize, found: &mut Vec<Import>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "super" => depth = depth.saturating_sub(1),
            "self" | "::" => {}
            "{" => return follow_group(tokens, at, depth, found),
            name => {
                // Below the root it is something of our own module.
                if depth == 0 && (is_name(name) || name == "*") {
                    found.push(Import::of(token));
                }
                return at + 1;
            }
        }
        at += 1;
    }
    at
}

/// Follows every path of `{…}` and returns where the group ends.
fn follow_group(tokens: &[Token<'_>], open: usize, depth: usize, found: &mut Vec<Import>) -> usize {
    let mut nesting = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "{" => nesting += 1,
            "}" => nesting -= 1,
            _ => {}
        }
        if nesting == 0 {
            return at + 1;
        }
        let next = tokens.get(at + 1).map_or("}", |next| next.text);
        if nesting == 1 && matches!(token.text, "{" | ",") && next != "}" {
            follow(tokens, at + 1, depth, found);
        }
    }
    tokens.len()
}

impl Import {
    fn of(token: &Token<'_>) -> Self {
        Self {
            line: token.line,
            name: token.text.to_owned(),
        }
    }
}

#[derive(Debug)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if is_name(rest) {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        if first == '\n' {
            line += 1;
        } else if !first.is_whitespace() {
            tokens.push(Token { text, line });
        }
        rest = after;
    }
    tokens
}

/// The code with comments, strings and characters blanked out; lines stay where they are.
fn without_text(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while !rest.is_empty() {
        let length = text_length(rest, out.chars().next_back());
        let (text, after) = if length > 0 {
            rest.split_at(length)
        } else {
            let next = rest.chars().next().map_or(0, char::len_utf8);
            let (kept, after) = rest.split_at(next);
            out.push_str(kept);
            ("", after)
        };
        blank(text, &mut out);
        rest = after;
    }
    out
}

/// Puts as many bytes in place of a text, so that what follows keeps its place.
fn blank(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            _ => out.extend(std::iter::repeat_n(' ', c.len_utf8())),
        }
    }
}

/// How many bytes of comment or literal `rest` begins with; `before` is the character before.
fn text_length(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let literal = rest.trim_start_matches(['b', 'c', 'r']);
    let prefix = rest.len() - literal.len();
    if prefix > 2 || (prefix > 0 && in_word) {
        return 0;
    }
    if rest[..prefix].contains('r') {
        let hashes = literal.len() - literal.trim_start_matches('#').len();
        if !literal[hashes..].starts_with('"') {
            return 0;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let body = prefix + hashes + 1;
        return rest[body..]
            .find(&end)
            .map_or(rest.len(), |at| body + at + end.len());
    }
    match literal.chars().next() {
        Some('"') => prefix + quoted_length(literal, '"'),
        Some('\'') => {
            let mut inside = literal[1..].chars();
            match (inside.next(), inside.next()) {
                (Some('\\'), _) | (Some(_), Some('\'')) => prefix + quoted_length(literal, '\''),
                // A lifetime.
                _ => 0,
            }
        }
        _ => 0,
    }
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The modules in files of their own that are there for tests only, by their path from the
/// crate root as the place of the file has it.
pub fn test_modules(source: &Source) -> Vec<Vec<String>> {
    let code = without_text(&source.text);
    under_test(&code)
        .into_iter()
        .filter_map(|item| {
            let words: Vec<&str> = code[item.clone()].split_whitespace().collect();
            let at = words.iter().position(|word| *word == "mod")?;
            let name = words.get(at + 1)?.strip_suffix(';')?;
            // `#[path = "load_tests.rs"]` stands in the code as it was written.
            let (folder, name) = match source.text[item].split_once("path = \"") {
                Some((_, path)) => (source.folder(), path.split_once(".rs\"")?.0),
                None => (source.module.as_slice(), name),
            };
            Some([folder, &[name.to_owned()]].concat())
        })
        .collect()
}

/// The code (already without text) with everything under `#[cfg(test)]` blanked out.
fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut kept = 0;
    for item in under_test(code) {
        out.push_str(&code[kept..item.start]);
        kept = item.end;
        blank(&code[item], &mut out);
    }
    out.push_str(&code[kept..]);
    out
}

/// Where the items under `#[cfg(test)]` stand.
fn under_test(code: &str) -> Vec<Range<usize>> {
    const MARK: &str = "#[cfg(test)]";
    let mut items = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find(MARK) {
        let start = from + at;
        let body = start + MARK.len();
        from = body + item_length(&code[body..]);
        items.push(start..from);
    }
    items
}

/// The length of the item that `code` begins with: up to its semicolon or its closing brace.
fn item_length(code: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth < 0 {
                    return at;
                }
                if depth == 0 && c == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

//! What others wrote, made fit for a terminal: ids, messages, paths and names come from
//! scripts and files, and may not steer it. Log lines have a way of their own
//! (`logs::strip`).

/// Text on one line: line breaks and tabs become spaces, other control characters U+FFFD.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' => ' ',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// As [`clean`], but lines stay lines: for messages that show a place in a file.
pub fn clean_lines(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '\n',
            '\t' | '\r' => ' ',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_show_that_they_were_there() {
        let text = "a\x1b[2Jb\u{9b}c\nd\te\u{7f}ü";
        assert_eq!(clean(text), "a\u{FFFD}[2Jb\u{FFFD}c d e\u{FFFD}ü");
        assert_eq!(clean_lines(text), "a\u{FFFD}[2Jb\u{FFFD}c\nd e\u{FFFD}ü");
    }
}

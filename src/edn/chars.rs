//! Which bytes separate, which characters make a name, and what characters are called.

/// Classes of bytes, see [`CLASS`].
pub(super) mod class {
    /// Blank, comma or line end.
    pub const BLANK: u8 = 1;
    /// Ends a token.
    pub const ENDS_TOKEN: u8 = 2;
    /// Matters to whoever only follows the nesting: delimiters, strings, comments, characters.
    pub const NESTING: u8 = 4;
    /// May start a blank beyond ASCII (only U+1680, U+2000.. and U+3000 do).
    pub const MAYBE_BLANK: u8 = 8;
    /// Cannot stand in a string as it is, or may be the start of a character that cannot.
    pub const ESCAPED: u8 = 16;
    /// Cannot stand in a name, though it ends none.
    pub const NO_NAME: u8 = 32;
}

/// What each byte is, as a set of the bits in [`class`].
pub(super) static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    use class::{BLANK, ENDS_TOKEN, ESCAPED, MAYBE_BLANK, NESTING, NO_NAME};
    let mut table = [0_u8; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | 0x1c..=0x1f => BLANK | ENDS_TOKEN | ESCAPED,
            b' ' | b',' => BLANK | ENDS_TOKEN,
            b'"' | b'\\' => ENDS_TOKEN | NESTING | ESCAPED,
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b';' => ENDS_TOKEN | NESTING,
            b'^' => ENDS_TOKEN,
            b'@' | b'`' | b'~' => NO_NAME,
            0xe2 => MAYBE_BLANK | ESCAPED,
            0xe1 | 0xe3 => MAYBE_BLANK,
            0..0x20 | 0x7f | 0xc2 => ESCAPED,
            _ => 0,
        };
        byte += 1;
    }
    table
}

pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Blanks beyond ASCII, as Java's `Character.isWhitespace` has them: not the no-break ones.
pub(super) fn is_wide_blank(letter: char) -> bool {
    matches!(letter, '\u{1680}' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}')
}

/// Characters that are written as `\uXXXX`: controls, and what some reader takes for a line end.
pub(super) fn must_escape(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Whether `:` and this text make a keyword, by the rules of `clojure.edn`: `1a`, `a/b/c` and `/` do, `a/1`, `a/` and
/// `a::b` do not. Clojure also takes controls and no-break spaces in names; here they make no name.
pub(super) fn is_keyword(name: &str) -> bool {
    // The colon makes a leading digit acceptable.
    !name.starts_with(':') && is_name(name)
}

/// Whether this text is a symbol, and neither a number nor `nil`, `true`, `false`.
pub(super) fn is_symbol(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next();
    // Java has digits beyond ASCII, and takes them for numbers.
    let is_digit = |letter: Option<char>| letter.is_some_and(char::is_numeric);
    // A leading quote is a character like others to `clojure.edn`; to everyone else it quotes, and EDN has none.
    if matches!(first, Some(':' | '#' | '\'' | '\u{feff}'))
        || matches!(name, "nil" | "true" | "false")
    {
        return false;
    }
    let is_number =
        is_digit(first) || (matches!(first, Some('+' | '-')) && is_digit(letters.next()));
    !is_number && is_name(name)
}

fn is_name(name: &str) -> bool {
    if !has_only_constituents(name) || !has_good_colons(name) {
        return false;
    }
    // Where the namespace ends; `ns//` has the name `/`.
    let slash = match name.strip_suffix("//") {
        Some(namespace) => Some(namespace.len()),
        None => name.rfind('/'),
    };
    match slash {
        None => !name.is_empty(),
        Some(0) => name == "/",
        Some(slash) => {
            let last = &name[slash + 1..];
            !name.starts_with('/')
                && !name[..slash].ends_with(':')
                && !last.is_empty()
                && !starts_with_digit(last)
        }
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

/// No `::`, and no colon at the end.
fn has_good_colons(name: &str) -> bool {
    !name.ends_with(':') && !name.contains("::")
}

fn has_only_constituents(name: &str) -> bool {
    let plain = |byte: u8| {
        !is(
            byte,
            class::ENDS_TOKEN | class::ESCAPED | class::MAYBE_BLANK | class::NO_NAME,
        )
    };
    name.bytes().all(plain)
        || name.chars().all(|letter| match letter {
            '\0'..='\x7f' => plain(letter as u8),
            _ => !letter.is_whitespace() && !must_escape(letter),
        })
}

/// The character that `\` and this text stand for.
pub(super) fn char_named(text: &str) -> Option<char> {
    let mut letters = text.chars();
    let first = letters.next()?;
    if letters.next().is_none() {
        // What takes two UTF-16 units is no character to Clojure.
        return u16::try_from(u32::from(first)).is_ok().then_some(first);
    }
    Some(match text {
        "newline" => '\n',
        "space" => ' ',
        "tab" => '\t',
        "return" => '\r',
        "backspace" => '\u{8}',
        "formfeed" => '\u{c}',
        _ => {
            let code = &text[first.len_utf8()..];
            let (radix, fits) = match first {
                'u' => (16, code.len() == 4),
                'o' => (8, code.len() <= 3),
                _ => return None,
            };
            if !fits || !code.bytes().all(|digit| char::from(digit).is_digit(radix)) {
                return None;
            }
            let code = u32::from_str_radix(code, radix).ok()?;
            return char::from_u32(code).filter(|_| radix == 16 || code <= 0o377);
        }
    })
}

/// What is written after `\` for a character; `None` where EDN has no such character.
pub(super) fn name_of_char(letter: char) -> Option<String> {
    Some(match letter {
        '\n' => "newline".into(),
        ' ' => "space".into(),
        '\t' => "tab".into(),
        '\r' => "return".into(),
        '\u{8}' => "backspace".into(),
        '\u{c}' => "formfeed".into(),
        '!'..='~' => letter.into(),
        '\u{10000}'.. => return None,
        _ if letter.is_alphanumeric() => letter.into(),
        _ => format!("u{:04x}", u32::from(letter)),
    })
}

//! How the screen looks: colours, glyphs, motion.

/// How many colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorDepth {
    /// None at all: bold, dim and reversed text are left.
    None,
    /// The terminal's own sixteen.
    Ansi16,
    /// The 256 of xterm.
    Ansi256,
    /// Red, green and blue.
    #[default]
    True,
}

/// What is behind the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Background {
    #[default]
    Dark,
    Light,
}

/// Which signs are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum GlyphSet {
    #[default]
    Unicode,
    Ascii,
}

/// How the screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// How many colours there are.
    pub colors: ColorDepth,
    /// What is behind the text.
    pub background: Background,
    /// Which signs are drawn.
    pub glyphs: GlyphSet,
    /// Nothing turns.
    pub reduced_motion: bool,
}

impl Look {
    /// Finds out what the terminal can do from variables of the environment: `NO_COLOR`,
    /// `COLORTERM`, `TERM`, `COLORFGBG`, the locale, and `MONKEYCI_TUI_ASCII`,
    /// `MONKEYCI_TUI_REDUCED_MOTION` for what no terminal tells.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).is_some_and(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        let colorterm = variable("COLORTERM").unwrap_or_default();
        let colors = if set("NO_COLOR") || term == "dumb" {
            ColorDepth::None
        } else if matches!(colorterm.as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
            ColorDepth::True
        } else if term.contains("256") {
            ColorDepth::Ansi256
        } else {
            ColorDepth::Ansi16
        };
        // "15;0": the last number is the background; 7 and the bright ones are light.
        let background = variable("COLORFGBG")
            .and_then(|value| value.rsplit(';').next()?.parse::<u8>().ok())
            .map_or(Background::Dark, |color| {
                if color == 7 || color > 8 {
                    Background::Light
                } else {
                    Background::Dark
                }
            });
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let no_unicode = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            !locale.contains("utf-8")
                && !locale.contains("utf8")
                && !matches!(locale.as_str(), "c" | "posix")
        });
        let glyphs = if set("MONKEYCI_TUI_ASCII") || no_unicode || term == "linux" {
            GlyphSet::Ascii
        } else {
            GlyphSet::Unicode
        };
        Self {
            colors,
            background,
            glyphs,
            reduced_motion: set("MONKEYCI_TUI_REDUCED_MOTION"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(variables: &[(&str, &str)]) -> Look {
        Look::detect(|name| {
            let found = variables.iter().find(|variable| variable.0 == name);
            found.map(|variable| variable.1.to_owned())
        })
    }

    #[test]
    fn the_environment_tells_what_a_terminal_can_do() {
        assert_eq!(look(&[("TERM", "xterm")]).colors, ColorDepth::Ansi16);
        assert_eq!(
            look(&[("TERM", "xterm-256color")]).colors,
            ColorDepth::Ansi256
        );
        let both = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];
        assert_eq!(look(&both).colors, ColorDepth::True);
        assert_eq!(
            look(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]).colors,
            ColorDepth::None
        );
        assert_eq!(
            look(&[("COLORTERM", "truecolor"), ("NO_COLOR", "")]).colors,
            ColorDepth::True
        );
        assert_eq!(look(&[("COLORFGBG", "0;15")]).background, Background::Light);
        assert_eq!(
            look(&[("COLORFGBG", "15;default;0")]).background,
            Background::Dark
        );
        assert_eq!(
            look(&[("LANG", "de_DE.ISO-8859-1")]).glyphs,
            GlyphSet::Ascii
        );
        assert_eq!(look(&[("LANG", "de_DE.UTF-8")]).glyphs, GlyphSet::Unicode);
        assert_eq!(look(&[("LANG", "C")]).glyphs, GlyphSet::Unicode);
    }
}

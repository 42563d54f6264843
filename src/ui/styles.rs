//! Every role a text can have on the screen, and how it looks: computed once from a [`Look`].
//! Widgets ask for roles; no colour is named anywhere else.

use ratatui::style::{Color, Modifier, Style};

use crate::app::doc::Role;
use crate::config::{Background, ColorDepth, Look};
use crate::domain::{BuildStatus, JobStatus};
use crate::logs;

/// How each role looks.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the roles")]
pub struct Styles {
    pub text: Style,
    pub dim: Style,
    pub strong: Style,
    /// Lines between panes.
    pub rule: Style,
    pub title: Style,
    pub title_focused: Style,
    pub tab: Style,
    pub tab_active: Style,
    pub key: Style,
    pub good: Style,
    pub bad: Style,
    pub warn: Style,
    pub accent: Style,
    pub running: Style,
    pub blocked: Style,
    pub waiting: Style,
    /// The selected row of the pane with the focus.
    pub selected: Style,
    /// The selected row of another pane.
    pub selected_elsewhere: Style,
    pub selection_mark: Style,
    /// The heading of a command in a log.
    pub section: Style,
    /// What was searched for.
    pub hit: Style,
    pub marked_line: Style,
    pub gutter: Style,
    /// What went to the standard error.
    pub stderr_mark: Style,
    /// Remarks of the runner in a log.
    pub system: Style,
    pub dialog: Style,
    pub dialog_border: Style,
    badge: Color,
    depth: ColorDepth,
}

/// A colour with what stands for it where there are only sixteen.
#[derive(Debug, Clone, Copy)]
struct Ink(u8, u8, u8, Color);

/// The knobs of a theme.
#[derive(Debug)]
struct Theme {
    dim: Ink,
    rule: Ink,
    accent: Ink,
    good: Ink,
    bad: Ink,
    warn: Ink,
    running: Ink,
    blocked: Ink,
    /// Behind the selected row.
    selection: Ink,
    /// Behind the selected row of a pane without the focus.
    selection_elsewhere: Ink,
    /// Behind the heading of a command.
    section: Ink,
    /// Text on one of these grounds.
    on_ground: Ink,
    /// Text on a coloured ground.
    on_color: Ink,
}

const DARK: Theme = Theme {
    dim: Ink(128, 136, 154, Color::DarkGray),
    rule: Ink(58, 64, 78, Color::DarkGray),
    accent: Ink(130, 170, 255, Color::Blue),
    good: Ink(138, 194, 120, Color::Green),
    bad: Ink(240, 106, 114, Color::Red),
    warn: Ink(227, 179, 106, Color::Yellow),
    running: Ink(96, 190, 214, Color::Cyan),
    blocked: Ink(190, 156, 240, Color::Magenta),
    selection: Ink(44, 52, 72, Color::Reset),
    selection_elsewhere: Ink(34, 39, 50, Color::Reset),
    section: Ink(32, 37, 47, Color::Reset),
    on_ground: Ink(226, 230, 239, Color::Reset),
    on_color: Ink(22, 25, 32, Color::Black),
};

const LIGHT: Theme = Theme {
    dim: Ink(110, 116, 130, Color::DarkGray),
    rule: Ink(200, 204, 214, Color::Gray),
    accent: Ink(40, 90, 200, Color::Blue),
    good: Ink(50, 130, 50, Color::Green),
    bad: Ink(200, 40, 55, Color::Red),
    warn: Ink(165, 105, 0, Color::Yellow),
    running: Ink(0, 120, 150, Color::Cyan),
    blocked: Ink(125, 70, 190, Color::Magenta),
    selection: Ink(214, 224, 245, Color::Reset),
    selection_elsewhere: Ink(232, 235, 242, Color::Reset),
    section: Ink(238, 240, 245, Color::Reset),
    on_ground: Ink(30, 34, 44, Color::Reset),
    on_color: Ink(255, 255, 255, Color::White),
};

impl Styles {
    /// Works out every role.
    pub fn new(look: Look) -> Self {
        let theme = match look.background {
            Background::Dark => &DARK,
            Background::Light => &LIGHT,
        };
        let depth = look.colors;
        let ink = |ink: Ink| ink.color(depth);
        let fg = |of: Ink| Style::new().fg(ink(of));
        let plain = Style::new();
        // With sixteen colours or none there is no ground on which every colour can be read: what is
        // selected is bold, and has its mark.
        let grounds = matches!(depth, ColorDepth::Ansi256 | ColorDepth::True);
        let ground = |of: Ink| {
            if grounds {
                // With a colour for the text too: a terminal may be darker than it said.
                plain.bg(ink(of)).fg(ink(theme.on_ground))
            } else {
                plain.add_modifier(Modifier::BOLD)
            }
        };
        let dim = if depth == ColorDepth::None {
            plain.add_modifier(Modifier::DIM)
        } else {
            fg(theme.dim)
        };
        let hit = if depth == ColorDepth::None {
            plain.add_modifier(Modifier::REVERSED)
        } else {
            plain.bg(ink(theme.warn)).fg(ink(theme.on_color))
        };
        Self {
            text: plain,
            dim,
            strong: plain.add_modifier(Modifier::BOLD),
            rule: if depth == ColorDepth::None {
                dim
            } else {
                fg(theme.rule)
            },
            title: dim.add_modifier(Modifier::BOLD),
            title_focused: fg(theme.accent).add_modifier(Modifier::BOLD),
            tab: dim,
            tab_active: plain.add_modifier(Modifier::BOLD),
            key: fg(theme.accent).add_modifier(Modifier::BOLD),
            good: fg(theme.good),
            bad: fg(theme.bad),
            warn: fg(theme.warn),
            accent: fg(theme.accent),
            running: fg(theme.running),
            blocked: fg(theme.blocked),
            waiting: dim,
            selected: ground(theme.selection),
            selected_elsewhere: ground(theme.selection_elsewhere),
            selection_mark: fg(theme.accent),
            section: ground(theme.section),
            hit,
            marked_line: ground(theme.selection_elsewhere),
            gutter: dim,
            stderr_mark: fg(theme.warn),
            system: dim.add_modifier(Modifier::ITALIC),
            dialog: plain,
            dialog_border: fg(theme.accent),
            badge: ink(theme.on_color),
            depth,
        }
    }

    /// The style of a job's glyph and word.
    pub fn job(&self, status: &JobStatus) -> Style {
        match status {
            JobStatus::Success => self.good,
            JobStatus::Failure | JobStatus::Error => self.bad,
            JobStatus::Running | JobStatus::Initializing | JobStatus::Queued => self.running,
            JobStatus::Blocked => self.blocked,
            JobStatus::Canceled | JobStatus::Other(_) => self.warn,
            JobStatus::Pending | JobStatus::Skipped => self.waiting,
        }
    }

    /// The style of a build's glyph and word.
    pub fn build(&self, status: &BuildStatus) -> Style {
        match status {
            BuildStatus::Success => self.good,
            BuildStatus::Error => self.bad,
            BuildStatus::Canceled | BuildStatus::Other(_) => self.warn,
            BuildStatus::Running | BuildStatus::Initializing => self.running,
            BuildStatus::Pending | BuildStatus::Queued => self.waiting,
        }
    }

    /// Text on the colour of a style: the badge in the header.
    pub fn badge(&self, of: Style) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match of.fg {
            Some(color) if self.depth != ColorDepth::None => bold.bg(color).fg(self.badge),
            _ => bold.add_modifier(Modifier::REVERSED),
        }
    }

    /// The style of a text of our own.
    pub fn role(&self, role: Role) -> Style {
        match role {
            Role::Plain | Role::Code => self.text,
            Role::Dim => self.dim,
            Role::Strong => self.strong,
            Role::Heading => self.title,
            Role::Good => self.good.add_modifier(Modifier::BOLD),
            Role::Bad => self.bad.add_modifier(Modifier::BOLD),
            Role::Warn => self.warn,
            Role::Key => self.key,
        }
    }

    /// The style that a program asked for in its output.
    pub fn of_log(&self, asked: logs::Style) -> Style {
        let mut style = Style::new();
        style.fg = color_of_log(asked.fg, self.depth);
        style.bg = color_of_log(asked.bg, self.depth);
        for (wanted, modifier) in [
            (asked.bold, Modifier::BOLD),
            (asked.dim, Modifier::DIM),
            (asked.italic, Modifier::ITALIC),
            (asked.underline, Modifier::UNDERLINED),
            (asked.inverse, Modifier::REVERSED),
            (asked.hidden, Modifier::HIDDEN),
            (asked.strikethrough, Modifier::CROSSED_OUT),
        ] {
            if wanted {
                style = style.add_modifier(modifier);
            }
        }
        style
    }
}

impl Ink {
    fn color(self, depth: ColorDepth) -> Color {
        match depth {
            ColorDepth::None => Color::Reset,
            ColorDepth::Ansi16 => self.3,
            ColorDepth::Ansi256 => Color::Indexed(nearest_256(self.0, self.1, self.2)),
            ColorDepth::True => Color::Rgb(self.0, self.1, self.2),
        }
    }
}

/// The sixteen in the order of their numbers.
const SIXTEEN: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

fn color_of_log(color: logs::Color, depth: ColorDepth) -> Option<Color> {
    let rgb = |r, g, b| match depth {
        ColorDepth::None => None,
        ColorDepth::Ansi16 => Some(nearest_16(r, g, b)),
        ColorDepth::Ansi256 => Some(Color::Indexed(nearest_256(r, g, b))),
        ColorDepth::True => Some(Color::Rgb(r, g, b)),
    };
    match color {
        logs::Color::Default => None,
        _ if depth == ColorDepth::None => None,
        logs::Color::Indexed(number @ 0..=15) => Some(SIXTEEN[usize::from(number)]),
        logs::Color::Indexed(number) if depth == ColorDepth::Ansi16 => {
            let (r, g, b) = rgb_of(number);
            rgb(r, g, b)
        }
        logs::Color::Indexed(number) => Some(Color::Indexed(number)),
        logs::Color::Rgb(r, g, b) => rgb(r, g, b),
    }
}

/// The nearest of the 240 that look the same everywhere: cube and greys.
fn nearest_256(r: u8, g: u8, b: u8) -> u8 {
    let mut best = (u32::MAX, 16);
    for number in 16..=255 {
        let known = rgb_of(number);
        let off = |one: u8, other: u8| u32::from(one.abs_diff(other)).pow(2);
        let distance = off(r, known.0) + off(g, known.1) + off(b, known.2);
        if distance < best.0 {
            best = (distance, number);
        }
    }
    best.1
}

/// A colour of the sixteen: by which parts are strong, as their names have it.
fn nearest_16(r: u8, g: u8, b: u8) -> Color {
    let most = r.max(g).max(b);
    let least = r.min(g).min(b);
    if most - least < 32 {
        return match most {
            0..48 => Color::Black,
            48..128 => Color::DarkGray,
            128..208 => Color::Gray,
            _ => Color::White,
        };
    }
    let middle = least + (most - least) / 2;
    let number =
        usize::from(r > middle) | usize::from(g > middle) << 1 | usize::from(b > middle) << 2;
    SIXTEEN[number + if most > 192 { 8 } else { 0 }]
}

/// Red, green and blue of one of the 240.
pub(super) fn rgb_of(number: u8) -> (u8, u8, u8) {
    if number >= 232 {
        let grey = 8 + (number - 232) * 10;
        return (grey, grey, grey);
    }
    let number = number.saturating_sub(16);
    let part = |part: u8| if part == 0 { 0 } else { 55 + part * 40 };
    (part(number / 36), part(number / 6 % 6), part(number % 6))
}

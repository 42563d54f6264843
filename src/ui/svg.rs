//! Turns drawn screens into pictures: [`svg`] one, [`animated_svg`] several one after the other.
//!
//! Text stays text, each run stretched to its columns, so that any monospaced font lines up. The
//! lines and blocks that join from cell to cell are drawn as shapes, since fonts leave gaps between
//! them. Rows that look the same are written once.

use std::collections::HashMap;
use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::app::text;

use super::styles::rgb_of;

/// Size of a cell and of its text, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const FONT_SIZE: u32 = 14;
/// From the top of a cell to the line its text stands on.
const BASELINE: f64 = 13.2;
/// Around the screen.
const MARGIN: f64 = 14.0;
const FONTS: &str =
    "'JetBrains Mono','Cascadia Mono','SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace";

/// What a terminal shows where nothing is said, and the sixteen colours.
const GROUND: &str = "#161920";
const TEXT: &str = "#d3d7e0";
const SIXTEEN: [&str; 16] = [
    "#22262f", "#f06a72", "#8ac278", "#e3b36a", "#82aaff", "#be9cf0", "#60bed6", "#c3c8d4",
    "#6b7386", "#ff8b92", "#a9dd95", "#f5cd8c", "#a6c3ff", "#d6bcff", "#8bdcf0", "#ffffff",
];

/// Returns a picture of a screen.
pub fn svg(buffer: &Buffer) -> String {
    let mut rows = Rows::default();
    let screen = rows.screen(buffer);
    let body = format!("<g transform=\"translate({MARGIN} {MARGIN})\">{screen}</g>");
    document(buffer, &rows, "", &body)
}

/// Returns a picture that shows each screen for its time, in milliseconds, and begins anew. All
/// screens have the size of the first. Whoever wants no motion sees the last one.
pub fn animated_svg(frames: &[(u64, Buffer)]) -> String {
    let Some((_, first)) = frames.first() else {
        return String::new();
    };
    let (width, height) = inner_size(first);
    let total = frames.iter().map(|frame| frame.0).sum::<u64>().max(1);
    let mut rows = Rows::default();
    let mut strip = String::new();
    let mut steps = String::new();
    let mut at = 0;
    for (number, (duration, buffer)) in frames.iter().enumerate() {
        let offset = height * number as f64;
        let _ = write!(
            strip,
            "<g transform=\"translate(0 {})\">{}</g>",
            short(offset),
            rows.screen(buffer)
        );
        let percent = at as f64 * 100.0 / total as f64;
        let _ = write!(
            steps,
            "{percent:.3}%{{transform:translateY(-{}px)}}",
            short(offset)
        );
        at += duration;
    }
    let last = short(height * (frames.len() - 1) as f64);
    let style = format!(
        ".s{{animation:s {total}ms step-end infinite}}@keyframes s{{{steps}}}\
         @media(prefers-reduced-motion:reduce){{.s{{animation:none;transform:translateY(-{last}px)}}}}"
    );
    let body = format!(
        "<svg x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{}\" height=\"{}\" overflow=\"hidden\"><g class=\"s\">{strip}</g></svg>",
        short(width),
        short(height)
    );
    document(first, &rows, &style, &body)
}

fn inner_size(buffer: &Buffer) -> (f64, f64) {
    (
        f64::from(buffer.area.width) * CELL.0,
        f64::from(buffer.area.height) * CELL.1,
    )
}

fn document(buffer: &Buffer, rows: &Rows, style: &str, body: &str) -> String {
    let (width, height) = inner_size(buffer);
    let (width, height) = (short(width + 2.0 * MARGIN), short(height + 2.0 * MARGIN));
    let mut defs = String::new();
    for (number, row) in rows.drawn.iter().enumerate() {
        let _ = write!(defs, "<g id=\"r{number}\">{row}</g>");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\
         <style>text{{font:{FONT_SIZE}px {FONTS};white-space:pre}}{style}</style>\
         <defs>{defs}</defs>\
         <rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"{GROUND}\"/>{body}</svg>\n"
    )
}

/// The rows that were drawn, each once.
#[derive(Default)]
struct Rows {
    drawn: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Rows {
    /// Draws a screen out of rows.
    fn screen(&mut self, buffer: &Buffer) -> String {
        let mut out = String::new();
        for y in 0..buffer.area.height {
            let row = draw_row(buffer, y);
            if row.is_empty() {
                continue;
            }
            let next = self.drawn.len();
            let number = *self.numbers.entry(row.clone()).or_insert(next);
            if number == next {
                self.drawn.push(row);
            }
            let top = short(f64::from(y) * CELL.1);
            let _ = write!(out, "<use xlink:href=\"#r{number}\" y=\"{top}\"/>");
        }
        out
    }
}

/// How a cell looks, as far as it makes a difference.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Look {
    fn of(cell: &Cell) -> Self {
        let (mut fg, mut bg) = (cell.fg, cell.bg);
        if cell.modifier.contains(Modifier::REVERSED) {
            // The default colours have no names to swap by.
            (fg, bg) = (
                if bg == Color::Reset {
                    Color::Rgb(22, 25, 32)
                } else {
                    bg
                },
                if fg == Color::Reset {
                    Color::Rgb(211, 215, 224)
                } else {
                    fg
                },
            );
        }
        let modifier = cell.modifier - Modifier::REVERSED;
        Self { fg, bg, modifier }
    }
}

fn draw_row(buffer: &Buffer, y: u16) -> String {
    let area = buffer.area;
    let mut grounds = String::new();
    let mut texts = String::new();
    let mut run = Run::default();
    let mut ground: Option<(u16, u16, Color)> = None;
    let mut skip = 0;
    let mut line: Option<Line> = None;
    for x in 0..area.width {
        let cell = &buffer[(area.x + x, area.y + y)];
        let look = Look::of(cell);
        match &mut ground {
            Some((_, end, color)) if *color == look.bg && *end == x => *end += 1,
            _ => {
                draw_ground(&mut grounds, ground.take());
                ground = Some((x, x + 1, look.bg));
            }
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let symbol = cell.symbol();
        let columns = text::width(symbol).max(1);
        skip = columns - 1;
        match &mut line {
            Some(line) if line.symbol == symbol && line.look == look => {
                line.cells += 1;
                continue;
            }
            _ => draw_line(&mut texts, line.take()),
        }
        if matches!(symbol, "─" | "━") {
            run.finish(&mut texts);
            let symbol = symbol.to_owned();
            line = Some(Line {
                start: x,
                cells: 1,
                symbol,
                look,
            });
            continue;
        }
        if let Some(shape) = shape(symbol, f64::from(x) * CELL.0) {
            run.finish(&mut texts);
            let fill = color(look.fg, TEXT);
            let _ = write!(
                texts,
                "<path d=\"{shape}\" fill=\"{fill}\"{}/>",
                faint(look)
            );
            continue;
        }
        if run.look != Some(look) || columns > 1 || run.wide {
            run.finish(&mut texts);
            run = Run {
                start: x,
                look: Some(look),
                wide: columns > 1,
                ..Run::default()
            };
        }
        run.text.push_str(symbol);
        run.columns += columns;
    }
    run.finish(&mut texts);
    draw_line(&mut texts, line);
    draw_ground(&mut grounds, ground);
    grounds + &texts
}

fn draw_ground(out: &mut String, ground: Option<(u16, u16, Color)>) {
    if let Some((start, end, color_of)) = ground
        && color_of != Color::Reset
    {
        let x = short(f64::from(start) * CELL.0);
        let width = short(f64::from(end - start) * CELL.0);
        let fill = color(color_of, GROUND);
        let _ = write!(
            out,
            "<rect x=\"{x}\" width=\"{width}\" height=\"{}\" fill=\"{fill}\"/>",
            CELL.1
        );
    }
}

/// A line across several cells.
struct Line {
    start: u16,
    cells: u16,
    symbol: String,
    look: Look,
}

fn draw_line(out: &mut String, line: Option<Line>) {
    if let Some(line) = line {
        let thick = if line.symbol == "━" { 2.6 } else { 1.2 };
        let _ = write!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{thick}\" fill=\"{}\"{}/>",
            short(f64::from(line.start) * CELL.0),
            short((CELL.1 - thick) / 2.0),
            short(f64::from(line.cells) * CELL.0),
            color(line.look.fg, TEXT),
            faint(line.look)
        );
    }
}

/// Text of one look.
#[derive(Default)]
struct Run {
    start: u16,
    text: String,
    columns: usize,
    look: Option<Look>,
    wide: bool,
}

impl Run {
    fn finish(&mut self, out: &mut String) {
        let run = std::mem::take(self);
        let Some(look) = run.look else { return };
        let kept = run.text.trim_start_matches(' ');
        let before = run.text.len() - kept.len();
        let kept = kept.trim_end_matches(' ');
        if kept.is_empty() || look.modifier.contains(Modifier::HIDDEN) {
            return;
        }
        let x = short((f64::from(run.start) + before as f64) * CELL.0);
        let columns = text::width(kept);
        let length = short(columns as f64 * CELL.0);
        let fill = color(look.fg, TEXT);
        let mut how = format!(" fill=\"{fill}\"");
        if look.modifier.contains(Modifier::BOLD) {
            how.push_str(" font-weight=\"700\"");
        }
        if look.modifier.contains(Modifier::ITALIC) {
            how.push_str(" font-style=\"italic\"");
        }
        if look.modifier.contains(Modifier::UNDERLINED) {
            how.push_str(" text-decoration=\"underline\"");
        } else if look.modifier.contains(Modifier::CROSSED_OUT) {
            how.push_str(" text-decoration=\"line-through\"");
        }
        how.push_str(faint(look));
        let stretch = if columns > 1 || run.wide {
            format!(" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\"")
        } else {
            String::new()
        };
        let _ = write!(
            out,
            "<text x=\"{x}\" y=\"{BASELINE}\"{stretch}{how} xml:space=\"preserve\">{}</text>",
            escaped(kept)
        );
    }
}

fn faint(look: Look) -> &'static str {
    if look.modifier.contains(Modifier::DIM) {
        " opacity=\".6\""
    } else {
        ""
    }
}

/// The path of a sign that joins with its neighbours.
fn shape(symbol: &str, x: f64) -> Option<String> {
    let (width, height) = CELL;
    let (middle, center) = (x + width / 2.0, height / 2.0);
    let bar = |x: f64, y: f64, w: f64, h: f64| {
        format!(
            "M{} {}h{}v{}h-{}z",
            short(x),
            short(y),
            short(w),
            short(h),
            short(w)
        )
    };
    let thin = 1.2;
    let across = bar(x, center - thin / 2.0, width, thin);
    let up = || bar(middle - thin / 2.0, 0.0, thin, center);
    let down = || bar(middle - thin / 2.0, center, thin, height - center);
    let left = || bar(x, center - thin / 2.0, width / 2.0, thin);
    let right = || bar(middle, center - thin / 2.0, width / 2.0, thin);
    Some(match symbol {
        "│" => bar(middle - thin / 2.0, 0.0, thin, height),
        "┬" => across + &down(),
        "┤" => bar(middle - thin / 2.0, 0.0, thin, height) + &left(),
        "╭" => down() + &right(),
        "╮" => down() + &left(),
        "╰" => up() + &right(),
        "╯" => up() + &left(),
        "▌" => bar(x, 0.0, width / 2.0, height),
        "▏" => bar(x, 0.0, 1.6, height),
        "█" => bar(x, 0.0, width, height),
        _ => return None,
    })
}

fn color(color: Color, reset: &'static str) -> String {
    let sixteen = |number: usize| SIXTEEN[number].to_owned();
    match color {
        Color::Reset => reset.to_owned(),
        Color::Black => sixteen(0),
        Color::Red => sixteen(1),
        Color::Green => sixteen(2),
        Color::Yellow => sixteen(3),
        Color::Blue => sixteen(4),
        Color::Magenta => sixteen(5),
        Color::Cyan => sixteen(6),
        Color::Gray => sixteen(7),
        Color::DarkGray => sixteen(8),
        Color::LightRed => sixteen(9),
        Color::LightGreen => sixteen(10),
        Color::LightYellow => sixteen(11),
        Color::LightBlue => sixteen(12),
        Color::LightMagenta => sixteen(13),
        Color::LightCyan => sixteen(14),
        Color::White => sixteen(15),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(number @ 0..=15) => sixteen(number.into()),
        Color::Indexed(number) => {
            let (r, g, b) = rgb_of(number);
            format!("#{r:02x}{g:02x}{b:02x}")
        }
    }
}

/// A number without digits that say nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // What XML does not allow at all.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixtures;
    use crate::config::Look as Config;
    use crate::ui::Ui;
    use ratatui::layout::Rect;

    fn drawn(stage: &fixtures::Stage) -> Buffer {
        let (width, height) = stage.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        Ui::new(Config::default()).draw(&stage.state, &mut buffer);
        buffer
    }

    #[test]
    fn a_picture_holds_the_text_of_the_screen() {
        let picture = svg(&drawn(&fixtures::failed((100, 30))));
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
        assert!(picture.contains("not ok"));
        assert!(picture.contains("== 4"));
        assert!(!picture.contains('\u{1b}'));
    }

    #[test]
    fn equal_rows_are_written_once_and_sixty_frames_stay_small() {
        let stage = fixtures::running((100, 30));
        let frames: Vec<(u64, Buffer)> = (0..60).map(|_| (100, drawn(&stage))).collect();
        let picture = animated_svg(&frames);
        assert!(picture.len() < 200_000, "{}", picture.len());
        assert_eq!(picture.matches("make docs").count(), 1);
        assert!(picture.contains("6000ms step-end infinite"));
    }

    #[test]
    fn markup_in_a_log_stays_text() {
        let mut stage = fixtures::running((100, 30));
        stage.write("docs", 0, "<script>&\"'</script>");
        let picture = svg(&drawn(&stage));
        assert!(picture.contains("&lt;script&gt;&amp;"));
        assert!(!picture.contains("<script"));
    }
}

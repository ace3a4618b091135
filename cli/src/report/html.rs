//! The little HTML that the report needs. All text goes through `escape`.

use std::fmt::Write;

use plotters::style::{Color, RGBAColor, RGBColor};

use super::super::paint::{AFTER, BEFORE, INK, Key, Panel};

/// Pixels that a chart has on a phone.
const PHONE: u32 = 380;

/// Text as HTML, for elements and quoted attributes.
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // what HTML does not allow in any spelling
            _ if letter.is_control() && !letter.is_ascii_whitespace() => html.push('\u{fffd}'),
            _ => html.push(letter),
        }
    }
    html
}

/// A field of a table.
pub enum Cell {
    /// The name of the row.
    Name(String),
    /// A figure.
    Figure(String),
    /// A time: all that differs from one run to the next.
    Time(String),
    /// Words in place of so many figures.
    Words(String, usize),
}

/// A table, in a box that scrolls where the screen is narrow.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    head.iter().for_each(|name| html += &format!("<th scope=\"col\">{}</th>", escape(name)));
    html += "</tr></thead><tbody>\n";
    for row in rows {
        html += "<tr>";
        for cell in row {
            html += &match cell {
                Cell::Name(text) => format!("<th scope=\"row\">{}</th>", escape(&text)),
                Cell::Figure(text) => format!("<td>{}</td>", escape(&text)),
                Cell::Time(text) => format!("<td class=\"time\">{}</td>", escape(&text)),
                Cell::Words(text, len) => {
                    format!("<td class=\"words\" colspan=\"{len}\">{}</td>", escape(&text))
                }
            };
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

/// A figure of plotters with its legend, title and explanation.
pub fn figure(
    panel: &Panel,
    size: (u32, u32),
    caption: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut html = String::new();
    writeln!(html, "<figure><h3>{}</h3>", escape(&panel.title))?;
    if !panel.keys.is_empty() {
        let keys: String = panel.keys.iter().map(key).collect();
        writeln!(html, "<ul class=\"keys\">{keys}</ul>")?;
    }
    // drawn twice, of which a page shows one: what is scaled to a phone cannot be read
    for (class, size) in [("wide", size), ("narrow", (PHONE, size.1))] {
        let svg = panel.svg(size)?;
        // the page decides how wide it is; the name is for those who cannot see it
        let drawn = svg.find("viewBox").map_or("", |at| &svg[at..]);
        writeln!(
            html,
            "<svg class=\"chart {class}\" role=\"img\" aria-label=\"{}\" {}",
            escape(&panel.title),
            drawn.trim_end()
        )?;
    }
    writeln!(html, "<figcaption>{}</figcaption></figure>", escape(caption))?;
    Ok(html)
}

/// An entry of a legend.
fn key(key: &Key) -> String {
    let hex = |r: u8, g: u8, b: u8| format!("#{r:02X}{g:02X}{b:02X}");
    let rect = |y: u32, height: u32, RGBAColor(r, g, b, alpha): RGBAColor| {
        let fill = hex(r, g, b);
        format!(
            "<rect y=\"{y}\" width=\"18\" height=\"{height}\" fill=\"{fill}\" opacity=\"{alpha}\"/>"
        )
    };
    let line = |RGBColor(r, g, b): RGBColor, dashes: &str| {
        let ink = hex(r, g, b);
        format!("<path d=\"M0 6h18\" stroke=\"{ink}\" stroke-width=\"1.5\"{dashes}/>")
    };
    let (mark, label) = match key {
        Key::Box(colour, label) => (rect(1, 10, *colour), label),
        Key::Band(label) => (rect(1, 5, BEFORE.mix(0.3)) + &rect(6, 5, AFTER.mix(0.3)), label),
        Key::Line(label) => (line(INK, ""), label),
        Key::Dashed(colour, label) => (line(*colour, " stroke-dasharray=\"5 3\""), label),
    };
    let mark = format!("<svg width=\"18\" height=\"12\" aria-hidden=\"true\">{mark}</svg>");
    format!("<li>{mark}{}</li>", escape(label))
}

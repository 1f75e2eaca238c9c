//! Lines of text in columns.

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};

/// Blanks between two columns.
const GAP: &str = "  ";

/// One cell of a table.
#[derive(Debug)]
pub(super) struct Cell {
    text: String,
    is_number: bool,
    style: Style,
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        // A cell has one line.
        Self { text: text.replace(['\n', '\t'], " "), is_number: false, style: Style::new() }
    }

    /// Its end stands at the end of its column.
    pub(super) fn number(text: String) -> Self {
        Self { text, is_number: true, style: Style::new() }
    }

    pub(super) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    fn padded(&self, width: usize) -> Span<'static> {
        let text = if self.is_number { format!("{:>width$}", self.text) } else { format!("{:<width$}", self.text) };
        Span::styled(text, self.style)
    }
}

/// A title, the names of the columns, and the rows; `none` where there is no row. What is wider than `width` is cut off.
pub(super) fn table(
    title: &str,
    columns: &[&str],
    rows: &[Vec<Cell>],
    width: usize,
    style: Style,
) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(cut(title, width), style)];
    if rows.is_empty() {
        lines.push(Line::raw("none"));
        return lines;
    }
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.text.chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let is_number = |n: usize| rows.first().and_then(|row| row.get(n)).is_some_and(|cell| cell.is_number);
    let head: Vec<Cell> = columns
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let style = Style::new().add_modifier(Modifier::DIM);
            Cell { text: (*name).to_owned(), is_number: is_number(n), style }
        })
        .collect();
    for cells in std::iter::once(&head).chain(rows) {
        lines.push(line(cells, &widths, width));
    }
    lines
}

fn line(cells: &[Cell], widths: &[usize], width: usize) -> Line<'static> {
    let (mut spans, mut left) = (Vec::new(), width);
    for (n, (cell, wide)) in cells.iter().zip(widths).enumerate() {
        let gap = if n > 0 { GAP } else { "" };
        for span in [Span::raw(gap), cell.padded(*wide)] {
            let text = cut(&span.content, left);
            left -= text.chars().count();
            spans.push(Span::styled(text, span.style));
        }
    }
    Line::from(spans)
}

/// The beginning of a text, so many characters.
fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

/// A text over as many lines as it takes.
pub(super) fn wrapped(text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let fits = line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width;
        if !fits {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.into_iter().map(|line| Line::styled(line, style)).collect()
}

/// Two columns of lines beside each other, the second one from the character `at` on.
pub(super) fn beside(left: Vec<Line<'static>>, right: Vec<Line<'static>>, at: usize) -> Vec<Line<'static>> {
    let count = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let mut lines = Vec::with_capacity(count);
    for _ in 0..count {
        let (Line { mut spans, style, .. }, second) =
            (left.next().unwrap_or_default(), right.next().unwrap_or_default());
        // The style of a line is not that of what stands beside it.
        spans.iter_mut().for_each(|span| span.style = style.patch(span.style));
        let used: usize = spans.iter().map(|span| span.content.chars().count()).sum();
        spans.push(Span::raw(" ".repeat(at.saturating_sub(used))));
        spans.extend(second.spans.into_iter().map(|span| {
            let style = second.style.patch(span.style);
            span.style(style)
        }));
        lines.push(Line::from(spans));
    }
    lines
}

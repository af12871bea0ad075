//! Columns and fields, aligned by how wide text is on a terminal.

/// A table: a header and rows, two blanks between columns.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Whether the header is still to be shown.
    is_new: bool,
}

struct Column {
    title: &'static str,
    right: bool,
    /// How wide it is so far.
    width: usize,
}

impl Table {
    /// Returns an empty table. A title that begins with `>` names a column of numbers, aligned to the right.
    pub fn new(titles: &[&'static str]) -> Self {
        let columns = titles.iter().map(|title| Column {
            title: title.trim_start_matches('>'),
            right: title.starts_with('>'),
            width: width(title.trim_start_matches('>')),
        });
        Self {
            columns: columns.collect(),
            rows: Vec::new(),
            is_new: true,
        }
    }

    /// Appends a row, one cell a column.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "one cell a column");
        self.rows.push(cells);
    }

    /// Returns the table as lines.
    pub fn render(mut self) -> String {
        self.page()
    }

    /// Returns the rows since the last page as lines, the first time below the header. Columns only become wider from
    /// page to page: a long table is shown while it is made.
    pub fn page(&mut self) -> String {
        let mut rows = std::mem::take(&mut self.rows);
        if std::mem::take(&mut self.is_new) {
            rows.insert(0, self.columns.iter().map(|c| c.title.to_owned()).collect());
        }
        for (i, column) in self.columns.iter_mut().enumerate() {
            let cells = rows.iter().map(|row| width(&row[i]));
            column.width = cells.fold(column.width, usize::max);
        }
        let mut out = String::new();
        for row in &rows {
            let mut line = String::new();
            for (i, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                let pad = " ".repeat(column.width - width(cell));
                if i > 0 {
                    line.push_str("  ");
                }
                if column.right {
                    line.push_str(&pad);
                    line.push_str(cell);
                } else {
                    line.push_str(cell);
                    line.push_str(&pad);
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Returns fields as lines, `name   value`, the values aligned; fields with an empty value are left out.
pub fn fields(fields: &[(&str, String)]) -> String {
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    let widest = shown.clone().map(|(name, _)| width(name)).max();
    let widest = widest.unwrap_or(0);
    shown
        .map(|(name, value)| {
            let pad = " ".repeat(widest - width(name));
            format!("{name}{pad}  {value}\n")
        })
        .collect()
}

/// Returns how many columns of a terminal `text` takes: East Asian wide characters take two.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

/// The blocks of Unicode whose characters are wide, coarsely: names of files are what it is for.
fn is_wide(c: char) -> bool {
    matches!(
        u32::from(c),
        0x1100..=0x115f
            | 0x2e80..=0x303e
            | 0x3041..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1f64f
            | 0x1f900..=0x1f9ff
            | 0x20000..=0x3fffd
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_also_with_wide_characters() {
        let mut table = Table::new(&["NAME", ">SIZE", "NOTE"]);
        table.row(vec!["土蔵".into(), "1 B".into(), "a".into()]);
        table.row(vec!["storehouse".into(), "1,000 B".into(), String::new()]);
        assert_eq!(
            table.render(),
            "NAME           SIZE  NOTE\n\
             土蔵            1 B  a\n\
             storehouse  1,000 B\n"
        );
    }

    #[test]
    fn later_pages_go_on_below_the_same_header() {
        let mut table = Table::new(&["NAME", ">SIZE"]);
        table.row(vec!["letter.txt".into(), "1 B".into()]);
        assert_eq!(table.page(), "NAME        SIZE\nletter.txt   1 B\n");
        table.row(vec!["b".into(), "20 B".into()]);
        assert_eq!(table.page(), "b           20 B\n");
    }
}

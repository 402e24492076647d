//! Tables with aligned columns, as Docker prints them.

/// Spaces between two columns, at least.
const GAP: usize = 3;
/// A column's width with its gap, at least.
const MIN_WIDTH: usize = 10;

/// Aligns lines of tab-separated cells. The last cell of a line is not padded.
pub(crate) fn align<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let rows: Vec<Vec<&str>> = lines.into_iter().map(|line| line.split('\t').collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![MIN_WIDTH; columns];
    for row in &rows {
        let padded = row.len().saturating_sub(1);
        for (width, cell) in widths.iter_mut().zip(row.iter().take(padded)) {
            *width = (*width).max(cell.chars().count() + GAP);
        }
    }
    let mut out = String::new();
    for row in &rows {
        let last = row.len().saturating_sub(1);
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if column < last {
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = align(["ID\tNAME\tSTATUS", "0123456789ab\tä\tUp", "x\ty"]);
        assert_eq!(table, "ID             NAME      STATUS\n0123456789ab   ä         Up\nx              y\n");
        assert_eq!(align([]), "");
    }
}

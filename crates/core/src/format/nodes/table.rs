//! Rows of `kubectl get nodes -o wide`. People paste them with rows that were edited, so that cells don't stand below
//! their heads, and with blanks folded.

use super::{Node, release, value};

/// The head that makes a table one of nodes.
const KERNEL: &str = "KERNEL-VERSION";

/// The only column whose cells hold single blanks.
const SPACED: &str = "OS-IMAGE";

/// A table's head.
pub(super) struct Table<'t> {
    /// The heads, with where each begins in its line. The first is empty where the head of the names was cut off.
    columns: Vec<(usize, &'t str)>,
}

impl<'t> Table<'t> {
    /// Knows the head of a table of nodes.
    pub(super) fn head(line: &'t str) -> Option<Self> {
        let mut columns = cells(line, |gap| gap >= 1);
        if !columns.iter().any(|(_, head)| *head == KERNEL) {
            return None;
        }
        if columns[0].0 > 0 && columns[0].1 != "NAME" {
            columns.insert(0, (0, "NAME"));
        }
        Some(Self { columns })
    }

    /// Reads a row; nothing where it has no release in its place.
    pub(super) fn row(&self, line: &str) -> Option<Node> {
        let apart = cells(line, |gap| gap >= 2);
        if apart.len() == self.columns.len() {
            let found = self.node(&apart.iter().map(|(_, cell)| Some(*cell)).collect::<Vec<_>>());
            if found.is_some() {
                return found;
            }
        }
        self.node(&self.below(&apart)).or_else(|| self.node(&self.folded(line)?))
    }

    /// Each cell in the column whose head begins nearest, for rows in which cells are empty.
    fn below<'l>(&self, apart: &[(usize, &'l str)]) -> Vec<Option<&'l str>> {
        let mut row = vec![None; self.columns.len()];
        for (at, cell) in apart {
            let distance = |(index, _): &(usize, &(usize, &str))| self.columns[*index].0.abs_diff(*at);
            if let Some((index, _)) = self.columns.iter().enumerate().min_by_key(distance) {
                row[index] = Some(*cell);
            }
        }
        row
    }

    /// Cells that single blanks part: those before the name of the system from the left, those behind it from the right.
    fn folded<'l>(&self, line: &'l str) -> Option<Vec<Option<&'l str>>> {
        let words = cells(line, |gap| gap >= 1);
        let before = self.columns.iter().position(|(_, head)| *head == SPACED).unwrap_or(self.columns.len());
        let behind = self.columns.len().checked_sub(before + 1);
        let Some(behind) = behind else {
            return (words.len() == self.columns.len())
                .then(|| words.iter().map(|(_, word)| Some(*word)).collect());
        };
        let last = words.len().checked_sub(behind)?;
        if last <= before {
            return None;
        }
        let end = words[last - 1].0 + words[last - 1].1.len();
        let spaced = &line[words[before].0..end];
        let word = |&(_, word): &(usize, &'l str)| Some(word);
        let row = words[..before].iter().map(word).chain([Some(spaced)]);
        Some(row.chain(words[last..].iter().map(word)).collect())
    }

    fn node(&self, row: &[Option<&str>]) -> Option<Node> {
        let cell = |name: &str| {
            let column = self.columns.iter().position(|(_, head)| *head == name)?;
            *row.get(column)?
        };
        let text = |name: &str| cell(name).and_then(value);
        Some(Node {
            name: text("NAME"),
            release: release(cell(KERNEL)?)?,
            os_image: text(SPACED),
            kubelet: text("VERSION"),
            runtime: text("CONTAINER-RUNTIME"),
        })
    }
}

/// The parts of a line between gaps of blanks that are wide enough, with where each begins; a tab is always a gap.
fn cells(line: &str, is_gap: impl Fn(usize) -> bool) -> Vec<(usize, &str)> {
    let mut cells = Vec::new();
    let mut start = None;
    let mut end = 0;
    let mut tabs = false;
    for (at, char) in line.char_indices() {
        if char.is_whitespace() {
            tabs |= char == '\t';
            continue;
        }
        match start {
            Some(from) if tabs || is_gap(at - end) && at > end => {
                cells.push((from, &line[from..end]));
                start = Some(at);
            }
            None => start = Some(at),
            Some(_) => {}
        }
        tabs = false;
        end = at + char.len_utf8();
    }
    cells.extend(start.map(|from| (from, &line[from..end])));
    cells
}

//! The table of ratios that the benches print.

use std::fmt;

/// A thing that was measured for both.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Ours and the peer's, in the same unit.
    pub ours: f64,
    /// The peer's.
    pub peer: f64,
    /// The unit.
    pub unit: &'static str,
    /// The largest ratio that is a success; none where it is only shown.
    pub goal: Option<f64>,
}

/// The rows of all benches.
#[derive(Debug, Default)]
pub struct Table(pub Vec<Row>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        writeln!(f, "{:width$}  {:>12}  {:>12}  {:>6}  goal", "", "kernmend", "peer", "ratio")?;
        for Row { what, ours, peer, unit, goal } in &self.0 {
            let ratio = ours / peer;
            write!(
                f,
                "{what:width$}  {:>12}  {:>12}  {ratio:>6.2}",
                format!("{ours:.1} {unit}"),
                format!("{peer:.1} {unit}")
            )?;
            match goal {
                None => writeln!(f, "  -")?,
                Some(goal) => writeln!(f, "  {goal:.2} {}", if ratio <= *goal { "met" } else { "MISSED" })?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_its_goal_is_missed() {
        let row = |ours, goal| Row { what: "walk".to_owned(), ours, peer: 2.0, unit: "ms", goal };
        let text = Table(vec![row(3.0, Some(1.5)), row(3.1, Some(1.5)), row(3.0, None)]).to_string();
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            [
                "walk        3.0 ms        2.0 ms    1.50  1.50 met",
                "walk        3.1 ms        2.0 ms    1.55  1.50 MISSED",
                "walk        3.0 ms        2.0 ms    1.50  -",
            ]
        );
    }
}

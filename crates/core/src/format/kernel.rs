//! The kernel's arguments, its build options and its memory totals.

use std::collections::BTreeMap;

/// Boot arguments, as the kernel splits them: at white space outside double quotes.
#[must_use]
pub fn arguments(text: &str) -> Vec<String> {
    let mut quoted = false;
    text.trim()
        .split(|char: char| {
            quoted ^= char == '"';
            char.is_ascii_whitespace() && !quoted
        })
        .filter(|argument| !argument.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The options that a build configuration sets, with their values as they stand there.
pub fn build_options(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| line.starts_with("CONFIG_")).filter_map(|line| line.trim_end().split_once('='))
}

/// `/proc/meminfo`, with kB turned into bytes.
///
/// # Errors
/// Where no line has a name and a number.
pub fn memory_totals(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let (number, factor) = match rest.trim().strip_suffix("kB") {
            Some(number) => (number.trim(), 1024),
            None => (rest.trim(), 1),
        };
        Some((name.to_owned(), number.parse::<u64>().ok()?.saturating_mul(factor)))
    };
    let totals: BTreeMap<String, u64> = text.lines().filter_map(line).collect();
    if totals.is_empty() { Err("no line has a name and a number".to_owned()) } else { Ok(totals) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_outside_quotes() {
        assert_eq!(
            arguments("ro root=UUID=1  dyndbg=\"file a +p\" cgroup.memory=nokmem\n"),
            ["ro", "root=UUID=1", "dyndbg=\"file a +p\"", "cgroup.memory=nokmem"]
        );
    }

    #[test]
    fn options_that_are_set_are_found() {
        let text = "# CONFIG_MEMCG is not set\nCONFIG_SLUB=y\r\nCONFIG_LSM=\"a=b\"\nnothing\n";
        let found: Vec<_> = build_options(text).collect();
        assert_eq!(found, [("CONFIG_SLUB", "y"), ("CONFIG_LSM", "\"a=b\"")]);
    }

    #[test]
    fn totals_are_in_bytes_and_counts_stay() {
        let totals = memory_totals("MemTotal:  2 kB\nHugePages_Total:   3\nodd\n").unwrap();
        assert_eq!((totals["MemTotal"], totals["HugePages_Total"], totals.len()), (2048, 3, 2));
        assert!(memory_totals("odd: x\n").is_err());
    }
}

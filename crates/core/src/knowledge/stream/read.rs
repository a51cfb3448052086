//! Reads `streams.toml` into checked types, and notes every problem at its place. It says nothing about a kernel.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil;
use toml::Spanned;
use toml::de::DeValue;

use super::template::Template;
use super::{
    BuildRule, Declared, EndOfLife, ReleaseRule, Series, Streams, SystemRule, Target, find_declared,
};
use crate::knowledge::expression::Expression;
use crate::knowledge::problem::{Problem, Problems};
use crate::knowledge::table::{self, Placed, Table};
use crate::version::Order;

pub(super) fn read(file: &str, text: &str) -> Result<Streams, Vec<Problem>> {
    let mut problems = Problems::new(file, text);
    let streams = table::read(text, &mut problems, streams);
    problems.or(streams)
}

fn streams(mut top: Table<'_>, problems: &mut Problems<'_>) -> Streams {
    let architectures = texts(top.strings("architectures", problems));
    let series = top.map("series", problems, |value, problems| Some(one_series(value, problems)));
    let mut declared = Vec::new();
    for table in top.tables("stream", problems) {
        declared.extend(one_stream(table, &declared, problems));
    }
    let mut rules = Rules { declared: &declared, series: &series, used: BTreeSet::new() };
    let tables = top.tables("release", problems);
    let releases = tables.into_iter().filter_map(|table| rules.release(table, problems)).collect();
    let tables = top.tables("build", problems);
    let builds = tables.into_iter().filter_map(|table| rules.build(table, problems)).collect();
    let tables = top.tables("os", problems);
    let systems = tables.into_iter().filter_map(|table| rules.system(table, problems)).collect();
    top.finish(problems);
    for (name, series) in &series {
        if !rules.used.contains(name) {
            problems.add(&series.place, format!("no rule uses the series `{name}`"));
        }
    }
    Streams { declared, releases, systems, builds, architectures }
}

fn one_series<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Series {
    let versions = |value, problems: &mut Problems<'_>| Some(texts(table::strings(value, problems)));
    let versions = table::map(value, problems, versions);
    Series(versions.into_iter().map(|(key, versions)| (key.to_owned(), versions)).collect())
}

fn one_stream(mut table: Table<'_>, before: &[Declared], problems: &mut Problems<'_>) -> Option<Declared> {
    let name = table.required_string("name", problems);
    let order = table.required_string("order", problems);
    let eol = table.value("eol").map_or(EndOfLife::Unknown, |value| end_of_life(value, problems));
    let userland = table.map("userland", problems, |value, problems| {
        table::string(value, problems).map(|text| text.value.to_owned())
    });
    table.finish(problems);
    let name = name.and_then(|name| stream_name(&name, before, problems));
    let order = order.and_then(|order| {
        let known = Order::from_name(order.value);
        if known.is_none() {
            let names = Order::ALL.map(|order| format!("`{order}`")).join(", ");
            problems.add(&order.place, format!("`{}` is no order; there are {names}", order.value));
        }
        known
    });
    let userland = userland.into_iter().map(|(version, stream)| (version.to_owned(), stream.value)).collect();
    Some(Declared { name: name?, order: order?, eol, userland })
}

fn stream_name(name: &Placed<&str>, before: &[Declared], problems: &mut Problems<'_>) -> Option<Template> {
    let template = template(name, problems)?;
    if template.holes().any(|hole| hole != "version") || template.holes().count() > 1 {
        problems.add(&name.place, "the only hole of a stream's name is `{version}`");
        return None;
    }
    if before.iter().any(|stream| stream.name == template) {
        problems.add(&name.place, format!("the stream `{template}` stands here twice"));
    }
    Some(template)
}

fn end_of_life<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> EndOfLife {
    if value.get_ref().is_table() {
        let dates = table::map(value, problems, day);
        return EndOfLife::ByVersion(dates.into_iter().map(|(key, date)| (key.to_owned(), date)).collect());
    }
    day(value, problems).map_or(EndOfLife::Unknown, EndOfLife::Date)
}

fn day<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Option<civil::Date> {
    let date = table::date(value, problems)?;
    let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
    civil::Date::new(i16::try_from(date.year).ok()?, month, day).ok()
}

/// Reads rules, which refer to streams and series.
struct Rules<'a> {
    declared: &'a [Declared],
    series: &'a BTreeMap<&'a str, Placed<Series>>,
    used: BTreeSet<&'a str>,
}

/// The series that a rule names, and where.
type NamedSeries = Option<Placed<Series>>;

impl Rules<'_> {
    fn release(&mut self, mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<ReleaseRule> {
        let pattern = table.required_string("pattern", problems);
        let streams = table.strings("streams", problems);
        let also = table.strings("also", problems);
        let otherwise = table.strings("otherwise", problems);
        let series = self.named_series(&mut table, problems);
        let why = table.required_string("why", problems);
        table.finish(problems);
        let pattern = pattern.and_then(|pattern| expression(&pattern, problems))?;
        let groups = groups(&[&pattern]);
        check_key(series.as_ref(), &groups, problems);
        let mut targets = |names| self.targets(names, &groups, series.is_some(), problems);
        let (streams, also, otherwise) = (targets(streams), targets(also), targets(otherwise));
        let series = series.map(|series| series.value);
        Some(ReleaseRule { pattern, streams, also, otherwise, series, why: why?.value.to_owned() })
    }

    fn build(&mut self, mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<BuildRule> {
        let pattern = table.required_string("pattern", problems);
        let streams = table.strings("streams", problems);
        let series = self.named_series(&mut table, problems);
        let own = table.flag("own", problems);
        table.finish(problems);
        let pattern = pattern.and_then(|pattern| expression(&pattern, problems))?;
        let groups = groups(&[&pattern]);
        check_key(series.as_ref(), &groups, problems);
        let streams = self.targets(streams, &groups, series.is_some(), problems);
        Some(BuildRule { pattern, streams, series: series.map(|series| series.value), own })
    }

    fn system(&mut self, mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<SystemRule> {
        let place = table.place();
        let id = texts(table.strings("id", problems));
        let like = texts(table.strings("like", problems));
        let fields = table.map("fields", problems, |value, problems| {
            table::string(value, problems).and_then(|pattern| expression(&pattern, problems))
        });
        let pretty = table.string("pretty", problems).and_then(|pattern| expression(&pattern, problems));
        let streams = table.strings("streams", problems);
        let series = self.named_series(&mut table, problems);
        table.finish(problems);
        let by_fields = !(id.is_empty() && like.is_empty() && fields.is_empty());
        if !by_fields && pretty.is_none() {
            problems.add(&place, "one of `id`, `like`, `fields` and `pretty` has to be there");
            return None;
        }
        let fields: BTreeMap<String, Expression> =
            fields.into_iter().map(|(name, pattern)| (name.to_owned(), pattern.value)).collect();
        // Each way to know the distribution has to give what the names need.
        let patterns: Vec<&Expression> = fields.values().collect();
        let ways = [by_fields.then(|| groups(&patterns)), pretty.as_ref().map(|pretty| groups(&[pretty]))];
        let mut targets = Vec::new();
        for groups in ways.into_iter().flatten() {
            check_key(series.as_ref(), &groups, problems);
            targets = self.targets(streams.clone(), &groups, series.is_some(), problems);
        }
        let series = series.map(|series| series.value);
        Some(SystemRule { id, like, fields, pretty, streams: targets, series })
    }

    fn named_series(&mut self, table: &mut Table<'_>, problems: &mut Problems<'_>) -> NamedSeries {
        let name = table.string("series", problems)?;
        let Some((key, series)) = self.series.get_key_value(name.value) else {
            problems.add(&name.place, format!("there is no series `{}`", name.value));
            return None;
        };
        self.used.insert(key);
        Some(Placed { value: series.value.clone(), place: name.place })
    }

    fn targets(
        &self,
        names: Vec<Placed<&str>>,
        groups: &BTreeSet<String>,
        has_series: bool,
        problems: &mut Problems<'_>,
    ) -> Vec<Target> {
        let mut target = |name: Placed<&str>| {
            let template = template(&name, problems)?;
            let is_given = |hole: &str| groups.contains(hole) || (has_series && hole == "version");
            // `{version}` may stay open: the rule then knows the distribution and not its version.
            if let Some(hole) = template.holes().find(|hole| !is_given(hole) && *hole != "version") {
                problems.add(&name.place, format!("the pattern has no group `{hole}`"));
            }
            let example = template.fill(|_| Some("0")).unwrap_or_default();
            let Some(declared) = find_declared(self.declared, &example) else {
                problems.add(&name.place, format!("no `[[stream]]` declares `{template}`"));
                return None;
            };
            Some(Target { name: template, declared })
        };
        names.into_iter().filter_map(&mut target).collect()
    }
}

fn check_key(series: Option<&Placed<Series>>, groups: &BTreeSet<String>, problems: &mut Problems<'_>) {
    if let Some(series) = series.filter(|_| !groups.contains("key")) {
        problems.add(&series.place, "a series needs a group `key` in the pattern");
    }
}

fn groups(patterns: &[&Expression]) -> BTreeSet<String> {
    patterns.iter().flat_map(|pattern| pattern.groups()).map(str::to_owned).collect()
}

fn expression(text: &Placed<&str>, problems: &mut Problems<'_>) -> Option<Expression> {
    Expression::read(text, problems).map(|(expression, _)| expression)
}

fn template(name: &Placed<&str>, problems: &mut Problems<'_>) -> Option<Template> {
    let parsed = Template::parse(name.value);
    parsed.map_err(|error| problems.add(&name.place, format!("`{}`: {error}", name.value))).ok()
}

fn texts(strings: Vec<Placed<&str>>) -> Vec<String> {
    strings.into_iter().map(|text| text.value.to_owned()).collect()
}

//! Reads what stands before the message of a log line: stamps, the host, the program, the calling task. It must not
//! judge messages, and an unknown prefix is no error: it stays in front of the message.

use super::stamp::Wall;

/// Prefixes can be nested (CRI around klog, syslog around the kernel's own stamp); more than this many are text.
const DEPTH: usize = 8;

/// How far into a line its stamps are looked for, in bytes, where they aren't at its start (JSON objects): such lines
/// are long, and their stamps stand at either end.
const FIELD_REACH: usize = 4096;

/// What a line says before its message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Milliseconds since boot.
    pub uptime_ms: Option<i64>,
    /// The calendar stamp.
    pub wall: Option<Wall>,
    /// Who speaks, as far as the prefix tells: host, program, calling task. Two lines with different sources aren't
    /// parts of one message.
    pub source: Vec<u8>,
    /// Whether the line has any stamp: then it doesn't continue the line before it.
    pub stamped: bool,
    /// Where the message begins, as far as that can be told: a message such as `error mkdir: …` looks like a host and
    /// a program.
    pub end: usize,
}

/// Reads the prefix of one line.
pub(super) fn read(line: &[u8]) -> Prefix {
    let mut prefix = Prefix::default();
    let mut rest = line;
    for _ in 0..DEPTH {
        rest = skip_blanks(rest);
        let Some(after) = step(rest, &mut prefix) else { break };
        rest = after;
    }
    prefix.end = line.len() - rest.len();
    prefix
}

/// Takes one layer off; `None` when the message begins here.
fn step<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    match *rest.first()? {
        b'[' => bracket(rest, prefix),
        b'<' => level(rest),
        b'{' => object(rest, prefix),
        // Quotes of mails and comments; the blank keeps `#0` of a stack apart.
        b'>' | b'|' | b'#' if rest.get(1) == Some(&b' ') => Some(&rest[1..]),
        b'0'..=b'9' => kmsg(rest, prefix)
            .or_else(|| iso(rest, prefix))
            .or_else(|| epoch(rest, prefix))
            .or_else(|| clock_time(rest, prefix)),
        byte if byte.is_ascii_alphabetic() => klog(rest, prefix)
            .or_else(|| syslog(rest, prefix))
            .or_else(|| logfmt(rest, prefix))
            .or_else(|| facility(rest))
            .or_else(|| kernel_tag(rest, prefix)),
        _ => None,
    }
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blanks..]
}

/// `[12345.678901]`, `[ T1280]`, `[   C0]`, `[Thu Oct  9 09:49:59 2025]`, `[ +0.000012]`, `[...]`.
fn bracket<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    // The longest is a date in another language.
    let close = rest.iter().take(64).position(|byte| *byte == b']')?;
    let inside = rest[1..close].trim_ascii();
    let after = &rest[close + 1..];
    if let Some(ms) = seconds(inside) {
        prefix.uptime_ms = prefix.uptime_ms.or(Some(ms));
        prefix.stamped = true;
        // journalctl -o short-monotonic has host and program behind it.
        return Some(after);
    }
    if matches!(inside, [b'T' | b'C', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
    {
        prefix.source.extend_from_slice(inside);
        return Some(after);
    }
    if let Some(wall) = date_in_words(inside) {
        prefix.wall = prefix.wall.or(Some(wall));
        prefix.stamped = true;
        return Some(after);
    }
    let elided = inside == b"..." || inside == "…".as_bytes();
    let relative = matches!(inside, [b'+' | b'<', ..]) && inside.iter().any(u8::is_ascii_digit);
    if elided || relative {
        prefix.stamped = true;
        return Some(after);
    }
    None
}

/// `<6>` of `dmesg -r`, `<14>1 ` of RFC 5424.
fn level(rest: &[u8]) -> Option<&[u8]> {
    let close = rest.iter().take(6).position(|byte| *byte == b'>')?;
    let digits = &rest[1..close];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let after = &rest[close + 1..];
    Some(after.strip_prefix(b"1 ").unwrap_or(after))
}

/// `6,1234,123456789,-;message`: level, sequence number, microseconds since boot.
fn kmsg<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let (_, after) = number(rest)?;
    let (_, after) = number(after.strip_prefix(b",")?)?;
    let (micros, after) = number(after.strip_prefix(b",")?)?;
    let after = after.strip_prefix(b",")?;
    let semicolon = after.iter().take(64).position(|byte| *byte == b';')?;
    prefix.uptime_ms = prefix.uptime_ms.or(i64::try_from(micros / 1000).ok());
    prefix.stamped = true;
    if let Some(caller) =
        after[..semicolon].split(|byte| *byte == b',').find_map(|part| part.strip_prefix(b"caller="))
    {
        prefix.source.extend_from_slice(caller);
    }
    Some(&after[semicolon + 1..])
}

/// `2025-11-24T07:51:29.123456+01:00`, with a blank for the T, without a zone, with a comma before the fraction.
fn iso<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let (wall, after) = iso_stamp(rest)?;
    prefix.wall = prefix.wall.or(Some(wall));
    prefix.stamped = true;
    Some(speaker(after, prefix))
}

fn iso_stamp(rest: &[u8]) -> Option<(Wall, &[u8])> {
    let (year, after) = fixed(rest, 4)?;
    let separator = *after.first()?;
    if !matches!(separator, b'-' | b'/') || !(1970..=2200).contains(&year) {
        return None;
    }
    let (month, after) = fixed(&after[1..], 2)?;
    let after = after.strip_prefix(&[separator])?;
    let (day, after) = fixed(after, 2)?;
    let [b'T' | b't' | b' ', after @ ..] = after else { return None };
    let (time_ms, after) = time_of_day(after)?;
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let wall = Wall::Civil { year: i16::try_from(year).ok(), month, day, time_ms };
    let (offset_ms, after) = match after {
        [b'Z' | b'z', after @ ..] => (0, after),
        [sign @ (b'+' | b'-'), after @ ..] => {
            let Some((hours, after)) = fixed(after, 2) else { return Some((wall, after)) };
            let after = after.strip_prefix(b":").unwrap_or(after);
            let (minutes, after) = fixed(after, 2).unwrap_or((0, after));
            let ms = i64::from(hours * 60 + minutes) * 60_000;
            (if *sign == b'-' { -ms } else { ms }, after)
        }
        // journalctl -o short-full names the zone; only these two are the same everywhere.
        [b' ', b'U', b'T', b'C', after @ ..] => (0, after),
        _ => return Some((wall, after)),
    };
    let date = jiff::civil::Date::new(i16::try_from(year).ok()?, month, day).ok()?;
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    let midnight = jiff::tz::TimeZone::UTC.to_timestamp(midnight).ok()?.as_millisecond();
    Some((Wall::Unix(midnight + time_ms - offset_ms), after))
}

/// `1764000000.123456` of `journalctl -o short-unix`.
fn epoch<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let end = rest.iter().take(24).position(|byte| *byte == b' ')?;
    let ms = seconds(&rest[..end]).filter(|ms| (1_000_000_000_000..10_000_000_000_000).contains(ms))?;
    prefix.wall = prefix.wall.or(Some(Wall::Unix(ms)));
    prefix.stamped = true;
    Some(speaker(&rest[end..], prefix))
}

/// `14:58:45 kernel: `: a time of day alone places nothing, but it is no part of the message.
fn clock_time<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let (_, after) = time_of_day(rest)?;
    if after.first() != Some(&b' ') {
        return None;
    }
    prefix.stamped = true;
    Some(speaker(after, prefix))
}

/// `E1124 07:51:29.123456   12345 file.go:123] `.
fn klog<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let ([b'I' | b'W' | b'E' | b'F'], after) = rest.split_at_checked(1)? else { return None };
    let (month, after) = fixed(after, 2)?;
    let (day, after) = fixed(after, 2)?;
    let (time_ms, after) = time_of_day(after.strip_prefix(b" ")?)?;
    let wall =
        Wall::Civil { year: None, month: i8::try_from(month).ok()?, day: i8::try_from(day).ok()?, time_ms };
    prefix.wall = prefix.wall.or(Some(wall));
    prefix.stamped = true;
    let close = after.iter().take(128).position(|byte| *byte == b']')?;
    Some(&after[close + 1..])
}

/// `Nov 24 07:51:29 host kernel: `, with a weekday, a fraction or a year; `Mon 2025-11-24 07:51:29 CET host …`.
fn syslog<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let word_end = rest.iter().take(12).position(|byte| matches!(byte, b' ' | b',' | b'.'))?;
    let word = &rest[..word_end];
    let mut after = skip_blanks(rest[word_end..].trim_ascii_start());
    let month = if is_weekday(word) {
        if let Some((wall, after)) = iso_stamp(after) {
            prefix.wall = prefix.wall.or(Some(wall));
            prefix.stamped = true;
            // Past the name of the zone.
            let zone = skip_blanks(after).iter().take_while(|byte| byte.is_ascii_uppercase()).count();
            return Some(speaker(&skip_blanks(after)[zone..], prefix));
        }
        let end = after.iter().take(12).position(|byte| *byte == b' ')?;
        let month = month_of(&after[..end])?;
        after = skip_blanks(&after[end..]);
        month
    } else {
        month_of(word)?
    };
    let (day, after) = number(after)?;
    let day = i8::try_from(day).ok().filter(|day| (1..=31).contains(day))?;
    let mut after = skip_blanks(after);
    let mut year = None;
    if let Some((number, behind)) = fixed(after, 4).filter(|(_, behind)| behind.first() == Some(&b' ')) {
        year = i16::try_from(number).ok();
        after = skip_blanks(behind);
    }
    let (time_ms, mut after) = time_of_day(after)?;
    if let Some((number, behind)) = fixed(skip_blanks(after), 4)
        && year.is_none()
        && (1970..=2200).contains(&number)
        && matches!(behind.first(), Some(b' ' | b':') | None)
    {
        year = i16::try_from(number).ok();
        after = behind;
    }
    prefix.wall = prefix.wall.or(Some(Wall::Civil { year, month, day, time_ms }));
    prefix.stamped = true;
    Some(speaker(after, prefix))
}

/// `time="2025-11-24T07:51:29Z" level=… msg="`.
fn logfmt<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let after = rest.strip_prefix(b"time=").or_else(|| rest.strip_prefix(b"ts="))?;
    let after = after.strip_prefix(b"\"").unwrap_or(after);
    let (wall, after) = iso_stamp(after)?;
    prefix.wall = prefix.wall.or(Some(wall));
    prefix.stamped = true;
    Some(after.strip_prefix(b"\"").unwrap_or(after))
}

/// `kern  :info  : ` of `dmesg -x`.
fn facility(rest: &[u8]) -> Option<&[u8]> {
    let after = skip_blanks(rest.strip_prefix(b"kern")?).strip_prefix(b":")?;
    let word = after.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    skip_blanks(&after[word..]).strip_prefix(b":")
}

/// `kernel: ` without anything before it, as `grep -o` and console broadcasts leave it.
fn kernel_tag<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let after = rest.strip_prefix(b"kernel:")?;
    prefix.source.extend_from_slice(b"kernel:");
    prefix.stamped = true;
    Some(after)
}

/// Host and program behind a calendar stamp, as far as they are there: `host kernel:`, `host dockerd[123]:`,
/// `kernel:`, `stderr F`.
fn speaker<'l>(after: &'l [u8], prefix: &mut Prefix) -> &'l [u8] {
    let start = skip_blanks(after);
    let word = |bytes: &[u8]| bytes.iter().take(256).take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
    let first = if start.first() == Some(&b'[') {
        // A host that somebody blotted out: `[node hostname]`. A stamp or a caller is read by `bracket`.
        let close = start.iter().take(64).position(|byte| *byte == b']').map(|close| close + 1);
        match close {
            Some(close) if start[1..close].first().is_some_and(u8::is_ascii_lowercase) => close,
            _ => return start,
        }
    } else {
        word(start)
    };
    let (head, behind) = start.split_at(first);
    if matches!(head, b"stdout" | b"stderr") {
        prefix.source.extend_from_slice(head);
        return match skip_blanks(behind) {
            [b'F' | b'P', b' ', message @ ..] => message,
            message => message,
        };
    }
    let is_tag = |word: &[u8]| word.ends_with(b":") && word.len() > 1;
    // Without a host before it, `mkdir:` or `INFO:` is the message itself.
    if head == b"kernel:" || head.ends_with(b"]:") {
        prefix.source.extend_from_slice(head);
        return behind;
    }
    let next = skip_blanks(behind);
    let tag = word(next);
    // `kernel:[123.4] …` has no blank behind the tag.
    let glued = next.strip_prefix(b"kernel:").is_some();
    let tag = if glued { b"kernel:".len() } else { tag };
    if glued || is_tag(&next[..tag]) {
        prefix.source.extend_from_slice(head);
        prefix.source.push(b' ');
        prefix.source.extend_from_slice(&next[..tag]);
        return &next[tag..];
    }
    start
}

/// A JSON object: Docker's `{"log":…,"time":…}`, the journal's `{"__REALTIME_TIMESTAMP":…}`, and programs that log
/// objects. The whole object is the message, since any of its fields may hold what is looked for.
fn object<'l>(rest: &'l [u8], prefix: &mut Prefix) -> Option<&'l [u8]> {
    let head = &rest[..rest.len().min(FIELD_REACH)];
    let tail = &rest[rest.len().saturating_sub(FIELD_REACH).max(head.len())..];
    let field = |name: &[u8]| {
        [head, tail].into_iter().find_map(|part| {
            let at = memchr::memmem::rfind(part, name)?;
            let value = skip_blanks(skip_blanks(&part[at + name.len()..]).strip_prefix(b":")?);
            Some(value.strip_prefix(b"\"").unwrap_or(value))
        })
    };
    let wall = field(b"\"__REALTIME_TIMESTAMP\"")
        .and_then(number)
        .and_then(|(micros, _)| i64::try_from(micros / 1000).ok())
        .map(Wall::Unix)
        .or_else(|| {
            [&b"\"time\""[..], b"\"ts\"", b"\"@timestamp\"", b"\"timestamp\""]
                .into_iter()
                .find_map(|name| iso_stamp(field(name)?).map(|(wall, _)| wall))
        });
    if wall.is_some() {
        prefix.wall = prefix.wall.or(wall);
        prefix.stamped = true;
    }
    None
}

/// The date of `dmesg -T`, `Thu Oct  9 09:49:59 2025`, in whatever language: a time of day, a year, a day and a word
/// or number for the month.
fn date_in_words(inside: &[u8]) -> Option<Wall> {
    let (mut month, mut day, mut year, mut time) = (None, None, None, None);
    for word in inside.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        if let Some((time_ms, _)) = time_of_day(word) {
            time = Some(time_ms);
        } else if let Some((value, after)) = number(word) {
            match after.trim_start_with_dot() {
                // The month of Chinese, Japanese and Korean.
                rest if rest.starts_with("月".as_bytes()) || rest.starts_with("월".as_bytes()) => {
                    month = i8::try_from(value).ok();
                }
                _ if value >= 1970 => year = i16::try_from(value).ok(),
                _ => day = i8::try_from(value).ok(),
            }
        } else if month.is_none() {
            month = month_of(word);
        }
    }
    Some(Wall::Civil { year: Some(year?), month: month?, day: day?, time_ms: time? })
}

/// Helps to read `24.` of German dates.
trait TrimDot {
    /// The bytes without a dot at their start.
    fn trim_start_with_dot(&self) -> &Self;
}

impl TrimDot for [u8] {
    fn trim_start_with_dot(&self) -> &Self {
        self.strip_prefix(b".").unwrap_or(self)
    }
}

fn is_weekday(word: &[u8]) -> bool {
    matches!(word, b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun")
}

/// The month that a word begins with, in the languages in which its abbreviation is unmistakable.
fn month_of(word: &[u8]) -> Option<i8> {
    const MONTHS: &[(&str, i8)] = &[
        ("jan", 1),
        ("ene", 1),
        ("gen", 1),
        ("янв", 1),
        ("feb", 2),
        ("fév", 2),
        ("fev", 2),
        ("фев", 2),
        ("mar", 3),
        ("mär", 3),
        ("mrz", 3),
        ("mrt", 3),
        ("maa", 3),
        ("мар", 3),
        ("apr", 4),
        ("avr", 4),
        ("abr", 4),
        ("апр", 4),
        ("may", 5),
        ("mai", 5),
        ("mei", 5),
        ("mag", 5),
        ("мая", 5),
        ("май", 5),
        ("juin", 6),
        ("jun", 6),
        ("giu", 6),
        ("июн", 6),
        ("juil", 7),
        ("jul", 7),
        ("lug", 7),
        ("июл", 7),
        ("aug", 8),
        ("aoû", 8),
        ("ago", 8),
        ("авг", 8),
        ("sep", 9),
        ("set", 9),
        ("сен", 9),
        ("oct", 10),
        ("okt", 10),
        ("ott", 10),
        ("out", 10),
        ("окт", 10),
        ("nov", 11),
        ("ноя", 11),
        ("dec", 12),
        ("dez", 12),
        ("dic", 12),
        ("déc", 12),
        ("дек", 12),
    ];
    let word = word.get(..word.len().min(16))?;
    if !word.first()?.is_ascii_uppercase() && word.is_ascii() && word.len() > 5 {
        // A long word in lower case is the beginning of a sentence.
        return None;
    }
    let lower = word.to_ascii_lowercase();
    MONTHS.iter().find(|(start, _)| lower.starts_with(start.as_bytes())).map(|(_, month)| *month)
}

/// `07:51:29`, with up to nine digits of a fraction behind `.` or `,`: milliseconds since midnight.
fn time_of_day(rest: &[u8]) -> Option<(i64, &[u8])> {
    let (hours, after) = fixed(rest, 2)?;
    let (minutes, after) = fixed(after.strip_prefix(b":")?, 2)?;
    let (seconds, mut after) = fixed(after.strip_prefix(b":")?, 2)?;
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let mut ms = i64::from(hours * 3600 + minutes * 60 + seconds) * 1000;
    if let [b'.' | b',', fraction @ ..] = after {
        let digits = fraction.iter().take(12).take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            ms += thousandths(&fraction[..digits]);
            after = &fraction[digits..];
        }
    }
    Some((ms, after))
}

/// `12345.678901`: milliseconds. A fraction must be there: a number alone is something else.
fn seconds(text: &[u8]) -> Option<i64> {
    let (whole, after) = number(text)?;
    let fraction = after.strip_prefix(b".")?;
    if fraction.is_empty() || fraction.len() > 9 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    i64::try_from(whole).ok()?.checked_mul(1000)?.checked_add(thousandths(fraction))
}

/// The first three digits of a fraction.
fn thousandths(digits: &[u8]) -> i64 {
    let digit = |at: usize| i64::from(digits.get(at).map_or(0, |byte| byte - b'0'));
    digit(0) * 100 + digit(1) * 10 + digit(2)
}

/// A number of exactly `digits` digits.
fn fixed(rest: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (number, after) = rest.split_at_checked(digits)?;
    if !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((number.iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0')), after))
}

/// A number of up to 19 digits.
fn number(rest: &[u8]) -> Option<(u64, &[u8])> {
    let digits = rest.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 19 {
        return None;
    }
    let value = rest[..digits].iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0'));
    Some((value, &rest[digits..]))
}

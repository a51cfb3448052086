//! Turns what a line prefix says about time into a [`Moment`]. It must not read a clock: what the calendar and the
//! kernel's own counter have to do with each other is told by the caller's [`Clock`].

use jiff::civil;
use jiff::tz::TimeZone;

use crate::document::snapshot::Moment;

/// Stamps without a year may lie this long after the collection before they are taken for last year's, in
/// milliseconds: a day, since the log's zone need not be the one that was given.
const FUTURE_GRACE_MS: i64 = 24 * 3600 * 1000;

/// A calendar stamp this long before the boot belongs to an earlier boot, in milliseconds: clocks are set during boot.
const BOOT_GRACE_MS: i64 = 60 * 1000;

/// What is known about the clocks of the machine that wrote a log.
#[derive(Debug, Clone)]
pub struct Clock {
    /// When the machine booted last, in milliseconds since 1970.
    pub booted_at_unix_ms: Option<i64>,
    /// When the log was taken from the machine, in milliseconds since 1970; for a file of unknown age, now. Without it
    /// a stamp without a year has no place in the calendar.
    pub collected_at_unix_ms: Option<i64>,
    /// The zone of stamps that name none.
    pub zone: TimeZone,
}

impl Default for Clock {
    /// Nothing known, and stamps in UTC.
    fn default() -> Self {
        Self { booted_at_unix_ms: None, collected_at_unix_ms: None, zone: TimeZone::UTC }
    }
}

/// A calendar stamp as it stands in a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wall {
    /// Milliseconds since 1970.
    Unix(i64),
    /// A date and time of day without a zone; the year may be missing.
    Civil {
        year: Option<i16>,
        month: i8,
        day: i8,
        /// Milliseconds since midnight.
        time_ms: i64,
    },
}

impl Clock {
    /// The moment of a line that carries these stamps; `None` where they tell nothing.
    pub(super) fn moment(&self, uptime_ms: Option<i64>, wall: Option<Wall>) -> Option<Moment> {
        let mut moment = Moment { uptime_ms, unix_ms: wall.and_then(|wall| self.unix(wall)) };
        if let Some(boot) = self.booted_at_unix_ms {
            match (moment.uptime_ms, moment.unix_ms) {
                (Some(uptime), None) => moment.unix_ms = boot.checked_add(uptime),
                // Counted from the boot before: the counter says nothing about this one.
                (_, Some(unix)) if unix < boot.saturating_sub(BOOT_GRACE_MS) => moment.uptime_ms = None,
                (None, Some(unix)) => moment.uptime_ms = Some(unix.saturating_sub(boot).max(0)),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        (moment.uptime_ms.is_some() || moment.unix_ms.is_some()).then_some(moment)
    }

    fn unix(&self, wall: Wall) -> Option<i64> {
        match wall {
            Wall::Unix(ms) => Some(ms),
            Wall::Civil { year: Some(year), month, day, time_ms } => self.civil(year, month, day, time_ms),
            Wall::Civil { year: None, month, day, time_ms } => {
                let collected = self.collected_at_unix_ms?;
                let latest = collected.saturating_add(FUTURE_GRACE_MS);
                let year = self.zone.to_datetime(jiff::Timestamp::from_millisecond(latest).ok()?).year();
                // Eight years back hold a 29 February, also over a century that isn't a leap year.
                (0..=8)
                    .filter_map(|back| self.civil(year.checked_sub(back)?, month, day, time_ms))
                    .find(|unix| *unix <= latest)
            }
        }
    }

    fn civil(&self, year: i16, month: i8, day: i8, time_ms: i64) -> Option<i64> {
        let midnight = civil::Date::new(year, month, day).ok()?.to_datetime(civil::Time::midnight());
        let span = jiff::SignedDuration::from_millis(time_ms);
        let time = midnight.checked_add(span).ok()?;
        Some(self.zone.to_timestamp(time).ok()?.as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_stamp_without_a_year_is_the_latest_that_fits() {
        let clock = Clock { collected_at_unix_ms: Some(unix("2026-01-05T10:00:00Z")), ..Clock::default() };
        let check = |month, day, expected: Option<&str>| {
            let moment = clock.moment(None, Some(Wall::Civil { year: None, month, day, time_ms: 0 }));
            assert_eq!(moment.and_then(|moment| moment.unix_ms), expected.map(unix), "{month}-{day}");
        };
        check(12, 31, Some("2025-12-31T00:00:00Z"));
        check(1, 5, Some("2026-01-05T00:00:00Z"));
        check(1, 6, Some("2026-01-06T00:00:00Z"));
        check(1, 7, Some("2025-01-07T00:00:00Z"));
        check(2, 29, Some("2024-02-29T00:00:00Z"));
        check(2, 30, None);
    }

    #[test]
    fn both_clocks_are_told_where_the_boot_is_known() {
        let boot = unix("2026-01-05T10:00:00Z");
        let clock = Clock { booted_at_unix_ms: Some(boot), ..Clock::default() };
        let check = |uptime, wall: Option<i64>, expected: (Option<i64>, Option<i64>)| {
            let moment = clock.moment(uptime, wall.map(Wall::Unix)).unwrap();
            assert_eq!((moment.uptime_ms, moment.unix_ms), expected);
        };
        check(Some(5000), None, (Some(5000), Some(boot + 5000)));
        check(None, Some(boot + 7000), (Some(7000), Some(boot + 7000)));
        check(None, Some(boot - 1000), (Some(0), Some(boot - 1000)));
        check(Some(99_000), Some(boot - 3_600_000), (None, Some(boot - 3_600_000)));
        assert_eq!(Clock::default().moment(None, None), None);
    }
}

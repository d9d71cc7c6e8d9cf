//! `--datetime-format`: the part of strftime that NSQ knows.

use jiff::Zoned;
use jiff::fmt::strtime;

/// What a letter behind a percent sign stands for, if anything. In each other sequence both characters are literal.
const ELEMENTS: [char; 16] = ['Y', 'y', 'm', 'd', 'H', 'I', 'M', 'S', 'p', 'B', 'b', 'A', 'a', 'Z', 'z', '%'];

/// A checked format.
///
/// NSQ takes it for a layout of Go's, where a literal `1` is the month and `5` the seconds. Here what is no element stays.
#[derive(Debug)]
pub(crate) struct DateFormat {
    /// With whatever else jiff knows escaped.
    strftime: String,
}

impl DateFormat {
    /// Reads a format; each text is one.
    pub(crate) fn new(format: &str) -> Self {
        let mut strftime = String::with_capacity(format.len());
        let mut letters = format.chars().peekable();
        while let Some(letter) = letters.next() {
            strftime.push(letter);
            if letter != '%' {
                continue;
            }
            match letters.next_if(|next| ELEMENTS.contains(next)) {
                Some(element) => strftime.push(element),
                None => strftime.push('%'),
            }
        }
        Self { strftime }
    }

    /// The date in `now`'s time zone.
    pub(crate) fn format(&self, now: &Zoned) -> String {
        strtime::format(&self.strftime, now).expect("each element can be told of a time with a zone")
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[track_caller]
    fn check(format: &str, expected: &str) {
        let now = jiff::civil::date(2026, 11, 7).at(21, 5, 9, 123_000_000);
        let now = now.to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap();
        assert_eq!(DateFormat::new(format).format(&now), expected, "{format}");
    }

    #[test]
    fn the_elements() {
        check("%Y-%m-%d_%H", "2026-11-07_21");
        check("%y|%m|%d|%H|%I|%M|%S|%p", "26|11|07|21|09|05|09|PM");
        check("%B %b %A %a", "November Nov Saturday Sat");
        check("%Z %z", "CET +0100");
        check("100%%", "100%");
    }

    #[test]
    fn other_sequences_stay_as_they_are() {
        check("", "");
        check("%j %e %s %-d %5Y %", "%j %e %s %-d %5Y %");
        check("%é %%%Y %%Y", "%é %2026 %Y");
    }

    /// NSQ makes `2026_v11_r39_part20_Fri_x7` of the like: its literals happen to be elements of a Go layout.
    #[test]
    fn literals_are_left_alone() {
        check("%Y_v1_r5_part2_Mon_x7_Jan_15_2006_PM_MST", "2026_v1_r5_part2_Mon_x7_Jan_15_2006_PM_MST");
    }

    #[test]
    fn before_noon() {
        let now = jiff::civil::date(2026, 1, 2).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap();
        assert_eq!(DateFormat::new("%I%p %Z%z").format(&now), "12AM UTC+0000");
    }
}

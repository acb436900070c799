//! Dates of HTTP (RFC 9110 §5.6.7).

use crate::wire::grammar::decimal;

/// The seconds since the beginning of 1970, UTC, of a date in any of the three forms of
/// RFC 9110 §5.6.7; `None` for anything else.
///
/// A date that contradicts itself (a 30 February, the wrong day of the week) is none, and neither
/// is one before 1970. A year of two digits, as in `06-Nov-94`, is taken for one of 1970 to 2069:
/// there is no clock here to choose the century by.
#[must_use]
pub fn http_date(text: &[u8]) -> Option<u64> {
    match text {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [a, b, c, b',', b' ', rest @ ..] => {
            let (date, time) = split::<11>(rest)?;
            let [d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4] = date else { return None };
            let year = number(&[*y1, *y2, *y3, *y4])?;
            let day = Day { year, month: month(&[*m1, *m2, *m3])?, day: number(&[*d1, *d2])? };
            moment(day, short_weekday(&[*a, *b, *c])?, clock_then_gmt(time)?)
        }
        // Sun Nov  6 08:49:37 1994
        [a, b, c, b' ', rest @ ..] => {
            let (date, time) = split::<7>(rest)?;
            let [m1, m2, m3, b' ', d1, d2, b' '] = date else { return None };
            let (time, year) = split::<8>(time)?;
            let [b' ', year @ ..] = year else { return None };
            let digits = if *d1 == b' ' { number(&[*d2]) } else { number(&[*d1, *d2]) };
            let year = if year.len() == 4 { number(year) } else { None };
            let day = Day { year: year?, month: month(&[*m1, *m2, *m3])?, day: digits? };
            moment(day, short_weekday(&[*a, *b, *c])?, clock(time)?)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        _ => {
            let comma = text.iter().position(|byte| *byte == b',')?;
            let (name, rest) = text.split_at_checked(comma)?;
            let [b',', b' ', rest @ ..] = rest else { return None };
            let (date, time) = split::<9>(rest)?;
            let [d1, d2, b'-', m1, m2, m3, b'-', y1, y2] = date else { return None };
            let short = number(&[*y1, *y2])?;
            let year = short.checked_add(if short < 70 { 2000 } else { 1900 })?;
            let day = Day { year, month: month(&[*m1, *m2, *m3])?, day: number(&[*d1, *d2])? };
            moment(day, long_weekday(name)?, clock_then_gmt(time)?)
        }
    }
}

struct Day {
    year: u32,
    /// From 1.
    month: u32,
    day: u32,
}

fn split<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8])> {
    text.split_first_chunk()
}

/// A few digits.
fn number(digits: &[u8]) -> Option<u32> {
    u32::try_from(decimal(digits)?).ok()
}

/// Names are compared with case (RFC 9110 §5.6.7).
fn month(name: &[u8; 3]) -> Option<u32> {
    const NAMES: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    (1_u32..).zip(NAMES).find(|(_, known)| *known == name).map(|(month, _)| month)
}

const WEEKDAYS: [&[u8]; 7] =
    [b"Sunday", b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday"];

/// Days since a Sunday.
fn short_weekday(name: &[u8; 3]) -> Option<u32> {
    (0_u32..).zip(WEEKDAYS).find(|(_, day)| day.starts_with(name)).map(|(at, _)| at)
}

fn long_weekday(name: &[u8]) -> Option<u32> {
    (0_u32..).zip(WEEKDAYS).find(|(_, day)| *day == name).map(|(at, _)| at)
}

/// ` 08:49:37 GMT` as seconds of the day.
fn clock_then_gmt(text: &[u8]) -> Option<u32> {
    let [b' ', rest @ ..] = text else { return None };
    let (time, zone) = split::<8>(rest)?;
    if zone == b" GMT" { clock(time) } else { None }
}

/// `08:49:37` as seconds of the day. Second 60 is a leap second.
fn clock(text: &[u8; 8]) -> Option<u32> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    let second = number(&[*s1, *s2])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)
}

/// The moment so many seconds into a day, if there is such a day and it is this day of the week.
fn moment(date: Day, weekday: u32, seconds: u32) -> Option<u64> {
    let days = days_since_1970(&date)?;
    // 1 January 1970 was a Thursday.
    if days.checked_add(4)? % 7 != weekday {
        return None;
    }
    u64::from(days).checked_mul(86_400)?.checked_add(u64::from(seconds))
}

fn days_since_1970(date: &Day) -> Option<u32> {
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let Day { year, month, day } = *date;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years = year.checked_sub(1970)?;
    let mut days = years.checked_mul(365)?;
    days = days.checked_add(leap_days_before(year)?.checked_sub(leap_days_before(1970)?)?)?;
    for (at, length) in (1_u32..).zip(LENGTHS) {
        let length = if at == 2 && is_leap { 29 } else { length };
        if at == month {
            return if (1..=length).contains(&day) {
                days.checked_add(day)?.checked_sub(1)
            } else {
                None
            };
        }
        days = days.checked_add(length)?;
    }
    None
}

/// Leap days from year 1 to the year before this one.
fn leap_days_before(year: u32) -> Option<u32> {
    let before = year.checked_sub(1)?;
    (before / 4).checked_sub(before / 100)?.checked_add(before / 400)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    #[test]
    fn the_three_forms_of_the_rfc_are_one_moment() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(http_date(text.as_bytes()), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn moments_are_counted_from_1970_with_leap_years() {
        let cases = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 01 Jan 1970 00:00:01 GMT", 1),
            ("Fri, 31 Dec 1971 23:59:59 GMT", 63_071_999),
            ("Tue, 29 Feb 1972 00:00:00 GMT", 68_169_600),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Sat Dec 31 23:59:60 2016", 1_483_228_800),
            ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
            ("Tuesday, 31-Dec-69 00:00:00 GMT", 3_155_673_600),
            ("Thu Feb 29 00:00:00 2024", 1_709_164_800),
        ];
        for (text, want) in cases {
            assert_eq!(http_date(text.as_bytes()), Some(want), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        const NAMES: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let mut next = 0;
        for year in 1970..=2370 {
            for month in MONTHS {
                for day in 1..=31 {
                    let name = NAMES[usize::try_from(next % 7).unwrap()];
                    let text = format!("{name}, {day:02} {month} {year} 00:00:00 GMT");
                    let Some(found) = http_date(text.as_bytes()) else {
                        assert!(day > 28, "{text}");
                        continue;
                    };
                    assert_eq!(found, next * 86_400, "{text}");
                    next += 1;
                }
            }
        }
        // Every fourth year from 1972 to 2368 has a day more, without 2100, 2200 and 2300.
        assert_eq!(next, 401 * 365 + 97);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Wed, 29 Feb 2023 00:00:00 GMT",
            "Mon, 29 Feb 2100 00:00:00 GMT",
            "Fri, 00 Jan 2021 00:00:00 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06 Nov 1994 08:49:37 GMT",
            "Sun Nov 06 08:49:37 94",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun Nov   08:49:37 1994",
        ] {
            assert_eq!(http_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn no_part_of_a_date_and_no_other_byte_in_it_makes_trouble() {
        for text in [
            &b"Sun, 06 Nov 1994 08:49:37 GMT"[..],
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
        ] {
            for end in 0..text.len() {
                assert_eq!(http_date(&text[..end]), None);
            }
            for at in 0..text.len() {
                for byte in 0..=255 {
                    let mut other = text.to_vec();
                    other[at] = byte;
                    let found = http_date(&other);
                    assert_eq!(
                        found == Some(784_111_777),
                        other == text || is_same(&other),
                        "{at}"
                    );
                }
            }
        }
    }

    /// The one other way to write the sixth: asctime with a zero.
    fn is_same(text: &[u8]) -> bool {
        text == b"Sun Nov 06 08:49:37 1994"
    }
}

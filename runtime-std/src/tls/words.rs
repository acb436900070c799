//! What is wrong with a certificate, as people say it: rustls counts seconds since 1970.

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// Names of a certificate that are told: some have hundreds.
const NAMES: usize = 8;

const DAY: u64 = 24 * 60 * 60;

/// What is wrong, where rustls' own words are not the ones for it.
#[allow(clippy::wildcard_enum_match_arm, reason = "rustls adds variants at will")]
pub(super) fn plain_words(why: &CertificateError) -> Option<String> {
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            Some(format!("it was valid until {}", utc(*not_after)))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            Some(format!("it is valid from {} on", utc(*not_before)))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let wanted = expected.to_str();
            Some(match presented.as_slice() {
                [] => format!("it is for no name at all, and the URL has {wanted}"),
                names => format!("it is for {}, and the URL has {wanted}", list(names)),
            })
        }
        CertificateError::UnknownIssuer => {
            Some("its issuer is none of the roots, nor sent along".to_owned())
        }
        _ => None,
    }
}

/// Names as webpki writes them, such as `DnsName("example.org")` or `IpAddress(127.0.0.1)`.
fn list(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        inner.trim_end_matches(')').trim_matches('"').to_owned()
    };
    let names: Vec<_> = presented.iter().take(NAMES).map(plain).collect();
    match presented.len().checked_sub(NAMES) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// A time, as `2026-01-31 23:59:59 UTC`.
fn utc(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day since 1970, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    // 400 years have the same days, whenever they begin: certificates end in 9999 at the latest.
    let (mut year, era) = (1970 + days / 146_097 * 400, days / 146_097);
    days -= era * 146_097;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        (days, year) = (days - length, year + 1);
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        (days, month) = (days - length, month + 1);
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_told_as_dates() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ];
        for (seconds, text) in cases {
            assert_eq!(utc(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), text);
        }
    }

    #[test]
    fn names_are_told_without_their_types_and_not_by_the_hundred() {
        let names = ["DnsName(\"a.example\")", "IpAddress(127.0.0.1)"].map(str::to_owned);
        assert_eq!(list(&names), "a.example, 127.0.0.1");
        assert_eq!(list(&vec![names[0].clone(); 9]).matches("a.example").count(), 8);
        assert!(list(&vec![names[0].clone(); 109]).ends_with(" and 101 more"));
    }
}

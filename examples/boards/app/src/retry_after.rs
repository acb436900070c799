//! The field Retry-After: when the server wants to be asked again.

use embassy_time::Duration;
use sortie_embassy::sortie_core::http_date;

/// How long the server wants to be left alone (RFC 9110 §10.2.3): so many seconds, or until a date.
///
/// A device has no calendar. The date is counted from the one in the answer's own `Date`, so that
/// only the server's clock is asked; without a `Date` it says nothing. What is neither number nor
/// date says nothing either.
#[must_use]
pub fn delay(retry_after: Option<&[u8]>, date: Option<&[u8]>) -> Option<Duration> {
    let value = retry_after?;
    let seconds = match seconds(value) {
        Some(seconds) => seconds,
        None => http_date(value)?.saturating_sub(http_date(date?)?),
    };
    Some(Duration::from_secs(seconds.min(MOST)))
}

/// A year. More would be bounded anyway, and has to fit into ticks.
const MOST: u64 = 366 * 24 * 3600;

/// Digits and nothing else; what does not fit is as good as for ever.
fn seconds(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        let digits = value.iter().map(|digit| u64::from(digit - b'0'));
        digits.fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Option<&[u8]> = Some(b"Sun, 06 Nov 1994 08:49:37 GMT");

    fn seconds_of(value: &[u8], date: Option<&[u8]>) -> Option<u64> {
        delay(Some(value), date).map(|delay| delay.as_secs())
    }

    #[test]
    fn seconds_are_taken_as_they_are() {
        assert_eq!(seconds_of(b"0", None), Some(0));
        assert_eq!(seconds_of(b"120", DATE), Some(120));
    }

    #[test]
    fn a_date_is_counted_from_the_date_of_the_answer() {
        assert_eq!(seconds_of(b"Sun, 06 Nov 1994 08:50:07 GMT", DATE), Some(30));
        assert_eq!(seconds_of(b"Sunday, 06-Nov-94 08:50:37 GMT", DATE), Some(60));
        assert_eq!(seconds_of(b"Sun Nov  6 09:49:37 1994", DATE), Some(3600));
    }

    #[test]
    fn a_date_that_is_over_is_now() {
        assert_eq!(seconds_of(b"Sun, 06 Nov 1994 08:49:36 GMT", DATE), Some(0));
    }

    #[test]
    fn a_date_without_a_date_to_count_from_says_nothing() {
        assert_eq!(seconds_of(b"Sun, 06 Nov 1994 08:50:07 GMT", None), None);
        assert_eq!(seconds_of(b"Sun, 06 Nov 1994 08:50:07 GMT", Some(b"today")), None);
    }

    #[test]
    fn what_is_neither_says_nothing() {
        for junk in
            [&b""[..], b"-1", b"+5", b"1.5", b"5 s", b"soon", b"Sun, 31 Feb 1994 08:00:00 GMT"]
        {
            assert_eq!(seconds_of(junk, DATE), None, "{junk:?}");
        }
        assert_eq!(delay(None, DATE), None);
    }

    #[test]
    fn more_seconds_than_there_are_numbers_do_not_overflow() {
        assert_eq!(seconds_of(b"99999999999999999999999999", None), Some(MOST));
    }
}

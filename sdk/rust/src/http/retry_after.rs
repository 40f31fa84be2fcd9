//! Retry-After: seconds or an HTTP-date (RFC 9110 section 10.2.3). A date is read against the answer's own Date, so
//! that the target's clock need not agree with ours; it never asks ours.

/// Seconds to wait; a date in the past is no wait at all, and one without a Date to read it against says nothing.
pub(super) fn seconds(retry_after: &str, date: Option<&str>) -> Option<u32> {
    let retry_after = retry_after.trim();
    if !retry_after.is_empty() && retry_after.bytes().all(|b| b.is_ascii_digit()) {
        return Some(retry_after.parse().unwrap_or(u32::MAX));
    }
    let then = httpdate::parse_http_date(retry_after).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    let wait = then.duration_since(now).unwrap_or_default();
    Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");

    #[test]
    fn seconds_are_taken_as_they_are() {
        assert_eq!(seconds(" 120 ", DATE), Some(120));
        assert_eq!(seconds("99999999999", DATE), Some(u32::MAX));
    }

    #[test]
    fn every_form_of_date_is_read_against_the_date_of_the_answer() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT", DATE), Some(60));
        assert_eq!(seconds("Sunday, 06-Nov-94 08:50:37 GMT", DATE), Some(60));
        assert_eq!(seconds("Sun Nov  6 08:50:37 1994", DATE), Some(60));
    }

    #[test]
    fn a_date_in_the_past_is_no_wait_and_nonsense_says_nothing() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT", DATE), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT", None), None);
        assert_eq!(seconds("soon", DATE), None);
        assert_eq!(seconds("-5", DATE), None);
        assert_eq!(seconds("", DATE), None);
    }
}

//! The canonical text of a value: one spelling for each value, so that comparison is a comparison of texts.
//! It never guesses: a text that is not of its type is refused.

mod date_time;

use crate::AttributeType;

/// A text is not a value of its attribute's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCanonical {
    /// The text.
    pub text: String,
    /// The type it was to be of.
    pub kind: AttributeType,
}

impl std::fmt::Display for NotCanonical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wanted = match self.kind {
            AttributeType::Boolean => "true or false",
            AttributeType::Integer => "a whole number",
            AttributeType::Decimal => "a decimal number",
            AttributeType::DateTime => "a date and time (RFC 3339)",
            AttributeType::Text | AttributeType::Reference | AttributeType::Binary => "text",
        };
        write!(f, "`{}` is not {wanted}", self.text)
    }
}

impl std::error::Error for NotCanonical {}

/// The canonical text of a value of this type. Booleans accept any case (servers send "True"); numbers lose
/// superfluous signs and zeros; dates and times (RFC 3339 section 5.6) are turned into UTC without superfluous
/// fractions; everything else is kept but for surrounding white space.
///
/// # Errors
/// The text is not a value of the type.
pub fn canonical_text(kind: AttributeType, text: &str) -> Result<String, NotCanonical> {
    let bad = || NotCanonical { text: text.to_owned(), kind };
    let trimmed = text.trim();
    match kind {
        AttributeType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Ok("true".to_owned()),
            "false" => Ok("false".to_owned()),
            _ => Err(bad()),
        },
        AttributeType::Integer => trimmed.parse::<i128>().map(|n| n.to_string()).map_err(|_| bad()),
        AttributeType::Decimal => canonical_decimal(trimmed).ok_or_else(bad),
        AttributeType::DateTime => date_time::in_utc(trimmed).ok_or_else(bad),
        AttributeType::Text | AttributeType::Reference | AttributeType::Binary => Ok(trimmed.to_owned()),
    }
}

/// `[-]digits[.digits]` without superfluous zeros; exponents are not accepted.
fn canonical_decimal(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let zero = whole == "0" && fraction.is_empty();
    let sign = if negative && !zero { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

//! Filters (RFC 7644 section 3.4.2.2). Values are JSON strings, so quotes and backslashes in them are escaped and no
//! value can change what a filter asks for.

use gatehouse_connector::json::Value as Json;

/// The users whose attribute equals this value.
pub(crate) fn equals(path: &str, value: &str) -> String {
    format!("{path} eq {}", Json::from(value))
}

/// The values of a list that have this type: a value path of PATCH (RFC 7644 section 3.5.2).
pub(crate) fn of_type(list: &str, kind: &str) -> String {
    format!("{list}[{}]", equals("type", kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_stay_inside_the_value() {
        assert_eq!(equals("userName", "ada"), r#"userName eq "ada""#);
        assert_eq!(equals("userName", r#"a" or userName pr or "b\"#), r#"userName eq "a\" or userName pr or \"b\\""#);
        assert_eq!(of_type("emails", "work"), r#"emails[type eq "work"]"#);
    }
}

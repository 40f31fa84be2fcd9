//! What profiles, permission sets and groups have in common: names that administrators give.

use super::ServiceError;
use gatehouse_core::nearest;

/// The name without white space around it.
///
/// # Errors
/// It could not stand in a path.
pub(super) fn checked(name: &str, what: &str) -> Result<String, ServiceError> {
    let name = name.trim().to_owned();
    let wrong = name.is_empty() || name.len() > 128 || name.chars().any(|c| c.is_control() || c == '/');
    if wrong || name == "." || name == ".." {
        let why = format!("a {what}'s name has 1 to 128 characters, and no `/` among them");
        return Err(ServiceError::invalid("name", why));
    }
    Ok(name)
}

/// That there is nothing of this name, and what may have been meant.
pub(super) fn unknown<'a>(what: &str, verb: &str, name: &str, all: impl IntoIterator<Item = &'a str>) -> String {
    let hint = match nearest(name, all).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("make it with `gatehouse {verb} create {name}`"),
    };
    format!("there is no {what} `{name}`; {hint}")
}

/// A name as a part of a path (RFC 3986 section 3.3).
pub(super) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

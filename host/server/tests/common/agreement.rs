//! Every answer that a test gets, held against the document: its status, the `type` of its problem and its headers have to
//! be documented of the operation that answered.

use super::Answer;
use serde_json::Value as Json;
use std::sync::OnceLock;

/// The headers that the document says of every answer whether it has them.
pub const HEADERS: [&str; 7] =
    ["etag", "location", "x-request-id", "retry-after", "idempotency-replayed", "www-authenticate", "allow"];

pub fn document() -> &'static Json {
    static DOCUMENT: OnceLock<Json> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::to_value(gatehouse_server::api::openapi()).unwrap())
}

/// The operation that answers a call: words in a path are more to the point than placeholders.
pub fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Json)> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |documented: &str| {
        let of: Vec<&str> = documented.split('/').collect();
        of.len() == parts.len() && of.iter().zip(&parts).all(|(of, part)| of == part || of.starts_with('{'))
    };
    let paths = document()["paths"].as_object().unwrap().iter().filter(|(documented, _)| fits(documented));
    let nearest = paths.min_by_key(|(documented, _)| documented.matches('{').count());
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    nearest.and_then(|(path, item)| Some((path.as_str(), item.get(&method)?)))
}

/// The names of the headers that are documented of a response, in small letters.
pub fn documented(response: &Json) -> Vec<String> {
    response["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()).collect()
}

pub fn check(method: &str, path: &str, answer: &Answer) {
    let Some((documented_path, operation)) = operation(method, path) else { return };
    let name = format!("{method} {documented_path} answers {} to {path}", answer.status);
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{name}, which is not documented: {answer:?}");
    let known = documented(response);
    for header in HEADERS.iter().filter(|header| answer.headers.contains_key(**header)) {
        assert!(known.iter().any(|known| known == header), "{name} with `{header}`, which is not documented");
    }
    if let Some(case) = answer.body["type"].as_str().filter(|case| case.starts_with("urn:gatehouse:problem:")) {
        let told = response["description"].as_str().unwrap_or_default();
        let admission = case.starts_with("urn:gatehouse:problem:connector-") && told.contains("connector-…`");
        assert!(told.contains(&format!("`{case}`")) || admission, "{name} with {case}, which is not documented");
    }
}

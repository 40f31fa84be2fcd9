//! Makes the page of SCIM JSON that the contenders parse: 100 users, with what services send besides what is asked.

use std::fmt::Write as _;
use std::path::Path;

const FIRST: [&str; 8] = ["Ada", "Bela", "Chidi", "Dana", "Emil", "Fatima", "Goran", "Hana"];
const LAST: [&str; 8] = ["Abel", "Berg", "Costa", "Duarte", "Eklund", "Fischer", "Grau", "Horvat"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut page = String::from(
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":100000,"startIndex":1,"itemsPerPage":100,"Resources":["#,
    );
    for number in 0..100_usize {
        let (first, last) = (FIRST[number % 8], LAST[number / 8 % 8]);
        let comma = if number == 0 { "" } else { "," };
        write!(
            page,
            r#"{comma}{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"acc-{number:08}","externalId":"{number}","userName":"user{number:08}","name":{{"givenName":"{first}","familyName":"{last}","formatted":"{first} {last}"}},"displayName":"{first} {last}","emails":[{{"value":"user{number:08}@example.com","type":"work","primary":true}}],"active":true,"groups":[{{"value":"g-1","display":"Everybody"}}],"meta":{{"resourceType":"User","created":"2026-01-01T00:00:00Z","lastModified":"2026-01-02T00:00:00Z","version":"W/\"{number}\"","location":"https://scim.example.com/v2/Users/acc-{number:08}"}}}}"#
        )?;
    }
    page.push_str("]}");
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("page.json"), page)?;
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}

//! The attributes of a SCIM user as Gatehouse names them, and where each stands in the JSON of a resource: the core
//! User (RFC 7643 section 4.1) and the enterprise extension (section 4.3). One table serves describing, reading and
//! writing.

use gatehouse_connector::{AttributeDefinition, AttributeType, Mutability};

/// The schema of users.
pub(crate) const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of the enterprise extension.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A member of the resource.
    Top(&'static str),
    /// A member of a complex member (`name`).
    Within(&'static str, &'static str),
    /// A member of each object in a list (`emails`, `value`), told apart by `type` and `primary`.
    Each(&'static str, &'static str),
    /// A member of the enterprise extension.
    Enterprise(&'static str),
    /// The `value` of a complex member of the enterprise extension.
    EnterpriseReference(&'static str),
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Its name in Gatehouse.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    description: &'static str,
    suggested: Option<&'static str>,
}

impl Field {
    /// The path of the attribute that holds it (RFC 7644 section 3.10): what PATCH and `attributes` name.
    pub(crate) fn path(&self) -> String {
        match self.place {
            Place::Top(key) | Place::Each(key, _) => key.to_owned(),
            Place::Within(parent, key) => format!("{parent}.{key}"),
            Place::Enterprise(key) | Place::EnterpriseReference(key) => format!("{ENTERPRISE}:{key}"),
        }
    }

    /// The definition for the attribute schema.
    pub(crate) fn definition(&self) -> AttributeDefinition {
        let definition = AttributeDefinition::text(self.name, self.description).of_type(self.kind());
        let case_exact = self.name == "externalId" || self.kind() != AttributeType::Text;
        AttributeDefinition {
            multi_valued: matches!(self.place, Place::Each(..)),
            suggested: self.suggested.map(str::to_owned),
            case_exact,
            mutability: if self.name == "groups" { Mutability::ReadOnly } else { Mutability::ReadWrite },
            ..definition
        }
    }

    /// The type of its values.
    pub(crate) fn kind(&self) -> AttributeType {
        match self.name {
            "manager" | "groups" => AttributeType::Reference,
            "x509Certificates" => AttributeType::Binary,
            _ => AttributeType::Text,
        }
    }
}

const fn field(name: &'static str, place: Place, description: &'static str) -> Field {
    Field { name, place, description, suggested: None }
}

const fn suggested(name: &'static str, place: Place, description: &'static str, template: &'static str) -> Field {
    Field { name, place, description, suggested: Some(template) }
}

/// All attributes but userName, id and active, which are an account's own.
pub(crate) static FIELDS: [Field; 35] = [
    suggested("externalId", Place::Top("externalId"), "Our own id of the user, kept by the service", "{id}"),
    suggested("displayName", Place::Top("displayName"), "The name to show", "{first_name} {last_name}"),
    suggested("name.givenName", Place::Within("name", "givenName"), "First name", "{first_name}"),
    suggested("name.familyName", Place::Within("name", "familyName"), "Last name", "{last_name}"),
    field("name.formatted", Place::Within("name", "formatted"), "The whole name"),
    field("name.middleName", Place::Within("name", "middleName"), "Middle name"),
    field("name.honorificPrefix", Place::Within("name", "honorificPrefix"), "Title before the name"),
    field("name.honorificSuffix", Place::Within("name", "honorificSuffix"), "Title after the name"),
    field("nickName", Place::Top("nickName"), "Casual name"),
    field("profileUrl", Place::Top("profileUrl"), "Address of a page about the user"),
    field("title", Place::Top("title"), "Job title"),
    field("userType", Place::Top("userType"), "Relation to the organisation, such as Employee or Contractor"),
    field("preferredLanguage", Place::Top("preferredLanguage"), "Language (RFC 9110 section 12.5.4)"),
    field("locale", Place::Top("locale"), "Locale (RFC 5646)"),
    field("timezone", Place::Top("timezone"), "Time zone (IANA), such as Europe/Berlin"),
    suggested("emails", Place::Each("emails", "value"), "Mail addresses", "{email}"),
    field("phoneNumbers", Place::Each("phoneNumbers", "value"), "Telephone numbers"),
    field("ims", Place::Each("ims", "value"), "Instant messaging addresses"),
    field("photos", Place::Each("photos", "value"), "Addresses of photos"),
    field("entitlements", Place::Each("entitlements", "value"), "Entitlements"),
    field("roles", Place::Each("roles", "value"), "Roles"),
    field("groups", Place::Each("groups", "value"), "Ids of the groups the user is in"),
    field("addresses.formatted", Place::Each("addresses", "formatted"), "Whole postal addresses"),
    field("addresses.streetAddress", Place::Each("addresses", "streetAddress"), "Streets and numbers"),
    field("addresses.locality", Place::Each("addresses", "locality"), "Cities"),
    field("addresses.region", Place::Each("addresses", "region"), "States or regions"),
    field("addresses.postalCode", Place::Each("addresses", "postalCode"), "Postal codes"),
    field("addresses.country", Place::Each("addresses", "country"), "Countries (ISO 3166-1 alpha-2)"),
    field("employeeNumber", Place::Enterprise("employeeNumber"), "Number the organisation gives the employee"),
    field("costCenter", Place::Enterprise("costCenter"), "Cost centre"),
    field("organization", Place::Enterprise("organization"), "Organisation"),
    field("division", Place::Enterprise("division"), "Division"),
    field("department", Place::Enterprise("department"), "Department"),
    field("manager", Place::EnterpriseReference("manager"), "The service's id of the user's manager"),
    field("x509Certificates", Place::Each("x509Certificates", "value"), "Certificates, DER in base64"),
];

/// The definitions of all attributes.
pub(crate) fn definitions() -> impl Iterator<Item = AttributeDefinition> {
    FIELDS.iter().map(Field::definition)
}

/// The attribute of this name.
pub(crate) fn by_name(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The attributes of these names; all if there are none. Unknown names are left out.
pub(crate) fn selected(names: &[String]) -> Vec<&'static Field> {
    FIELDS.iter().filter(|field| names.is_empty() || names.iter().any(|name| name == field.name)).collect()
}

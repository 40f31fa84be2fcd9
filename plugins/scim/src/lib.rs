//! The SCIM 2.0 connector (RFC 7643, RFC 7644, RFC 9865): users of any service that speaks SCIM, adapted to what the
//! service says it can do and to how services depart from the standard. It never decides whose account one is, and
//! it never sees the credential.

mod client;
mod collect;
mod commit;
mod error;
mod fields;
mod filter;
mod find;
mod list;
mod options;
mod probe;
mod provider;
mod read;
mod resource;

use client::Scim;
use gatehouse_connector::{
    Account, Attributes, AuthScheme, Connector, Context, CredentialSlot, Description, Desired, Failure, Finding,
    Operation, Page, Query, Receipt, Setting, Status, Target,
};

/// The connector.
pub struct ScimConnector;

impl Connector for ScimConnector {
    fn describe() -> Description {
        let pin = ["auto", "yes", "no"];
        Description::new("scim", env!("CARGO_PKG_VERSION"), "Users of a service that speaks SCIM 2.0")
            .operations(Operation::ALL)
            .attributes(fields::definitions())
            .setting(Setting::url("base_url", "Base URL of the service, such as https://x.example/scim/v2").required())
            .setting(Setting::integer("page_size", "Most users to ask for at a time; as many as fit if left out"))
            .setting(
                Setting::choice("patch", "Whether the service takes PATCH; auto finds out", pin).default_value("auto"),
            )
            .setting(Setting::choice("filter", "Whether it takes filters; auto finds out", pin).default_value("auto"))
            .setting(
                Setting::choice(
                    "paging",
                    "How its lists are paged; auto asks the service",
                    ["auto", "index", "cursor"],
                )
                .default_value("auto"),
            )
            .setting(
                Setting::boolean("select_attributes", "Ask for the mapped attributes only; false asks for all of them")
                    .default_value(true),
            )
            .credential(
                CredentialSlot::new(
                    "token",
                    "What signs in to the service",
                    "base_url",
                    [AuthScheme::Bearer, AuthScheme::Basic],
                )
                .required(),
            )
            .searchable(["externalId", "username", "emails"])
    }

    fn check(context: &Context<'_>) -> Result<Vec<Finding>, Failure> {
        probe::check(&Scim::new(context)?)
    }

    fn collect(context: &Context<'_>, query: &Query) -> Result<Page, Failure> {
        collect::collect(&Scim::new(context)?, query)
    }

    fn read(context: &Context<'_>, external_id: &str) -> Result<Account, Failure> {
        Ok(read::read(&Scim::new(context)?, external_id)?.account)
    }

    fn find(context: &Context<'_>, attribute: &str, value: &str) -> Result<Vec<Account>, Failure> {
        find::find(&Scim::new(context)?, attribute, value)
    }

    fn create(context: &Context<'_>, desired: &Desired, _: &str) -> Result<Receipt, Failure> {
        commit::create(&Scim::new(context)?, desired)
    }

    fn update(context: &Context<'_>, target: Target<'_>, changes: &Attributes) -> Result<Receipt, Failure> {
        commit::update(&Scim::new(context)?, target, changes)
    }

    fn set_status(context: &Context<'_>, target: Target<'_>, status: Status) -> Result<Receipt, Failure> {
        commit::set_status(&Scim::new(context)?, target, status)
    }

    fn remove(context: &Context<'_>, target: Target<'_>) -> Result<Receipt, Failure> {
        commit::remove(&Scim::new(context)?, target)
    }
}

gatehouse_connector::register!(ScimConnector);

//! The {{name}} connector: the users of a small JSON service.
//!
//! The service it is written for lists users page by page at `GET /users?page=1&per_page=100`, makes them at
//! `POST /users`, and reads, changes and removes one at `/users/{id}`. Put your own in its place.

use gatehouse_connector::json::{Value as Json, json};
use gatehouse_connector::{
    Account, AttributeDefinition, Attributes, AuthScheme, Connector, Context, CredentialSlot, Description, Desired,
    Effect, Failure, Operation, Page, Query, Receipt, Setting, Status, Target, Url, Value,
};

/// The connector.
pub struct App;

gatehouse_connector::register!(App);

impl Connector for App {
    fn describe() -> Description {
        Description::new("{{name}}", env!("CARGO_PKG_VERSION"), "Users of {{name}}")
            .operations(Operation::ALL)
            .attribute(AttributeDefinition::text("email", "Mail address").unique().suggested("{email}"))
            .attribute(AttributeDefinition::text("name", "Full name").suggested("{first_name} {last_name}"))
            .setting(Setting::url("base_url", "Where the service is, such as https://api.example/v1").required())
            .credential(
                CredentialSlot::new("token", "An API token that may manage users", "base_url", [AuthScheme::Bearer])
                    .required(),
            )
            .searchable(["email"])
    }

    // `check` needs nothing: the standard one signs in by collecting.

    fn collect(context: &Context<'_>, query: &Query) -> Result<Page, Failure> {
        // All that is kept between pages is the cursor: here, the number of the page.
        let number: u64 = match &query.cursor {
            Some(cursor) => cursor.parse().map_err(|_| Failure::CursorExpired)?,
            None => 1,
        };
        let answer = context
            .get(users(context)?)
            .query("page", &number.to_string())
            .query("per_page", &query.limit.to_string())
            .send()?
            .ok()?
            .json()?;
        let list = answer["users"].as_array().ok_or_else(|| Failure::rejected("the answer has no list of users"))?;
        let accounts = list.iter().map(account).collect::<Result<Vec<_>, _>>()?;
        // Only an empty page proves the end: a service may return fewer users than asked for.
        Ok(if accounts.is_empty() { Page::complete(accounts) } else { Page::more(accounts, (number + 1).to_string()) })
    }

    fn read(context: &Context<'_>, external_id: &str) -> Result<Account, Failure> {
        account(&context.get(user(context, external_id)?).send()?.of_account()?.json()?)
    }

    fn find(context: &Context<'_>, attribute: &str, value: &str) -> Result<Vec<Account>, Failure> {
        let answer = context.get(users(context)?).query(attribute, value).send()?.ok()?.json()?;
        let accounts = answer["users"].as_array().into_iter().flatten().map(account);
        // Services differ in what they call equal: compare once more.
        let same = |account: &Account| account.first(attribute).is_some_and(|has| has.eq_ignore_ascii_case(value));
        Ok(accounts.collect::<Result<Vec<_>, _>>()?.into_iter().filter(same).collect())
    }

    fn create(context: &Context<'_>, desired: &Desired, _idempotency_key: &str) -> Result<Receipt, Failure> {
        let mut body = body(&desired.attributes);
        body["login"] = json!(desired.username);
        body["active"] = json!(desired.status == Status::Active);
        let response = context.post(users(context)?).json(&body).send()?;
        if response.status == 409 {
            // Say who is in the way, so that an administrator can link instead.
            let email = desired.attributes.get("email").and_then(|values| values.first());
            let found = email.map(|email| Self::find(context, "email", &email.text)).transpose()?.unwrap_or_default();
            return Err(Failure::Conflict(found.into_iter().next().map(|account| account.external_id)));
        }
        Ok(Receipt::applied(account(&response.ok()?.json()?)?))
    }

    fn update(context: &Context<'_>, target: Target<'_>, changes: &Attributes) -> Result<Receipt, Failure> {
        patch(context, target.external_id, &body(changes))
    }

    fn set_status(context: &Context<'_>, target: Target<'_>, status: Status) -> Result<Receipt, Failure> {
        patch(context, target.external_id, &json!({ "active": status == Status::Active }))
    }

    fn remove(context: &Context<'_>, target: Target<'_>) -> Result<Receipt, Failure> {
        match context.delete(user(context, target.external_id)?).send()?.of_account() {
            Ok(_) => Ok(Receipt::removed(Effect::Applied)),
            Err(Failure::NotFound) => Ok(Receipt::removed(Effect::AlreadyApplied)),
            Err(failure) => Err(failure),
        }
    }
}

fn users(context: &Context<'_>) -> Result<Url, Failure> {
    Ok(context.settings().url("base_url")?.segment("users"))
}

fn user(context: &Context<'_>, id: &str) -> Result<Url, Failure> {
    Ok(users(context)?.segment(id))
}

fn patch(context: &Context<'_>, id: &str, body: &Json) -> Result<Receipt, Failure> {
    let response = context.patch(user(context, id)?).json(body).send()?.of_account()?;
    Ok(Receipt::applied(account(&response.json()?)?))
}

/// A user of the service as an account. What is listed without values is known to be empty.
fn account(user: &Json) -> Result<Account, Failure> {
    let text = |name: &str| user[name].as_str().filter(|text| !text.is_empty());
    let values = |name: &str| (name.to_owned(), text(name).map(Value::text).into_iter().collect());
    Ok(Account {
        external_id: text("id").ok_or_else(|| Failure::rejected("a user without id"))?.to_owned(),
        username: text("login").unwrap_or_default().to_owned(),
        status: if user["active"] == json!(false) { Status::Deactivated } else { Status::Active },
        attributes: ["email", "name"].into_iter().map(values).collect(),
        revision: None,
    })
}

/// Attributes as the service takes them; what has no values is cleared.
fn body(attributes: &Attributes) -> Json {
    let member = |(name, values): (&String, &Vec<Value>)| (name.clone(), json!(values.first().map(|v| &v.text)));
    Json::Object(attributes.iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_connector::testing::{FakeTransport, context, empty, reply};
    use gatehouse_connector::{Action, Command, Next};

    fn base_url() -> [(&'static str, Json); 1] {
        [("base_url", json!("https://api.example/v1"))]
    }

    fn ada() -> Json {
        json!({ "id": "1", "login": "ada", "email": "ada@example.org", "name": "Ada Lovelace", "active": true })
    }

    #[test]
    fn users_are_collected_until_a_page_is_empty() {
        let pages = [json!({ "users": [ada()] }), json!({ "users": [] })];
        let transport = FakeTransport::scripted(pages.map(|page| reply(200, &page)));
        let context = context(&transport, base_url());
        let first = App::collect(&context, &Query { limit: 100, ..Query::default() }).unwrap();
        assert_eq!(first.accounts[0].first("email"), Some("ada@example.org"));
        let Next::More(cursor) = first.next else { panic!("there is more") };
        let last = App::collect(&context, &Query { cursor: Some(cursor), limit: 100, ..Query::default() }).unwrap();
        assert_eq!(last.next, Next::Complete);
        assert_eq!(transport.lines()[1], "GET /v1/users?page=2&per_page=100");
    }

    #[test]
    fn a_user_in_the_way_is_named() {
        let transport = FakeTransport::scripted([empty(409), reply(200, &json!({ "users": [ada()] }))]);
        let attributes = [("email".to_owned(), vec!["ada@example.org".into()])].into();
        let desired = Desired { username: "ada".to_owned(), attributes, status: Status::Active };
        let failure = App::create(&context(&transport, base_url()), &desired, "key").unwrap_err();
        assert_eq!(failure, Failure::Conflict(Some("1".to_owned())));
    }

    #[test]
    fn an_update_sends_what_changes_and_clears_what_is_empty() {
        let transport = FakeTransport::scripted([reply(200, &ada())]);
        let changes = [("email".to_owned(), vec!["new@example.org".into()]), ("name".to_owned(), Vec::new())];
        let command = Command {
            idempotency_key: "key".to_owned(),
            external_id: Some("1".to_owned()),
            expected_revision: None,
            action: Action::Update(changes.into()),
        };
        App::commit(&context(&transport, base_url()), &command).unwrap();
        assert_eq!(transport.lines(), ["PATCH /v1/users/1"]);
        assert_eq!(transport.requests()[0].json(), json!({ "email": "new@example.org", "name": null }));
    }

    #[test]
    fn a_user_who_is_not_there_is_not_found_and_removing_one_is_done_already() {
        let transport = FakeTransport::scripted([empty(404), empty(404)]);
        let context = context(&transport, base_url());
        assert_eq!(App::read(&context, "1"), Err(Failure::NotFound));
        let target = Target { idempotency_key: "key", external_id: "1", expected_revision: None };
        assert_eq!(App::remove(&context, target).unwrap(), Receipt::removed(Effect::AlreadyApplied));
    }
}

//! Trying expressions on some users before a configuration is kept: what fails for one of them is a problem of the
//! configuration, told with the user, rather than one of the night in which that user changes.

use super::Source;
use crate::problem::Problem;
use crate::{Expression, ExpressionError, Facts, ProvisioningConfig, User, UserId};
use gatehouse_schema::{Account as RemoteAccount, Attributes, Status};
use jiff::Timestamp;

/// On how many users of the directory expressions are tried.
pub const MAX_SAMPLES: usize = 19;

/// A user of whom nothing is known but a username: what every expression must be able to take.
pub fn blank_user() -> User {
    User {
        id: UserId(0),
        username: "new.user".to_owned(),
        email: None,
        first_name: None,
        last_name: None,
        manager: None,
        manager_username: None,
        erased_at: None,
        profile: None,
        permission_sets: Default::default(),
        active: true,
        frozen: false,
        attributes: Default::default(),
        version: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn blank_account() -> RemoteAccount {
    RemoteAccount {
        external_id: "1".to_owned(),
        username: "new.account".to_owned(),
        status: Status::Active,
        attributes: Attributes::new(),
        revision: None,
    }
}

/// Tries the expressions of a configuration on these users and accounts, and on blank ones. `named`: for whom one fails,
/// and at what, is told; else only that it does, since an expression can ask for every attribute. Those that stand in
/// `before` as well have been tried, and are not held against a change of something else.
pub fn try_config(
    config: &ProvisioningConfig,
    before: Option<&ProvisioningConfig>,
    users: &[User],
    accounts: &[RemoteAccount],
    named: bool,
) -> Vec<Problem> {
    let kept: Vec<&Expression> = before.map(|before| expressions(before).map(|(_, e)| e).collect()).unwrap_or_default();
    let (blank_user, blank_account) = (blank_user(), blank_account());
    let users: Vec<&User> = std::iter::once(&blank_user).chain(users).collect();
    let accounts: Vec<&RemoteAccount> = std::iter::once(&blank_account).chain(accounts).collect();
    // What is wrong whoever it is for has been told.
    let sound = |place: &Place, expression: &Expression| {
        let lost = expression.names_account().is_some() && !matches!(place, Place::Condition(_));
        expression.problem().is_none() && !lost
    };
    let new = expressions(config).filter(|(place, e)| !kept.contains(e) && sound(place, e));
    new.filter_map(|(place, expression)| {
        let failure = match place {
            Place::Mapping(_) => first(&users, named, |user| expression.texts(&Facts::of(user)).map(drop)),
            Place::Scope => first(&users, named, |user| expression.holds(&Facts::of(user)).map(drop)),
            Place::Condition(_) => accounts.iter().find_map(|account| {
                first(&users, named, |user| expression.holds(&Facts::of_pair(user, account)).map(drop))
            }),
        };
        failure.map(|why| Problem::new(place.to_string(), why))
    })
    .collect()
}

/// What it fails with for the first user for whom it fails.
fn first(users: &[&User], named: bool, evaluate: impl Fn(&User) -> Result<(), ExpressionError>) -> Option<String> {
    users.iter().find_map(|user| {
        let error = evaluate(user).err()?;
        let whom = match user.id {
            UserId(0) => "a user with nothing but a username".to_owned(),
            id if named => format!("user `{}` ({id})", user.username),
            _ => return Some("fails for a user whom you may not see; whoever manages users is told which".to_owned()),
        };
        Some(format!("fails for {whom}: {error}"))
    })
}

/// Where an expression stands.
enum Place {
    Mapping(usize),
    Scope,
    Condition(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mapping(no) => write!(f, "mapping[{no}].expression"),
            Self::Scope => f.write_str("scope"),
            Self::Condition(no) => write!(f, "linking[{no}].condition"),
        }
    }
}

fn expressions(config: &ProvisioningConfig) -> impl Iterator<Item = (Place, &Expression)> {
    let mapping = config.mapping.iter().enumerate().filter_map(|(no, rule)| match &rule.value {
        Source::Expression(expression) => Some((Place::Mapping(no), expression)),
        Source::Template(_) => None,
    });
    let conditions = config
        .linking
        .iter()
        .enumerate()
        .filter_map(|(no, rule)| Some((Place::Condition(no), rule.condition.as_ref()?)));
    let scope = config.scope.as_ref().map(|scope| (Place::Scope, scope));
    mapping.chain(conditions).chain(scope)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ada, cel};
    use super::*;
    use crate::linking::{LinkRule, Normalisation};

    fn check(config: &ProvisioningConfig, before: Option<&ProvisioningConfig>, expected: &[&str]) {
        let found: Vec<String> =
            try_config(config, before, &[ada()], &[], true).iter().map(Problem::to_string).collect();
        assert_eq!(found, expected);
    }

    fn condition(text: &str) -> LinkRule {
        LinkRule {
            account_attribute: "username".to_owned(),
            user_attribute: "username".to_owned(),
            normalise: Normalisation::default(),
            condition: Some(Expression::new(text)),
        }
    }

    #[test]
    fn an_expression_that_fails_for_somebody_is_a_problem_of_the_configuration() {
        let config = ProvisioningConfig {
            mapping: vec![
                cel("a", "user.first_name + '.'"),
                cel("b", "user.attributes.role[1]"),
                cel("c", "int(user.email)"),
            ],
            linking: vec![condition("account.username == user.username"), condition("account.attributes.x[0] == 'y'")],
            scope: Some(Expression::new("user.profile")),
            ..ProvisioningConfig::default()
        };
        let blank = "fails for a user with nothing but a username: line 1, column";
        check(
            &config,
            None,
            &[
                &format!(
                    "mapping[1].expression: {blank} 21: the list has no element 1; `first()` gives null where there is none"
                ),
                "mapping[2].expression: fails for user `Ada` (USR-000007): line 1, column 4: `int`: the text is not a whole number",
                &format!(
                    "linking[1].condition: {blank} 21: the list has no element 0; `first()` gives null where there is none"
                ),
                &format!("scope: {blank} 5: it gives null, and must give true or false"),
            ],
        );
        check(&config, Some(&config), &[]);
        let other = ProvisioningConfig { scope: Some(Expression::new("size(user.attributes.x)")), ..config.clone() };
        check(&other, Some(&config), &[&format!("scope: {blank} 5: it gives a number, and must give true or false")]);
    }
}

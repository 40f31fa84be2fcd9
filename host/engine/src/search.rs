//! Looks for one user in the target, for somebody who asks what provisioning them would come to: by the linking rules,
//! as far as the connector can search for what they compare. Whose an account is, is for the core to say.

use crate::loading::{NotReady, Surroundings};
use crate::noted::Notes;
use crate::shell::Shell;
use gatehouse_core::ports::StoreError;
use gatehouse_core::provision::{Matched, Sighting, is_match, searches};
use gatehouse_core::{App, Interface, User};

/// Searches the target. What stands in the way of that is an answer, not an error.
pub(crate) async fn search(shell: &Shell, app: &App, user: &User) -> Result<Matched, StoreError> {
    if app.paused {
        return Ok(Matched::NotAsked("the app is paused, and nothing is called".to_owned()));
    }
    let around = match Surroundings::of(shell, app.clone(), None).await {
        Ok(around) => around,
        Err(NotReady::Missing(failure)) => return Ok(Matched::NotAsked(failure.to_string())),
        Err(NotReady::Store(error)) => return Err(error),
    };
    let asked = searches(app, user, &around.connector.description, &around.schema);
    if asked.is_empty() || !around.has(Interface::Collector) {
        let why = "no linking rule compares anything of the user's that the connector can search for";
        return Ok(Matched::NotAsked(why.to_owned()));
    }
    let mut notes = Notes::default();
    let matched = ask(shell, &around, user, asked, &mut notes).await;
    shell.store.commit(notes.into_changes(None)).await?;
    Ok(matched)
}

/// Makes the calls. What they leave is written down when all have been made.
async fn ask(
    shell: &Shell,
    around: &Surroundings,
    user: &User,
    asked: Vec<(usize, String, String)>,
    notes: &mut Notes,
) -> Matched {
    let mut found: Vec<Sighting> = Vec::new();
    for (rule, attribute, value) in asked {
        // A weaker rule is only asked where the stronger ones find nobody.
        if found.first().is_some_and(|first| first.rule < rule) {
            break;
        }
        let call = shell.connectors.find(&around.context, &attribute, &value);
        let report = around.call("find", 0, &[], call).await;
        notes.append(Notes::of(&around.caller(None), "find", &report, shell.now()));
        let accounts = match report.result {
            Ok(accounts) => accounts,
            Err(failure) => return Matched::NotAsked(failure.to_string()),
        };
        for account in accounts {
            let new = !found.iter().any(|seen| seen.account.external_id == account.external_id);
            if new && is_match(&around.app, rule, user, &account) {
                found.push(Sighting { rule, account: around.narrowed(account) });
            }
        }
    }
    Matched::Found(found)
}

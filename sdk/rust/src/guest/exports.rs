//! The exported interfaces, each a conversion round one function of the connector.

use super::bindings::exports::gatehouse::connector as wit;
use super::bindings::gatehouse::connector as host;
use super::convert::{from_account, from_attributes, from_status, into_account, into_failure};
use super::wasi_http::WasiHttp;
use crate::{
    Action, Command, Connector, Context, Desired, Effect, Journal, Judgement, Level, Line, Query, Settings, Sink,
};
use std::marker::PhantomData;

/// A connector as the component exports it.
pub struct Exported<C>(PhantomData<C>);

struct HostJournal;

impl Sink for HostJournal {
    fn write(&self, line: Line) {
        match line {
            Line::Text { level, message, fields } => {
                let level = match level {
                    Level::Debug => host::journal::Level::Debug,
                    Level::Info => host::journal::Level::Info,
                    Level::Warn => host::journal::Level::Warn,
                    Level::Error => host::journal::Level::Error,
                };
                host::journal::log(level, &message, &fields);
            }
            Line::Progress { done, total } => host::journal::progress(done, total),
        }
    }
}

fn context() -> Context<'static> {
    Context::new(Settings::new(host::settings::get), &WasiHttp, Journal::new(&HostJournal))
}

impl<C: Connector> wit::descriptor::Guest for Exported<C> {
    fn describe() -> wit::descriptor::Description {
        super::describe::into_description(C::describe())
    }
}

impl<C: Connector> wit::probe::Guest for Exported<C> {
    fn check() -> Result<Vec<wit::probe::Finding>, host::types::Failure> {
        let findings = C::check(&context()).map_err(into_failure)?;
        Ok(findings.into_iter().map(|f| wit::probe::Finding { name: f.name, detail: f.detail }).collect())
    }
}

impl<C: Connector> wit::collector::Guest for Exported<C> {
    fn collect(
        filter: Option<String>,
        cursor: Option<String>,
        attributes: Vec<String>,
        limit: u32,
    ) -> Result<wit::collector::Page, host::types::Failure> {
        let query = Query { filter, cursor, attributes, limit };
        let page = C::collect(&context(), &query).map_err(into_failure)?;
        Ok(wit::collector::Page {
            accounts: page.accounts.into_iter().map(into_account).collect(),
            faults: page
                .faults
                .into_iter()
                .map(|fault| wit::collector::Fault { external_id: fault.external_id, why: fault.why })
                .collect(),
            estimate: page.estimate,
            next: match page.next {
                crate::Next::More(cursor) => wit::collector::Next::More(cursor),
                crate::Next::Complete => wit::collector::Next::Complete,
                crate::Next::Partial(why) => wit::collector::Next::Partial(why),
            },
        })
    }

    fn read(external_id: String) -> Result<host::types::Account, host::types::Failure> {
        C::read(&context(), &external_id).map(into_account).map_err(into_failure)
    }

    fn find(attribute: String, value: String) -> Result<Vec<host::types::Account>, host::types::Failure> {
        let found = C::find(&context(), &attribute, &value).map_err(into_failure)?;
        Ok(found.into_iter().map(into_account).collect())
    }
}

impl<C: Connector> wit::analyzer::Guest for Exported<C> {
    fn analyze(batch: Vec<wit::analyzer::Item>) -> Vec<wit::analyzer::Verdict> {
        let batch: Vec<crate::Item> = batch
            .into_iter()
            .map(|item| crate::Item {
                account: from_account(item.account),
                user: item.user,
                desired: from_attributes(item.desired),
            })
            .collect();
        let verdicts = C::analyze(&batch).into_iter().map(|verdict| wit::analyzer::Verdict {
            judgement: match verdict.judgement {
                Judgement::Same => wit::analyzer::Judgement::Same,
                Judgement::Doubt(why) => wit::analyzer::Judgement::Doubt(why),
                Judgement::Ignore(why) => wit::analyzer::Judgement::Ignore(why),
            },
            drift: verdict.drift,
        });
        verdicts.collect()
    }
}

impl<C: Connector> wit::committer::Guest for Exported<C> {
    fn commit(command: wit::committer::Command) -> Result<wit::committer::Receipt, host::types::Failure> {
        let action = match command.action {
            wit::committer::Action::Create(desired) => Action::Create(Desired {
                username: desired.username,
                attributes: from_attributes(desired.attributes),
                status: from_status(desired.status),
            }),
            wit::committer::Action::Update(changes) => Action::Update(from_attributes(changes)),
            wit::committer::Action::SetStatus(status) => Action::SetStatus(from_status(status)),
            wit::committer::Action::Remove => Action::Remove,
        };
        let command = Command {
            idempotency_key: command.idempotency_key,
            external_id: command.external_id,
            expected_revision: command.expected_revision,
            action,
        };
        let receipt = C::commit(&context(), &command).map_err(into_failure)?;
        Ok(wit::committer::Receipt {
            account: receipt.account.map(into_account),
            effect: match receipt.effect {
                Effect::Applied => wit::committer::Effect::Applied,
                Effect::AlreadyApplied => wit::committer::Effect::AlreadyApplied,
            },
        })
    }
}

//! What came back of a call, made fit to be read: the values of sensitive attributes are hidden in every text that a
//! connector wrote, before any of them reaches a log, a trace, the audit trail or a request's error.

use gatehouse_core::Masks;
use gatehouse_core::ports::{AccountPage, Call, CallReport, Finding, Judgement, Receipt, RowVerdict};
use gatehouse_core::schema::{Account, Attributes, Schema};

/// An answer of a connector.
pub(crate) trait Told {
    /// The attributes in it.
    fn attributes(&self) -> Vec<&Attributes>;

    /// Hides values in the texts that people get to read of it.
    fn hide(&mut self, _: &Masks) {}
}

impl Told for Account {
    fn attributes(&self) -> Vec<&Attributes> {
        vec![&self.attributes]
    }
}

impl Told for Vec<Account> {
    fn attributes(&self) -> Vec<&Attributes> {
        self.iter().map(|account| &account.attributes).collect()
    }
}

impl Told for AccountPage {
    fn attributes(&self) -> Vec<&Attributes> {
        self.accounts.iter().map(|account| &account.attributes).collect()
    }

    fn hide(&mut self, masks: &Masks) {
        self.faults.iter_mut().for_each(|fault| masks.hide_in(&mut fault.why));
    }
}

impl Told for Receipt {
    fn attributes(&self) -> Vec<&Attributes> {
        self.account.iter().map(|account| &account.attributes).collect()
    }
}

impl Told for Vec<RowVerdict> {
    fn attributes(&self) -> Vec<&Attributes> {
        Vec::new()
    }

    fn hide(&mut self, masks: &Masks) {
        for verdict in self {
            match &mut verdict.judgement {
                Judgement::Doubt(why) | Judgement::Ignore(why) => masks.hide_in(why),
                Judgement::Same => {}
            }
        }
    }
}

impl Told for Vec<Finding> {
    fn attributes(&self) -> Vec<&Attributes> {
        Vec::new()
    }
}

/// Hides what the call was given and what it gave, wherever the connector speaks in its own words.
pub(crate) fn hide<T: Told>(report: &mut CallReport<T>, schema: &Schema, given: &[&Attributes]) {
    if !schema.iter().any(|definition| definition.sensitive) {
        return;
    }
    let gave = report.result.as_ref().map(Told::attributes).unwrap_or_default();
    let masks = Masks::of(schema, given.iter().copied().chain(gave));
    if masks.is_empty() {
        return;
    }
    match &mut report.result {
        Ok(told) => told.hide(&masks),
        Err(failure) => masks.hide_in(&mut failure.message),
    }
    hide_in_call(&mut report.call, &masks);
}

fn hide_in_call(call: &mut Call, masks: &Masks) {
    for line in &mut call.journal {
        masks.hide_in(&mut line.message);
        for (name, value) in &mut line.fields {
            masks.hide_in(name);
            masks.hide_in(value);
        }
    }
    for denial in &mut call.denials {
        masks.hide_in(&mut denial.url);
        masks.hide_in(&mut denial.detail);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_core::ports::{Denial, JournalLine};
    use gatehouse_core::schema::{AttributeDefinition, Value};
    use gatehouse_core::{CallFailure, FailureKind, Level};

    fn schema() -> Schema {
        Schema::new([AttributeDefinition::text("pin", "").sensitive(), AttributeDefinition::text("title", "")]).unwrap()
    }

    fn attributes(pin: &str) -> Attributes {
        [("pin".to_owned(), vec![Value::text(pin)]), ("title".to_owned(), vec![Value::text("engineer")])].into()
    }

    fn talkative<T>(result: Result<T, CallFailure>) -> CallReport<T> {
        let text = || "engineer with given-pin and gave-pin".to_owned();
        let line = JournalLine { level: Level::Info, message: text(), fields: vec![("given-pin".into(), text())] };
        let denial = Denial { rule: "header".into(), method: "GET".into(), url: text(), detail: text() };
        CallReport { result, call: Call { journal: vec![line], denials: vec![denial], ..Call::default() } }
    }

    #[test]
    fn what_a_call_was_given_and_what_it_gave_is_hidden_in_its_words() {
        let account = Account { attributes: attributes("gave-pin"), ..Account::default() };
        let mut report = talkative(Ok(account.clone()));
        hide(&mut report, &schema(), &[&attributes("given-pin")]);
        let hidden = "engineer with (masked) and (masked)";
        let line = &report.call.journal[0];
        assert_eq!((line.message.as_str(), &line.fields[0]), (hidden, &("(masked)".to_owned(), hidden.to_owned())));
        assert_eq!((report.call.denials[0].url.as_str(), report.call.denials[0].detail.as_str()), (hidden, hidden));
        assert_eq!(report.result, Ok(account), "the answer itself is what the host works with");
    }

    #[test]
    fn a_failure_does_not_repeat_what_the_call_was_given() {
        let failure = CallFailure::new(FailureKind::Invalid, "pin given-pin is too short");
        let mut report = talkative::<Receipt>(Err(failure));
        hide(&mut report, &schema(), &[&attributes("given-pin")]);
        assert_eq!(report.result.unwrap_err().message, "pin (masked) is too short");
    }

    #[test]
    fn a_verdict_and_a_fault_do_not_either() {
        let doubt = RowVerdict { judgement: Judgement::Doubt("pin given-pin".into()), drift: Vec::new() };
        let mut report = talkative(Ok(vec![doubt]));
        hide(&mut report, &schema(), &[&attributes("given-pin")]);
        assert_eq!(report.result.unwrap()[0].judgement, Judgement::Doubt("pin (masked)".into()));
    }

    #[test]
    fn without_sensitive_attributes_nothing_is_hidden() {
        let plain = Schema::new([AttributeDefinition::text("pin", "")]).unwrap();
        let mut report = talkative(Ok(Vec::<Account>::new()));
        hide(&mut report, &plain, &[&attributes("given-pin")]);
        assert_eq!(report.call.journal[0].message, "engineer with given-pin and gave-pin");
    }
}

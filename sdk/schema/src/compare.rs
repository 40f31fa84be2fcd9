//! When values are the same, and which attributes differ: the standard analysis of host and connectors. It never
//! says that two values differ because of their order, their spelling, or what was not returned.

use crate::{AttributeDefinition, Attributes, Mutability, Schema, Value, canonical_text};

/// Names of the attributes whose wanted values differ from those an account has, in order.
///
/// An attribute that the account does not list was not returned, and does not differ. One that the schema does not
/// know, or that can only be read or only be written, is not compared. An immutable one is: the difference is worth
/// knowing even though no update will remove it.
pub fn drift(schema: &Schema, wanted: &Attributes, has: &Attributes) -> Vec<String> {
    wanted
        .iter()
        .filter_map(|(name, wanted)| {
            let definition = schema.get(name)?;
            let comparable = matches!(definition.mutability, Mutability::ReadWrite | Mutability::Immutable);
            let has = has.get(name)?;
            (comparable && !same_values(definition, wanted, has)).then(|| name.clone())
        })
        .collect()
}

/// Whether two lists of values mean the same: as sets, after canonicalisation, with labels told apart where both
/// sides give one, and the preference only where the wanted side states one. Empty texts count as absent, since
/// targets differ in whether they return an empty attribute.
pub fn same_values(definition: &AttributeDefinition, wanted: &[Value], has: &[Value]) -> bool {
    // What is written in the same way means the same. It is the usual case, and needs no spelling to be worked out.
    if wanted == has {
        return true;
    }
    let wanted = comparable(definition, wanted);
    let has = comparable(definition, has);
    if !definition.multi_valued {
        return wanted.first().map(|v| &v.text) == has.first().map(|v| &v.text);
    }
    let covers = |some: &[Value], others: &[Value]| some.iter().all(|v| others.iter().any(|o| alike(v, o)));
    let primary_kept = wanted.iter().filter(|v| v.primary).all(|v| has.iter().any(|o| o.primary && alike(v, o)));
    wanted.len() == has.len() && covers(&wanted, &has) && covers(&has, &wanted) && primary_kept
}

fn alike(one: &Value, other: &Value) -> bool {
    one.text == other.text && (one.kind.is_none() || other.kind.is_none() || one.kind == other.kind)
}

/// The values in the spelling in which they are compared: canonical, in small letters unless case matters, without
/// empty ones and without repetitions.
fn comparable(definition: &AttributeDefinition, values: &[Value]) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::with_capacity(values.len());
    for value in values {
        let text = canonical_text(definition.kind, &value.text).unwrap_or_else(|_| value.text.trim().to_owned());
        if text.is_empty() {
            continue;
        }
        let text = if definition.case_exact { text } else { text.to_lowercase() };
        let kind = value.kind.as_ref().map(|kind| kind.to_lowercase());
        let value = Value { text, kind, primary: value.primary };
        match seen.iter_mut().find(|other| other.text == value.text && other.kind == value.kind) {
            Some(other) => other.primary |= value.primary,
            None => seen.push(value),
        }
    }
    seen
}

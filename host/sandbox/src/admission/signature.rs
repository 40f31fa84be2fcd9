//! What a component exports, compared with `wit/connector.wit` function by function, type by type. A difference is
//! told in WIT, as wanted and as found.

use super::refusal;
use crate::journal::cut;
use gatehouse_core::Interface;
use gatehouse_core::ports::AdmissionError;
use std::cell::Cell;
use std::collections::BTreeSet;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Function, InterfaceId, Resolve, Type, TypeDefKind, WorldItem};

const CONNECTOR_WIT: &str = include_str!("../../../../wit/connector.wit");
/// The most of its exports that a refusal lists, in bytes.
const MOST_SHOWN: usize = 1_000;
const PACKAGE: &str = "gatehouse:connector/";
const VERSION: &str = "@0.1.0";

const INTERFACES: [(Interface, &str); 5] = [
    (Interface::Descriptor, "descriptor"),
    (Interface::Probe, "probe"),
    (Interface::Collector, "collector"),
    (Interface::Analyzer, "analyzer"),
    (Interface::Committer, "committer"),
];

/// The interfaces of ours that a valid component exports, each as it should be.
pub(super) fn check_exports(bytes: &[u8]) -> Result<BTreeSet<Interface>, AdmissionError> {
    let exports = found_exports(bytes)?;
    let wanted = wanted()?;
    if !exports.names.iter().any(|name| name.starts_with(PACKAGE)) {
        return Err(wrong_world(&exports.names, "none of them belongs to gatehouse:connector"));
    }
    let mut interfaces = BTreeSet::new();
    for (interface, name) in INTERFACES {
        let full = format!("{PACKAGE}{name}{VERSION}");
        let Some((_, found)) = exports.interfaces.iter().find(|(export, _)| *export == full) else { continue };
        let wanted_id = wanted.find(name).ok_or_else(|| refusal("invalid", "wit/connector.wit lacks an interface"))?;
        check_interface(&full, &wanted.resolve, wanted_id, &exports.resolve, *found)?;
        interfaces.insert(interface);
    }
    let other = |name: &&String| name.starts_with(PACKAGE) && !name.ends_with(VERSION);
    if interfaces.is_empty() && exports.names.iter().any(|name| other(&name)) {
        return Err(wrong_world(&exports.names, "this host speaks gatehouse:connector@0.1.0"));
    }
    if !interfaces.contains(&Interface::Descriptor) {
        let text = format!(
            "the component does not export `{PACKAGE}descriptor{VERSION}`, which every connector has; it exports {}",
            listed(&exports.names)
        );
        return Err(refusal("missing-export", text));
    }
    Ok(interfaces)
}

fn wrong_world(names: &[String], why: &str) -> AdmissionError {
    let text = format!("this is a component of another world: it exports {}, and {why}", listed(names));
    refusal("wrong-world", text)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", cut(&names.join("`, `"), MOST_SHOWN)) }
}

/// WIT as read: interfaces and the world they stand in.
struct Wanted {
    resolve: Resolve,
}

impl Wanted {
    fn find(&self, name: &str) -> Option<InterfaceId> {
        self.resolve.interfaces.iter().find(|(_, one)| one.name.as_deref() == Some(name)).map(|(id, _)| id)
    }
}

fn wanted() -> Result<Wanted, AdmissionError> {
    let mut resolve = Resolve::default();
    let pushed = resolve.push_source("connector.wit", CONNECTOR_WIT);
    pushed.map_err(|error| refusal("invalid", format!("wit/connector.wit cannot be read: {error:#}")))?;
    Ok(Wanted { resolve })
}

struct Exports {
    resolve: Resolve,
    names: Vec<String>,
    interfaces: Vec<(String, InterfaceId)>,
}

fn found_exports(bytes: &[u8]) -> Result<Exports, AdmissionError> {
    let (resolve, world) = match decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => {
            return Err(refusal("wrong-world", "this is an encoded WIT package: it describes components and is none"));
        }
        Err(error) => {
            return Err(refusal("invalid", format!("the types of the component cannot be read: {error:#}")));
        }
    };
    let (mut names, mut interfaces) = (Vec::new(), Vec::new());
    for (key, item) in &resolve.worlds[world].exports {
        let name = match (key, item) {
            (wit_parser::WorldKey::Name(name), _) => name.clone(),
            (wit_parser::WorldKey::Interface(id), _) => resolve.id_of(*id).unwrap_or_default(),
        };
        if let WorldItem::Interface { id, .. } = item {
            interfaces.push((name.clone(), *id));
        }
        names.push(name);
    }
    Ok(Exports { resolve, names, interfaces })
}

fn check_interface(
    full: &str,
    wanted: &Resolve,
    wanted_id: InterfaceId,
    found: &Resolve,
    found_id: InterfaceId,
) -> Result<(), AdmissionError> {
    for (name, want) in &wanted.interfaces[wanted_id].functions {
        let Some(have) = found.interfaces[found_id].functions.get(name) else {
            let text = format!("`{full}` lacks the function `{name}`; wanted: {}", show_function(wanted, want));
            return Err(refusal("missing-export", text));
        };
        let Some(inner) = function_difference(wanted, want, found, have) else { continue };
        let mut text = format!(
            "`{full}` exports `{name}` with another type; wanted: {}; found: {}",
            show_function(wanted, want),
            show_function(found, have)
        );
        if let Some((want, have)) = inner {
            text.push_str(&format!("; they differ in: wanted {want}, found {have}"));
        }
        return Err(refusal("export-type", text));
    }
    Ok(())
}

/// The innermost named types that differ, in WIT; none if the difference is in the function itself.
type Inner = Option<(String, String)>;

fn function_difference(wanted: &Resolve, want: &Function, found: &Resolve, have: &Function) -> Option<Inner> {
    let names = |function: &Function| -> Vec<String> { function.params.iter().map(|p| p.name.clone()).collect() };
    if want.kind != have.kind || names(want) != names(have) {
        return Some(None);
    }
    let params = want.params.iter().map(|p| Some(&p.ty)).zip(have.params.iter().map(|p| Some(&p.ty)));
    let mut types = params.chain([(want.result.as_ref(), have.result.as_ref())]);
    types.find_map(|(want, have)| optional_difference(wanted, want, found, have))
}

fn optional_difference(wanted: &Resolve, want: Option<&Type>, found: &Resolve, have: Option<&Type>) -> Option<Inner> {
    match (want, have) {
        (None, None) => None,
        (Some(want), Some(have)) => difference(wanted, want, found, have),
        _ => Some(None),
    }
}

fn difference(wanted: &Resolve, want: &Type, found: &Resolve, have: &Type) -> Option<Inner> {
    let (want, have) = (resolved(wanted, want), resolved(found, have));
    let (Type::Id(want_id), Type::Id(have_id)) = (want, have) else {
        return (want != have).then_some(None);
    };
    let (want_kind, have_kind) = (&wanted.types[want_id].kind, &found.types[have_id].kind);
    let parts = match (shape(want_kind), shape(have_kind)) {
        (Some((want_shape, want_parts)), Some((have_shape, have_parts))) if want_shape == have_shape => {
            want_parts.into_iter().zip(have_parts)
        }
        _ => return Some(named_pair(wanted, want, found, have)),
    };
    let mut inner = parts.filter_map(|(want, have)| optional_difference(wanted, want.as_ref(), found, have.as_ref()));
    inner.next().map(|inner| inner.or_else(|| named_pair(wanted, want, found, have)))
}

/// A type without the aliases in front of it.
fn resolved(resolve: &Resolve, of: &Type) -> Type {
    let mut of = *of;
    while let Type::Id(id) = of
        && let TypeDefKind::Type(inner) = &resolve.types[id].kind
    {
        of = *inner;
    }
    of
}

/// What must be equal of two types as it stands, and the types within that must be equal in turn. None for kinds that
/// occur nowhere in our WIT.
fn shape(kind: &TypeDefKind) -> Option<(String, Vec<Option<Type>>)> {
    let of = |names: Vec<&str>, kind: &str| format!("{kind} {}", names.join(" "));
    Some(match kind {
        TypeDefKind::Record(record) => {
            let names = record.fields.iter().map(|field| field.name.as_str()).collect();
            (of(names, "record"), record.fields.iter().map(|field| Some(field.ty)).collect())
        }
        TypeDefKind::Variant(variant) => {
            let names = variant.cases.iter().map(|case| case.name.as_str()).collect();
            (of(names, "variant"), variant.cases.iter().map(|case| case.ty).collect())
        }
        TypeDefKind::Enum(cases) => (of(cases.cases.iter().map(|c| c.name.as_str()).collect(), "enum"), Vec::new()),
        TypeDefKind::Tuple(tuple) => {
            (format!("tuple {}", tuple.types.len()), tuple.types.iter().copied().map(Some).collect())
        }
        TypeDefKind::Option(inner) => ("option".to_owned(), vec![Some(*inner)]),
        TypeDefKind::List(inner) => ("list".to_owned(), vec![Some(*inner)]),
        TypeDefKind::Result(result) => ("result".to_owned(), vec![result.ok, result.err]),
        _ => return None,
    })
}

fn named_pair(wanted: &Resolve, want: Type, found: &Resolve, have: Type) -> Inner {
    let named = |resolve: &Resolve, of: Type| matches!(of, Type::Id(id) if resolve.types[id].name.is_some());
    let either = named(wanted, want) || named(found, have);
    either.then(|| (show_definition(wanted, want), show_definition(found, have)))
}

fn show_function(resolve: &Resolve, function: &Function) -> String {
    Printer::new(resolve).function(function)
}

/// A named type with its definition.
fn show_definition(resolve: &Resolve, of: Type) -> String {
    Printer::new(resolve).definition(of)
}

/// Writes WIT, and `…` where it gets long: a type of few bytes can stand for a text of gigabytes.
struct Printer<'a> {
    resolve: &'a Resolve,
    /// So many more types are written out.
    room: Cell<u32>,
}

impl<'a> Printer<'a> {
    fn new(resolve: &'a Resolve) -> Self {
        Self { resolve, room: Cell::new(100) }
    }

    fn function(&self, function: &Function) -> String {
        let params: Vec<_> = function.params.iter().map(|p| format!("{}: {}", p.name, self.show(&p.ty))).collect();
        let result = function.result.as_ref().map_or_else(String::new, |ty| format!(" -> {}", self.show(ty)));
        format!("`{}: func({}){result}`", function.name, params.join(", "))
    }

    fn definition(&self, of: Type) -> String {
        let Type::Id(id) = of else { return format!("`{}`", self.show(&of)) };
        let definition = &self.resolve.types[id];
        let kind = self.kind(&definition.kind);
        match (&definition.name, kind.split_once(' ')) {
            (Some(name), Some((keyword, body))) if body.starts_with('{') => format!("`{keyword} {name} {body}`"),
            (Some(name), _) => format!("`type {name} = {kind}`"),
            (None, _) => format!("`{kind}`"),
        }
    }

    /// A type as it stands in a signature: by name if it has one.
    fn show(&self, of: &Type) -> String {
        let Type::Id(id) = of else { return format!("{of:?}").to_lowercase() };
        let Some(room) = self.room.get().checked_sub(1) else { return "…".to_owned() };
        self.room.set(room);
        let definition = &self.resolve.types[*id];
        definition.name.clone().unwrap_or_else(|| self.kind(&definition.kind))
    }

    fn kind(&self, kind: &TypeDefKind) -> String {
        let all = |types: &[Type]| types.iter().map(|ty| self.show(ty)).collect::<Vec<_>>().join(", ");
        let or_none = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| self.show(ty));
        match kind {
            TypeDefKind::Record(record) => {
                let fields: Vec<_> =
                    record.fields.iter().map(|f| format!("{}: {}", f.name, self.show(&f.ty))).collect();
                format!("record {{ {} }}", fields.join(", "))
            }
            TypeDefKind::Variant(variant) => {
                let case = |name: &str, ty: &Option<Type>| match ty {
                    Some(ty) => format!("{name}({})", self.show(ty)),
                    None => name.to_owned(),
                };
                let cases: Vec<_> = variant.cases.iter().map(|c| case(&c.name, &c.ty)).collect();
                format!("variant {{ {} }}", cases.join(", "))
            }
            TypeDefKind::Enum(cases) => {
                let cases: Vec<_> = cases.cases.iter().map(|case| case.name.as_str()).collect();
                format!("enum {{ {} }}", cases.join(", "))
            }
            TypeDefKind::Tuple(tuple) => format!("tuple<{}>", all(&tuple.types)),
            TypeDefKind::Option(inner) => format!("option<{}>", self.show(inner)),
            TypeDefKind::List(inner) => format!("list<{}>", self.show(inner)),
            TypeDefKind::Result(result) => format!("result<{}, {}>", or_none(&result.ok), or_none(&result.err)),
            TypeDefKind::Type(inner) => self.show(inner),
            other => other.as_str().to_owned(),
        }
    }
}

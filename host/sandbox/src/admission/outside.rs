//! A component looked at from outside, before anything of it is compiled or run: is it one, is it valid with what is
//! switched on, does it need more than it may have, does it import only what is offered, does it export what a
//! connector exports.

use super::{refusal, signature};
use crate::Limits;
use crate::journal::cut;
use crate::limits::LimitHit;
use gatehouse_core::Interface;
use gatehouse_core::ports::AdmissionError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wasmparser::{Encoding, Parser, Payload, ValidPayload, Validator, WasmFeatures};

/// What of WebAssembly a component may use. The engine has the same switched on; see `engine::compiling`.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// The interfaces of ours that may be imported.
const OURS: [&str; 3] =
    ["gatehouse:connector/settings@0.1.0", "gatehouse:connector/journal@0.1.0", "gatehouse:connector/types@0.1.0"];
/// The packages of WASI that may be imported, at 0.2. All but `wasi:http` are inert.
const WASI: [&str; 7] =
    ["wasi:io", "wasi:cli", "wasi:clocks", "wasi:random", "wasi:filesystem", "wasi:sockets", "wasi:http"];

/// The most of its imports that a refusal lists, in bytes.
const MOST_SHOWN: usize = 1_000;

/// What was found out about a component.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outline {
    /// What it imports, as interface names.
    pub(crate) imports: Vec<String>,
    /// Which of our interfaces it exports.
    pub(crate) interfaces: BTreeSet<Interface>,
    /// What it asks for at its start.
    pub(crate) needs: Needs,
}

/// What can be seen without reading it: its size, and what it is at all.
pub(super) fn glance(bytes: &[u8], limits: &Limits) -> Result<(), AdmissionError> {
    if bytes.len() as u64 > limits.component_bytes {
        let hit = LimitHit::of(limits, "component_bytes", "build it for release, without debug information");
        return Err(refusal("too-large", format!("the component has {} bytes: {hit}", bytes.len())));
    }
    check_header(bytes)
}

/// Looks at a component, in the compiling child: a parser is code that strangers feed.
pub(crate) fn look(bytes: &[u8], limits: &Limits) -> Result<Outline, AdmissionError> {
    let (imports, needs) = check_body(bytes, limits)?;
    check_imports(&imports)?;
    let interfaces = signature::check_exports(bytes)?;
    Ok(Outline { imports, interfaces, needs })
}

/// The first eight bytes tell a component from everything else (Component Model, Binary.md).
fn check_header(bytes: &[u8]) -> Result<(), AdmissionError> {
    let not_wasm = |hint: &str| Err(refusal("not-wasm", format!("this is no WebAssembly{hint}")));
    match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(refusal(
            "core-module",
            "this is a core module, not a component; build it for the target wasm32-wasip2, or turn it into one with \
             `wasm-tools component new`",
        )),
        [0, b'a', b's', b'm', ..] => not_wasm(" of a version that is known here"),
        [0x7f, b'E', b'L', b'F', ..] => not_wasm(": it is machine code; precompiled components are not accepted"),
        [b'(' | b';', ..] => not_wasm(" in its binary form; turn the text into it with `wasm-tools parse`"),
        _ => not_wasm(": it does not begin with `\\0asm`"),
    }
}

/// Validates all of it, adds up what it asks for at the start, and lists its imports.
fn check_body(bytes: &[u8], limits: &Limits) -> Result<(Vec<String>, Needs), AdmissionError> {
    let invalid = |error: wasmparser::BinaryReaderError| {
        let text = format!("the component is not valid at byte {:#x}: {}", error.offset(), error.message());
        refusal("invalid", text)
    };
    let mut validator = Validator::new_with_features(FEATURES);
    let mut needs = Needs::default();
    let (mut imports, mut depth) = (Vec::new(), 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        needs.add_items(&payload);
        if needs.items > limits.component_items {
            break;
        }
        match validator.payload(&payload).map_err(invalid)? {
            ValidPayload::Func(function, body) => {
                function.into_validator(Default::default()).validate(&body).map_err(invalid)?;
            }
            ValidPayload::Parser(_) => depth += 1,
            ValidPayload::End(_) => depth = depth.saturating_sub(1),
            ValidPayload::Ok => {}
        }
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => needs.modules += 1,
            Payload::MemorySection(section) => {
                for memory in section {
                    needs.add_memory(memory.map_err(invalid)?.initial);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    needs.add_table(table.map_err(invalid)?.ty.initial);
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let beyond = |hit: LimitHit| refusal("limits", format!("the component asks for too much at its start: {hit}"));
    needs.check(limits).map_err(beyond)?;
    Ok((imports, needs))
}

/// What a component asks for before its first instruction.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Needs {
    items: u64,
    modules: u64,
    memories: u64,
    memory_bytes: u64,
    tables: u64,
    elements: u64,
}

impl Needs {
    fn add_memory(&mut self, pages: u64) {
        self.memories += 1;
        self.memory_bytes = self.memory_bytes.saturating_add(pages.saturating_mul(64 << 10));
    }

    fn add_table(&mut self, elements: u64) {
        self.tables += 1;
        self.elements = self.elements.saturating_add(elements);
    }

    /// Counts what a section says that it has: this is looked at before the section is.
    fn add_items(&mut self, payload: &Payload<'_>) {
        let count = match payload {
            Payload::TypeSection(section) => section.count(),
            Payload::ImportSection(section) => section.count(),
            Payload::FunctionSection(section) => section.count(),
            Payload::GlobalSection(section) => section.count(),
            Payload::ExportSection(section) => section.count(),
            Payload::ElementSection(section) => section.count(),
            Payload::DataSection(section) => section.count(),
            Payload::InstanceSection(section) => section.count(),
            Payload::CoreTypeSection(section) => section.count(),
            Payload::ComponentInstanceSection(section) => section.count(),
            Payload::ComponentAliasSection(section) => section.count(),
            Payload::ComponentTypeSection(section) => section.count(),
            Payload::ComponentCanonicalSection(section) => section.count(),
            Payload::ComponentImportSection(section) => section.count(),
            Payload::ComponentExportSection(section) => section.count(),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => 1,
            _ => 0,
        };
        self.items = self.items.saturating_add(count.into());
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<(), LimitHit> {
        let rows = [
            ("component_items", self.items, limits.component_items),
            ("core_instances", self.modules, limits.core_instances),
            ("memories", self.memories, limits.memories),
            ("memory_bytes", self.memory_bytes, limits.memory_bytes),
            ("tables", self.tables, limits.tables),
            ("table_elements", self.elements, limits.table_elements),
        ];
        match rows.into_iter().find(|(_, needed, limit)| needed > limit) {
            None => Ok(()),
            Some((name, ..)) => Err(LimitHit::of(limits, name, "make the component smaller")),
        }
    }
}

fn check_imports(imports: &[String]) -> Result<(), AdmissionError> {
    let unknown: Vec<&str> = imports.iter().map(String::as_str).filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the component imports `{}`, which the host does not offer; there are gatehouse:connector/{{settings,journal,\
         types}}@0.1.0, wasi:http/{{types,outgoing-handler}}@0.2 and, inert, wasi:{{io,cli,clocks,random,filesystem,\
         sockets}}@0.2",
        cut(&unknown.join("`, `"), MOST_SHOWN)
    );
    Err(refusal("unknown-import", text))
}

fn is_known(name: &str) -> bool {
    if OURS.contains(&name) {
        return true;
    }
    let Some((package, rest)) = name.split_once('/') else { return false };
    let Some((interface, version)) = rest.split_once('@') else { return false };
    let incoming = package == "wasi:http" && !matches!(interface, "types" | "outgoing-handler");
    WASI.contains(&package) && version.starts_with("0.2.") && !incoming
}

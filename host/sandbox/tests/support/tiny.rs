//! Connectors of a few lines of WebAssembly text: what a compiler would never write. A core module that answers
//! `describe` and `check` as it should, in which a test overwrites what is to go wrong; it takes the place of the main
//! module of the guest `hostile`, so that all around it is as the usual tools make it.

use wasmparser::{Parser, Payload};

/// The parts of the module that a test may replace. Each is WebAssembly text.
pub struct Tiny {
    /// The memory, exported as `memory`.
    pub memory: &'static str,
    /// The body of `check: func() -> i32`: gives the address of its result. 2048 is an empty list of findings.
    pub check: String,
    /// The body of `collect`, whose nine parameters have no names. 2048 is a failure-free empty page.
    pub collect: String,
    /// The body of `cabi_realloc`, parameters `$old $old_size $align $size`. 4096 is free.
    pub realloc: String,
    /// The body of what is called after `check`, with the address of its result.
    pub post_return: String,
    /// Any further definitions.
    pub more: String,
}

impl Default for Tiny {
    fn default() -> Self {
        Self {
            memory: "(memory (export \"memory\") 2)",
            check: "i32.const 2048".to_owned(),
            collect: "i32.const 2048".to_owned(),
            realloc: "i32.const 4096".to_owned(),
            post_return: String::new(),
            more: String::new(),
        }
    }
}

impl Tiny {
    /// One whose `check` runs this, and then answers as it should. `$n` is the setting `n`.
    pub fn checking(body: &str) -> Self {
        Self { check: format!("{body} i32.const 2048"), ..Self::default() }
    }

    pub fn more(mut self, more: &str) -> Self {
        self.more.push_str(more);
        self
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        encode(&self.module())
    }

    pub fn module(&self) -> String {
        let Self { memory, check, collect, realloc, post_return, more } = self;
        let p = "gatehouse:connector";
        let others = ["analyzer@0.1.0#analyze", "collector@0.1.0#collect", "collector@0.1.0#find"];
        let others = others.into_iter().chain(["collector@0.1.0#read", "committer@0.1.0#commit"]);
        let others = others.chain(["descriptor@0.1.0#describe"]);
        let posts: String =
            others.map(|name| format!("(func (export \"cabi_post_{p}/{name}\") (param i32))")).collect();
        let commit = "(param i32) ".repeat(14);
        format!(
            r#"(module
            (import "{p}/settings@0.1.0" "get" (func $get (param i32 i32 i32)))
            (import "{p}/journal@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
            (import "{p}/journal@0.1.0" "progress" (func $progress (param i64 i32 i64)))
            {memory}
            (data (i32.const 1024) "tiny" "0.1.0" "t" "n" "xx")
            (data (i32.const 1040) "\00\04\00\00\04\00\00\00" "\04\04\00\00\05\00\00\00" "\09\04\00\00\01\00\00\00")
            (func (export "{p}/descriptor@0.1.0#describe") (result i32) i32.const 1040)
            (func (export "{p}/probe@0.1.0#check") (result i32) {check})
            (func (export "{p}/collector@0.1.0#collect")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {collect})
            (func (export "{p}/collector@0.1.0#read") (param i32 i32) (result i32) unreachable)
            (func (export "{p}/collector@0.1.0#find") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{p}/analyzer@0.1.0#analyze") (param i32 i32) (result i32) unreachable)
            (func (export "{p}/committer@0.1.0#commit") {commit} (result i32) unreachable)
            (func (export "cabi_post_{p}/probe@0.1.0#check") (param i32) {post_return})
            {posts}
            (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
                (result i32) {realloc})
            ;; The setting `n`, a JSON text of digits, as a number.
            (func $n (result i32) (local $at i32) (local $end i32) (local $sum i32)
                (call $get (i32.const 1034) (i32.const 1) (i32.const 1200))
                (local.set $at (i32.load (i32.const 1204)))
                (local.set $end (i32.add (local.get $at) (i32.load (i32.const 1208))))
                (block $done (loop $next
                    (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
                    (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 34)) (then
                        (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 10))
                            (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br $next)))
                (local.get $sum))
            {more})"#
        )
    }
}

/// Makes a connector of a core module in WebAssembly text.
pub fn encode(module: &str) -> Vec<u8> {
    let module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}"));
    let around = super::hostile();
    let main = Parser::new(0).parse_all(&around).map(Result::unwrap).find_map(|payload| match payload {
        Payload::ModuleSection { unchecked_range, .. } => Some(unchecked_range),
        _ => None,
    });
    let main = main.unwrap();
    let length = leb(main.end - main.start);
    assert_eq!(around[main.start - length.len()..main.start], length, "the section's own length stands before it");
    let before = &around[..main.start - length.len()];
    [before, &leb(module.len()), &module, &around[main.end..]].concat()
}

/// A number as WebAssembly writes it (LEB128).
pub fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// A connector with so many functions that take long to compile.
pub fn heavy(functions: usize) -> Vec<u8> {
    let step = "local.get 0 i64.const 3 i64.mul local.get 0 i64.xor local.tee 0 i64.const 7 i64.rotl local.set 0 ";
    let function = format!("(func (param i64) (result i64) {} local.get 0)", step.repeat(400));
    Tiny::default().more(&function.repeat(functions)).build()
}

//! The compiling child by itself, for the tests of this crate; the `gatehouse` binary has it under a hidden verb.

fn main() -> std::process::ExitCode {
    gatehouse_sandbox::compile_child()
}

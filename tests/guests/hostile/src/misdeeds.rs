//! The misdeeds, one by one, and a look round for what of the host could be seen.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr, reason = "misdeeds are its purpose")]

use crate::gatehouse::connector::journal;
use crate::types::Failure;
use crate::{account, collector, page};
use std::hint::black_box;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

/// Does what it is told; what it does not know it leaves.
pub fn misbehave(behaviour: &str) {
    match behaviour {
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("I panic"),
        "exit" => std::process::exit(1),
        "huge-line" => journal::log(journal::Level::Info, &"x".repeat(often(100 << 20)), &[]),
        "random" => drop(black_box(wasip2::random::random::get_random_bytes(often(1 << 30) as u64))),
        "journal" => {
            journal::log(journal::Level::Warn, "said", &[("key".to_owned(), "value".to_owned())]);
            journal::progress(3, Some(4));
            println!("to stdout");
            eprintln!("to stderr");
        }
        "flood" => (0..often(100_000)).for_each(|n| journal::log(journal::Level::Info, &format!("line {n}"), &[])),
        "flood-stdout" => (0..often(100_000)).for_each(|n| println!("line {n}")),
        other => exhaust(other),
    }
}

/// The setting `n`: how often, how much or how long; otherwise what is usual.
pub fn often(usual: usize) -> usize {
    crate::setting("n").parse().unwrap_or(usual)
}

/// Keeps at it for as long as it is let, or `n` times.
fn repeat(mut what: impl FnMut()) {
    (0..often(usize::MAX)).for_each(|_| what());
}

/// Holds on to all it gets; the progress says how much that was.
fn hoard<T>(mut one: impl FnMut() -> T) {
    let mut hoard = Vec::new();
    repeat(|| {
        hoard.push(one());
        journal::progress(hoard.len() as u64, None);
    });
}

/// Attacks on what the host has: time, memory, handles, patience.
fn exhaust(behaviour: &str) {
    use wasip2::clocks::monotonic_clock::{now, subscribe_duration};
    use wasip2::io::poll::poll;
    match behaviour {
        "loop" => loop {
            black_box(());
        },
        "spin" => {
            let end = now() + often(usize::MAX) as u64 * 1_000_000;
            while now() < end {}
        }
        "sleep" => std::thread::sleep(std::time::Duration::from_millis(often(3_600_000) as u64)),
        "poll-never" => drop(poll(&[&subscribe_duration(1 << 60), &subscribe_duration(1 << 61)])),
        "grow-memory" => hoard(|| vec![1_u8; 1 << 20]),
        "copy-storm" => storm(|memory| memory.copy_within(..memory.len() / 2, memory.len() / 2)),
        "fill-storm" => storm(|memory| memory.fill(black_box(7))),
        "recurse" => drop(black_box(recurse(1))),
        "mutual" => drop(black_box(ping(1))),
        "handles" => hoard(wasip2::http::types::Fields::new),
        "resources" => hoard(|| subscribe_duration(1 << 60)),
        "flood-clock" => repeat(|| _ = black_box(now())),
        "flood-random" => repeat(|| _ = black_box(wasip2::random::random::get_random_u64())),
        "flood-bytes" => repeat(|| drop(black_box(wasip2::random::random::get_random_bytes(60 << 10)))),
        "flood-settings" => repeat(|| drop(black_box(crate::setting("behaviour")))),
        "flood-log" => repeat(|| journal::log(journal::Level::Info, "again", &[])),
        "flood-lines" => {
            let line = "x".repeat(16 << 20);
            repeat(|| journal::log(journal::Level::Info, &line, &[]));
        }
        "flood-progress" => repeat(|| journal::progress(1, None)),
        "flood-poll" => repeat(|| drop(poll(&[&subscribe_duration(0)]))),
        "flood-fields" => repeat(|| drop(wasip2::http::types::Fields::new())),
        "flood-output" => repeat(|| print!("{}", black_box("x"))),
        _ => {}
    }
}

/// Moves as much memory as it can with each instruction: between two of them nothing can interrupt a guest.
fn storm(mut one: impl FnMut(&mut [u8])) {
    let mut memory = vec![1_u8; 192 << 20];
    repeat(|| one(black_box(&mut memory)));
}

#[allow(unconditional_recursion)]
fn recurse(n: u64) -> u64 {
    black_box(recurse(black_box(n + 1))) + n
}

#[inline(never)]
fn ping(n: u64) -> u64 {
    black_box(pong(black_box(n + 1))) + n
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn pong(n: u64) -> u64 {
    black_box(ping(black_box(n + 2))) + n
}

/// A page of accounts that together have a gigabyte, all of it the same megabyte.
pub fn huge_list() -> Result<collector::Page, Failure> {
    let text = std::mem::ManuallyDrop::new("x".repeat(1 << 20));
    let one = || {
        // The texts alias one another: only their copies in the host would be many.
        let alias = unsafe { String::from_raw_parts(text.as_ptr().cast_mut(), text.len(), text.len()) };
        crate::Account { username: alias, ..account("1") }
    };
    Ok(page((0..1024).map(|_| one()).collect()))
}

/// An account with so many bytes of text.
pub fn large(id: &str, bytes: usize) -> crate::Account {
    let mut account = account(id);
    let rest = bytes.saturating_sub(2 * id.len() + "email".len());
    account.attributes[0].values[0].text = "x".repeat(rest);
    account
}

/// An account one field of which has so many bytes.
pub fn large_field(field: &str, bytes: usize) -> crate::Account {
    let text = "x".repeat(bytes);
    let mut account = account("large");
    match field {
        "external-id" => account.external_id = text,
        "username" => account.username = text,
        "revision" => account.revision = Some(text),
        "attribute" => account.attributes[0].name = text,
        _ => return large("large", bytes),
    }
    account
}

/// What a program would find of the machine it runs on.
pub fn ambient() -> Vec<(&'static str, String)> {
    let names = |entries: std::io::Result<std::fs::ReadDir>| entries.map(|e| e.count());
    vec![
        ("env", format!("{:?}", std::env::vars().collect::<Vec<_>>())),
        ("args", format!("{:?}", std::env::args().collect::<Vec<_>>())),
        ("root", format!("{:?}", names(std::fs::read_dir("/")))),
        ("file", format!("{:?}", std::fs::read_to_string("/etc/passwd"))),
        ("write", format!("{:?}", std::fs::write("hostile.txt", "x"))),
        ("preopens", format!("{:?}", wasip2::filesystem::preopens::get_directories().len())),
        ("tcp", format!("{:?}", TcpStream::connect("127.0.0.1:80").map(drop))),
        ("udp", format!("{:?}", UdpSocket::bind("127.0.0.1:0").map(drop))),
        ("name", format!("{:?}", "localhost:80".to_socket_addrs().map(Iterator::count))),
        ("stdin", format!("{:?}", std::io::stdin().lines().count())),
    ]
}

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
        "loop" => loop {
            black_box(());
        },
        "sleep" => loop {
            std::thread::sleep(std::time::Duration::from_secs(3_600));
        },
        "grow-memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 1 << 20]);
                black_box(&hoard);
            }
        }
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("I panic"),
        "exit" => std::process::exit(1),
        "recurse" => {
            black_box(recurse(1));
        }
        "handles" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(wasip2::http::types::Fields::new());
            }
        }
        "resources" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(wasip2::clocks::monotonic_clock::subscribe_duration(1 << 60));
            }
        }
        "flood" => {
            for n in 0..100_000_u32 {
                journal::log(journal::Level::Info, &format!("line {n}"), &[]);
            }
        }
        "flood-stdout" => {
            for n in 0..100_000_u32 {
                println!("line {n}");
            }
        }
        "huge-line" => journal::log(journal::Level::Info, &"x".repeat(100 << 20), &[]),
        "random" => drop(black_box(wasip2::random::random::get_random_bytes(1 << 30))),
        "journal" => {
            journal::log(journal::Level::Warn, "said", &[("key".to_owned(), "value".to_owned())]);
            journal::progress(3, Some(4));
            println!("to stdout");
            eprintln!("to stderr");
        }
        _ => {}
    }
}

#[allow(unconditional_recursion)]
fn recurse(n: u64) -> u64 {
    black_box(recurse(black_box(n + 1))) + n
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

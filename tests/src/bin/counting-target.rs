//! The counting target as a process: `counting-target [OPTIONS AS JSON] [PORT]`. It says where it is in one line of
//! JSON, `{"base_url": …, "token": …}`, and answers until it is ended.
#![allow(clippy::print_stdout, reason = "the address goes to whoever started it")]

use anyhow::{Context, Result};
use gatehouse_tests::Target as _;
use gatehouse_tests::counting::{CountingTarget, Options};
use serde_json::json;
use std::env;

fn main() -> Result<()> {
    let options: Options = match env::args().nth(1) {
        Some(text) => serde_json::from_str(&text)
            .context("the options are no JSON of {token, log, unique, versions, max_results}")?,
        None => Options::default(),
    };
    let port = env::args().nth(2).map_or(Ok(0), |port| port.parse()).context("the port")?;
    let target = CountingTarget::start_on(port, options)?;
    println!("{}", json!({"base_url": target.base_url(), "token": target.token()}));
    loop {
        std::thread::park();
    }
}

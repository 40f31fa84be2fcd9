//! The command line: a client of the HTTP API, as any other. Only `serve`, `connector new`, `connector check` and
//! `audit verify` of a file do without a running host. It never writes a store.

mod account;
mod app;
mod approvals;
mod audit;
mod backup;
mod client;
mod connector;
mod counters;
mod credential;
mod delegation;
mod group;
mod import;
mod import_file;
mod job;
mod permission_set;
mod plan;
mod preview;
mod profile;
mod render;
mod request;
mod review;
mod sharing;
mod skeleton;
mod token;
mod user;
mod user_attribute;
mod values;
mod wait;
mod whoami;

use crate::config::ServeArgs;
use crate::wire;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use client::Client;
use render::Output;
use secrecy::SecretString;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Manages people's accounts in third-party applications, through sandboxed connectors.
#[derive(Debug, Parser)]
#[command(
    name = "gatehouse",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Start a host with `gatehouse serve`; it prints the first token. Everything else asks that host: \
        set GATEHOUSE_SERVER and GATEHOUSE_TOKEN, or use --server and --token."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    noun: Noun,
}

/// How to reach the host, and how to print. Each on one line of the help, which every verb shows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// `table` for people, or `json` for programs: the API's own
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    /// Where the host listens
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "GATEHOUSE_SERVER",
        default_value = "http://127.0.0.1:7070",
        hide_env_values = true
    )]
    server: String,
    /// The token to call with (in the environment other users do not see it)
    #[arg(long, global = true, env = "GATEHOUSE_TOKEN", hide_env_values = true, value_parser = values::token)]
    token: Option<SecretString>,
    /// A file with the token
    #[arg(long, global = true, value_name = "FILE", env = "GATEHOUSE_TOKEN_FILE", hide_env_values = true)]
    token_file: Option<PathBuf>,
    /// A PEM file with the authority that signed the host's certificate
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Runs the host: the API, and the engine that does the work
    Serve(Box<ServeArgs>),
    /// Connectors: write, check, install and look at them
    #[command(subcommand)]
    Connector(connector::Verb),
    /// Credentials: secrets the host adds to what connectors send
    #[command(subcommand)]
    Credential(credential::Verb),
    /// Connected apps: a connector, its settings, and how to provision
    #[command(subcommand)]
    App(app::Verb),
    /// People in the directory
    #[command(subcommand)]
    User(user::Verb),
    /// Profiles: what gives people access to apps
    #[command(subcommand)]
    Profile(profile::Verb),
    /// Permission sets: what gives people access besides their profile
    #[command(subcommand)]
    PermissionSet(permission_set::Verb),
    /// Groups: named lists of people
    #[command(subcommand)]
    Group(group::Verb),
    /// Definitions of people's free attributes
    #[command(subcommand)]
    UserAttribute(user_attribute::Verb),
    /// Accounts: what ties people to accounts in apps
    #[command(subcommand)]
    Account(account::Verb),
    /// Provisioning requests: the work that is, was or is to be done
    #[command(subcommand)]
    Request(request::Verb),
    /// Jobs: what is done for many users, piece by piece
    #[command(subcommand)]
    Job(job::Verb),
    /// Delegations: who approves in whose place while they are away
    #[command(subcommand)]
    Delegation(delegation::Verb),
    /// Counts every app's accounts and requests
    Counters(values::Listing<wire::ByApp>),
    /// Sharing rules: who sees requests or approves them, besides those who manage them all
    #[command(subcommand)]
    Sharing(sharing::Verb),
    /// Says who one is to the host, and what one may do
    Whoami,
    /// Tokens for this API
    #[command(subcommand)]
    Token(token::Verb),
    /// The audit trail
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Writes everything the host knows into a file, while it goes on
    Backup(backup::BackupArgs),
    /// Puts what a backup holds in the place of everything the host knows
    Restore(backup::RestoreArgs),
    /// Gives back the space in the host's file that nothing uses any more, while it goes on
    Compact,
    /// Compiles a component from standard input: what the host starts for itself
    #[command(name = "__compile", hide = true)]
    Compile,
}

/// Leaves out of an error's usage line what may stand everywhere: clap names it there once it is in the environment.
fn without_globals(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return error };
    let everywhere = ["--output <FORMAT>", "--server <URL>", "--token <TOKEN>", "--token-file <FILE>", "--ca <FILE>"];
    let tidy = everywhere.iter().fold(usage.to_string(), |usage, flag| usage.replace(&format!("{flag} "), ""));
    error.insert(ContextKind::Usage, ContextValue::StyledStr(tidy.into()));
    error
}

impl Cli {
    /// Reads what was typed, and lets it go before the environment also where two options say the same.
    ///
    /// # Errors
    /// What was typed makes no sense, or asks for help.
    pub fn read<T: Into<OsString> + Clone>(typed: impl IntoIterator<Item = T>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(typed).map_err(without_globals)?;
        let typed = |matches: &ArgMatches, name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut Self::command()))?;
        if typed(&matches, "token_file") {
            if typed(&matches, "token") {
                let why = "--token and --token-file both give the token: give one of them";
                return Err(Self::command().error(ErrorKind::ArgumentConflict, why));
            }
            cli.global.token = None;
        }
        if let (Noun::Serve(serve), Some(given)) = (&mut cli.noun, matches.subcommand_matches("serve")) {
            serve.key_file_first = typed(given, "master_key_file");
        }
        Ok(cli)
    }
}

/// What a verb works with.
struct Session {
    client: Client,
    out: Output,
}

/// Done, or done with something that failed in it: an exit code of 1 without an error of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed,
}

/// Runs a command: 0 if it was done, 1 if it was refused or failed. What went wrong is on stderr.
pub fn run(cli: Cli) -> ExitCode {
    if matches!(cli.noun, Noun::Compile) {
        return gatehouse_sandbox::compile_child();
    }
    let json = cli.global.output == Format::Json;
    match dispatch(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(error) => {
            render::complain(&error, json);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    let Cli { global, noun } = cli;
    let out = Output::new(global.output == Format::Json);
    let session = || -> anyhow::Result<Session> {
        let client =
            Client::new(&global.server, global.token.clone(), global.token_file.as_deref(), global.ca.as_deref())?;
        Ok(Session { client, out })
    };
    match noun {
        Noun::Serve(args) => crate::serve::run(*args).map(|()| Outcome::Done),
        Noun::Connector(verb) => connector::run(verb, out, session),
        Noun::Credential(verb) => credential::run(verb, &session()?),
        Noun::App(verb) => app::run(verb, &session()?),
        Noun::User(verb) => user::run(verb, &session()?),
        Noun::Profile(verb) => profile::run(verb, &session()?),
        Noun::PermissionSet(verb) => permission_set::run(verb, &session()?),
        Noun::Group(verb) => group::run(verb, &session()?),
        Noun::UserAttribute(verb) => user_attribute::run(verb, &session()?),
        Noun::Account(verb) => account::run(verb, &session()?),
        Noun::Request(verb) => request::run(verb, &session()?),
        Noun::Job(verb) => job::run(verb, &session()?),
        Noun::Delegation(verb) => delegation::run(verb, &session()?),
        Noun::Counters(listing) => counters::run(listing, &session()?),
        Noun::Sharing(verb) => sharing::run(verb, &session()?),
        Noun::Whoami => whoami::run(&session()?),
        Noun::Token(verb) => token::run(verb, &session()?),
        Noun::Audit(verb) => audit::run(verb, out, session),
        Noun::Backup(args) => backup::backup(&args, &session()?),
        Noun::Restore(args) => backup::restore(&args, &session()?),
        Noun::Compact => backup::compact(&session()?),
        Noun::Compile => Ok(Outcome::Done),
    }
}

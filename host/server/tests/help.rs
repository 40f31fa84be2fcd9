//! What `--help` says, of every verb there is: the tree of commands is walked, so that a new one cannot be left out.
#![allow(clippy::unwrap_used, missing_docs)]

use clap::{Command, CommandFactory};
use gatehouse_server::cli::Cli;

/// Every command that people see, word by word.
fn commands(command: &Command, words: &[String], found: &mut Vec<Vec<String>>) {
    let words = [words, &[command.get_name().to_owned()]].concat();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        commands(verb, &words, found);
    }
    found.push(words);
}

/// What each of them answers to `--help`.
fn all() -> Vec<(String, String)> {
    let mut found = Vec::new();
    commands(&Cli::command(), &[], &mut found);
    let help = |words: Vec<String>| {
        let asked = words.iter().map(String::as_str).chain(["--help"]);
        let shown = Cli::command().term_width(100).try_get_matches_from(asked).unwrap_err();
        (words.join(" "), shown.to_string())
    };
    found.into_iter().map(help).collect()
}

#[test]
fn help_reads_well_and_names_every_verb() {
    for (name, help) in all() {
        insta::assert_snapshot!(name.replace(' ', "_"), help);
    }
}

#[test]
fn every_verb_and_every_option_says_what_it_is_for() {
    fn check(command: &Command) {
        assert!(command.get_about().is_some(), "`{}` says nothing", command.get_name());
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "`{}` of `{}` says nothing", argument.get_id(), command.get_name());
        }
        command.get_subcommands().filter(|verb| !verb.is_hide_set()).for_each(check);
    }
    let mut cli = Cli::command();
    cli.build();
    check(&cli);
}

#[test]
fn the_hidden_verb_is_in_no_help() {
    for (name, help) in all() {
        assert!(!help.contains("__compile"), "{name} shows it");
    }
}

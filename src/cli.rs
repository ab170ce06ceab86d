//! Parses the command line: one file per command, one table of exit codes.

#![allow(clippy::disallowed_methods, reason = "each command owns its thread")]

mod body;
mod check;
mod completions;
mod config;
mod ending;
mod exit;
mod get;
mod health;
mod lines;
mod man;
mod open_files;
mod print;
mod reach;
mod serve;
mod sources;
mod symbols;
mod table;
mod terminal;
mod threads;
mod verify;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use ending::{Ending, Hangup};
pub use exit::Exit;
use print::complain;

use crate::search::USUAL;
use crate::settings::load::{LoadOptions, load};
use crate::settings::{Settings, fault_of_address, socket_path};
use crate::source::sandbox::worker;
use crate::units::Span;

/// Folds many price quotes into one price, and shows the proof.
#[derive(Debug, Parser)]
#[command(name = "quotefold", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  quotefold demo                        see it work: no network, no keys
  quotefold get BTC-USD ETH-USD         one answer, now
  quotefold serve                       the service, at http://127.0.0.1:8080
  quotefold sources                     the providers, and what would switch them on
  quotefold symbols app                 what can be asked for
  quotefold config --default > quotefold.toml

Exit codes:
  0 done · 1 degraded, partial, not healthy or not verified · 3 no price, nothing found · 64 wrong usage
  69 no server at --url · 70 a bug in quotefold · 78 wrong configuration · 130 ended by Ctrl-C, 143 by SIGTERM";

/// The shortest time between two looks of `get --watch`.
const SHORTEST_WATCH: Duration = Duration::from_secs(1);

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(Serve),
    /// Run the service over a simulated market that breaks while you watch; no network, no keys
    Demo(Demo),
    /// Get prices once: from a running server if there is one, else from the sources
    Get(Get),
    /// Validate the configuration and the sources' examples; with --live, show what the sources really say
    Check(Check),
    /// List the sources: what they cover and allow, and what would switch them on
    Sources(Sources),
    /// Find symbols by a part of their name: what they are, and which sources cover them
    Symbols(Symbols),
    /// Recompute the prices of a saved answer from its quotes, and say where it differs
    Verify(Verify),
    /// Print the settings in use, with secrets masked, and where they were read
    Config(Config),
    /// Ask a running server whether it is ready, or with --live whether it lives; for health checks of containers
    Health(Health),
    /// Print a script that lets a shell complete commands and options
    Completions(Completions),
    /// Print a manual page, or write all of them into a folder
    Man(Man),
    /// Run the filter of one source for a service that has started this process
    #[command(hide = true)]
    RunFilter(RunFilter),
}

/// Which configuration to read.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigFile {
    /// The configuration file [default: $QUOTEFOLD_CONFIG, ./quotefold.toml, /etc/quotefold/quotefold.toml, or none]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Run the service.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold serve --unofficial
  TWELVEDATA_API_KEY=… FINNHUB_API_KEY=… quotefold serve --listen 0.0.0.0:8080
  quotefold serve --config /etc/quotefold/quotefold.toml")]
pub struct Serve {
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Address and port, instead of server.listen; port 0 takes any free one; or unix:/path of a socket
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<String>,
    /// Also call unofficial providers, which are not intended for automated use (as QUOTEFOLD_UNOFFICIAL=1 does)
    #[arg(long)]
    pub unofficial: bool,
}

/// Run the service over a simulated market.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold demo
  quotefold demo --listen 127.0.0.1:0 --quiet")]
pub struct Demo {
    /// Address and port; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address_with_port)]
    pub listen: String,
    /// Break no venues, and do not narrate
    #[arg(long)]
    pub quiet: bool,
}

/// Get prices once.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold get AAPL MSFT --currency EUR
  quotefold get BTC-USD --json
  quotefold get BTC-USD ETH-USD --watch=10s
  quotefold get EUR-USD --url http://prices.internal:8080

A terminal shows what fits into it, the sentences below the table, and for one symbol what each source said. A file or a program
gets one line per symbol. --json has everything.

If the server requires a key, quotefold sends the first of access.keys, or else $QUOTEFOLD_KEY.

Exit codes: 0 complete · 1 degraded or partial · 3 none · 69 no server at --url · 130 ended by Ctrl-C")]
pub struct Get {
    /// What to price: AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD, EUR-USD
    #[arg(required = true, value_name = "SYMBOL")]
    pub symbols: Vec<String>,
    /// Give prices in this currency, such as EUR
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// Print the whole answer with its proof
    #[arg(long)]
    pub json: bool,
    /// Print the answer in this format instead of a table; json is the same as --json
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "json")]
    pub format: Option<Format>,
    /// Look again and again, and mark what has changed: an arrow says that a price went up or down; Ctrl-C ends it
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, default_missing_value = "5s",
        value_parser = watch_span, conflicts_with_all = ["json", "format"])]
    pub watch: Option<Duration>,
    /// Ask only this server, never the sources; unix:/path for one on a socket
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub url: Option<String>,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Validate the configuration and the sources.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold check                          the configuration and every example, without a call
  quotefold check --all                    the same, with a line for every source on a terminal too
  quotefold check --live                   what works now: every source that is on, compared
  quotefold check kraken BTC-USD --live    one source in detail")]
pub struct Check {
    /// Only this source
    #[arg(value_name = "SOURCE")]
    pub source: Option<String>,
    /// The symbols to ask it for
    #[arg(value_name = "SYMBOL", requires = "source")]
    pub symbols: Vec<String>,
    /// Make real calls: one to every source that is on, and compare them; or one to SOURCE, and show the request, the
    /// start of the reply, what the filter made of it, and the verdict
    #[arg(long)]
    pub live: bool,
    /// On a terminal, show every source and every word, not only what deserves a look
    #[arg(long, conflicts_with = "source")]
    pub all: bool,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// List the sources.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold sources
  quotefold sources --all
  quotefold sources --json")]
pub struct Sources {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// On a terminal, show everything that is known of each source, not only what fits
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Find symbols by a part of their name.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold symbols app
  quotefold symbols bitcoin --limit 5
  quotefold symbols eur --json

It makes no call. GET /symbols?q=app of a running server also knows what its sources have quoted.

Exit codes: 0 found · 3 nothing found · 64 wrong usage")]
pub struct Symbols {
    /// A part of a symbol, of a coin's id, or of what a source calls it; or an ISIN
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// The most symbols to print, 1 to 100
    #[arg(long, value_name = "N", default_value_t = USUAL, value_parser = count)]
    pub limit: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Recompute the prices of a saved answer.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold verify answer.json
  curl -s 'localhost:8080/prices?symbols=AAPL,BTC-EUR' | quotefold verify -

It needs no network and no configuration. It takes as stated what the sources said, and the rates.

Exit codes: 0 everything matches · 1 something differs · 64 not an answer, or one without its quotes")]
pub struct Verify {
    /// A file with answers of /prices or /prices/{symbol}, as JSON or as lines of JSON; - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Print the settings in use.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold config                                on a terminal: what differs from the built-in settings
  quotefold config --all                          every setting, as a configuration file
  quotefold config --default > quotefold.toml     an annotated file to start from")]
pub struct Config {
    /// Print the annotated configuration file instead
    #[arg(long, conflicts_with = "config")]
    pub default: bool,
    /// On a terminal, print every setting, not only those that differ from the built-in ones
    #[arg(long, conflicts_with = "default")]
    pub all: bool,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Ask a server whether it is ready, or whether it lives.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold health
  quotefold health --live
  quotefold health http://127.0.0.1:8080

Exit codes: 0 ready, or alive · 1 not ready, or no answer")]
pub struct Health {
    /// The server, unix:/path for one on a socket [default: the configured address; access.admin_listen, if that is set]
    #[arg(value_name = "URL", conflicts_with = "config")]
    pub url: Option<String>,
    /// Ask only whether the server answers, and not whether it has prices: for whatever restarts what does not live
    #[arg(long)]
    pub live: bool,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Print a script that lets a shell complete commands and options.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold completions bash > ~/.local/share/bash-completion/completions/quotefold
  quotefold completions zsh > ~/.zfunc/_quotefold          with fpath+=~/.zfunc before compinit in ~/.zshrc
  quotefold completions fish > ~/.config/fish/completions/quotefold.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// Print a manual page, or write all of them.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold man | man -l -
  quotefold man get | man -l -
  quotefold man --dir ~/.local/share/man/man1")]
pub struct Man {
    /// The command that the page is about [default: the whole program]
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
    /// Write the pages of the program and of every command into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub dir: Option<PathBuf>,
}

/// How an answer is printed, if not as a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The whole answer with its proof.
    Json,
    /// A line of comma-separated values for each symbol.
    Csv,
    /// The bare price of one symbol.
    Text,
    /// A line of JSON for each symbol.
    Ndjson,
}

/// Run a source's filter: `serve` starts this for every filter that is not from the catalogue.
#[derive(Args, Debug)]
pub struct RunFilter {
    /// The source whose filter it is, so that lists of processes show it
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The most memory that it may take, in bytes
    #[arg(long, value_name = "BYTES")]
    pub memory: usize,
}

/// Reads the arguments and runs the command.
///
/// # Errors
/// An error without an exit code of its own; it is a bug in quotefold.
pub fn run() -> io::Result<Exit> {
    // the first process of a container gets only signals that it handles, so a service installs its handlers first
    let ending = service_named().map(Ending::begin).transpose()?;
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return Ok(usage(&error)),
    };
    match arguments.command {
        Command::Serve(arguments) => {
            serve::serve(&arguments, ending.map_or_else(|| Ending::begin(Hangup::Reloads), Ok)?)
        }
        Command::Demo(arguments) => serve::demo(&arguments, ending.map_or_else(|| Ending::begin(Hangup::Ends), Ok)?),
        Command::Get(arguments) => get::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Sources(arguments) => sources::run(&arguments),
        Command::Symbols(arguments) => symbols::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::RunFilter(arguments) => worker::run(arguments.memory).map(|()| Exit::Done),
    }
}

/// Reads how many symbols to print.
fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "write a whole number, 1 to 100".to_owned())
}

/// Reads an address to listen on.
fn address(text: &str) -> Result<String, String> {
    fault_of_address(text, "127.0.0.1:8080").map_or_else(|| Ok(text.to_owned()), Err)
}

/// Reads an address to listen on that has a port.
fn address_with_port(text: &str) -> Result<String, String> {
    match socket_path(text) {
        Some(_) => Err("the demo listens on a host and a port, such as 127.0.0.1:8080".to_owned()),
        None => address(text),
    }
}

/// Reads how long a watch waits between two looks.
fn watch_span(text: &str) -> Result<Duration, String> {
    match Span::parse(text)?.0 {
        span if span < SHORTEST_WATCH => Err("write at least 1s".to_owned()),
        span => Ok(span),
    }
}

/// The program and its commands as people know them: without those that it starts for itself.
fn known_to_people() -> clap::Command {
    let all = Arguments::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect::<Vec<_>>();
    let about = all.get_about().cloned().unwrap_or_default();
    let after_help = all.get_after_help().cloned().unwrap_or_default();
    clap::Command::new("quotefold")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_help(after_help)
        .subcommand_required(true)
        .subcommands(shown)
}

/// What a hangup means to the command that the first argument names, if it is one that runs until a signal ends it. The other
/// arguments are not read yet.
fn service_named() -> Option<Hangup> {
    match std::env::args_os().nth(1)?.to_str()? {
        "serve" => Some(Hangup::Reloads),
        "demo" => Some(Hangup::Ends),
        _ => None,
    }
}

/// Prints clap's help or error. `--help` and `--version` are not errors.
fn usage(error: &clap::Error) -> Exit {
    if error.use_stderr() && !io::stderr().is_terminal() {
        complain(error.render().to_string().trim_end());
    } else {
        // if the reader has gone, it needs no help
        let _ = error.print();
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

/// The options for loading the configuration, for commands that only choose the file.
fn options(file: &ConfigFile) -> LoadOptions {
    LoadOptions { config: file.config.clone(), ..LoadOptions::of_this_process() }
}

/// Says on stderr what the settings have that is allowed and probably not meant.
fn say_remarks(settings: &Settings) {
    settings.remarks.iter().for_each(|remark| complain(&format!("note: {remark}")));
}

/// The settings. If they are wrong, prints the errors to stderr and returns the exit code.
fn settings(options: &LoadOptions) -> Result<Settings, Exit> {
    load(options).map_err(|errors| {
        complain(&errors.to_string());
        Exit::Configuration
    })
}

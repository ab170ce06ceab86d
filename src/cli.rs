//! Parses the command line: one file per command, one table of exit codes.

#![allow(clippy::disallowed_methods, reason = "each command owns its thread")]

mod body;
mod check;
mod config;
mod ending;
mod exit;
mod get;
mod health;
mod print;
mod serve;
mod sources;
mod symbols;
mod threads;
mod verify;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use ending::Ending;
pub use exit::Exit;
use print::complain;

use crate::search::USUAL;
use crate::settings::Settings;
use crate::settings::load::{LoadOptions, load};
use crate::source::sandbox::worker;

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
  69 no server at --url · 70 a bug in quotefold · 78 wrong configuration";

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
    /// Ask a running server whether it is ready; for health checks of containers
    Health(Health),
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
    /// Address and port, instead of server.listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR")]
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
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
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
  quotefold get EUR-USD --url http://prices.internal:8080

If the server requires a key, quotefold sends the first of access.keys, or else $QUOTEFOLD_KEY.

Exit codes: 0 complete · 1 degraded or partial · 3 none · 69 no server at --url")]
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
    /// Ask only this server, never the sources
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
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// List the sources.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold sources
  quotefold sources --json")]
pub struct Sources {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    #[arg(long, value_name = "N", default_value_t = USUAL)]
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
  quotefold config
  quotefold config --default > quotefold.toml     an annotated file to start from")]
pub struct Config {
    /// Print the annotated configuration file instead
    #[arg(long, conflicts_with = "config")]
    pub default: bool,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Ask a server whether it is ready.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quotefold health
  quotefold health http://127.0.0.1:8080

Exit codes: 0 ready · 1 not ready, or no answer")]
pub struct Health {
    /// The server [default: the configured address; access.admin_listen, if that is set]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Which configuration to read.
    #[command(flatten)]
    pub file: ConfigFile,
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
    let ending = if runs_a_service() { Some(Ending::begin()?) } else { None };
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return Ok(usage(&error)),
    };
    match arguments.command {
        Command::Serve(arguments) => serve::serve(&arguments, ending.map_or_else(Ending::begin, Ok)?),
        Command::Demo(arguments) => serve::demo(&arguments, ending.map_or_else(Ending::begin, Ok)?),
        Command::Get(arguments) => get::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Sources(arguments) => sources::run(&arguments),
        Command::Symbols(arguments) => symbols::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::RunFilter(arguments) => worker::run(arguments.memory).map(|()| Exit::Done),
    }
}

/// Whether the first argument is a command that runs until a signal ends it. The other arguments are not read yet.
fn runs_a_service() -> bool {
    std::env::args_os().nth(1).is_some_and(|command| command == "serve" || command == "demo")
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

/// The settings. If they are wrong, prints the errors to stderr and returns the exit code.
fn settings(options: &LoadOptions) -> Result<Settings, Exit> {
    load(options).map_err(|errors| {
        complain(&errors.to_string());
        Exit::Configuration
    })
}

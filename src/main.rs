//! The program: reads the command line, runs a command, and ends with its exit code.

use std::process::ExitCode;

use quotefold::cli::{Exit, run};
use quotefold::logging;
use tikv_jemallocator::Jemalloc;

/// Gives memory back to the system when it is no longer needed.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let _last = logging::FlushedAtEnd;
    // the library was built without a default; clients cannot be made before one is chosen
    let chosen = rustls::crypto::ring::default_provider().install_default();
    let ended = match chosen {
        Ok(()) => run().map_err(anyhow::Error::from),
        Err(_) => Err(anyhow::anyhow!("the TLS library was set up twice")),
    };
    let exit = ended.unwrap_or_else(|error| {
        logging::say(&format!("quotefold: {error:#}"));
        Exit::Bug
    });
    exit.into()
}

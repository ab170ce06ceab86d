//! The program: reads the command line, runs a command, and exits with its code.

use std::process::ExitCode;

use quotefold::cli::{Exit, run};
use quotefold::logging;
use tikv_jemallocator::Jemalloc;

/// Returns unused memory to the system; the C library's allocator would keep most of it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let _last = logging::FlushedAtEnd;
    // rustls is built without a default provider; no client can be made before one is installed
    let chosen = rustls::crypto::ring::default_provider().install_default();
    let ended = match chosen {
        Ok(()) => run().map_err(anyhow::Error::from),
        Err(_) => Err(anyhow::anyhow!("the TLS provider was installed twice")),
    };
    let exit = ended.unwrap_or_else(|error| {
        logging::say(&format!("quotefold: {error:#}"));
        Exit::Bug
    });
    exit.into()
}

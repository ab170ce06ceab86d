//! Lists the codes the program ends with. Scripts rely on them.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command succeeded; every price is complete.
    Done = 0,
    /// Prices are degraded or partial; a server is not ready; `check` got no price from a source; `verify` found a difference.
    NotWhole = 1,
    /// There is no price, or no symbol was found.
    NoPrice = 3,
    /// The command line is wrong (`EX_USAGE`).
    Usage = 64,
    /// There is no server at `--url` (`EX_UNAVAILABLE`).
    NoServer = 69,
    /// A bug in quotefold (`EX_SOFTWARE`).
    Bug = 70,
    /// The configuration is wrong (`EX_CONFIG`).
    Configuration = 78,
    /// The user ended a watch with Ctrl-C (128 and the number of SIGINT).
    Interrupted = 130,
    /// A watch was told to end (128 and the number of SIGTERM).
    Terminated = 143,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

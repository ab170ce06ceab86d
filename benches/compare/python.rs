//! The service that one would write in Python: FastAPI, orjson and aiohttp, in `peer.py`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::machine::Machine;
use crate::process::{Server, free_address};
use crate::quotefold::Folder;
use crate::venues::Venues;

/// What installs it.
pub(crate) const MISSING: &str = "this Python lacks FastAPI or its friends: `python3 -m venv DIR && DIR/bin/pip install \
                                  fastapi orjson aiohttp 'uvicorn[standard]'`, then `--python DIR/bin/python`";

/// A running service.
pub(crate) struct Python {
    pub(crate) server: Server,
    _folder: Folder,
}

/// Whether this Python has all that it needs.
pub(crate) fn is_installed(python: &Path) -> bool {
    let modules = "import fastapi, orjson, aiohttp, uvicorn, uvloop, httptools";
    let asked = Command::new(python).args(["-c", modules]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

impl Python {
    /// Starts the service over these venues. It answers `/hot` with this answer, which it holds in memory.
    pub(crate) fn start(machine: &Machine, python: &Path, venues: &Venues, hot: &[u8]) -> anyhow::Result<Self> {
        let (address, folder) = (free_address()?, Folder::new("python")?);
        let file = folder.0.join("hot.json");
        std::fs::write(&file, hot)?;
        let mut command = machine.server(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/peer.py"));
        command.arg(address.port().to_string()).arg(&file);
        command.args(venues.addresses.iter().map(ToString::to_string));
        Ok(Python { server: Server::start(&mut command, address)?.until_it_answers("/hot")?, _folder: folder })
    }
}

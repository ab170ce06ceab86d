//! nginx with one worker, which serves files.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::machine::Machine;
use crate::process::{Server, free_address};
use crate::quotefold::Folder;

/// What installs it.
pub(crate) const MISSING: &str = "nginx is not installed: `apt-get install -y nginx`";

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) server: Server,
    _folder: Folder,
}

/// Whether there is one.
pub(crate) fn is_installed() -> bool {
    Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

impl Nginx {
    /// Serves these bodies, each at its path.
    pub(crate) fn serving(machine: &Machine, bodies: &[(String, Vec<u8>)]) -> anyhow::Result<Self> {
        let (address, folder) = (free_address()?, Folder::new("nginx")?);
        for (path, body) in bodies {
            let file = folder.0.join("www").join(path.trim_start_matches('/'));
            std::fs::create_dir_all(file.parent().unwrap_or(&folder.0))?;
            std::fs::write(file, body)?;
        }
        let file = folder.0.join("nginx.conf");
        std::fs::write(&file, configuration(&folder.0, &address.to_string()))?;
        let mut command = machine.server("nginx");
        command.arg("-e").arg(folder.0.join("error.log")).arg("-c").arg(&file);
        let first = bodies.first().map_or("/", |(path, _)| path);
        let server = Server::start(&mut command, address)?.until_it_answers(first)?;
        Ok(Nginx { server, _folder: folder })
    }
}

/// One process that logs nothing, keeps connections and knows the open files: nginx at its best.
fn configuration(folder: &Path, address: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 1000000000;\n\
         default_type application/json;\n  open_file_cache max=4000 inactive=600s;\n  open_file_cache_valid 600s;\n\
         client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/fastcgi;\n\
         uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n\
         server {{ listen {address} backlog=4096; root {folder}/www; }}\n}}\n"
    )
}

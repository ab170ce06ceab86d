//! Listens on a socket in the file system, and leaves no file behind.

#![allow(
    clippy::disallowed_methods,
    reason = "the folder of a socket is local, and is touched only at the start and at the end"
)]

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::listener::BACKLOG;

/// Who may connect: the user of the service and its group, in which a proxy can be. Connecting takes the right to write.
const MODE: u32 = 0o660;

/// A listener on a socket in the file system. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct SocketFile {
    // first, so that the file is removed while no other process can take its place
    file: OwnFile,
    listener: UnixListener,
}

/// A file that this process has made, removed when this is dropped.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    /// Another process may have put its own file there since.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes the file, in place of one that a process has left behind.
    ///
    /// # Errors
    /// If another process listens there, something else than a socket is there, or the folder cannot be written to.
    pub(super) async fn open(path: &Path) -> io::Result<Self> {
        remove_if_abandoned(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        let file = OwnFile { path: path.to_owned(), identity: identity(&fs::symlink_metadata(path)?) };
        // before it listens, no client can connect
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        Ok(SocketFile { listener: socket.listen(BACKLOG)?, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes a socket on which no process accepts connections, because its own was killed.
async fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is there is not a socket, and stays as it is"));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let why = "a socket is there that another user has made, and that this one may not connect to or replace";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        // also if its queue is full
        Ok(_) | Err(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
    // another process may just have replaced it
    let is_same = fs::symlink_metadata(path).is_ok_and(|again| identity(&again) == identity(&found));
    if is_same { fs::remove_file(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder, removed with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("quotefold-socket-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("quotefold.sock")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn its_user_and_group_may_connect_and_the_file_is_gone_at_the_end() {
        let folder = Folder::new("mode");
        let listener = SocketFile::open(&folder.socket()).await.unwrap();
        assert_eq!(fs::metadata(folder.socket()).unwrap().permissions().mode() & 0o777, 0o660);
        let (accepted, connected) = tokio::join!(listener.accept(), UnixStream::connect(folder.socket()));
        assert!(accepted.is_ok() && connected.is_ok());
        drop(listener);
        assert!(!folder.socket().exists());
    }

    #[tokio::test]
    async fn only_a_socket_on_which_nobody_accepts_is_replaced() {
        let folder = Folder::new("stale");
        // the standard library leaves the file behind
        drop(std::os::unix::net::UnixListener::bind(folder.socket()).unwrap());
        let first = SocketFile::open(&folder.socket()).await.unwrap();
        let error = SocketFile::open(&folder.socket()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(folder.socket()).await.is_ok(), "the first still listens");
        drop(first);
        for make in [|path: &Path| fs::write(path, "mine").unwrap(), |path: &Path| fs::create_dir(path).unwrap()] {
            make(&folder.socket());
            let error = SocketFile::open(&folder.socket()).await.unwrap_err();
            assert!(error.to_string().contains("not a socket"), "{error}");
            let _ = fs::remove_file(folder.socket());
        }
    }

    #[tokio::test]
    async fn a_link_is_not_followed() {
        let folder = Folder::new("link");
        let elsewhere = folder.0.join("elsewhere.sock");
        drop(std::os::unix::net::UnixListener::bind(&elsewhere).unwrap());
        std::os::unix::fs::symlink(&elsewhere, folder.socket()).unwrap();
        assert!(SocketFile::open(&folder.socket()).await.is_err());
        assert!(fs::symlink_metadata(&elsewhere).is_ok());
    }

    #[tokio::test]
    async fn a_file_that_another_process_has_put_there_stays() {
        let folder = Folder::new("others");
        let listener = SocketFile::open(&folder.socket()).await.unwrap();
        fs::remove_file(folder.socket()).unwrap();
        let other = std::os::unix::net::UnixListener::bind(folder.socket()).unwrap();
        drop(listener);
        assert!(UnixStream::connect(folder.socket()).await.is_ok());
        drop(other);
    }
}

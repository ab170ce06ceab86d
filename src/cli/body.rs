//! Reads the body of a server's reply, up to the longest that an answer can be.

use reqwest::Response;

use super::health::root_cause;

/// The longest body that is read, in bytes: some thousand symbols with their proof. Parsing it may take 50 times that.
const LONGEST: usize = 8 << 20;

/// The whole body.
///
/// # Errors
/// Why the body could not be read, in words for people.
pub(super) async fn body(mut reply: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match reply.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST => {
                return Err(format!("it is longer than {} MiB; ask for fewer symbols", LONGEST >> 20));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(root_cause(&error.without_url())),
        }
    }
}

//! The secret that unlocks a session: whoever can read its file may do everything.

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Random bytes in a token; its text has two characters for each.
const TOKEN_BYTES: usize = 32;

/// The token could not be made or kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = .path.display())]
pub struct TokenError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub error: std::io::Error,
}

/// The secret of one life of the daemon.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// Makes a token and writes it to a file that its owner alone can read, in place of an older one.
    pub fn create(path: &Path) -> Result<Self, TokenError> {
        let failed = |error| TokenError {
            path: path.to_owned(),
            error,
        };
        let mut bytes = [0; TOKEN_BYTES];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .map_err(failed)?;
        let text = bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        write_private(path, &text).map_err(failed)?;
        Ok(Self(text.into()))
    }

    /// Whether this is the token. Takes the same time wherever the texts differ.
    pub fn matches(&self, claim: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let differing = token.iter().zip(claim).fold(0, |all, (a, b)| all | (a ^ b));
        differing == 0 && claim.len() == token.len()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A new file takes the old one's place at once, so a reader never sees half a token, nor one with the
/// rights of a file that somebody had put there.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(&new, flags, Mode::RUSR | Mode::WUSR)?;
    writeln!(File::from(file), "{text}")?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_private_and_new_each_time() {
        let directory = std::env::temp_dir().join(format!("console-token-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("writable");
        let path = directory.join("console.token");
        let first = Token::create(&path).expect("made");
        let second = Token::create(&path).expect("made again");
        let text = std::fs::read_to_string(&path).expect("readable");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        std::fs::remove_dir_all(&directory).expect("removed");
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(text.trim().len(), 2 * TOKEN_BYTES);
        assert!(second.matches(text.trim().as_bytes()));
        assert!(!first.matches(text.trim().as_bytes()));
        for wrong in [&b""[..], b"0", text.as_bytes(), &text.as_bytes()[..63]] {
            assert!(!second.matches(wrong));
        }
    }
}

//! Who may connect: credentials and the number of connections.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;

/// Why a CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// User name or password are wrong or absent.
    Credentials,
    /// The limit of connections is reached.
    Full,
    /// The agent is stopping.
    Stopping,
}

/// The door of one worker.
#[derive(Debug)]
pub(super) struct Admission {
    credentials: Option<(String, String)>,
    max_connections: usize,
    open: Rc<Cell<usize>>,
}

/// Holds a connection's place until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Admission {
    pub(super) fn new(credentials: Option<(String, String)>, max_connections: usize) -> Self {
        Self { credentials, max_connections, open: Rc::default() }
    }

    pub(super) fn enter(&self, username: Option<&str>, password: Option<&[u8]>) -> Result<Place, Refusal> {
        if let Some((expected_name, expected_password)) = &self.credentials {
            let name_fits = same_bytes(expected_name.as_bytes(), username.unwrap_or_default().as_bytes());
            let password_fits = same_bytes(expected_password.as_bytes(), password.unwrap_or_default());
            if !(name_fits & password_fits) {
                return Err(Refusal::Credentials);
            }
        }
        if self.open.get() >= self.max_connections {
            return Err(Refusal::Full);
        }
        self.open.set(self.open.get() + 1);
        Ok(Place(Rc::clone(&self.open)))
    }
}

/// Compares in a time that tells nothing of where the difference is; only the length shows.
fn same_bytes(expected: &[u8], given: &[u8]) -> bool {
    let differing = expected.iter().zip(given).fold(0, |found, (a, b)| black_box(found | (a ^ b)));
    (expected.len() == given.len()) & (differing == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_name_and_password_enter() {
        let door = Admission::new(Some(("plant".into(), "secret".into())), 10);
        assert!(door.enter(Some("plant"), Some(b"secret")).is_ok());
        for (name, password) in [
            (Some("plant"), Some(b"secreT".as_slice())),
            (Some("plant"), Some(b"secret2")),
            (Some("plan"), Some(b"secret")),
            (Some("plant"), None),
            (None, None),
        ] {
            assert_eq!(door.enter(name, password).err(), Some(Refusal::Credentials));
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let door = Admission::new(None, 1);
        let place = door.enter(None, None);
        assert_eq!(door.enter(None, None).err(), Some(Refusal::Full));
        drop(place);
        assert!(door.enter(None, None).is_ok());
    }
}

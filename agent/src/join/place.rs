//! Where an enrolment stands on the disk, and how it gets there without a moment in which it is half.
//!
//! ```text
//! agent.d/50-join.toml            names the token's file; its rename is the moment at which everything changes
//! agent.d/50-join.1f0c….token     the token, mode 0600, the agent's user's; another name for each enrolment
//! agent.d/50-join.pending         address, code and token of the newest attempts, mode 0600; gone when one is through
//! ```

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::{JoinError, Wish};
use crate::config::Layers;
use crate::control::owner_of;

const DROP_IN: &str = "50-join.toml";
const PENDING: &str = "50-join.pending";
const TOKEN_PREFIX: &str = "50-join.";
const TOKEN_ENDING: &str = ".token";
/// Only its owner may look.
const SECRET: u32 = 0o600;
/// Whoever may enter the directory above may look.
const OPEN: u32 = 0o644;
const DIRECTORY: u32 = 0o755;

/// One whose answer was lost must not be forgotten for a mistyped code.
const MOST_ATTEMPTS: usize = 8;
const TOKEN_CHARACTERS: usize = 64;

/// A code that was sent to a hub, or was about to be, with the token that goes with it.
struct Attempt {
    hub: String,
    code: String,
    token: String,
}

impl Attempt {
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(str::to_owned);
        let (hub, code, token) = (words.next()?, words.next()?, words.next()?);
        (token.len() == TOKEN_CHARACTERS).then_some(Self { hub, code, token })
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.hub, self.code, self.token)
    }

    fn is_of(&self, wish: &Wish) -> bool {
        self.hub == wish.hub.as_str() && self.code == wish.code.as_str()
    }
}

/// Who runs the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
}

/// The files of one enrolment.
#[derive(Debug)]
pub(super) struct Place {
    config: PathBuf,
    dir: PathBuf,
    drop_in: PathBuf,
    token_file: PathBuf,
}

impl Place {
    /// Returns the place for the agent whose configuration is `config`.
    pub(super) fn of(config: &Path) -> Self {
        let dir = Layers::drop_ins_of(config);
        let token_file = dir.join(format!("{TOKEN_PREFIX}{}{TOKEN_ENDING}", hex(&rand::random::<[u8; 4]>())));
        Self { config: config.to_owned(), drop_in: dir.join(DROP_IN), token_file, dir }
    }

    pub(super) fn drop_in(&self) -> &Path {
        &self.drop_in
    }

    /// Returns the file that will hold the token.
    pub(super) fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// Keeps other `join`s out for as long as the file returned is there: each clears up what is not its own.
    ///
    /// # Errors
    /// When another one runs for this configuration, or it cannot be read.
    pub(super) fn lock(&self) -> Result<File, JoinError> {
        // Its directory where it is not there.
        let locked = self.config.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let failed = |error| JoinError::Unwritable(locked.to_owned(), error);
        let lock = File::open(locked).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(JoinError::Busy(locked.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Finds out who runs the agent: whose the buffer is, or the directory that it will lie in; where that is root's,
    /// the user whose group may read the configuration.
    ///
    /// # Errors
    /// When it is somebody whom this user cannot give a file.
    pub(super) fn owner(&self, buffer: &Path) -> Result<Owner, JoinError> {
        let nearest = buffer.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let seen = nearest.metadata().map_err(|error| JoinError::Unwritable(nearest.to_owned(), error))?;
        let found = Owner { uid: seen.uid(), gid: seen.gid() };
        let own = rustix::process::geteuid();
        if nearest != buffer && found.uid == 0 {
            return Ok(self
                .reader()
                .filter(|_| own.is_root())
                .unwrap_or(Owner { uid: own.as_raw(), gid: rustix::process::getegid().as_raw() }));
        }
        if own.is_root() || own.as_raw() == found.uid {
            return Ok(found);
        }
        Err(JoinError::NotOwner { path: nearest.to_owned(), owner: owner_of(nearest) })
    }

    /// Returns the user whose first group the configuration's directory has, unless it is root's.
    fn reader(&self) -> Option<Owner> {
        let gid = self.config.parent()?.metadata().ok()?.gid();
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let uid = users.lines().find_map(|line| {
            let mut fields = line.split(':').skip(2);
            let uid = fields.next()?.parse().ok()?;
            (fields.next()? == gid.to_string()).then_some(uid)
        });
        uid.filter(|_| gid != 0).map(|uid| Owner { uid, gid })
    }

    /// Returns the token of an earlier attempt at the same hub with the same code.
    pub(super) fn attempted(&self, wish: &Wish) -> Option<String> {
        let attempts = self.attempts();
        attempts.into_iter().find(|attempt| attempt.is_of(wish)).map(|attempt| attempt.token)
    }

    /// Draws the token and puts it on the disk; an attempt at the same hub with the same code has the same token. That
    /// it is there shows that the directory can be written.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub(super) fn draw_token(&self, wish: &Wish) -> Result<String, JoinError> {
        let mut attempts = self.attempts();
        if let Some(earlier) = attempts.iter().find(|attempt| attempt.is_of(wish)) {
            return Ok(earlier.token.clone());
        }
        let token = hex(&rand::random::<[u8; 32]>());
        let surplus = (attempts.len() + 1).saturating_sub(MOST_ATTEMPTS);
        attempts.drain(..surplus);
        let (hub, code) = (wish.hub.to_string(), wish.code.as_str().to_owned());
        attempts.push(Attempt { hub, code, token: token.clone() });
        let text: String = attempts.iter().map(Attempt::line).collect();
        let written = self.make_dir().and_then(|()| self.write(&self.dir.join(PENDING), &text, SECRET, None));
        written.map_err(|error| JoinError::Unwritable(self.dir.clone(), error))?;
        Ok(token)
    }

    fn attempts(&self) -> Vec<Attempt> {
        let text = std::fs::read_to_string(self.dir.join(PENDING)).unwrap_or_default();
        text.lines().filter_map(Attempt::of).collect()
    }

    /// Makes the enrolment the one that holds, and takes the former one's token away.
    ///
    /// # Errors
    /// When the disk refuses; what held before holds on.
    pub(super) fn enrol(&self, token: &str, drop_in: &str, owner: Owner) -> Result<(), JoinError> {
        let half_way = |path: &Path| {
            let path = path.to_owned();
            move |error| JoinError::HalfWay(path, error)
        };
        self.write(&self.token_file, &format!("{token}\n"), SECRET, Some(owner))
            .map_err(half_way(&self.token_file))?;
        self.write(&self.drop_in, drop_in, OPEN, None).map_err(half_way(&self.drop_in))?;
        self.clear_up(&self.token_file).map_err(half_way(&self.dir))
    }

    /// Clears up behind an enrolment that holds, with the token in `token_file`, and was ended before that.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn finish(&self, token_file: &Path) -> Result<(), JoinError> {
        self.clear_up(token_file).map_err(|error| JoinError::HalfWay(self.dir.clone(), error))
    }

    fn make_dir(&self) -> io::Result<()> {
        match std::fs::create_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                std::fs::set_permissions(&self.dir, Permissions::from_mode(DIRECTORY))?;
                self.dir.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
            }
        }
    }

    /// Replaces a file by a whole one: nobody ever sees a part of it, also after a power cut.
    fn write(&self, path: &Path, text: &str, mode: u32, owner: Option<Owner>) -> io::Result<()> {
        let whole = self.dir.join(format!(".50-join.{}", hex(&rand::random::<[u8; 4]>())));
        let written = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(SECRET).open(&whole)?;
            if let Some(owner) = owner.filter(|_| rustix::process::geteuid().is_root()) {
                fchown(&file, Some(owner.uid), Some(owner.gid))?;
            }
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&whole, path)?;
            File::open(&self.dir)?.sync_all()
        };
        written().inspect_err(|_| {
            if let Err(error) = std::fs::remove_file(&whole) {
                tracing::debug!(%error, "nothing to clear up");
            }
        })
    }

    /// Removes the attempt, the tokens of former enrolments, and what a power cut left.
    fn clear_up(&self, token_file: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_token = name.starts_with(TOKEN_PREFIX) && name.ends_with(TOKEN_ENDING);
            let is_left = name == PENDING || name.starts_with(".50-join.");
            if is_left || (is_token && path != token_file) {
                std::fs::remove_file(&path)?;
            }
        }
        File::open(&self.dir)?.sync_all()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

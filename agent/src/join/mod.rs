//! `join`: a gateway enrols at a hub with a one-time code, all or nothing.
//!
//! ```text
//! is it enrolled? ─▶ would the configuration stand? ─▶ token drawn, on the disk ─▶ hub takes code and token
//!                                                                                     │
//!          former token goes ◀─ drop-in names the new token (one rename) ◀─ token in a file of its own
//! ```
//!
//! Everything that can fail here fails before the code is spent. The token is on the disk before the hub hears of it, so
//! that whatever is lost behind that, the answer or this process, the same command again has the same outcome.

mod address;
mod place;

use std::path::{Path, PathBuf};
use std::time::Duration;

use penstock_shared::id::{AgentId, InvalidAgentId};
use penstock_shared::join::{JoinCode, JoinRequest};

use crate::config::{Certificates, ConfigFaults, Layers, Settings};
use crate::forward::{ForwardError, ForwardSettings, Hub, JoinFault};

pub use address::{HubAddress, InvalidAddress};
use place::Place;

/// How long the hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// A hub that others keep busy is asked so often again.
const TRIES_WHILE_BUSY: u32 = 10;
const PAUSE_WHILE_BUSY: Duration = Duration::from_secs(1);
/// Stands for the name and the token while it is tried out whether the configuration would stand.
const STAND_IN: &str = "name-that-the-hub-will-give";

/// What the operator wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The hub.
    pub hub: HubAddress,
    /// The code of the invitation.
    pub code: JoinCode,
    /// The name that the hub must give; any where there is none.
    pub name: Option<AgentId>,
    /// Whether a former enrolment is replaced.
    pub force: bool,
}

/// A gateway that is enrolled.
#[derive(Debug)]
pub struct Enrolment {
    /// The file that holds the token.
    pub token_file: PathBuf,
    /// The drop-in that names it.
    pub drop_in: PathBuf,
    /// The configuration from now on.
    pub settings: Settings,
    /// The agent's name before, where that is known.
    pub former_name: Option<AgentId>,
}

/// Why a gateway is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It is already.
    #[error("this gateway is enrolled already{0}; --force enrols it anew")]
    Enrolled(String),
    /// Another one is at it.
    #[error("another `join` is at work, by {}: wait for its end", .0.display())]
    Busy(PathBuf),
    /// The configuration is faulty, or would be.
    #[error(transparent)]
    Configuration(#[from] ConfigFaults),
    /// What would be written has no effect.
    #[error(
        "{0} is set by the environment or by a drop-in behind {1}, which goes before it: take it away first"
    )]
    Overruled(&'static str, PathBuf),
    /// The token would be somebody's who does not run the agent.
    #[error("{path} is owned by {owner}: run this as that user or as root")]
    NotOwner {
        /// What tells who runs the agent.
        path: PathBuf,
        /// Who does.
        owner: String,
    },
    /// The code was not sent.
    #[error("{} cannot be written, the code is not used", .0.display())]
    Unwritable(PathBuf, #[source] std::io::Error),
    /// There is no runtime or no client.
    #[error("cannot ask the hub, the code is not used")]
    Client(#[source] ForwardError),
    /// The same for want of a runtime.
    #[error("cannot ask the hub, the code is not used")]
    Runtime(#[source] std::io::Error),
    /// The hub was asked.
    #[error("hub {0}: {1}")]
    Hub(HubAddress, JoinFault),
    /// The hub gave a name that is none.
    #[error("the hub gives a name that is none")]
    Name(#[from] InvalidAgentId),
    /// The hub took the code, and the disk what came of it not.
    #[error("the hub has enrolled this gateway, but {} cannot be written; the same command again has the same outcome", .0.display())]
    HalfWay(PathBuf, #[source] std::io::Error),
}

/// Enrols the gateway whose configuration `layers` and `environment` are.
///
/// # Errors
/// When it cannot be enrolled, or is. What it had before stays as it was.
pub fn join(layers: &Layers, environment: &[(String, String)], wish: &Wish) -> Result<Enrolment, JoinError> {
    // The drop-in names the token's file, wherever the agent is started from.
    let main = std::path::absolute(layers.main())
        .map_err(|error| JoinError::Unwritable(layers.main().to_owned(), error))?;
    let place = Place::of(&main);
    let _lock = place.lock()?;
    // What another one wrote meanwhile counts.
    let layers = &found(&main)?;
    let former = layers.settings(environment.to_vec(), Certificates::Trusted);
    if let Ok(former) = &former
        && let Some(token_file) = in_use(&place, former, wish)
    {
        place.finish(&token_file)?;
        let (drop_in, settings) = (place.drop_in().to_owned(), former.clone());
        return Ok(Enrolment { token_file, drop_in, settings, former_name: None });
    }
    if !wish.force {
        must_be_free(&place, layers, former.as_ref().ok())?;
    }
    let trial = try_out(&place, layers, environment, wish)?;
    let owner = place.owner(&trial.buffer.dir)?;
    let token = place.draw_token(wish)?;
    let request = JoinRequest {
        code: wish.code.to_string(),
        token: token.clone(),
        agent: wish.name.as_ref().map(ToString::to_string),
    };
    let name = ask(wish, &request)?;
    let text = drop_in(name.as_str(), &wish.hub, "", &place.token_file().display().to_string());
    place.enrol(&token, &text, owner)?;
    let settings = found(&main)?.settings(environment.to_vec(), Certificates::Trusted)?;
    let (token_file, drop_in) = (place.token_file().to_owned(), place.drop_in().to_owned());
    Ok(Enrolment { token_file, drop_in, settings, former_name: former.ok().map(|former| former.agent.id) })
}

/// Returns the file of the token that this very wish brought, where an earlier process was ended behind that.
fn in_use(place: &Place, former: &Settings, wish: &Wish) -> Option<PathBuf> {
    let attempted = place.attempted(wish)?;
    let is_wanted = wish.name.as_ref().is_none_or(|name| *name == former.agent.id);
    former.hub.token_file.clone().filter(|_| is_wanted && former.hub.token.as_ref() == Some(&attempted))
}

/// Reads the configuration and its drop-ins, as they are now.
fn found(main: &Path) -> Result<Layers, ConfigFaults> {
    Layers::find(Some(main).filter(|main| main.exists()))
}

/// Refuses where there is a token already, by an earlier `join` or by hand.
fn must_be_free(place: &Place, layers: &Layers, former: Option<&Settings>) -> Result<(), JoinError> {
    let is_joined = layers.text_of(place.drop_in()).is_some();
    let has_token =
        former.is_some_and(|former| former.hub.token.is_some() || former.hub.token_file.is_some());
    if !is_joined && !has_token {
        return Ok(());
    }
    let as_whom = former.map(|former| format!(", as agent {} of hub {}", former.agent.id, former.hub.url));
    let token_file = former.and_then(|former| former.hub.token_file.as_ref());
    let by_what = token_file.map(|file| format!(", with the token in {}", file.display()));
    let by_what = by_what.or_else(|| is_joined.then(|| format!(", by {}", place.drop_in().display())));
    Err(JoinError::Enrolled(as_whom.unwrap_or_default() + &by_what.unwrap_or_default()))
}

/// Reads the configuration as it would be, but for the name and the token.
fn try_out(
    place: &Place,
    layers: &Layers,
    environment: &[(String, String)],
    wish: &Wish,
) -> Result<Settings, JoinError> {
    let text = drop_in(STAND_IN, &wish.hub, STAND_IN, "");
    let layers = layers.clone().with_drop_in(place.drop_in(), &text);
    let trial = layers.settings(environment.to_vec(), Certificates::Trusted)?;
    let wanted = [
        ("agent.id", trial.agent.id.as_str() == STAND_IN),
        ("hub.url", trial.hub.url == wish.hub.as_str()),
        ("hub.token", trial.hub.token.as_deref() == Some(STAND_IN)),
    ];
    match wanted.into_iter().find(|(_, is_ours)| !is_ours) {
        Some((key, _)) => Err(JoinError::Overruled(key, place.drop_in().to_owned())),
        None => Ok(trial),
    }
}

/// Writes the drop-in. It empties `token` or `token_file`, as the other one may stand in another file.
fn drop_in(name: &str, hub: &HubAddress, token: &str, token_file: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        "# Written by `penstock-agent join`, which writes it anew; what else differs here belongs into another drop-in.\n\
         [agent]\nid = {}\n\n[hub]\nurl = {}\ntoken = {}\ntoken_file = {}\n",
        quoted(name),
        quoted(hub.as_str()),
        quoted(token),
        quoted(token_file),
    )
}

/// Hands the code and the token to the hub, and returns the name that it gives.
fn ask(wish: &Wish, request: &JoinRequest) -> Result<AgentId, JoinError> {
    let settings = ForwardSettings {
        timeout: PATIENCE,
        ..ForwardSettings::new(AgentId::new(STAND_IN)?, wish.hub.as_str())
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(JoinError::Runtime)?;
    let answer = runtime.block_on(async {
        let hub = Hub::new(&settings).map_err(JoinError::Client)?;
        let mut tries = 0..TRIES_WHILE_BUSY;
        loop {
            match hub.join(request).await {
                Err(JoinFault::Busy(_)) if tries.next().is_some() => {
                    tokio::time::sleep(PAUSE_WHILE_BUSY).await
                }
                answer => return answer.map_err(|fault| JoinError::Hub(wish.hub.clone(), fault)),
            }
        }
    })?;
    Ok(AgentId::new(answer.agent)?)
}

//! `join`: this gateway enrols at a hub.

use std::io::{BufRead, IsTerminal, Read};
use std::process::ExitCode;
use std::str::FromStr;

use penstock_agent::check;
use penstock_agent::control::{is_in_use, owner_of};
use penstock_agent::join::{self, Enrolment, HubAddress, JoinError, Wish};
use penstock_shared::id::AgentId;
use penstock_shared::join::{InvalidJoinCode, JoinCode};

use super::output;
use super::settings::{ConfigArgument, EXIT_CONFIG, environment, told};

/// No code is longer, however it is typed.
const MOST_INPUT_BYTES: u64 = 256;

/// Enrols this gateway at a hub, with the code that `penstock-hub agents invite NAME` printed there.
///
/// The token goes to a file with mode 0600 in the directory of the drop-ins, name and address to 50-join.toml beside it.
/// Where something fails, what was there before stays; the same command again is safe.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The hub's address: https://HOST[:PORT]
    url: HubAddress,
    /// The code, good once. Without it, or for `-`, it is read from standard input: a command line is seen by everybody
    /// on this machine.
    code: Option<GivenCode>,
    /// The name that the hub must give; it refuses where the invitation is for another.
    #[arg(long)]
    name: Option<AgentId>,
    /// Enrols anew what is enrolled already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

#[derive(Debug, Clone)]
enum GivenCode {
    Itself(JoinCode),
    OnStandardInput,
}

impl FromStr for GivenCode {
    type Err = InvalidJoinCode;

    fn from_str(text: &str) -> Result<Self, InvalidJoinCode> {
        if text == "-" { Ok(Self::OnStandardInput) } else { text.parse().map(Self::Itself) }
    }
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        let environment: Vec<_> = environment().collect();
        let layers = match self.config.layers() {
            Ok(layers) => layers,
            Err(faults) => return faulty(&faults.to_string()),
        };
        if self.url.is_overheard() {
            output::note(&format!("{} is not https: everybody on the way can read code and token", self.url));
        }
        let Self { url: hub, code, name, force, .. } = self;
        let code = match read_code(code) {
            Ok(code) => code,
            Err(error) => return told(Err(error)),
        };
        match join::join(&layers, &environment, &Wish { hub, code, name, force }) {
            Ok(enrolment) => told(say(&enrolment)),
            Err(JoinError::Configuration(faults)) => faulty(&faults.to_string()),
            Err(error) => told(Err(error.into())),
        }
    }
}

/// Takes the code from the command line, or from standard input.
fn read_code(given: Option<GivenCode>) -> anyhow::Result<JoinCode> {
    if let Some(GivenCode::Itself(code)) = given {
        return Ok(code);
    }
    if std::io::stdin().is_terminal() {
        output::note("type the code that the hub printed:");
    }
    let mut line = String::new();
    std::io::stdin().lock().take(MOST_INPUT_BYTES).read_line(&mut line)?;
    line.trim().parse().map_err(|error| anyhow::anyhow!("CODE: {error}"))
}

fn faulty(faults: &str) -> ExitCode {
    output::complain(faults);
    ExitCode::from(EXIT_CONFIG)
}

/// Says what was done, whether the hub takes the token, and what is left to do.
fn say(enrolment: &Enrolment) -> anyhow::Result<ExitCode> {
    let Enrolment { token_file, drop_in, settings, former_name } = enrolment;
    output::line(&format!("✓ enrolled as agent {} of {}", settings.agent.id, settings.hub.url))?;
    output::line(&format!("✓ token in {}, mode 0600, {}'s", token_file.display(), owner_of(token_file)))?;
    output::line(&format!("✓ name and address in {}", drop_in.display()))?;
    let findings = check::hub(settings)?;
    for finding in &findings {
        output::line(&finding.to_string())?;
    }
    let next = match is_in_use(&settings.buffer.dir) {
        Ok(false) => "start the agent: systemctl start penstock-agent".to_owned(),
        Ok(true) if former_name.as_ref() == Some(&settings.agent.id) => {
            "have the running agent take it: systemctl reload penstock-agent".to_owned()
        }
        Ok(true) | Err(_) => {
            "restart the agent, as its name changes: systemctl restart penstock-agent".to_owned()
        }
    };
    output::line(&format!("next: {next}"))?;
    let all_is_well = findings.iter().all(|finding| finding.is_good);
    Ok(if all_is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

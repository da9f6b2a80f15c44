//! `man`: the manual, made from the same words as `--help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use super::output;
use super::settings::told;

/// What stands in no help text; roff(7).
const FURTHER: &str = r#".SH "EXIT STATUS"
0 all is well; 1 something is wrong, or could not be done; 2 the command line is wrong; 75 the disk hung, and a
restart helps (\fBrun\fR); 78 the configuration is wrong.
.SH FILES
.TP
.I /etc/penstock/agent.toml
The configuration.
.TP
.I /var/lib/penstock/agent
The buffer, with \fIstatus.json\fR and \fIcontrol.sock\fR, by which the other commands reach the agent that runs.
.SH ENVIRONMENT
\fBPENSTOCK_AGENT__SECTION__KEY\fR stands above a key of the configuration, \fBRUST_LOG\fR above its log level.
"#;

/// Prints the manual page, or writes one for each command into a directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Writes penstock-agent.1 and one page for each command into this directory, such as /usr/share/man/man1.
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        told(match self.dir {
            Some(dir) => write(&dir).map(|()| ExitCode::SUCCESS),
            None => page(super::Arguments::command())
                .and_then(|page| Ok(output::bytes(&page)?))
                .map(|()| ExitCode::SUCCESS),
        })
    }
}

fn write(dir: &Path) -> anyhow::Result<()> {
    let command = super::Arguments::command();
    clap_mangen::generate_to(command.clone(), dir).with_context(|| dir.display().to_string())?;
    let path = dir.join("penstock-agent.1");
    std::fs::write(&path, page(command)?).with_context(|| path.display().to_string())
}

fn page(command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    page.extend_from_slice(FURTHER.as_bytes());
    Ok(page)
}

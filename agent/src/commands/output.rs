//! What goes to stdout. A pipe that its reader closed ends the command in silence, as with other programs.

use std::io::{self, Write};

/// Prints a line.
///
/// # Errors
/// When stdout takes nothing more.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints bytes as they are.
///
/// # Errors
/// When stdout takes nothing more.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Says something on stderr beside the answer.
pub(super) fn note(text: &str) {
    complain(&format!("penstock-agent: {text}"));
}

/// Prints on stderr. Where nobody hears it, it is not worth failing for.
pub(super) fn complain(text: &str) {
    if writeln!(io::stderr(), "{text}").is_err() {
        tracing::debug!(text, "stderr is closed");
    }
}

/// Keeps sled's panics over damaged files, which the buffer catches and takes for damage, from the operator's screen.
pub(super) fn hush_sled() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_sled = panic.location().is_some_and(|location| location.file().contains("/sled-"));
        if !is_sled {
            tell(panic);
        }
    }));
}

/// Tells whether an error only says that nobody reads stdout any more.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(broken)
}

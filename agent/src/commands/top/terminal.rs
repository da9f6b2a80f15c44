//! The terminal while `top` has it, and its return: however the program ends, but for a kill -9.
//!
//! A few sequences of ECMA-48 do, which every terminal of the last decades understands: no library is needed.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// The other screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
const QUIT: [u8; 3] = [b'q', b'Q', 3];
/// Added to a signal's number when it ends a program.
const BY_SIGNAL: i32 = 128;
const USUAL_SIZE: (usize, usize) = (24, 80);

/// How the terminal was before; none once it is that way again.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal, taken.
pub(super) struct Terminal;

impl Terminal {
    /// Takes the terminal; none where stdout or stdin is none.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub(super) fn take() -> io::Result<Option<Self>> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        // Keys come at once and unshown; Ctrl-C comes as a key.
        quiet.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        restore_at_the_end()?;
        if let Ok(mut kept) = BEFORE.lock() {
            *kept = Some(before);
        }
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        write(ENTER)?;
        Ok(Some(Self))
    }

    /// Draws lines, as far as they fit.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn show(&self, lines: &[String]) -> io::Result<()> {
        let (rows, columns) = size();
        let mut text = HOME.to_owned();
        for (row, line) in lines.iter().take(rows).enumerate() {
            text.push_str(if row > 0 { "\r\n" } else { "" });
            text.extend(line.chars().filter(|letter| !letter.is_control()).take(columns));
            text.push_str(CLEAR_LINE);
        }
        text.push_str(CLEAR_BELOW);
        write(&text)
    }

    /// Waits until `then`; true when the operator wants to quit before that.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn quits_before(&self, then: Instant) -> io::Result<bool> {
        loop {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            if key_within(left)? {
                let mut keys = [0; 64];
                let count = io::stdin().lock().read(&mut keys)?;
                // At its end the terminal is gone.
                if count == 0 || keys[..count].iter().any(|key| QUIT.contains(key)) {
                    return Ok(true);
                }
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn key_within(wait: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let timeout = Timespec::try_from(wait).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        // A change of the window's size, for instance.
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => USUAL_SIZE,
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn restore() {
    let Some(before) = BEFORE.lock().ok().and_then(|mut kept| kept.take()) else { return };
    // A terminal that is gone needs nothing.
    let restored = write(LEAVE).is_ok() && tcsetattr(io::stdin(), OptionalActions::Now, &before).is_ok();
    if !restored {
        tracing::debug!("terminal not restored");
    }
}

/// Sees to it that a panic and a signal leave the terminal as it was.
fn restore_at_the_end() -> io::Result<()> {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        tell(panic);
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Ok(number) = runtime.block_on(ending_signal()) {
            restore();
            std::process::exit(BY_SIGNAL + number);
        }
    })?;
    Ok(())
}

async fn ending_signal() -> io::Result<i32> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // All branches are cancel-safe: signals.
    let kind = tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = hang_up.recv() => SignalKind::hangup(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    };
    Ok(kind.as_raw_value())
}

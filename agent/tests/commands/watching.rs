//! `top`, in a terminal and without one; and what is made for shells and the manual.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::world::{World, assert_says, text_of};

/// The sequences that give the terminal back.
const GIVEN_BACK: &str = "\u{1b}[?25h\u{1b}[?1049l";

/// Runs a command in a terminal with `keys` pressed; none where there is no program that gives one.
fn in_terminal(world: &World, words: &str, keys: &str) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_penstock-agent");
    let line =
        format!("stty rows 24 cols 100; {program} {words} --config {}; stty -a", world.config().display());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().ok()?;
    let mut stdin = terminal.stdin.take().expect("a pipe");
    stdin.write_all(keys.as_bytes()).expect("keys");
    // Held open: the end of the input would be a reason to quit, too.
    let output = terminal.wait_with_output().expect("an end");
    drop(stdin);
    Some(text_of(&output))
}

#[tokio::test]
async fn top_draws_and_gives_the_terminal_back() {
    let world = World::new();
    let agent = world.start();
    agent.take([("plant/press", "1".to_owned())]).await;
    let Some(told) = in_terminal(&world, "top --count 2", "") else { return };
    assert_says(
        &told,
        &["\u{1b}[?1049h", "(q quits)", "books   1 received = ", "mqtt listener devices", GIVEN_BACK],
    );
    // As it was before: keys are shown, and signals are made of them.
    let after = told.rsplit(GIVEN_BACK).next().expect("what follows");
    assert_says(after, &[" icanon", " echo ", "isig "]);
    let told = in_terminal(&world, "top --interval 3600", "q").expect("a terminal");
    assert_says(&told, &[GIVEN_BACK]);
}

#[tokio::test]
async fn top_prints_lines_where_there_is_no_terminal_and_outlives_the_agent() {
    let world = World::new();
    let agent = world.start();
    agent.take([("plant/press", "1".to_owned())]).await;
    let (code, told) = world.run(&["top", "--count", "1"]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &[" in ", "/s out ", " buffered 1 ", " hub "]);
    agent.stop();
    let (code, told) = world.run(&["top", "--count", "1"]);
    assert_eq!(code, Some(0));
    assert_says(&told, &["the agent does not run"]);
}

#[test]
fn completions_and_the_manual_name_every_command() {
    let program = env!("CARGO_BIN_EXE_penstock-agent");
    let make = |words: &[&str]| text_of(&Command::new(program).args(words).output().expect("it runs"));
    let commands = ["run", "check", "status", "top", "tap", "dead-letters"];
    for words in [&["completions", "bash"][..], &["completions", "zsh"], &["completions", "fish"]] {
        assert_says(&make(words), &commands);
    }
    let manual = make(&["man"]);
    assert_says(&manual, &["EXIT STATUS", "penstock\\-agent", "78 the configuration is wrong"]);
    let dir = tempfile::tempdir().expect("a directory");
    make(&["man", "--dir", dir.path().to_str().expect("text")]);
    for command in commands {
        assert!(dir.path().join(format!("penstock-agent-{command}.1")).exists(), "no page of {command}");
    }
}

#[test]
fn a_command_whose_words_nobody_hears_does_not_panic() {
    let world = World::new();
    std::fs::write(world.config(), "[buffer]\npolicy = \"pray\"\n").expect("a file");
    let program = env!("CARGO_BIN_EXE_penstock-agent");
    for words in ["status", "tap", "dead-letters ls", "buffer export", "check"] {
        let line = format!("{program} {words} --config {} >&- 2>&-; echo $?", world.config().display());
        let output = Command::new("sh").args(["-c", &line]).output().expect("it runs");
        assert_eq!(text_of(&output).trim(), "78", "{words}");
    }
}

#[test]
fn a_pipe_that_is_closed_early_is_no_failure() {
    let program = env!("CARGO_BIN_EXE_penstock-agent");
    let mut made = Command::new(program)
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(made.stdout.take());
    let output = made.wait_with_output().expect("an end");
    assert_eq!((output.status.code(), text_of(&output).as_str()), (Some(0), ""));
}

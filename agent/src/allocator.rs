//! How glibc's allocator is told to give memory back, which bounds what the agent keeps of a drained backlog.
//!
//! sled allocates half a mebibyte for each of its write buffers and a page of up to 128 KiB for each of its leaves.
//! By default glibc learns from the first of them that it was freed to take its like from the heap from then on,
//! and has a heap for each thread: what closed segments held stays in the holes, and 200 MB of texts left 104 MB
//! resident. With a fixed threshold large blocks are mapped and unmapped one by one, and one heap has fewer holes.
//!
//! glibc reads these settings from the environment when a program starts; changing them later takes unsafe code. So
//! the program starts itself once more, in the same process. musl has no such settings: there nothing is done, and
//! nothing was measured.

use std::ffi::OsString;

/// The environment's variables with their values (mallopt(3)); what the operator has set stays.
const SETTINGS: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// Starts the program once more in this process, unless it runs with the settings already. Returns only then, or
/// when the system refuses: then the agent works all the same, with more memory.
pub(crate) fn settle() {
    let missing = missing(|name| std::env::var_os(name));
    if cfg!(all(target_os = "linux", target_env = "gnu")) && !missing.is_empty() {
        let error = start_again(&missing);
        eprintln!("penstock-agent: allocator keeps its defaults: {error}");
    }
}

fn missing(variable: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, &'static str)> {
    SETTINGS.into_iter().filter(|(name, _)| variable(name).is_none()).collect()
}

#[cfg(unix)]
fn start_again(missing: &[(&'static str, &'static str)]) -> std::io::Error {
    use std::os::unix::process::CommandExt;

    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    // By its own path: started as /proc/self/exe it would be called "exe" in every list of processes.
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).envs(missing.iter().copied()).exec()
}

#[cfg(not(unix))]
fn start_again(_: &[(&'static str, &'static str)]) -> std::io::Error {
    std::io::ErrorKind::Unsupported.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_has_set_stays() {
        let chosen = |name: &str| (name == "MALLOC_ARENA_MAX").then(|| OsString::from("4"));
        let names: Vec<_> = missing(chosen).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"]);
    }

    #[test]
    fn a_program_that_was_started_again_is_not_started_once_more() {
        let again = |name: &str| SETTINGS.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into());
        assert!(missing(again).is_empty());
    }
}

//! What differs between the configuration that runs and a new one, and what of it takes a restart.

use crate::config::Settings;

/// What a new configuration changes beside the sources, which are compared one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// What is kept of which series.
    pub(super) rules: bool,
    /// Where and how readings are sent.
    pub(super) outflow: bool,
}

/// Compares; `old` runs.
///
/// # Errors
/// With the keys that cannot change while the agent runs.
pub(super) fn between(old: &Settings, new: &Settings) -> Result<Change, Vec<&'static str>> {
    let (kept, wanted) = (&old.buffer, &new.buffer);
    let is_same_buffer = wanted == &crate::config::BufferSettings { dir: wanted.dir.clone(), ..kept.clone() };
    let fixed = [
        ("agent.id", old.agent.id == new.agent.id),
        ("buffer.dir", kept.dir == wanted.dir),
        ("buffer", is_same_buffer),
        ("clock", old.clock == new.clock),
        ("log", old.log == new.log),
    ];
    let changed: Vec<_> = fixed.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect();
    if !changed.is_empty() {
        return Err(changed);
    }
    Ok(Change {
        rules: (&old.series, old.limits) != (&new.series, new.limits),
        outflow: (&old.hub, &old.forward) != (&new.hub, &new.forward),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn settings(text: &str) -> Settings {
        config::parse(Path::new("agent.toml"), text, []).expect("a good configuration")
    }

    #[test]
    fn what_takes_a_restart_is_named_all_at_once() {
        let old = settings("[agent]\nid = \"a\"\n[buffer]\ndir = \"/one\"\n");
        for (text, expected) in [
            ("[agent]\nid = \"b\"\n[buffer]\ndir = \"/two\"\n", &["agent.id", "buffer.dir"][..]),
            ("[agent]\nid = \"a\"\n[buffer]\ndir = \"/one\"\nquota_bytes = \"8 MiB\"\n", &["buffer"]),
            (
                "[agent]\nid = \"a\"\n[buffer]\ndir = \"/one\"\n[clock]\nset_file = \"/x\"\n[log]\nlevel = \"warn\"\n",
                &["clock", "log"],
            ),
        ] {
            assert_eq!(between(&old, &settings(text)), Err(expected.to_vec()), "{text}");
        }
    }

    #[test]
    fn what_may_change_is_told_apart() {
        let base = "[agent]\nid = \"a\"\n";
        let old = settings(base);
        for (more, rules, outflow) in [
            ("", false, false),
            ("[[command]]\nname = \"x\"\nrun = [\"x\"]\n", false, false),
            ("[[series]]\ntype = \"level\"\ndeadband = 1\n", true, false),
            ("[limits]\nseries = 10\n", true, false),
            ("[hub]\ntoken = \"t\"\n", false, true),
            ("[forward]\nlinger_ms = 5\n", false, true),
        ] {
            let change = between(&old, &settings(&format!("{base}{more}")));
            assert_eq!(change, Ok(Change { rules, outflow }), "{more}");
        }
    }
}

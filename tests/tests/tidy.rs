//! Rules of the house that the compiler does not know.

#![expect(clippy::unwrap_used, reason = "what a test's helpers cannot do, the test cannot either")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use penstock_tests::world::{checkout, program};

const MOST_LINES: usize = 400;
const TOP_LEVEL: [&str; 9] =
    ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "agent", "deploy", "hub", "shared", "tests"];

#[test]
fn the_top_level_is_as_the_owner_fixed_it() {
    let tracked = git(&["ls-files"]);
    let mut found: Vec<_> = tracked.lines().filter_map(|path| path.split('/').next()).collect();
    found.sort_unstable();
    found.dedup();
    found.retain(|name| !name.starts_with('.'));
    assert_eq!(found, TOP_LEVEL);
}

#[test]
fn no_source_file_is_a_giant() {
    let giants: Vec<_> = sources()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(giants.is_empty(), "above {MOST_LINES} lines: {giants:?}");
}

#[test]
fn every_module_opens_with_why_it_exists() {
    let silent: Vec<_> = sources().filter(|path| !read(path).starts_with("//!")).collect();
    assert!(silent.is_empty(), "without a module doc: {silent:?}");
}

#[test]
fn agent_and_hub_never_see_each_other_and_shared_sees_neither() {
    for (member, strangers) in [
        ("agent", ["penstock-hub", "penstock_hub"].as_slice()),
        ("hub", &["penstock-agent", "penstock_agent"]),
        ("shared", &["penstock-agent", "penstock_agent", "penstock-hub", "penstock_hub"]),
    ] {
        let manifest = read(&checkout().join(member).join("Cargo.toml"));
        let parsed: toml::Table = manifest.parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = parsed.get(section).and_then(toml::Value::as_table) else { continue };
            let edge = strangers.iter().find(|name| dependencies.contains_key(**name));
            assert_eq!(edge, None, "{member} depends on a stranger");
        }
        for path in sources().filter(|path| path.starts_with(checkout().join(member))) {
            let text = read(&path);
            let used = strangers.iter().find(|name| text.contains(&format!("use {name}")));
            assert_eq!(used, None, "{}", path.display());
        }
    }
}

#[test]
fn no_module_is_named_after_nothing() {
    let vague = ["utils", "util", "common", "base", "manager", "helpers", "misc"];
    let found: Vec<_> = sources()
        .filter(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let folder =
                path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
            vague.contains(&stem.as_str()) || vague.contains(&folder.as_str())
        })
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_sample_configurations_are_accepted() {
    for (name, check, sample) in [
        ("penstock-agent", &["check", "--config-only"][..], "agent.toml"),
        ("penstock-hub", &["check"][..], "hub.toml"),
    ] {
        let path = checkout().join("deploy").join(sample);
        let output = Command::new(program(name)).args(check).arg("--config").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{sample}: {said}");
    }
}

#[test]
fn what_the_pages_point_to_exists() {
    let pages = ["README.md", "deploy/README.md", "tests/README.md"].map(|page| read(&checkout().join(page)));
    let roots = ["agent/", "hub/", "shared/", "tests/", "deploy/", ".ci/"];
    let missing: Vec<_> = pages
        .iter()
        .flat_map(|page| page.split('`').skip(1).step_by(2))
        .filter(|word| roots.iter().any(|root| word.starts_with(root)))
        .map(|word| word.split([' ', ':']).next().unwrap_or(word))
        .filter(|path| !path.contains(['*', '{', '<', '…']) && !checkout().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "a page names what is not there: {missing:?}");
}

#[test]
fn every_promise_in_the_readme_has_its_test() {
    let readme = read(&checkout().join("README.md"));
    for scenario in fs::read_dir(checkout().join("tests/tests")).unwrap() {
        let path = scenario.unwrap().path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let proof = !["tidy", "harness"].contains(&name.as_str());
        assert!(!proof || readme.contains(&name), "the README does not say what {name} holds");
    }
}

fn sources() -> impl Iterator<Item = PathBuf> {
    let tracked = git(&["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]);
    let paths: Vec<_> =
        tracked.lines().map(|line| checkout().join(line)).filter(|path| path.exists()).collect();
    paths.into_iter()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

fn git(arguments: &[&str]) -> String {
    // Another owner of the checkout, as in a container, is no reason to refuse.
    let directory = checkout().to_str().unwrap();
    let output = Command::new("git")
        .args(["-c", &format!("safe.directory={directory}"), "-C", directory])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

//! The files that a configuration is made of: the one that was named, and the drop-ins beside it, in the order of names.
//!
//! ```text
//! agent.toml ◀─ agent.d/10-site.toml ◀─ agent.d/50-join.toml ◀─ PENSTOCK_AGENT__… ─▶ Settings
//! ```
//!
//! Each is laid over what came before: tables merge key by key, other values replace. Lists of tables, such as
//! `[[mapping]]`, are appended, so that a drop-in can add a source; an empty list takes away what came before.

use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};

use super::faults::{ConfigFaults, Fault, FaultLog};
use super::tree::{self, Node, NodeValue};
use super::{Certificates, DEFAULT_PATH, Settings};

/// One file and what stands in it.
#[derive(Debug, Clone)]
struct Layer {
    path: PathBuf,
    text: String,
}

/// The files of one configuration, read and not yet understood.
#[derive(Debug, Clone)]
pub struct Layers {
    main: PathBuf,
    layers: Vec<Layer>,
}

impl Layers {
    /// Reads the file and its drop-ins. Without a `path` [`DEFAULT_PATH`] is meant, which may be absent.
    ///
    /// # Errors
    /// With every file that is there, or should be, and cannot be read.
    pub fn find(path: Option<&Path>) -> Result<Self, ConfigFaults> {
        let main = path.map_or_else(|| PathBuf::from(DEFAULT_PATH), Path::to_path_buf);
        let mut found = Self { layers: Vec::new(), main };
        let (mut files, mut faults) = (Vec::new(), Vec::new());
        let mut refuse = |file: PathBuf, error: &io::Error| {
            faults.push(Fault::unreadable(files.len(), error));
            files.push(file);
        };
        match std::fs::read_to_string(&found.main) {
            Ok(text) => found.layers.push(Layer { path: found.main.clone(), text }),
            Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => refuse(found.main.clone(), &error),
        }
        match names_in(&found.drop_ins()) {
            Err(error) => refuse(found.drop_ins(), &error),
            Ok(paths) => {
                for path in paths {
                    match std::fs::read_to_string(&path) {
                        Ok(text) => found.layers.push(Layer { path, text }),
                        Err(error) => refuse(path, &error),
                    }
                }
            }
        }
        if faults.is_empty() { Ok(found) } else { Err(ConfigFaults { files, faults }) }
    }

    /// Takes one text instead of files; `file` only names it.
    pub(super) fn of_text(file: &Path, text: &str) -> Self {
        let layer = Layer { path: file.to_owned(), text: text.to_owned() };
        Self { main: file.to_owned(), layers: vec![layer] }
    }

    /// Returns the file that was named, whether it is there or not.
    #[must_use]
    pub fn main(&self) -> &Path {
        &self.main
    }

    /// Returns the directory of the drop-ins: for `agent.toml`, `agent.d` beside it.
    #[must_use]
    pub fn drop_ins(&self) -> PathBuf {
        Self::drop_ins_of(&self.main)
    }

    /// Returns the directory of the drop-ins of a configuration.
    #[must_use]
    pub fn drop_ins_of(main: &Path) -> PathBuf {
        main.with_extension("d")
    }

    /// Returns the files that were read, in the order in which they are laid over each other.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().map(|layer| layer.path.as_path())
    }

    /// Returns what stands in a file, if it is one of these.
    #[must_use]
    pub fn text_of(&self, path: &Path) -> Option<&str> {
        self.layers.iter().find(|layer| layer.path == path).map(|layer| layer.text.as_str())
    }

    /// Returns the configuration as it were with `text` in the drop-in `path`.
    #[must_use]
    pub fn with_drop_in(mut self, path: &Path, text: &str) -> Self {
        let drop_ins = self.drop_ins();
        self.layers.retain(|layer| layer.path != path);
        let place = self
            .layers
            .iter()
            .position(|layer| layer.path.starts_with(&drop_ins) && layer.path.as_path() > path);
        let layer = Layer { path: path.to_owned(), text: text.to_owned() };
        self.layers.insert(place.unwrap_or(self.layers.len()), layer);
        self
    }

    /// Understands the files, with the environment over them.
    ///
    /// # Errors
    /// With every fault found, when there is one.
    pub fn settings(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        certificates: Certificates,
    ) -> Result<Settings, ConfigFaults> {
        let (settings, log) = self.read(environment, certificates);
        let files = self.files().map(Path::to_path_buf).collect();
        log.into_result(files, settings)
    }

    pub(super) fn read(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        certificates: Certificates,
    ) -> (Settings, FaultLog) {
        let mut log = FaultLog::new(certificates);
        let mut root = tree::empty();
        let mut is_understood = true;
        for (file, layer) in self.layers.iter().enumerate() {
            match tree::from_toml(file, &layer.text, &mut log) {
                Some(over) => lay_over(&mut root, over),
                None => is_understood = false,
            }
        }
        if !is_understood {
            return (Settings::default(), log);
        }
        tree::overlay_environment(&mut root, environment, &mut log);
        (super::read_tree(root, &mut log), log)
    }
}

/// Returns the drop-ins of a directory by name. What is hidden or has another ending is somebody's copy.
fn names_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|ending| ending == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn lay_over(under: &mut Node, over: Node) {
    match (&mut under.value, over.value) {
        (NodeValue::Table(entries), NodeValue::Table(further)) => {
            under.origin = over.origin;
            for (key, node) in further {
                match entries.entry(key) {
                    Entry::Vacant(place) => {
                        place.insert(node);
                    }
                    Entry::Occupied(place) => lay_over(place.into_mut(), node),
                }
            }
        }
        (NodeValue::List(items), NodeValue::List(further)) if are_tables(items) && are_tables(&further) => {
            items.extend(further);
        }
        (value, replacement) => {
            *value = replacement;
            under.origin = over.origin;
        }
    }
}

fn are_tables(items: &[Node]) -> bool {
    !items.is_empty() && items.iter().all(|item| matches!(item.value, NodeValue::Table(_)))
}

#[cfg(test)]
mod tests;

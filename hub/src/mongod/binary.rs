//! Where a mongod is found.

use std::path::{Path, PathBuf};

use super::MongodError;

/// The environment variable that names the program when the configuration does not.
const ENVIRONMENT_VARIABLE: &str = "PENSTOCK_MONGOD";
/// Where deploy/get-mongod leaves the program, below the checkout.
const FETCHED: &str = ".cache/mongod/mongod";

/// Looks where the configuration says, else in the environment, in PATH, and where deploy/get-mongod puts it.
pub(super) fn find(configured: Option<&Path>) -> Result<PathBuf, MongodError> {
    let named = configured.map(Path::to_owned).or_else(|| {
        std::env::var_os(ENVIRONMENT_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
    });
    match named {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => Err(MongodError::BinaryMissing(path)),
        None => in_path().or_else(fetched).ok_or(MongodError::NoBinary),
    }
}

fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("mongod")).find(|program| program.is_file())
}

/// Looks above the working directory, and above the executable, which stands in `target/*/` of a checkout.
fn fetched() -> Option<PathBuf> {
    let places = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let mut directories = places.iter().flatten().flat_map(|place| place.ancestors());
    directories.find_map(|directory| {
        let program = directory.join(FETCHED);
        program.is_file().then_some(program)
    })
}

//! Where the music and the reference lie that tests use where they are there: they
//! are not part of the project.

use std::{env, path::PathBuf};

/// `$NEEDLEDROP_SHARED`, which then has to be there, else the folder `shared` beside the checkout.
pub(crate) fn folder() -> PathBuf {
    let Some(named) = env::var_os("NEEDLEDROP_SHARED") else {
        return PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    };
    let folder = PathBuf::from(named);
    assert!(folder.is_dir(), "$NEEDLEDROP_SHARED names no folder: {}", folder.display());
    folder
}

/// What lies there by this name, as `data/audio`; where it does not, that is said.
#[allow(dead_code, reason = "some tests go on without, and say by what")]
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let path = folder().join(name);
    if !path.exists() {
        println!("left out: {} is not here", path.display());
        return None;
    }
    Some(path)
}

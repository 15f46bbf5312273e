//! Where the music and the reference lie that tests use where they are there: they
//! are not part of the project.

use std::{env, path::PathBuf};

/// `$NEEDLEDROP_SHARED`, else the folder `shared` beside the checkout.
pub(crate) fn folder() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    env::var_os("NEEDLEDROP_SHARED").map_or_else(beside, PathBuf::from)
}

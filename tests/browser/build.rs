//! The built page on disk, and another version of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// The folder of the built page.
pub(crate) fn folder() -> PathBuf {
    let folder = env::var_os("NEEDLEDROP_DIST").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join("index.html").is_file());
    folder.expect("NEEDLEDROP_DIST names no built page: run `make test`")
}

/// A copy of the built page.
pub(crate) fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder(), copy.path());
    copy
}

/// A copy of the built page whose workers run `script` after their own.
pub(crate) fn with_worker_script(script: &str) -> tempfile::TempDir {
    let copy = copy();
    let engine = fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().path());
    let loader =
        engine.map(|folder| folder.join("engine-loader.js")).find(|loader| loader.is_file()).unwrap();
    let own = fs::read_to_string(&loader).unwrap();
    fs::write(loader, own + script).unwrap();
    copy
}

/// A copy of the built page with the title of a later version.
///
/// Where it is not `consistent`, the service worker lists the page of a version
/// that the server does not have, as in the middle of an upload.
pub(crate) fn later_version(consistent: bool) -> tempfile::TempDir {
    let copy = copy();
    let index = copy.path().join("index.html");
    let page = fs::read_to_string(&index).unwrap();
    let later = page.replace("<title>Needledrop</title>", "<title>Needledrop, later</title>");
    assert_ne!(page, later);
    fs::write(&index, &later).unwrap();

    let worker = copy.path().join("sw.js");
    let listed = if consistent { later } else { format!("{later} not uploaded yet") };
    let script = fs::read_to_string(&worker).unwrap();
    let changed = script.replace(&integrity(&page), &integrity(&listed));
    let changed = changed.replace("const VERSION = \"", "const VERSION = \"later-");
    assert_ne!(script, changed);
    fs::write(&worker, changed).unwrap();
    copy
}

/// The digest of a file as browsers write it.
fn integrity(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

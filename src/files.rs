//! Files written whole or not at all.
//!
//! In: a path and what to write. Out: the new file, or the old one untouched, whenever
//! the program or the machine stops.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Writes a file beside the old one and puts it in its place.
///
/// # Errors
/// What the system says, or that what is there is a device or a pipe, which a file must not
/// replace; what was there is then untouched.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_whole(path, |beside| fs::write(beside, bytes))
}

/// Lets a file be written beside the old one and puts it in its place, on the disk and not
/// in the system's memory alone.
///
/// # Errors
/// As [`write_whole`], and those of `write`.
pub(crate) fn replace_whole<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "what has this name is no file").into());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let written = write(beside).and_then(|()| {
        File::options().write(true).open(beside)?.sync_all()?;
        Ok(fs::rename(beside, path)?)
    });
    if written.is_ok() {
        // The rename itself is on the disk only with its folder; not every system
        // lets a folder be opened, and the file is whole either way.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    } else {
        // What a full disk left of it only takes room.
        let _ = fs::remove_file(beside);
    }
    written
}

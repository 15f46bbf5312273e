//! A folder of folders of sound: which recordings there are, and their genres.
//!
//! In: a folder. Out: the [`Recording`]s in it at any depth, in the order of
//! their paths. The genre of each is the name of the folder it lies in, as in
//! GTZAN's `genres/blues/blues.00012.wav`.
//!
//! A recording's name, by which the lists of a split call it, is its file's
//! without the extension. Where several files would have the same, each is
//! called by its path below the folder (`rock/01 Intro.mp3`), so that all of
//! them are kept.

use std::{
    collections::HashMap,
    io,
    path::{Component, Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::split::track_name;

/// Extensions, in lower case, of files that are taken for recordings.
const EXTENSIONS: [&str; 23] = [
    "aac", "aif", "aifc", "aiff", "alac", "au", "caf", "flac", "m4a", "mka", "mkv", "mp2", "mp3", "mp4",
    "mpga", "oga", "ogg", "opus", "snd", "wav", "wave", "weba", "webm",
];

/// A file of sound with a known genre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where it is.
    pub path: PathBuf,
    /// What lists call it; no two are the same.
    pub name: String,
    /// The folder it lies in.
    pub genre: String,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// What there is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// By path.
    pub recordings: Vec<Recording>,
    /// What looks like a recording and can be none, or could not be looked at.
    pub skipped: Vec<Skipped>,
    /// How many files are no sound by their names.
    pub other_files: usize,
}

/// Why a folder is no data set.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be listed.
    #[error("cannot read the folder {folder}")]
    Unreadable {
        /// The folder.
        folder: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// Nothing in it can be trained on.
    #[error(
        "there is no sound in folders below {folder} ({loose} sounds that cannot be used{}, {other_files} other \
         files); put the files of each genre into a folder of the genre's name",
        example(.first.as_ref())
    )]
    NoSound {
        /// The folder.
        folder: String,
        /// Sounds that are there and cannot be used, mostly because they lie in no folder.
        loose: usize,
        /// The first of these.
        first: Option<Skipped>,
        /// Files of other kinds.
        other_files: usize,
    },
}

/// One of several files that cannot be used, for all of them.
fn example(first: Option<&Skipped>) -> String {
    let told =
        |Skipped { path, reason }: &Skipped| format!(", the first of them {}: {reason}", path.display());
    first.map(told).unwrap_or_default()
}

/// Looks for recordings at any depth. Hidden files and folders, whose names begin with one
/// dot, are left out (macOS puts one of another content beside each file), links are followed.
///
/// # Errors
/// [`FolderError`] where there is not one recording.
pub fn find_recordings(folder: &Path) -> Result<Folders, FolderError> {
    let shown = || folder.display().to_string();
    folder.read_dir().map_err(|error| FolderError::Unreadable { folder: shown(), error })?;
    let mut found = Folders::default();
    let is_visible =
        |entry: &DirEntry| entry.depth() == 0 || !is_hidden(&entry.file_name().to_string_lossy());
    for entry in
        WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(is_visible)
    {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            // A pipe would be waited for.
            Ok(entry) if !entry.file_type().is_file() || !is_sound(entry.path()) => {
                found.other_files += 1;
            }
            Ok(entry) => match recording(folder, &entry) {
                Ok(recording) => found.recordings.push(recording),
                Err(reason) => {
                    found.skipped.push(Skipped { path: entry.into_path(), reason: reason.into() });
                }
            },
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                found.skipped.push(Skipped { path, reason: error.to_string() });
            }
        }
    }
    if found.recordings.is_empty() {
        return Err(FolderError::NoSound {
            folder: shown(),
            loose: found.skipped.len(),
            first: found.skipped.into_iter().next(),
            other_files: found.other_files,
        });
    }
    tell_apart(folder, &mut found.recordings);
    Ok(found)
}

/// Whether a name hides what has it. Songs and albums are called "...", and are none of that.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && !name.starts_with("..")
}

/// Whether its name says that a file is sound.
pub fn is_sound(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

fn recording(folder: &Path, entry: &DirEntry) -> Result<Recording, &'static str> {
    let path = entry.path();
    let Some(below) = path.strip_prefix(folder).ok().and_then(Path::to_str) else {
        return Err("its name is not Unicode");
    };
    let genre = Path::new(below).parent().and_then(Path::file_name).and_then(|genre| genre.to_str());
    let genre = genre.ok_or("it lies in no genre's folder")?.to_owned();
    Ok(Recording { path: path.to_owned(), name: track_name(below).to_owned(), genre })
}

/// Calls recordings whose names are not their own by their paths.
fn tell_apart(folder: &Path, recordings: &mut [Recording]) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for recording in &*recordings {
        *count.entry(recording.name.clone()).or_default() += 1;
    }
    for recording in recordings.iter_mut().filter(|recording| count[&recording.name] > 1) {
        let below = recording.path.strip_prefix(folder).unwrap_or(&recording.path);
        let parts = below.components().filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        });
        recording.name = parts.collect::<Vec<_>>().join("/");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with empty files.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        folder
    }

    fn names(found: &Folders) -> Vec<[&str; 2]> {
        found.recordings.iter().map(|recording| [&*recording.genre, &*recording.name]).collect()
    }

    #[test]
    fn the_genre_is_the_folder_at_any_depth() {
        let folder = folder(&[
            "gtzan/genres/blues/blues.00000.wav",
            "gtzan/genres/blues/._blues.00000.wav",
            "gtzan/genres/blues/blues.00001.au",
            "gtzan/genres/rock/rock.00000.FLAC",
            "gtzan/genres/rock/rock.00001.mp2",
            "gtzan/genres/rock/cover.jpg",
            ".trash/rock/rock.00001.flac",
        ]);
        let found = find_recordings(folder.path()).unwrap();
        assert_eq!(
            names(&found),
            [
                ["blues", "blues.00000"],
                ["blues", "blues.00001"],
                ["rock", "rock.00000"],
                ["rock", "rock.00001"]
            ]
        );
        assert_eq!(found.skipped, []);
        assert_eq!(found.other_files, 1);
    }

    #[test]
    fn names_of_several_dots_are_not_hidden() {
        let folder = folder(&[
            "pop/...Baby One More Time.mp3",
            "pop/._...Baby One More Time.mp3",
            "pop/.hidden.mp3",
            "...And Justice for All/One.flac",
        ]);
        let found = find_recordings(folder.path()).unwrap();
        assert_eq!(names(&found), [["...And Justice for All", "One"], ["pop", "...Baby One More Time"]]);
    }

    #[test]
    fn recordings_of_one_name_are_all_kept() {
        let folder = folder(&["a/x/01.mp3", "b/x/01.mp3", "b/y/01.flac", "b/y/01.mp3", "b/y/02.mp3"]);
        let found = find_recordings(folder.path()).unwrap();
        let expected = [
            ["x", "a/x/01.mp3"],
            ["x", "b/x/01.mp3"],
            ["y", "b/y/01.flac"],
            ["y", "b/y/01.mp3"],
            ["y", "02"],
        ];
        assert_eq!(names(&found), expected);
    }

    #[test]
    fn what_lies_in_no_folder_has_no_genre() {
        let folder = folder(&["stray.wav", "jazz/a.wav"]);
        let found = find_recordings(folder.path()).unwrap();
        assert_eq!(names(&found), [["jazz", "a"]]);
        assert_eq!(found.skipped[0].path, folder.path().join("stray.wav"));
    }

    #[test]
    fn folders_that_are_no_data_set_are_refused() {
        for (files, counts) in [
            (&[][..], (0, 0)),
            (&["jazz/notes.txt", "a.pdf"], (0, 2)),
            (&["a.wav", "b.wav", "jazz/notes.txt"], (2, 1)),
        ] {
            let folder = folder(files);
            let refused = find_recordings(folder.path()).unwrap_err();
            let told = refused.to_string();
            assert_eq!(told.contains("a.wav: it lies in no genre's folder"), counts.0 > 0, "{told}");
            let FolderError::NoSound { loose, other_files, .. } = refused else { panic!("{told}") };
            assert_eq!((loose, other_files), counts);
        }
        let folder = folder(&["a.wav"]);
        for path in [folder.path().join("absent"), folder.path().join("a.wav")] {
            assert!(matches!(find_recordings(&path), Err(FolderError::Unreadable { .. })));
        }
    }
}

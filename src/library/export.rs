//! The library as texts for other programs.
//!
//! In: records. Out: a table (CSV, RFC 4180), everything (JSON), a playlist
//! (M3U8).

use serde::Serialize;

use super::record::{Ending, Record};
use crate::classify::verdict::Doubt;

/// Version of the JSON that [`json`] writes. Till 1, `genre` was the most probable one also where
/// the song is not said to be of it.
pub const JSON_VERSION: u32 = 2;

impl Ending {
    /// Its name in exports.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unheard => "unheard",
            Self::Done => "done",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A text as a cell. Spreadsheets compute what begins like a formula, whoever
/// wrote it into a file's tags: such a text gets an apostrophe before it, and so does
/// what stands behind a semicolon, tab or line break, where one may take these for the end of a cell
/// (OWASP, "CSV Injection").
fn cell(text: &str) -> String {
    const FORMULA: [char; 11] =
        ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    let guarded = |(at, part): (usize, &str)| {
        // Spreadsheets may pass over blanks and quotes where a cell begins within a text.
        let start = if at == 0 { part } else { part.trim_start_matches([' ', '"', '\r', '\n']) };
        if start.starts_with(FORMULA) { format!("'{part}") } else { part.to_owned() }
    };
    let text: String = text.split_inclusive([';', '\t', '\r', '\n']).enumerate().map(guarded).collect();
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A number with three decimals, by integers: formatting floats is heavy.
fn thousandths(number: f64) -> String {
    // A cast from a float stays within the integers, and takes NaN for 0.
    let whole = (number.max(0.0) * 1000.0).round() as u64;
    format!("{}.{:03}", whole / 1000, whole % 1000)
}

/// A table with a line for each song and, after what is known of it, a column
/// for each genre of any model, in the order they come up. UTF-8 with a byte
/// order mark, without which Excel takes it for another encoding.
pub fn csv(records: &[Record]) -> String {
    let mut genres: Vec<&str> = Vec::new();
    for genre in records.iter().filter_map(|record| record.heard_by.as_ref()).flat_map(|by| &by.genres) {
        if !genres.contains(&genre.as_str()) {
            genres.push(genre);
        }
    }
    let head = [
        "file",
        "title",
        "artist",
        "album",
        "seconds",
        "state",
        "model",
        "genre",
        "doubt",
        "most_probable",
        "confidence",
    ];
    let mut text = String::from("\u{feff}");
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    };
    line(head.iter().chain(&genres).map(|name| cell(name)).collect());
    for record in records {
        let of = |tag: &Option<String>| cell(tag.as_deref().unwrap_or_default());
        let by = record.heard_by.as_ref();
        let top = record.most_probable();
        let name = top.map(|(genre, _)| cell(genre)).unwrap_or_default();
        let mut cells = vec![
            cell(&record.file.name),
            of(&record.info.title),
            of(&record.info.artist),
            of(&record.info.album),
            record.length().map(thousandths).unwrap_or_default(),
            record.ending.code().to_owned(),
            by.map(|by| cell(&by.name)).unwrap_or_default(),
            if record.doubt.is_none() { name.clone() } else { String::new() },
            record.doubt.map(Doubt::code).unwrap_or_default().to_owned(),
            name,
            top.map(|(_, share)| thousandths(f64::from(share))).unwrap_or_default(),
        ];
        cells.extend(genres.iter().map(|genre| {
            let at = by.and_then(|by| by.genres.iter().position(|name| name == genre));
            let share = at.and_then(|at| record.probabilities.get(at));
            share.map(|share| thousandths(f64::from(*share))).unwrap_or_default()
        }));
        line(cells);
    }
    text
}

/// A song in the JSON. What is not known is `null` or empty.
#[derive(Serialize)]
struct Song<'a> {
    file: &'a str,
    title: Option<&'a str>,
    artist: Option<&'a str>,
    album: Option<&'a str>,
    seconds: Option<f64>,
    /// `unheard`, `done`, `failed` or `cancelled`.
    state: &'static str,
    model: Option<&'a str>,
    /// The genre that the song is said to be, as `needledrop classify --json` has it; `null` where
    /// there is a doubt.
    genre: Option<&'a str>,
    /// `not_sure`, `not_music` or `null`.
    doubt: Option<&'static str>,
    /// The most probable genre, also where the song is not said to be of it; `null` where it is
    /// not music.
    most_probable: Option<&'a str>,
    /// Genres in the model's order.
    genres: &'a [String],
    /// Probability of each over the song, as the model combines its clips (`combine` in its
    /// card); refused ones have no say, unless they are most.
    probabilities: &'a [f32],
    clips: Vec<Clip>,
    /// Mean of the clips' embeddings.
    embedding: &'a [f32],
}

/// A clip in the JSON.
#[derive(Serialize)]
struct Clip {
    /// In seconds.
    start: f64,
    /// In seconds.
    end: f64,
    /// Probability of each genre, within 1/255; empty for silence.
    probabilities: Vec<f32>,
    /// Whether it was refused as not music, and has no say in the song's genre.
    refused: bool,
}

/// A song as a JSON object: `file`, `title`, `artist`, `album`, `seconds`,
/// `state`, `model`, `genre`, `doubt`, `most_probable`, `genres`, `probabilities`, `clips`
/// (`start`, `end`, `probabilities`, `refused`) and `embedding`.
///
/// # Errors
/// None for records: all their values have a JSON form.
pub fn json_song(record: &Record) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Song::of(record))
}

/// Everything, as one JSON object: `version` and `songs`, each as
/// [`json_song`] wrote it; one after the other, because a thousand at once take
/// a page's breath away.
pub fn json(songs: &[String]) -> String {
    format!("{{\"version\":{JSON_VERSION},\"songs\":[{}]}}", songs.join(","))
}

impl<'a> Song<'a> {
    fn of(record: &'a Record) -> Self {
        let by = record.heard_by.as_ref();
        let most_probable = record.most_probable().map(|(genre, _)| genre);
        let clips = record.clips.iter().map(|clip| Clip {
            start: clip.start,
            end: clip.end,
            probabilities: clip.shares.probabilities(),
            refused: clip.refused,
        });
        Self {
            file: &record.file.name,
            title: record.info.title.as_deref(),
            artist: record.info.artist.as_deref(),
            album: record.info.album.as_deref(),
            seconds: record.length(),
            state: record.ending.code(),
            model: by.map(|by| by.name.as_str()),
            genre: most_probable.filter(|_| record.doubt.is_none()),
            doubt: record.doubt.map(Doubt::code),
            most_probable,
            genres: by.map_or(&[], |by| &by.genres),
            probabilities: &record.probabilities,
            clips: clips.collect(),
            embedding: &record.embedding,
        }
    }
}

/// A playlist for players (extended M3U, UTF-8). Files are named without their
/// folders, which browsers do not tell: the list works from the folder that the
/// songs lie in.
pub fn m3u<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    // A line is an entry, whatever a tag holds.
    let flat = |text: &str| text.replace(['\r', '\n'], " ");
    let mut text = String::from("#EXTM3U\n");
    for record in records {
        let seconds = record.length().map_or(-1, |seconds| seconds.round() as i64);
        let artist = record.info.artist.as_deref().map(|artist| format!("{artist} - ")).unwrap_or_default();
        let title = flat(&format!("{artist}{}", record.title()));
        // The dot keeps a name that begins with # from being a remark.
        let name = flat(&record.file.name);
        text.push_str(&format!("#EXTINF:{seconds},{title}\n./{name}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_genre_of_any_model() {
        let mut other = record("b.mp3", 0.0, &[]);
        other.heard_by = Some(super::super::record::HeardBy {
            key: "l".into(),
            name: "own, \"new\"".into(),
            genres: vec!["jazz".into(), "polka".into()],
        });
        other.probabilities = vec![0.1236, 0.8764];
        other.info.title = Some("=HYPERLINK(\"x\")".into());
        let unsure = Record { doubt: Some(Doubt::NotSure), ..record("a.mp3", 0.75, &[]) };
        let table = csv(&[unsure, other, Record::default()]);
        assert_eq!(
            table,
            "\u{feff}file,title,artist,album,seconds,state,model,genre,doubt,most_probable,confidence,blues,jazz,polka\r\n\
             a.mp3,,,,9.400,done,row 8,,not_sure,blues,0.750,0.750,0.250,\r\n\
             b.mp3,\"'=HYPERLINK(\"\"x\"\")\",,,9.400,done,\"own, \"\"new\"\"\",polka,,polka,0.876,,0.124,0.876\r\n\
             ,,,,,unheard,,,,,,,,\r\n"
        );
    }

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1"] {
            assert!(cell(formula).trim_start_matches('"').starts_with('\''), "{formula:?}");
        }
        // Where a semicolon ends a cell.
        assert_eq!(cell("x;=1;y"), "x;'=1;y");
        assert_eq!(cell("x; \"=1"), "\"x;' \"\"=1\"");
        // Or the line, where a comma ends none.
        assert_eq!(cell("x\n=1"), "\"x\n'=1\"");
        assert_eq!(cell("x\r\n=1"), "\"x\r\n'=1\"");
        assert_eq!(cell("x\r\ny"), "\"x\r\ny\"");
        assert_eq!(cell("a;b - c"), "a;b - c");
        assert_eq!(cell("a=1"), "a=1");
    }

    #[test]
    fn json_says_all_that_is_known() {
        let text = json(&[json_song(&record("a.mp3", 0.75, &[0.5])).unwrap()]);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["version"], 2);
        let song = &read["songs"][0];
        assert_eq!((&song["file"], &song["state"]), (&"a.mp3".into(), &"done".into()));
        assert_eq!((&song["genre"], &song["seconds"]), (&"blues".into(), &9.4.into()));
        assert_eq!(song["clips"][0]["end"], 3.0);
        assert_eq!(song["clips"][1]["probabilities"], serde_json::json!([]));
        assert_eq!(song["embedding"][0], 0.5);
        assert_eq!((&song["doubt"], &song["most_probable"]), (&serde_json::Value::Null, &"blues".into()));

        let unsure = Record { doubt: Some(Doubt::NotSure), ..record("a.mp3", 0.75, &[]) };
        let unsure: serde_json::Value = serde_json::from_str(&json_song(&unsure).unwrap()).unwrap();
        assert_eq!((&unsure["genre"], &unsure["doubt"]), (&serde_json::Value::Null, &"not_sure".into()));
        assert_eq!(unsure["most_probable"], "blues");
    }

    #[test]
    fn a_playlist_has_two_lines_for_each_song() {
        let mut song = record("#1 hit.mp3", 0.75, &[]);
        song.info.title = Some("Line\nbreak".into());
        song.info.artist = Some("Who".into());
        let unknown = Record { seconds: None, ..record("b.mp3", 0.5, &[]) };
        assert_eq!(
            m3u([&song, &unknown]),
            "#EXTM3U\n#EXTINF:9,Who - Line break\n./#1 hit.mp3\n#EXTINF:-1,b.mp3\n./b.mp3\n"
        );
    }
}

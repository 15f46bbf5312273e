//! Which songs the table shows, and in which order.
//!
//! In: what is known of each song, and what the address asks for:
//! `#library?sort=-confidence&genre=jazz&state=done&q=blue`. Out: the songs'
//! indices. Knows no browser.

use std::cmp::Ordering;

use crate::letters::lowercase;
use crate::order::order;
use crate::page::views::Parameters;

/// A column that the table can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Title, letter by letter.
    Title,
    /// The most probable genre's name.
    Genre,
    /// Its probability.
    Confidence,
    /// Length.
    Length,
    /// How far the song is.
    State,
}

impl Column {
    /// All of them, in the table's order.
    pub(crate) const ALL: [Self; 5] = [Self::Title, Self::Genre, Self::Confidence, Self::Length, Self::State];

    /// Its name in the address.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Genre => "genre",
            Self::Confidence => "confidence",
            Self::Length => "length",
            Self::State => "state",
        }
    }
}

/// What the address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// The column sorted by, and whether from the end; `None` for the order in
    /// which songs came.
    pub(crate) sort: Option<(Column, bool)>,
    /// Name of the only genre wanted.
    pub(crate) genre: Option<String>,
    /// Code of the only state wanted.
    pub(crate) state: Option<String>,
    /// What titles, artists, albums or file names shall contain, in small
    /// letters.
    pub(crate) search: String,
}

impl Query {
    /// Reads the address.
    pub(crate) fn of(parameters: &Parameters) -> Self {
        let wanted = |name| parameters.get(name).filter(|value| !value.is_empty());
        let sort = wanted("sort").and_then(|sort| {
            let (code, down) = sort.strip_prefix('-').map_or((sort, false), |code| (code, true));
            Some((Column::ALL.into_iter().find(|column| column.code() == code)?, down))
        });
        Self {
            sort,
            genre: wanted("genre").map(str::to_owned),
            state: wanted("state").map(str::to_owned),
            search: folded(wanted("q").unwrap_or_default().trim()),
        }
    }

    /// The address after a click on the head of `column`: sorted by it, then the
    /// other way round, then not at all.
    pub(crate) fn turned(&self, column: Column, parameters: Parameters) -> Parameters {
        match self.sort {
            Some((sorted, false)) if sorted == column => {
                parameters.with("sort", format!("-{}", column.code()))
            }
            Some((sorted, true)) if sorted == column => parameters.without("sort"),
            _ => parameters.with("sort", column.code()),
        }
    }
}

/// What is known of a song, as far as it matters to the order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// Title, artist, album and file, as they are searched.
    pub(crate) texts: Vec<String>,
    /// The most probable genre and its probability.
    pub(crate) genre: Option<(String, f32)>,
    /// Length, in seconds.
    pub(crate) seconds: Option<f64>,
    /// Code of the state.
    pub(crate) state: &'static str,
}

impl Line {
    fn is_wanted(&self, query: &Query) -> bool {
        // One model's may be in capitals.
        let of_genre = |wanted: &String| {
            self.genre.as_ref().is_some_and(|(genre, _)| lowercase(genre) == lowercase(wanted))
        };
        query.genre.as_ref().is_none_or(of_genre)
            && query.state.as_ref().is_none_or(|wanted| self.state == wanted)
            && (query.search.is_empty() || self.texts.iter().any(|text| folded(text).contains(&query.search)))
    }
}

/// In small letters without accents, as people type what they look for. macOS writes the
/// accents of file names as characters of their own.
fn folded(text: &str) -> String {
    let is_mark = |letter: &char| ('\u{300}'..='\u{36f}').contains(letter);
    decomposed(&lowercase(text)).chars().filter(|letter| !is_mark(letter)).collect()
}

#[cfg(target_arch = "wasm32")]
fn decomposed(text: &str) -> String {
    js_sys::JsString::from(text).normalize("NFD").into()
}

/// For tests: the browser knows how letters are composed.
#[cfg(not(target_arch = "wasm32"))]
fn decomposed(text: &str) -> String {
    text.replace('ä', "a\u{308}")
}

/// With numbers as long as each other, so that "Track 10" comes after "Track 2".
pub(crate) fn counted(text: &str) -> String {
    const DIGITS: usize = 10;
    let (mut counted, mut number) = (String::new(), String::new());
    for letter in text.chars().map(Some).chain([None]) {
        match letter {
            Some(digit) if digit.is_ascii_digit() => number.push(digit),
            other => {
                if !number.is_empty() {
                    counted += &format!("{:0>DIGITS$}", number);
                    number.clear();
                }
                counted.extend(other);
            }
        }
    }
    counted
}

/// What there is before what there is not, whichever way the rest is sorted.
fn known_first<T>(a: Option<T>, b: Option<T>, down: bool, compare: impl Fn(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if down => compare(b, a),
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Indices of the lines that are wanted, in the order wanted; equals in the
/// order they have.
pub(crate) fn arrange(lines: &[Line], query: &Query) -> Vec<usize> {
    let wanted: Vec<usize> = (0..lines.len()).filter(|index| lines[*index].is_wanted(query)).collect();
    let Some((column, down)) = query.sort else { return wanted };
    // Once for each line, not once for each comparison.
    let titles: Vec<String> = match column {
        Column::Title => lines
            .iter()
            .map(|line| line.texts.first().map(|text| counted(&folded(text))).unwrap_or_default())
            .collect(),
        _ => Vec::new(),
    };
    let order = order(wanted.len(), &|a, b| {
        let (a, b) = (wanted[a], wanted[b]);
        let (left, right) = (&lines[a], &lines[b]);
        let genres = (left.genre.as_ref(), right.genre.as_ref());
        match column {
            Column::Title => known_first(Some(&titles[a]), Some(&titles[b]), down, Ord::cmp),
            Column::Genre => known_first(genres.0, genres.1, down, |a, b| a.0.cmp(&b.0)),
            Column::Confidence => known_first(genres.0, genres.1, down, |a, b| a.1.total_cmp(&b.1)),
            Column::Length => known_first(left.seconds, right.seconds, down, |a, b| a.total_cmp(&b)),
            Column::State => known_first(Some(left.state), Some(right.state), down, Ord::cmp),
        }
    });
    order.into_iter().map(|place| wanted[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(title: &str, genre: Option<(&str, f32)>, seconds: Option<f64>, state: &'static str) -> Line {
        let genre = genre.map(|(name, share)| (name.to_owned(), share));
        Line { texts: vec![title.into(), "Somebody".into()], genre, seconds, state }
    }

    fn lines() -> [Line; 4] {
        [
            line("beta", Some(("rock", 0.5)), Some(10.0), "done"),
            line("Alpha", Some(("jazz", 0.9)), None, "done"),
            line("gamma", None, Some(5.0), "failed"),
            line("Ärger", Some(("jazz", 0.4)), Some(7.0), "busy"),
        ]
    }

    fn arranged(query: Query) -> Vec<usize> {
        arrange(&lines(), &query)
    }

    #[test]
    fn without_a_wish_songs_stay_as_they_came() {
        assert_eq!(arranged(Query::default()), [0, 1, 2, 3]);
    }

    #[test]
    fn accents_and_the_length_of_numbers_make_no_difference() {
        for search in ["ar", "ÄR", "a\u{308}r"] {
            let query = Parameters::default().with("q", search);
            assert_eq!(arranged(Query::of(&query)), [3], "{search}");
        }
        assert!(counted("Track 2.mp3") < counted("Track 10.mp3") && counted("2") < counted("10b"));
    }

    #[test]
    fn what_is_not_known_stands_last_either_way() {
        let by = |column, down| arranged(Query { sort: Some((column, down)), ..Query::default() });
        assert_eq!(by(Column::Title, false), [1, 3, 0, 2]);
        assert_eq!(by(Column::Title, true), [2, 0, 3, 1]);
        assert_eq!(by(Column::Genre, false), [1, 3, 0, 2]);
        assert_eq!(by(Column::Confidence, true), [1, 0, 3, 2]);
        assert_eq!(by(Column::Length, false), [2, 3, 0, 1]);
        assert_eq!(by(Column::Length, true), [0, 3, 2, 1]);
        assert_eq!(by(Column::State, false), [3, 0, 1, 2]);
    }

    #[test]
    fn filters_narrow_each_other() {
        let query = Query { genre: Some("jazz".into()), ..Query::default() };
        assert_eq!(arranged(query.clone()), [1, 3]);
        assert_eq!(arranged(Query { state: Some("busy".into()), ..query }), [3]);
        assert_eq!(arranged(Query { search: folded("är"), ..Query::default() }), [3]);
        assert_eq!(arranged(Query { search: "someb".into(), ..Query::default() }).len(), 4);
        assert_eq!(arranged(Query { search: "nowhere".into(), ..Query::default() }), [0; 0]);
    }

    #[test]
    fn the_address_says_what_is_shown() {
        let parameters = Parameters::default().with("sort", "-length").with("q", " Blue ").with("genre", "");
        let query = Query::of(&parameters);
        let expected =
            Query { sort: Some((Column::Length, true)), search: "blue".into(), ..Query::default() };
        assert_eq!(query, expected);
        assert_eq!(Query::of(&Parameters::default().with("sort", "colour")), Query::default());
    }

    #[test]
    fn a_head_is_clicked_three_times_round() {
        let click = |parameters: Parameters| Query::of(&parameters).turned(Column::Genre, parameters);
        let once = click(Parameters::default());
        assert_eq!(once.get("sort"), Some("genre"));
        let twice = click(once);
        assert_eq!(twice.get("sort"), Some("-genre"));
        assert_eq!(click(twice).get("sort"), None);
        assert_eq!(click(Parameters::default().with("sort", "title")).get("sort"), Some("genre"));
    }
}

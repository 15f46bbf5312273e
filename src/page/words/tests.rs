//! The language files held against each other and against the code that speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::template::tests::gaps;
use super::*;
use crate::network::card::CARD_KEY;
use crate::network::experiment::experiment;
use crate::training::recipe::{Augmentation, Beyond, Penalised, Recipe, Schedule};

/// The sentences of a language file, and their keys in the order they stand in.
fn file(language: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let text = text(&format!("www/language/{language}.json"));
    let keys = text.lines().filter_map(|line| Some(line.trim().strip_prefix('"')?.split_once("\": ")?.0));
    (serde_json::from_str(&text).unwrap(), keys.map(str::to_owned).collect())
}

/// A file of the page that is not Rust.
fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The code of the page without its comments, these tests left out.
fn code() -> String {
    fn gather(folder: &Path, code: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, code);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("words/tests.rs")
            {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                lines.for_each(|line| *code += &format!("{line}\n"));
            }
        }
    }
    let mut code = String::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page"), &mut code);
    code
}

/// Every use of `name` in the code: the key that stands first in its parentheses,
/// and all that stands in them.
fn calls<'a>(code: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    code.match_indices(name)
        .filter(|(at, _)| !code[..*at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
        .filter_map(|(at, _)| {
            let inside = &code[at + name.len()..];
            let mut open = 1;
            let end = inside.find(|letter| {
                open += i32::from(letter == '(') - i32::from(letter == ')');
                open == 0
            })?;
            let key = inside.trim_start().strip_prefix('"')?.split_once('"')?.0;
            Some((key, &inside[..end]))
        })
        .collect()
}

#[test]
fn every_language_says_the_same_in_the_same_order() {
    let (english, _) = file("en");
    for language in LANGUAGES {
        let (sentences, keys) = file(language.code);
        assert!(keys.is_sorted(), "{}: {keys:?}", language.code);
        assert_eq!(keys.len(), sentences.len(), "{}: a key stands twice", language.code);
        assert!(sentences.keys().eq(english.keys()), "{}: {:?}", language.code, {
            let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) =
                (sentences.keys().collect(), english.keys().collect());
            ours.symmetric_difference(&theirs).map(ToString::to_string).collect::<Vec<_>>()
        });
        for (key, sentence) in &sentences {
            assert_eq!(gaps(sentence), gaps(&english[key]), "{}: {key}", language.code);
            assert!(!sentence.trim().is_empty(), "{}: {key}", language.code);
        }
    }
}

#[test]
fn every_language_that_has_a_file_can_be_chosen() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("www/language")).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, LANGUAGES.map(|language| format!("{}.json", language.code)).into());
}

#[test]
fn what_is_said_before_the_page_is_there_is_in_every_language() {
    let (script, document) = (text("www/boot.js"), text("index.html"));
    let (english, keys) = file("en");
    let in_document = document.split("data-says=\"").skip(1).filter_map(|place| {
        let (key, rest) = place.split_once("\">")?;
        let sentence = rest.split('<').next()?;
        assert_eq!(english.get(&format!("boot.{key}")).map(String::as_str), Some(sentence), "{key}");
        Some(key)
    });
    fn name(rest: &str) -> Option<&str> {
        rest.split(|letter| letter != '_' && !char::is_lowercase(letter)).next()
    }
    let in_script = script.split("says.").skip(1).filter_map(name);
    // `[can.gpu, "gpu"]` and `note(["not_kept"])`.
    let noted = script.split(", \"").chain(script.split("note([\"")).filter_map(|rest| {
        let name = name(rest)?;
        rest[name.len()..].starts_with("\"]").then_some(name)
    });
    let said: BTreeSet<_> = in_document.chain(in_script).chain(noted).collect();
    assert_eq!(said, keys.iter().filter_map(|key| key.strip_prefix("boot.")).collect());
    for language in LANGUAGES {
        for (key, sentence) in file(language.code).0 {
            // They stand in an element of index.html, which this would end.
            assert!(!key.starts_with("boot.") || !sentence.contains('<'), "{}: {key}", language.code);
        }
    }
}

#[test]
fn every_sentence_that_is_said_is_there_with_its_gaps_filled() {
    let (english, _) = file("en");
    let code = code();
    let (said, plain) = (calls(&code, "t!("), calls(&code, "sentence("));
    assert!(said.len() > 50 && plain.len() > 20, "{} and {}", said.len(), plain.len());
    for (key, inside) in said.into_iter().chain(plain) {
        let sentence = english.get(key).unwrap_or_else(|| panic!("no language has {key}"));
        for gap in gaps(sentence) {
            assert!(inside.contains(&format!("{gap} = ")), "{key} is said without {gap}");
        }
    }
}

#[test]
fn every_sentence_is_said_somewhere() {
    let code = code();
    for key in file("en").1 {
        let elsewhere = ["boot.", "genre."].iter().any(|prefix| key.starts_with(prefix));
        assert!(elsewhere || code.contains(&format!("\"{key}\"")), "{key} is never said");
    }
}

#[test]
fn clocks_have_hours_only_when_needed() {
    assert_eq!(clock(0.0), "0:00");
    assert_eq!(clock(61.9), "1:01");
    assert_eq!(clock(3_725.0), "1:02:05");
    assert_eq!(clock(f64::NAN), "0:00");
    assert_eq!(clock(-4.0), "0:00");
}

#[test]
fn numbers_are_rounded_not_cut() {
    assert_eq!(percent(0.645), "65\u{a0}%");
    assert_eq!(megabytes(2_449_999.0), "2.4\u{a0}MB");
    assert_eq!(duration(186.6), "187\u{a0}ms");
    assert_eq!(duration(1_950.0), "2.0\u{a0}s");
    assert_eq!([decimal(-1.25, 2), decimal(-0.001, 2), decimal(2.5, 0)], ["−1.25", "0.00", "3"]);
}

#[test]
fn thousands_stand_apart() {
    let written = [7, 1025, 66_150, 409_728, 2_125_322].map(grouped);
    assert_eq!(written, ["7", "1025", "66\u{202f}150", "409\u{202f}728", "2\u{202f}125\u{202f}322"]);
}

#[test]
fn a_song_without_tags_shows_what_is_known() {
    let info = SongInfo { codec: "flac".into(), sample_rate: 22_050, channels: 1, ..SongInfo::default() };
    assert_eq!(song_facts(&info, Some(30.0)), "0:30 · flac, 22.1 kHz, mono");
    assert_eq!(song_facts(&SongInfo::default(), None), "");
}

#[test]
fn genres_have_words_of_the_language_or_their_own() {
    assert_eq!([genre("hiphop"), genre("polka"), genre("")], ["Hip-hop", "Polka", ""]);
}

#[test]
fn a_card_says_how_it_combines_and_what_it_refuses() {
    let mut card = ModelCard::from_json(include_str!("../../../tests/golden/row8-keras.card.json")).unwrap();
    assert_eq!(combined(&card), "mean of the clips’ probabilities");
    assert_eq!(refused(&card), "is not recognised: everything but silence gets a genre");
    card.combine = Combine::LogPool { correlation: 0.71 };
    card.least_confidence = Some(0.5);
    card.rejection = Some(Rejection { score: RejectionScore::Energy, threshold: -1.25 });
    assert_eq!(
        combined(&card),
        "geometric mean of the clips’ probabilities, clips of one song correlated by 0.71 · not sure below 50\u{a0}%"
    );
    assert_eq!(refused(&card), "clips whose energy of the logits is below −1.25");
    card.bias = vec![0.0; card.genres.len()];
    (card.bias[8], card.bias[9]) = (-0.5, 0.25);
    assert_eq!(
        combined(&card).split_once(" · ").unwrap().0,
        "scores shifted by −0.50 (Reggae) to 0.25 (Rock)"
    );
}

#[test]
fn small_numbers_are_words() {
    assert_eq!([number(0), number(10), number(13)], ["no", "ten", "13"]);
    assert!(limits(&["one".into()], false).starts_with("It knows one genre and"));
}

/// What `needledrop train` calls a change, which the page shows to readers of every language.
#[test]
fn every_change_of_a_recipe_that_is_shown_has_a_sentence() {
    let experiments: serde_json::Value = serde_json::from_str(&text("www/data/experiments.json")).unwrap();
    let recipes =
        experiments["runs"].as_array().unwrap().iter().filter_map(|run| run["training"]["recipe"].as_str());
    let changes: BTreeSet<&str> = recipes.flat_map(|recipe| recipe.split(", ").skip(1)).collect();
    assert!(changes.len() > 3, "{changes:?}");
    // And those that nothing shown has yet.
    let others = [
        "learning rate 0.0001",
        "constant",
        "cosine",
        "batch 16",
        "l2 of all",
        "l2 of all but last",
        "patience 0",
        "by accuracy",
        "by loss",
    ];
    for change in changes.into_iter().chain(others) {
        assert!(part_of_recipe(change).is_some(), "{change}");
    }
}

#[test]
fn every_part_of_a_recipe_that_a_card_has_has_a_sentence() {
    // All that there is, of each way to penalise, and what the page's own models say.
    let mut recipe = Recipe::best(&experiment("4R").unwrap());
    recipe.patience = Some(3);
    let hidden = Recipe { penalised: Penalised::Hidden, schedule: Schedule::Constant, ..recipe.clone() };
    let all_but_last = Recipe { penalised: Penalised::AllButLast, ..recipe.clone() };
    recipe.beyond = Beyond {
        weight_decay: 0.1,
        standardised: true,
        averaging: 0.999,
        label_smoothing: 0.1,
        distillation: 0.9,
        clear_teachers: true,
        by_accuracy: true,
        augmentation: Some(Augmentation {
            mixup: 0.3,
            stretch: 0.15,
            shift: 3.0,
            equaliser: 4.0,
            room: 0.3,
            colour: 2.0,
            noise: 0.3,
            telephone: 0.3,
            codec: 0.15,
            phone: 0.1,
            masks: 1,
            blank: 0.2,
        }),
    };
    let centred = " (frames are centred: clips begin where they began, and are slowed only)";
    let shipped = ["ears", "row8"].map(|name| card(name)["training"]["recipe"].as_str().unwrap().to_owned());
    let cards = [hidden.to_string(), all_but_last.to_string(), recipe.to_string() + centred]
        .into_iter()
        .chain(shipped);
    let mut untold = BTreeSet::new();
    for card in cards {
        let parts = card.split([',', ':', ';', '(', ')']).map(str::trim).filter(|part| !part.is_empty());
        untold.extend(parts.filter(|part| part_of_recipe(part).is_none()).map(str::to_owned));
    }
    // Names, and weights that follow others.
    let names = ["1638c584", "Adam", "AdamW", "best", "c94ff334", "ears-phone", "plain"];
    assert!(untold.iter().eq(names), "{untold:?}");
}

/// The card of a model that the page brings.
fn card(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("www/model/{name}.safetensors"));
    let file = fs::read(path).unwrap();
    let (length, rest) = file.split_first_chunk().unwrap();
    let head = &rest[..u64::from_le_bytes(*length) as usize];
    let head: serde_json::Value = serde_json::from_slice(head).unwrap();
    serde_json::from_str(head["__metadata__"][CARD_KEY].as_str().unwrap()).unwrap()
}

#[test]
fn a_recipe_is_told_part_by_part() {
    assert_eq!(recipe("paper, l2 0.0003, 20 epochs"), "paper, L2 0.0003, 20 epochs");
    assert_eq!(recipe("plain, constant, l2 of all"), "plain, constant rate, L2 on all layers");
    let written =
        "best: Adam, 1 masks; the last epoch, begun with the weights fc2d of Experiment 8 (paper, batch 64)";
    let said = "best: Adam, masks: 1; the last epoch, begun with the weights fc2d of Experiment 8 (paper, batches of 64)";
    assert_eq!(recipe(written), said);
    // What is not of ours stays as it is.
    let another = "Keras 3.15: Adam 3e-4, bfloat16 compute, stopped while still rising";
    assert_eq!([recipe(another), recipe("")], [another, ""]);
    assert_eq!(["batch", "2 of 3 epochs", "cosines"].map(part_of_recipe), [None, None, None]);
}

#[test]
fn every_sentence_of_a_recipe_has_the_gaps_that_are_written() {
    let (english, _) = file("en");
    for (written, key) in RECIPE {
        let gaps = gaps(&english[key]);
        assert!(gaps.iter().all(|gap| ["name", "number"].contains(gap)), "{key}: {gaps:?}");
        assert_eq!(gaps.len(), written.matches('#').count(), "{key}");
    }
}

/// Of the page's own network it is said by what design it was trained.
#[test]
fn the_pages_own_network_is_of_the_design_that_says_so() {
    let (english, _) = file("en");
    let said = |key: &str| english[key].contains("The page’s own network");
    let designs: Vec<&String> =
        english.keys().filter(|key| key.starts_with("design.") && said(key)).collect();
    let card = card("ears");
    let design = card["training"]["recipe"].as_str().unwrap().split(':').next().unwrap();
    assert_eq!(designs, [&format!("design.{design}")]);
}

//! Every view in both themes, wide and on a phone, held against the rules of
//! axe-core (<https://github.com/dequelabs/axe-core>) for the levels A and AA of
//! WCAG 2.2 and for good practice.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    build,
    library::link_of_first_row,
    page::{Browser, Options},
    server::Server,
    songs::{AT_REST, LIMIT, excerpt, folder, open},
    teach,
};

const WIDE: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);

/// The rules, as `scripts/setup.sh` brings them.
fn rules() -> String {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let file = cache.expect("a home").join("needledrop/tools/axe.min.js");
    fs::read_to_string(&file)
        .unwrap_or_else(|_| panic!("{}: run `make test`, which brings it", file.display()))
}

/// Brings the rules onto the page, around its policy.
fn arm(browser: &Browser) {
    let added = browser.devtools("Runtime.evaluate", json!({ "expression": rules() }));
    assert!(added["exceptionDetails"].is_null(), "{added}");
}

/// What breaks a rule, as the rule and the element.
///
/// `skip-link` is not asked for on a phone: views have fragments for addresses, and
/// what a phone's navigation has scrolled out of sight axe takes for a link that
/// skips. The page's own way to skip is a button.
fn violations(browser: &Browser, size: (u32, u32)) -> Vec<String> {
    let rules = json!({ "skip-link": { "enabled": size != PHONE } });
    let found = browser.eval(&format!(
        "axe.run(document, {{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
           rules: {rules} }})
           .then(({{ violations }}) => violations.flatMap(({{ id, help, nodes }}) => nodes.map((node) =>
             `${{id}}: ${{help}}\\n  ${{node.html.slice(0, 300)}}\\n  ${{node.failureSummary}}`)))",
    ));
    found.as_array().unwrap().iter().map(|found| found.as_str().unwrap().to_owned()).collect()
}

/// What breaks a rule in a view, once nothing moves in it.
fn breaches(browser: &Browser, options: &Options, view: &str) -> Vec<String> {
    // What moves is not judged in the middle of it.
    browser.wait_until(
        "document.getAnimations().every((animation) => \
         animation.playState !== 'running' || animation.effect.getTiming().iterations === Infinity)",
        LIMIT,
    );
    let found = violations(browser, options.size).into_iter();
    found.map(|found| format!("{view} {options:?}\n{found}")).collect()
}

fn assert_kept(broken: &[String]) {
    assert!(broken.is_empty(), "{} breaches:\n{}", broken.len(), broken.join("\n\n"));
}

/// What is there once a view has come, where that is more than its heading.
fn marker(view: &str) -> &str {
    match view {
        "#map" => "[data-testid=landed]",
        _ => "main h1, main h2",
    }
}

/// Opens every view that the page has and holds each against the rules.
fn sweep(server: &Server, options: &Options) {
    let browser = open(server, options);
    let mut broken = Vec::new();
    arm(&browser);
    broken.extend(breaches(&browser, options, "before a song"));
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("axe", "7")]);
    browser.wait_until(AT_REST, LIMIT);
    browser.click("[data-testid=all-genres]");
    broken.extend(breaches(&browser, options, "with a song"));

    let views =
        browser.eval("[...document.querySelectorAll('[data-testid=views] li a')].map((link) => link.hash)");
    let views: Vec<String> = serde_json::from_value(views).unwrap();
    assert!(["#listen", "#library", "#map"].iter().all(|view| views.iter().any(|other| other == view)));
    let song = browser.eval("document.querySelector('[data-testid=song]').dataset.code");
    let closer = format!("#song?song={}&at=1", song.as_str().unwrap());
    browser.go("#library");
    browser.wait_for("[data-testid=row][data-state=done]", LIMIT);
    let link = link_of_first_row(&browser);
    let result = format!("#{}", link.split_once('#').unwrap().1);
    let damaged = &result[..result.len() - 9];
    let others = [
        (closer.as_str(), "[data-testid=closer-seek]"),
        ("#song?song=999", "[data-testid=closer][data-state=missing]"),
        (result.as_str(), "[data-testid=result][data-state=good]"),
        (damaged, "[data-testid=result][data-state=damaged]"),
        ("#inside?present=1", "[data-presentation] [data-testid=inside][data-state=shown]"),
        ("#library?present=1", "[data-presentation] [data-testid=row]"),
    ];
    for (view, marker) in views.iter().map(|view| (view.as_str(), marker(view))).chain(others) {
        browser.go(view);
        browser.wait_until(
            &format!(
                "location.hash.split('?')[0] === {}.split('?')[0] && document.querySelector({}) !== null",
                json!(view),
                json!(marker)
            ),
            LIMIT,
        );
        // What the view fetches is there.
        browser.wait_until(
            "document.querySelector('main > :not([hidden]) [data-state=loading]') === null",
            LIMIT,
        );
        for folded in ["[data-testid=clips] summary", "[data-testid=ask-why]"] {
            if browser.eval(&format!("document.querySelector({}) !== null", json!(folded)))
                == Value::Bool(true)
            {
                browser.click(folded);
            }
        }
        broken.extend(breaches(&browser, options, view));
    }
    assert_kept(&broken);
}

#[test]
fn no_view_breaks_a_rule() {
    let server = Server::start(&build::folder(), "/");
    sweep(&server, &Options { size: WIDE, dark: false, ..Options::default() });
}

#[test]
fn no_view_breaks_a_rule_in_the_dark() {
    let server = Server::start(&build::folder(), "/");
    sweep(&server, &Options { size: WIDE, dark: true, ..Options::default() });
}

#[test]
fn no_view_breaks_a_rule_on_a_phone() {
    let server = Server::start(&build::folder(), "/");
    for dark in [false, true] {
        sweep(&server, &Options { size: PHONE, dark, ..Options::default() });
    }
}

#[test]
fn no_lesson_breaks_a_rule() {
    let server = Server::start(&build::folder(), "/");
    let lesson = teach::lesson(&folder("axe-lesson"));
    for (size, dark) in [(WIDE, false), (PHONE, true)] {
        let options = Options { size, dark, ..Options::default() };
        let browser = teach::open_view(&server, &options);
        arm(&browser);
        browser.click("[data-testid=teach-train]");
        browser.wait_for("[data-testid=teach-problem]", LIMIT);
        let mut broken = breaches(&browser, &options, "a lesson without examples");
        teach::study(&browser, &lesson);
        broken.extend(breaches(&browser, &options, "a lesson with examples"));
        browser.click("[data-testid=teach-train]");
        browser.wait_for("[data-testid=teach-confusion]", LIMIT);
        browser.click("[data-testid=teach-use]");
        browser.wait_until("!document.querySelector('[data-testid=teach-used]').hidden", LIMIT);
        broken.extend(breaches(&browser, &options, "a taught lesson"));
        assert_kept(&broken);
    }
}

#[test]
fn listening_breaks_no_rule() {
    let server = Server::start(&build::folder(), "/");
    let sound = excerpt("axe-microphone", "20");
    for (size, dark) in [(WIDE, false), (PHONE, true)] {
        let options = Options { size, dark, microphone: Some(sound.clone()), ..Options::default() };
        let browser = open(&server, &options);
        arm(&browser);
        browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
        browser.click("[data-testid=listen]");
        browser.wait_for("[data-testid=live-verdict][data-state=heard]", LIMIT);
        browser.wait_for("[data-testid=history]", LIMIT);
        let mut broken = breaches(&browser, &options, "listening");
        browser.click("[data-testid=listen]");
        browser.wait_until(AT_REST, LIMIT);
        browser.click("[data-testid=history-list] summary");
        browser.wait_for("[data-testid=history-list] li", LIMIT);
        broken.extend(breaches(&browser, &options, "what was listened to"));
        assert_kept(&broken);
    }
}

#[test]
fn a_breach_is_found() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    arm(&browser);
    browser.eval("void document.querySelector('main').append(document.createElement('button'))");
    let broken = violations(&browser, WIDE);
    assert!(broken.iter().any(|found| found.starts_with("button-name")), "{broken:?}");
}

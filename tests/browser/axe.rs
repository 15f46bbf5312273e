//! Every view in both themes, wide and on a phone, held against the rules of
//! axe-core (<https://github.com/dequelabs/axe-core>) for the levels A and AA of
//! WCAG 2.2 and for good practice.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    build,
    page::{Browser, Options},
    server::Server,
    songs::{AT_REST, LIMIT, excerpt, open},
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

/// Opens every view that the page has and holds each against the rules.
fn sweep(server: &Server, options: &Options) {
    let browser = open(server, options);
    let mut broken = Vec::new();
    let mut look = |browser: &Browser, where_: &str| {
        // What moves is not judged in the middle of it.
        browser.wait_until(
            "document.getAnimations().every((animation) => \
             animation.playState !== 'running' || animation.effect.getTiming().iterations === Infinity)",
            LIMIT,
        );
        broken.extend(
            violations(browser, options.size)
                .into_iter()
                .map(|found| format!("{where_} {options:?}\n{found}")),
        );
    };
    arm(&browser);
    look(&browser, "before a song");
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("axe", "7")]);
    browser.wait_until(AT_REST, LIMIT);
    browser.click("[data-testid=all-genres]");
    look(&browser, "with a song");

    let views =
        browser.eval("[...document.querySelectorAll('[data-testid=views] li a')].map((link) => link.hash)");
    let views: Vec<String> = serde_json::from_value(views).unwrap();
    let song = browser.eval("document.querySelector('[data-testid=song]').dataset.song");
    let closer = format!("#song?song={}&at=1", song.as_str().unwrap());
    let others = [closer, "#song?song=999".to_owned()];
    assert!(views.contains(&"#listen".to_owned()), "{views:?}");
    for view in views.iter().chain(&others) {
        browser.eval(&format!("void (location.hash = {})", json!(view)));
        browser.wait_until(
            &format!("location.hash.split('?')[0] === {}.split('?')[0] && document.querySelector('main h1, main h2') !== null", json!(view)),
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
        look(&browser, view);
    }
    assert!(broken.is_empty(), "{} breaches:\n{}", broken.len(), broken.join("\n\n"));
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
fn a_breach_is_found() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    arm(&browser);
    browser.eval("void document.querySelector('main').append(document.createElement('button'))");
    let broken = violations(&browser, WIDE);
    assert!(broken.iter().any(|found| found.starts_with("button-name")), "{broken:?}");
}

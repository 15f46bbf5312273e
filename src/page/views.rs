//! Which view is open, and in what state.
//!
//! In: the fragment of the page's address, `#inside?clip=3&stage=mel`: a view
//! and its parameters, so that any view opens in a given state from a link. Out:
//! signals that follow it, through the browser's back button too; and what to
//! put up for each view. A new view is a [`View`], for which the compiler then asks,
//! with its line in [`VIEWS`] and one in [`later`].

use gloo::events::{EventListener, EventListenerOptions};
use js_sys::{decode_uri_component, encode_uri_component};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, File, MouseEvent};

use super::keeper::key_of;
use super::later;

/// The parameter that says that the page is being presented.
const PRESENT: &str = "present";
/// The parameter that says which model is used, and its value for the paper's network.
const MODEL: (&str, &str) = ("model", "paper");

/// Share of the window's height below which a list that begins there is out of sight.
const LIST_IN_SIGHT: f64 = 0.8;

/// A side of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    /// Songs as they are heard.
    #[default]
    Listen,
    /// Hundreds of songs as a table.
    Library,
    /// One song closely.
    Song,
    /// One clip on its way through the network.
    Inside,
    /// Clips and songs in the plane.
    Map,
    /// What the networks scored.
    Experiments,
    /// Classes of one's own.
    Teach,
    /// What a teacher does with all of it in 45 minutes.
    Lesson,
    /// A result that somebody sent.
    Result,
}

impl View {
    const ALL: [Self; 9] = [
        Self::Listen,
        Self::Library,
        Self::Song,
        Self::Inside,
        Self::Map,
        Self::Experiments,
        Self::Teach,
        Self::Lesson,
        Self::Result,
    ];

    /// Its name in the address.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Library => "library",
            Self::Song => "song",
            Self::Inside => "inside",
            Self::Map => "map",
            Self::Experiments => "experiments",
            Self::Teach => "teach",
            Self::Lesson => "lesson",
            Self::Result => "result",
        }
    }

    /// Whether one goes there from anywhere, and not from something one points
    /// at.
    fn is_in_navigation(self) -> bool {
        !matches!(self, Self::Song | Self::Result)
    }
}

/// A view that there is.
pub(crate) struct Entry {
    /// Which.
    pub(crate) view: View,
    /// Key of its name.
    pub(crate) name: &'static str,
}

/// Every view that there is, in the order of the navigation.
const VIEWS: &[Entry] = &[
    Entry { view: View::Listen, name: "view.listen" },
    Entry { view: View::Library, name: "view.library" },
    Entry { view: View::Song, name: "view.song" },
    Entry { view: View::Inside, name: "view.inside" },
    Entry { view: View::Map, name: "view.map" },
    Entry { view: View::Experiments, name: "view.experiments" },
    Entry { view: View::Teach, name: "view.teach" },
    Entry { view: View::Lesson, name: "view.lesson" },
    Entry { view: View::Result, name: "view.result" },
];

/// The views of the navigation.
pub(crate) fn in_navigation() -> impl Iterator<Item = &'static Entry> {
    VIEWS.iter().filter(|entry| entry.view.is_in_navigation())
}

/// What is put up while `view` is open: nothing for the list of songs, which
/// always is (see `App`).
pub(crate) fn show(view: View) -> Option<AnyView> {
    (view != View::Listen).then(|| later::show(view))
}

/// The name of a view, in the language in use.
pub(crate) fn name(view: View) -> Option<String> {
    entry(view).map(|entry| super::words::say(entry.name, &[]))
}

/// Whether a view has this name in the address.
pub(crate) fn is_view(code: &str) -> bool {
    View::ALL.into_iter().any(|view| view.code() == code)
}

fn entry(view: View) -> Option<&'static Entry> {
    VIEWS.iter().find(|entry| entry.view == view)
}

/// The state of a view as names and values, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The same with a parameter set.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name.to_owned(), value)),
        }
        self
    }

    /// The same without a parameter.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| other != name);
        self
    }
}

/// Where the songs that have just been dropped would be seen nowhere, opens their list, and
/// scrolls to it where it is out of sight.
pub(crate) fn show_songs(songs: &[File]) {
    let Place { view, parameters } = Place::here();
    let is_hidden = match view {
        View::Result | View::Experiments | View::Lesson => true,
        // One that waits for its file may have been given it.
        View::Song => parameters
            .get("song")
            .is_none_or(|code| songs.iter().all(|song| !code.starts_with(&key_of(song).code()))),
        View::Listen | View::Library | View::Inside | View::Map | View::Teach => false,
    };
    if is_hidden {
        let presented = parameters.get(PRESENT).map(str::to_owned);
        let parameters =
            presented.map_or_else(Parameters::default, |on| Parameters::default().with(PRESENT, on));
        // A place within the page is never refused.
        let _ = window().location().set_hash(&Place { view: View::Listen, parameters }.write(encode));
        // Behind the router, which asks for a frame in which the list is scrolled as it was left.
        EventListener::once(&window(), "hashchange", |_| show_list_soon()).forget();
    } else {
        show_list_soon();
    }
}

/// Once the view is put up and the first of its songs is listed.
fn show_list_soon() {
    request_animation_frame(|| request_animation_frame(show_list));
}

/// Scrolls to the list of songs where it begins so far below that what happens to them, and
/// what is heard now, would be seen nowhere: on a phone all of the sleeve's front is above it.
pub(crate) fn show_list() {
    let Ok(Some(list)) = document().query_selector(".sleeve:not([hidden]) .songs") else { return };
    let height = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(f64::MAX);
    if list.get_bounding_client_rect().top() > LIST_IN_SIGHT * height {
        list.scroll_into_view();
    }
}

/// A view in a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    view: View,
    parameters: Parameters,
}

impl Place {
    /// What the address names.
    fn here() -> Self {
        Self::read(&window().location().hash().unwrap_or_default(), decode)
    }

    /// What a link within the page leads to; `None` for a place within a view.
    fn of_link(link: &str) -> Option<Self> {
        let code = link.strip_prefix('#')?.split('?').next()?;
        is_view(code).then(|| Self::read(link, decode))
    }

    /// Reads a fragment. What names no view that there is leads to the list of
    /// songs; what `decode` cannot read is taken as it is written.
    fn read(fragment: &str, decode: impl Fn(&str) -> Option<String>) -> Self {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        let (code, parameters) = fragment.split_once('?').unwrap_or((fragment, ""));
        let view = View::ALL.into_iter().find(|view| view.code() == code && entry(*view).is_some());
        let decode = |text: &str| decode(text).unwrap_or_else(|| text.to_owned());
        let parameters = parameters.split('&').filter(|pair| !pair.is_empty());
        let parameters = parameters.fold(Parameters::default(), |parameters, pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.with(&decode(name), decode(value))
        });
        Self { view: view.unwrap_or_default(), parameters }
    }

    /// As a fragment, with its `#`.
    fn write(&self, encode: impl Fn(&str) -> String) -> String {
        let mut fragment = format!("#{}", self.view.code());
        for (index, (name, value)) in self.parameters.0.iter().enumerate() {
            fragment.push(if index == 0 { '?' } else { '&' });
            fragment += &encode(name);
            fragment.push('=');
            fragment += &encode(value);
        }
        fragment
    }
}

fn encode(text: &str) -> String {
    encode_uri_component(text).into()
}

fn decode(text: &str) -> Option<String> {
    decode_uri_component(text).map(String::from).ok()
}

/// Handle on the page's address; copies are the same one.
#[derive(Clone, Copy)]
pub(crate) struct Router {
    place: RwSignal<Place>,
    /// The view that is open.
    pub(crate) view: Memo<View>,
    /// The state that the address gives it.
    pub(crate) parameters: Memo<Parameters>,
    /// Whether the page is being presented.
    pub(crate) presenting: Memo<bool>,
    /// How far the list of songs was scrolled when it was left, in CSS pixels.
    left_at: StoredValue<f64>,
    /// How far the page was scrolled when a song was opened from the library, in CSS pixels; 0
    /// where it was opened from the list.
    library_at: StoredValue<f64>,
    /// The list or the library, whichever a song was opened from.
    songs_at: StoredValue<Place>,
    /// How far the library's table was scrolled then, in CSS pixels.
    table_at: StoredValue<i32>,
    /// The song that one comes back from, by its name in links.
    back_from: StoredValue<Option<String>>,
    /// Whether the open view has been given the keyboard.
    entered: StoredValue<bool>,
}

impl Router {
    /// Follows the address for as long as the page lives.
    pub(crate) fn follow() -> Self {
        let place = RwSignal::new(Place::here());
        let view = Memo::new(move |_| place.with(|place| place.view));
        let parameters = Memo::new(move |_| place.with(|place| place.parameters.clone()));
        let presenting = Memo::new(move |_| parameters.with(|all| all.get(PRESENT) == Some("1")));
        let router = Self {
            place,
            view,
            parameters,
            presenting,
            left_at: StoredValue::new(0.0),
            library_at: StoredValue::new(0.0),
            songs_at: StoredValue::default(),
            table_at: StoredValue::default(),
            back_from: StoredValue::default(),
            entered: StoredValue::new(true),
        };
        EventListener::new(&window(), "hashchange", move |_| router.arrive(Place::here())).forget();
        router.follow_links();
        router
    }

    /// Has links within the page, whose addresses know nothing of it, lead on
    /// through a presentation.
    fn follow_links(self) {
        let may_prevent = EventListenerOptions::enable_prevent_default();
        EventListener::new_with_options(&window(), "click", may_prevent, move |event| {
            let Some(click) = event.dyn_ref::<MouseEvent>() else { return };
            let elsewhere = click.ctrl_key() || click.meta_key() || click.shift_key() || click.button() != 0;
            if elsewhere || event.default_prevented() || !self.presenting.get_untracked() {
                return;
            }
            let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let link = target.and_then(|target| target.closest("a[href^='#']").ok().flatten());
            if let Some(Place { view, parameters }) =
                link.and_then(|link| link.get_attribute("href")).and_then(|link| Place::of_link(&link))
            {
                event.prevent_default();
                self.go(view, parameters);
            }
        })
        .forget();
    }

    /// Opens a view in a state. What is presented stays presented.
    pub(crate) fn go(self, view: View, parameters: Parameters) {
        let presenting = self.presenting.get_untracked();
        let parameters = if presenting { parameters.with(PRESENT, "1") } else { parameters };
        let place = Place { view, parameters };
        // Where the browser counts too many entries, the address stays behind.
        let _ = window()
            .history()
            .and_then(|history| history.push_state_with_url(&JsValue::NULL, "", Some(&place.write(encode))));
        self.arrive(place);
    }

    /// Goes back to where songs are listed, as it was when one of them was opened.
    pub(crate) fn go_back(self) {
        let Place { view, parameters } = self.songs_at.get_value();
        // Neither what was presented nor which network was asked for is chosen once more.
        self.go(view, parameters.without(PRESENT).without(MODEL.0));
    }

    /// Writes the open view's state into the address, without an entry for the
    /// back button.
    pub(crate) fn replace(self, parameters: Parameters) {
        let place = Place { view: self.view.get_untracked(), parameters };
        // As above.
        let _ = window().history().and_then(|history| {
            history.replace_state_with_url(&JsValue::NULL, "", Some(&place.write(encode)))
        });
        self.arrive(place);
    }

    /// Whether the address asks for the paper's network.
    pub(crate) fn wants_papers_model(self) -> bool {
        self.parameters.with(|all| all.get(MODEL.0) == Some(MODEL.1))
    }

    /// Begins or ends the presentation.
    pub(crate) fn present(self, presenting: bool) {
        let parameters = self.parameters.get_untracked();
        self.replace(if presenting { parameters.with(PRESENT, "1") } else { parameters.without(PRESENT) });
    }

    fn arrive(self, place: Place) {
        let view = self.view.get_untracked();
        let scrolled_to = window().scroll_y().unwrap_or(0.0);
        if view == View::Listen && place.view != View::Listen {
            self.left_at.set_value(scrolled_to);
        }
        let mut back_from = None;
        match (view, place.view) {
            (View::Listen | View::Library, View::Song) => {
                self.library_at.set_value(if view == View::Library { scrolled_to } else { 0.0 });
                self.songs_at.set_value(self.place.get_untracked());
                let table = document().query_selector("[data-testid=library-scroll]").ok().flatten();
                self.table_at.set_value(table.map_or(0, |table| table.scroll_top()));
            }
            (View::Song, View::Listen | View::Library) => {
                back_from = self.parameters.with_untracked(|all| all.get("song").map(str::to_owned));
            }
            _ => {}
        }
        self.back_from.set_value(back_from);
        self.place.set(place);
    }

    /// Another view has been opened, which is still to be given the keyboard.
    pub(crate) fn leave(self) {
        self.entered.set_value(false);
    }

    /// Whether the open view is given the keyboard now, which happens once.
    pub(crate) fn enter(self) -> bool {
        self.entered.try_update_value(|entered| !std::mem::replace(entered, true)).unwrap_or(false)
    }

    /// Finds the button, or the link of the library's table, that opened the song which one
    /// comes back from; `None` where one comes from no song.
    pub(crate) fn opener(self) -> Option<String> {
        let code = self.back_from.get_value()?;
        Some(format!(
            "main > :not([hidden]) :is([data-code={code:?}] [data-testid=closer], [href=\"#song?song={code}\"])"
        ))
    }

    /// Where the library's table is scrolled to when one comes back to it, in CSS pixels.
    pub(crate) fn table_scrolled_to(self) -> i32 {
        if self.back_from.with_value(Option::is_some) { self.table_at.get_value() } else { 0 }
    }

    /// Where the open view is scrolled to when it is put up.
    pub(crate) fn scrolled_to(self) -> f64 {
        match self.view.get_untracked() {
            View::Listen => self.left_at.get_value(),
            View::Library if self.back_from.with_value(Option::is_some) => self.library_at.get_value(),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fragment: &str) -> Place {
        Place::read(fragment, |text| (!text.contains('%')).then(|| text.to_uppercase()))
    }

    #[test]
    fn what_names_no_view_leads_to_the_list() {
        for fragment in ["", "#", "#nowhere", "#Listen", "#listen/1", "?", "#?listen"] {
            assert_eq!(read(fragment).view, View::Listen, "{fragment}");
        }
    }

    #[test]
    fn parameters_are_read_one_by_one() {
        let parameters = read("#listen?clip=3&&stage=a=b&bare&bad=%zz&clip=4").parameters;
        let read = ["CLIP", "STAGE", "BARE", "BAD", "clip"].map(|name| parameters.get(name));
        assert_eq!(read, [Some("4"), Some("A=B"), Some(""), Some("%zz"), None]);
    }

    #[test]
    fn a_fragment_that_is_written_is_read_again() {
        let parameters = Parameters::default().with("clip", "3").with("stage", "mel").with("clip", "4");
        let place = Place { view: View::Listen, parameters };
        let fragment = place.write(str::to_owned);
        assert_eq!(fragment, "#listen?clip=4&stage=mel");
        assert_eq!(Place::read(&fragment, |text| Some(text.to_owned())), place);
        let shorter = place.parameters.without("clip").without("clip");
        assert_eq!(shorter, Parameters::default().with("stage", "mel"));
    }
}

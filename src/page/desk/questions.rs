//! Questions about single clips.
//!
//! In: a question and who wants to hear the answers. Out: the answers, one by one, until the
//! last or until nobody wants them any more.

use std::rc::Rc;

use wasm_bindgen::JsValue;

use super::Desk;
use crate::engine::pool::{Event, QueryId, Update as News};
use crate::engine::protocol::{SongInfo, SongProblem};
use crate::page::{browser, decode};

impl Desk {
    /// Asks the engine about a clip. `event` is [`Event::Inspect`] or
    /// [`Event::Explain`] with the name it gets; `heard` gets every answer, up to
    /// the last one or until the question is [dismissed](Self::dismiss).
    pub(crate) fn ask(
        self,
        event: impl FnOnce(QueryId) -> Event<JsValue>,
        heard: impl Fn(News<JsValue>) + 'static,
    ) -> QueryId {
        let query = self.with(|held| {
            held.next_query += 1;
            held.askers.insert(QueryId(held.next_query), Rc::new(heard));
            held.next_query
        });
        self.tell(event(QueryId(query)));
        QueryId(query)
    }

    /// Wants no more answers to a question.
    pub(crate) fn dismiss(self, query: QueryId) {
        if self.with(|held| held.askers.remove(&query)).is_some() {
            self.tell(Event::Dismiss { query });
        }
    }

    /// Decodes for a question what only the browser can: it was let go when the song was
    /// heard. One file at a time, each of which may take hundreds of megabytes, and none
    /// for who no longer wants to know.
    pub(super) async fn decode_for(self, query: QueryId, file: JsValue, info: SongInfo) {
        let is_asked = || self.with(|held| held.askers.contains_key(&query));
        while self.with(|held| held.decodes_for_question) {
            browser::next_turn().await;
            if !is_asked() {
                return;
            }
        }
        self.with(|held| held.decodes_for_question = true);
        let no_file = SongProblem::Unreadable { detail: "no file came with the question".to_owned() };
        let decoded = match decode::as_file(file).ok_or(no_file) {
            Ok(file) => decode::in_browser(&file, &info).await,
            Err(problem) => Err(problem),
        };
        self.with(|held| held.decodes_for_question = false);
        if is_asked() {
            self.tell(Event::SamplesFor { query, decoded });
        }
    }

    pub(super) fn answer(self, query: QueryId, news: News<JsValue>, last: bool) {
        let asker = self
            .with(|held| if last { held.askers.remove(&query) } else { held.askers.get(&query).cloned() });
        if let Some(asker) = asker {
            asker(news);
        }
    }
}

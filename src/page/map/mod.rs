//! The map: the test clips in the plane, and one's own songs among them.
//!
//! In: `map.json`, which `needledrop map` writes, and the songs' embeddings as they
//! come. Out: the clips as points, a genre of them at a time to be looked at, the
//! songs where the network finds them alike, and beside it the paper's own drawing.

mod cloud;
mod genres;
mod songs;

use std::sync::Arc;

use leptos::prelude::*;

use super::data::with_data;
use super::views::{Router, View};
use super::words::{sentence, t};
use crate::classify::map::ClipMap;
use crate::letters::lowercase;
use cloud::{Cloud, Look};
use genres::{GenreTable, Legend};
use songs::{Marks, SongList};

/// The view.
#[component]
pub(crate) fn MapView() -> impl IntoView {
    let read = |json: &str| ClipMap::from_json(json).map_err(|error| error.to_string());
    view! {
        <article class="view map" data-view="map" data-testid="map">
            <header class="view-head">
                <h1>{sentence("map.heading")}</h1>
                <p>{sentence("map.lead")}</p>
            </header>
            {with_data("map.json", "map.data", read, shown, || ().into_any())}
        </article>
    }
}

fn shown(map: Arc<ClipMap>) -> AnyView {
    let router = expect_context::<Router>();
    let genres: Arc<Vec<String>> = Arc::new(map.card.genres.clone());
    let look = Look::new();
    // The address may say which genre is looked at.
    let asked = {
        let genres = genres.clone();
        move || {
            let asked = router.parameters.with(|all| all.get("genre").map(lowercase))?;
            genres.iter().position(|name| lowercase(name) == asked)
        }
    };
    // So may a link that is followed here.
    Effect::new(move |_| {
        let asked = asked();
        if router.view.get_untracked() == View::Map && look.chosen.get_untracked() != asked {
            look.chosen.set(asked);
        }
    });
    Effect::new({
        let genres = genres.clone();
        move |before: Option<Option<usize>>| {
            let chosen = look.chosen.get();
            if before.is_some_and(|before| before != chosen) {
                let parameters = router.parameters.get_untracked();
                router.replace(match chosen.and_then(|genre| genres.get(genre)) {
                    Some(name) => parameters.with("genre", name.as_str()),
                    None => parameters.without("genre"),
                });
            }
            chosen
        }
    });
    let clips = map.points.genre.len();
    let of_split = {
        let split = map.split.clone();
        move || t!("map.of_split", clips = clips, split = &split)
    };
    let paper_clips = map.paper.genre.len();
    let marks = map.clone();
    let (points, paper) = (Arc::new(map.points.clone()), Arc::new(map.paper.clone()));
    view! {
        <div class="map-places">
            <figure class="map-figure">
                <Cloud points genres=genres.clone() look said=Some(map.said.clone()) name="map.cloud">
                    <Marks map=marks.clone() />
                </Cloud>
                <figcaption class="quiet small">{of_split}" "{sentence("map.how")}</figcaption>
            </figure>
            <div class="map-side">
                <Legend genres=genres.clone() look />
                <figure class="map-paper" data-testid="map-paper">
                    <h2 class="small">{sentence("map.paper_cloud")}</h2>
                    <Cloud points=paper genres=genres.clone() look said=None name="map.paper_cloud" />
                    <figcaption class="quiet small">
                        {move || t!("map.paper", clips = paper_clips)}
                    </figcaption>
                </figure>
            </div>
        </div>
        <SongList map=map.clone() />
        <GenreTable map />
    }
    .into_any()
}

//! What many views have: a table behind a click, and a sentence that is there at times.

use leptos::prelude::*;

use super::words::sentence;

/// A sentence that is there as long as `when` holds.
#[component]
pub(crate) fn Line(
    /// Whether it is there.
    #[prop(into)]
    when: Signal<bool>,
    /// Its key.
    key: &'static str,
    /// What tests know it by.
    testid: &'static str,
    /// How it looks.
    #[prop(optional)]
    class: &'static str,
) -> impl IntoView {
    move || when.get().then(|| view! { <p class=class data-testid=testid>{sentence(key)}</p> })
}

/// What a picture shows, to be read.
#[component]
pub(crate) fn FoldedTable(
    /// Key of what is clicked.
    summary: &'static str,
    /// Key of the table's name.
    name: &'static str,
    /// What tests know it by.
    testid: &'static str,
    /// Keys of the columns' names.
    columns: Vec<&'static str>,
    /// Its rows.
    rows: AnyView,
) -> impl IntoView {
    let heads = columns.into_iter().map(|column| view! { <th scope="col">{sentence(column)}</th> });
    view! {
        <details class="card-details" data-testid=testid>
            <summary>{sentence(summary)}</summary>
            <div class="sideways" role="region" tabindex="0" aria-label=sentence(name)>
                <table class="numbers">
                    <thead>
                        <tr>{heads.collect_view()}</tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

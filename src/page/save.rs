//! Files that the page gives to the person.

use std::time::Duration;

use js_sys::{Array, Uint8Array};
use leptos::prelude::{document, set_timeout};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

/// How long a browser may take to fetch what it was told to save: Safari begins only after
/// the click, and may ask first.
const FETCHED_AFTER: Duration = Duration::from_secs(60);

/// Has the browser save bytes as a file of that name.
///
/// # Errors
/// What the browser says where it keeps no such file.
pub(crate) fn save(name: &str, bytes: &Uint8Array, media_type: &str) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(media_type);
    save_blob(name, &Blob::new_with_u8_array_sequence_and_options(&Array::of1(bytes), &options)?)
}

/// The same with what the browser has as a file already.
///
/// # Errors
/// As [`save`].
pub(crate) fn save_blob(name: &str, content: &Blob) -> Result<(), JsValue> {
    let address = Url::create_object_url_with_blob(content)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&address);
    link.set_download(name);
    link.click();
    // Giving back an address that is gone already is no error.
    set_timeout(move || drop(Url::revoke_object_url(&address)), FETCHED_AFTER);
    Ok(())
}

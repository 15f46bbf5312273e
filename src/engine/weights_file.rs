//! A weights file as it came from the page.
//!
//! In: an `ArrayBuffer`, or a `File`, as of a model that the browser has kept. Out: its bytes.

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{File, FileReaderSync};

use crate::network::problem::ModelProblem;

/// Reads it. Only in a worker: a file is waited for.
///
/// # Errors
/// [`ModelProblem::Gone`] where the file cannot be read, [`ModelProblem::NotWhole`] where there
/// is none.
pub(super) fn read(file: JsValue) -> Result<Vec<u8>, ModelProblem> {
    let bytes = match file.dyn_into::<File>() {
        Ok(file) => FileReaderSync::new()
            .and_then(|reader| reader.read_as_array_buffer(&file))
            .map_err(|_| ModelProblem::Gone)?,
        Err(bytes) => bytes.dyn_into::<ArrayBuffer>().map_err(|_| ModelProblem::NotWhole)?,
    };
    Ok(Uint8Array::new(&bytes).to_vec())
}

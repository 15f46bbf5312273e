//! Letters in their other case.
//!
//! In a browser as it has them: tables of all of Unicode would be some kilobytes more of
//! WebAssembly.

#[cfg(all(target_arch = "wasm32", feature = "web"))]
mod cases {
    use js_sys::JsString;

    pub(crate) fn lowercase(text: &str) -> String {
        JsString::from(text).to_lower_case().into()
    }

    #[cfg(feature = "page")]
    pub(crate) fn uppercase(text: &str) -> String {
        JsString::from(text).to_upper_case().into()
    }
}

#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
mod cases {
    pub(crate) fn lowercase(text: &str) -> String {
        text.to_lowercase()
    }

    #[cfg(feature = "page")]
    pub(crate) fn uppercase(text: &str) -> String {
        text.to_uppercase()
    }
}

pub(crate) use cases::lowercase;
#[cfg(feature = "page")]
pub(crate) use cases::uppercase;

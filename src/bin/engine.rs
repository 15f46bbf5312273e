//! The worker's program, which `www/engine-loader.js` starts.

// The browser calls `main` as the module's start function; natively there is no
// worker to be.
fn main() {
    #[cfg(target_arch = "wasm32")]
    needledrop::engine::serve::serve();
}

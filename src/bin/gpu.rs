//! The program of the worker that has a GPU, which `www/engine-loader.js` starts.

// As in engine.rs.
fn main() {
    #[cfg(target_arch = "wasm32")]
    needledrop::engine::serve::serve();
}

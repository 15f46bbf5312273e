//! The worker: what `www/engine-loader.js` starts.
fn main() {}

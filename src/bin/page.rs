//! The page's thread.

fn main() {
    needledrop::page::start();
}

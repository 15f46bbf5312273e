//! The built page in a real Chromium. In: the folder that `NEEDLEDROP_DIST` names,
//! as `make test` builds it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

mod axe;
mod build;
mod closer;
mod doubt;
mod driver;
mod experiments;
mod firefox;
mod inside;
mod library;
mod live;
mod marionette;
mod memory;
mod pace;
mod page;
mod reference;
mod screens;
mod server;
#[path = "../common/shared.rs"]
mod shared;
mod shell;
mod songs;
#[path = "../common/sounds.rs"]
mod sounds;
mod teach;
mod views;
#[path = "../common/webm.rs"]
mod webm;

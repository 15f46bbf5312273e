//! What is kept of the songs that were heard, and what can be made of it.
//!
//! In: verdicts and embeddings of songs. Out: [records](record) that outlive the
//! visit, [which songs are alike](likeness), [tables and
//! playlists](export) for other programs, and [links](share) that carry a
//! result. Nothing here knows a browser: what it is kept in is the page's.

pub mod export;
pub mod likeness;
pub mod record;
pub mod share;

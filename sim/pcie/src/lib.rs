//! PCI Express in plain Rust: what is at the other end of the card's link.
//!
//! [`tlp`] packs and unpacks transaction layer packets, [`stream`] cuts them into the beats of a
//! hard block's stream, [`config_space`] is what such a block holds of the configuration space.
//! Section numbers are those of the PCI Express Base Specification 3.0.

pub mod config_space;
pub mod root;
pub mod stream;
pub mod tlp;

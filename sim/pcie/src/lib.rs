//! PCI Express in plain Rust: what is at the other end of the card's link.
//!
//! [`tlp`] packs and unpacks transaction layer packets, [`stream`] cuts them into the beats of a
//! hard block's stream. Section numbers are those of the PCI Express Base Specification 3.0.

pub mod root;
pub mod stream;
pub mod tlp;

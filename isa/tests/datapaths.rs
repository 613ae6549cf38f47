//! Datapaths as text.

use std::collections::BTreeSet;

use isa::config::Datapaths;
use systole_isa as isa;

type Field = fn(&mut Datapaths) -> &mut bool;

/// The fields of [`Datapaths`] and their names.
const FIELDS: [(&str, Field); 5] = [
    ("narrow", |has| &mut has.narrow),
    ("groups", |has| &mut has.groups),
    ("two-four", |has| &mut has.two_four),
    ("blocks", |has| &mut has.blocks),
    ("packed", |has| &mut has.packed_products),
];

#[test]
fn names_mean_their_fields() {
    let mut written = BTreeSet::new();
    for bits in 0..32 {
        let mut datapaths = Datapaths::DENSE;
        let mut names = Vec::new();
        for (n, (name, field)) in FIELDS.iter().enumerate() {
            if bits >> n & 1 == 1 {
                *field(&mut datapaths) = true;
                names.push(*name);
            }
        }
        let text = datapaths.to_string();
        assert_eq!(text.parse(), Ok(datapaths));
        if !names.is_empty() {
            assert_eq!(text, names.join(","));
            names.reverse();
            assert_eq!(names.join(",").parse(), Ok(datapaths), "in any order");
        }
        written.insert(text);
    }
    assert_eq!(written.len(), 32);
}

#[test]
fn two_words_stand_for_sets() {
    assert_eq!("dense".parse(), Ok(Datapaths::DENSE));
    assert_eq!(Datapaths::DENSE.to_string(), "dense");
    assert_eq!("all".parse(), Ok(Datapaths::ALL));
}

#[test]
fn other_words_are_refused() {
    for text in [
        "",
        ",",
        "Dense",
        "narrow,",
        ",narrow",
        "narrow, groups",
        "narrow;groups",
        "narrow,all",
        "dense,narrow",
        "int4",
    ] {
        let error = text.parse::<Datapaths>().expect_err(text).to_string();
        assert!(error.contains("two-four"), "{text}: {error}");
    }
}

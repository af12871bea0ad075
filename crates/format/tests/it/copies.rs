//! Objects that hold copies of others.

use base::limits::LOG_RECORD_BYTES_MAX;
use format::copies::{decode, encode, object_name, range_of};

#[test]
fn copies_are_what_was_copied_as_far_as_they_are_whole() {
    let large = vec![7; LOG_RECORD_BYTES_MAX];
    let entries: [(&str, &[u8]); 3] = [("log/1", b"one"), ("points/a/b", b""), ("log/2", &large)];
    let bytes = encode(entries);
    assert_eq!(decode(&bytes), entries);
    for len in 0..bytes.len() {
        let found = decode(&bytes[..len]);
        assert_eq!(found, entries[..found.len()], "{len}");
        assert!(found.len() < 3);
    }
    for at in 0..64 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_ne!(decode(&damaged), entries, "{at}");
    }
    let too_large = vec![7; LOG_RECORD_BYTES_MAX + 1];
    assert!(decode(&encode([("log/1", too_large.as_slice())])).is_empty());
}

#[test]
fn names_say_of_which_records() {
    let name = object_name(3, 12);
    assert_eq!(name, "copies/log/00000000000000000003-00000000000000000012");
    assert_eq!(range_of(&name), Some((3, 12)));
    for other in [
        "copies/log/3-12",
        "copies/log/00000000000000000012-00000000000000000003",
        "copies/log/00000000000000000000-00000000000000000003",
        "copies/log/00000000000000000001-18446744073709551615",
        "log/00000000000000000003-00000000000000000012",
        "copies/log/0000000000000000000x-00000000000000000012",
    ] {
        assert_eq!(range_of(other), None, "{other}");
    }
}

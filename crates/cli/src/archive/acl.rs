//! POSIX ACLs as archives have them: text, for tar sets none from an extended attribute.
//!
//! The attribute's bytes are those of linux/posix_acl_xattr.h; the text is that of acl(5), with numbers for names.

/// The attributes, and the keys of their texts.
const KEYS: [(&[u8], &[u8]); 2] = [
    (b"system.posix_acl_access", b"SCHILY.acl.access"),
    (b"system.posix_acl_default", b"SCHILY.acl.default"),
];
/// The only version there is.
const VERSION: [u8; 4] = [2, 0, 0, 0];
/// What an entry is for: its tag, and whether a number goes with it.
const TAGS: [(u16, &str, bool); 6] = [
    (0x01, "user", false),
    (0x02, "user", true),
    (0x04, "group", false),
    (0x08, "group", true),
    (0x10, "mask", false),
    (0x20, "other", false),
];

/// Returns the key and the text of an attribute that is an ACL; none if it is anything else, or of a form not known.
pub(super) fn text(name: &[u8], value: &[u8]) -> Option<(&'static [u8], String)> {
    let (_, key) = KEYS.into_iter().find(|(attribute, _)| *attribute == name)?;
    let (entries, rest) = value.strip_prefix(&VERSION)?.as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    let entries: Option<Vec<String>> = entries.iter().map(entry).collect();
    Some((key, entries?.join(",")))
}

fn entry(bytes: &[u8; 8]) -> Option<String> {
    let [tag0, tag1, perm0, perm1, id @ ..] = *bytes;
    let (tag, perm) = (
        u16::from_le_bytes([tag0, tag1]),
        u16::from_le_bytes([perm0, perm1]),
    );
    let (_, who, has_number) = TAGS.into_iter().find(|(known, ..)| *known == tag)?;
    let number = match has_number {
        true => u32::from_le_bytes(id).to_string(),
        false => String::new(),
    };
    let may = |bit: u16, letter| if perm & bit == 0 { '-' } else { letter };
    let (read, write, execute) = (may(4, 'r'), may(2, 'w'), may(1, 'x'));
    Some(format!("{who}:{number}:{read}{write}{execute}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_is_text_and_what_is_none_is_not() {
        let value = [
            [2, 0, 0, 0].as_slice(),
            &[1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff],
            &[2, 0, 7, 0, 0xd2, 4, 0, 0],
            &[4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff],
            &[0x10, 0, 5, 0, 0xff, 0xff, 0xff, 0xff],
            &[0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        ]
        .concat();
        let (key, shown) = text(b"system.posix_acl_default", &value).expect("it is an ACL");
        assert_eq!(key, b"SCHILY.acl.default");
        assert_eq!(
            shown,
            "user::rw-,user:1234:rwx,group::r--,mask::r-x,other::---"
        );
        assert!(text(b"user.posix_acl_default", &value).is_none());
        assert!(text(b"system.posix_acl_access", &value[..value.len() - 1]).is_none());
        assert!(text(b"system.posix_acl_access", &[3, 0, 0, 0]).is_none());
        assert!(
            text(
                b"system.posix_acl_access",
                &[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]
            )
            .is_none()
        );
    }
}

//! What a group may be called.

use base::limits::GROUP_NAME_CHARS_MAX;
use base::{Fault, fault::Code};

/// Characters a name may not have: they mean something in addresses, selections and patterns.
const REFUSED: [char; 6] = ['|', '/', '\\', '(', ')', '.'];

/// Says whether a group may have that name: 1 to 64 characters, at least one letter, no pipe, slash,
/// parenthesis or dot, no white space at its ends, nothing that does not print.
///
/// # Errors
/// `GroupNameInvalid` with the rule it breaks.
pub(crate) fn check_group_name(name: &str) -> Result<(), Fault> {
    let refuse = |reason: &str| {
        Err(Fault::new(Code::GroupNameInvalid)
            .with("group", name)
            .with("reason", reason))
    };
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.chars().count() > GROUP_NAME_CHARS_MAX {
        return refuse("it is longer than 64 characters");
    }
    if !name.chars().any(char::is_alphabetic) {
        return refuse("it has no letter");
    }
    if name.contains(REFUSED) {
        return refuse("it has a pipe, slash, parenthesis or dot");
    }
    if name.trim() != name {
        return refuse("it begins or ends with white space");
    }
    if name.chars().any(char::is_control) {
        return refuse("it has a character that does not print");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_names_follow_the_rule_of_message_146() {
        for good in ["a", "Databases", "web 1", "土蔵", &"x".repeat(64), "a-b_c"] {
            assert!(check_group_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "123",
            "a|b",
            "a/b",
            "a(b",
            "a)b",
            "a.b",
            " a",
            "a ",
            "a\nb",
            &"x".repeat(65),
        ] {
            let fault = check_group_name(bad).expect_err(bad);
            assert_eq!(fault.code, Code::GroupNameInvalid);
        }
    }
}

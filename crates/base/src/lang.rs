//! The languages the program speaks.

/// A language with complete texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

impl Lang {
    /// Every language, for tests and for documentation.
    pub const ALL: [Self; 2] = [Self::En, Self::Ja];

    /// Returns the language a locale name or language tag asks for (`ja_JP.UTF-8`, `ja-JP`, `C`);
    /// English for everything that has no texts here.
    pub fn from_locale(locale: &str) -> Self {
        let language = locale
            .split(['_', '-', '.', '@'])
            .next()
            .unwrap_or_default();
        if language.eq_ignore_ascii_case("ja") {
            Self::Ja
        } else {
            Self::En
        }
    }

    /// Returns its BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ja => "ja",
        }
    }
}

//! Letters without their diacritics: what linking rules compare and what expressions make usernames of. A table and a
//! rule, no language: `ä` becomes `a` everywhere, also where a German would write `ae`.

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization as _;

/// A text without diacritics: decomposed (Unicode NFKD, UAX #15), without the marks of the combining diacritical
/// blocks, composed again. Letters that are no letter with a mark are replaced too: `ß` by `ss`, `ø` by `o`, `ł` by
/// `l`. The vowel signs of other scripts are no diacritics and stay.
pub(crate) fn without_diacritics(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_diacritic(*c)) {
        match in_other_letters(c) {
            Some(letters) => plain.push_str(letters),
            None => plain.push(c),
        }
    }
    Cow::Owned(plain.nfkc().collect())
}

/// The blocks Combining Diacritical Marks, their extensions and supplement, those for symbols, and half marks.
fn is_diacritic(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

fn in_other_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'ẞ' => "SS",
        'æ' => "ae",
        'Æ' => "AE",
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' => "th",
        'Þ' => "Th",
        'ħ' => "h",
        'Ħ' => "H",
        'ŧ' => "t",
        'Ŧ' => "T",
        'ı' => "i",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_go_and_letters_of_their_own_become_others() {
        for (text, plain) in [
            ("Ada", "Ada"),
            ("Zoë Müller", "Zoe Muller"),
            ("Zoe\u{308}", "Zoe"),
            ("Łukasz Øster Weiß", "Lukasz Oster Weiss"),
            ("Þórður Æsir", "Thordur AEsir"),
            ("Nguyễn", "Nguyen"),
            ("İpek Işık", "Ipek Isik"),
            ("ﬁ", "fi"),
            // Not diacritics: a vowel sign, a voicing mark, a syllable.
            ("की", "की"),
            ("が", "が"),
            ("김", "김"),
            ("й", "и"),
        ] {
            assert_eq!(without_diacritics(text), plain, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_stays_as_it_is(text in "\\PC{0,20}") {
            let once = without_diacritics(&text).into_owned();
            prop_assert_eq!(without_diacritics(&once), once.as_str());
        }
    }
}

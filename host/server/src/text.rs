//! Texts from outside made safe to look at. Names and errors come from targets and connectors, which are not trusted
//! with a terminal or a log. It never drops anything: what is unseen is spelled out.

use std::borrow::Cow;

/// A text without anything that moves the cursor, colours, reorders or hides: such characters are spelled out, as
/// `\u{1b}`. Line breaks stay: they are what the callers made of the text, and flattened where they must be.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let spelled = |c: char| if is_unseen(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(spelled).collect())
}

/// Control characters (Unicode's Cc, the line break excepted), separators of lines, and what Unicode calls
/// `Default_Ignorable_Code_Point` (UAX #44): bidirectional controls, joiners, zero-width and other invisible characters.
pub(crate) fn is_unseen(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_spelled_out() {
        for (text, shown) in [
            ("evil\u{1b}[2J", "evil\\u{1b}[2J"),
            ("a\u{202e}b\u{200b}c\u{2066}", "a\\u{202e}b\\u{200b}c\\u{2066}"),
            ("one\rtwo\u{9b}31m\u{7}\u{7f}", "one\\u{d}two\\u{9b}31m\\u{7}\\u{7f}"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible(shown), shown, "spelling out again changes nothing");
        }
    }

    #[test]
    fn texts_of_any_script_stay_as_they_are() {
        for text in ["Ada Lovelace", "Łukasz, 花子, Зоя, عمر, \u{1f600}", "two\nlines"] {
            assert_eq!(visible(text), text);
        }
    }
}

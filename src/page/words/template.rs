//! Sentences with gaps.
//!
//! In: a template as it stands in a language file, and arguments. Out: the
//! sentence. Templates are written in two of ICU MessageFormat's forms:
//! `{name}`, and `{name, plural, =0 {none} one {# song} other {# songs}}`, in
//! whose branches `#` is the number. Any text is a template: what is not of
//! these forms stays as it is, and so does a gap that nothing fills, where it
//! can be seen.

use std::borrow::Cow;

/// How deep plurals may stand within plurals.
const DEEPEST: usize = 4;

/// Around a text that shall change nothing in the order of what stands beside it: Unicode's first
/// strong isolate, and its end.
const APART: [&str; 2] = ["\u{2068}", "\u{2069}"];

/// Whether some of it is written in Hebrew, Arabic or a script beside them in Unicode.
fn is_right_to_left(text: &str) -> bool {
    text.contains(|letter| matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fefc}'))
}

/// What fills a gap.
#[derive(Clone, Debug)]
pub(crate) enum Argument<'a> {
    /// Words.
    Text(Cow<'a, str>),
    /// A number, which a plural can be chosen by.
    Count(u64),
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a String> for Argument<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Argument<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<usize> for Argument<'_> {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<u32> for Argument<'_> {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<u64> for Argument<'_> {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

/// A part of a template.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    /// Stands as it is.
    Text(&'a str),
    /// `{name}`.
    Gap { name: &'a str, written: &'a str },
    /// `{name, plural, ...}`: each branch by its selector.
    Plural { name: &'a str, branches: Vec<(&'a str, Vec<Piece<'a>>)>, written: &'a str },
    /// `#` in a branch.
    Number,
}

/// Fills the gaps of `template`. `category` names the plural category of a
/// number in the template's language (CLDR: `one`, `few`, `other` ...).
pub(crate) fn fill(
    template: &str,
    arguments: &[(&str, Argument<'_>)],
    category: &dyn Fn(u64) -> String,
) -> String {
    let mut sentence = String::with_capacity(template.len() + 16);
    let filler = Filler { arguments, category };
    filler.fill(&parse(template, false, 0), None, &mut sentence);
    sentence
}

struct Filler<'a> {
    arguments: &'a [(&'a str, Argument<'a>)],
    category: &'a dyn Fn(u64) -> String,
}

impl Filler<'_> {
    fn argument(&self, name: &str) -> Option<&Argument<'_>> {
        self.arguments.iter().find(|(other, _)| *other == name).map(|(_, argument)| argument)
    }

    /// Appends `pieces` to `sentence`; `number` is what the plural around them
    /// was chosen by.
    fn fill(&self, pieces: &[Piece<'_>], number: Option<u64>, sentence: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => sentence.push_str(text),
                Piece::Gap { name, written } => match self.argument(name) {
                    Some(Argument::Text(text)) => {
                        let [open, close] = if is_right_to_left(text) { APART } else { [""; 2] };
                        sentence.extend([open, text, close]);
                    }
                    Some(Argument::Count(count)) => sentence.push_str(&count.to_string()),
                    None => sentence.push_str(written),
                },
                Piece::Plural { name, branches, written } => match self.argument(name) {
                    Some(Argument::Count(count)) => match self.branch(branches, *count) {
                        Some(branch) => self.fill(branch, Some(*count), sentence),
                        None => sentence.push_str(written),
                    },
                    _ => sentence.push_str(written),
                },
                Piece::Number => match number {
                    Some(number) => sentence.push_str(&number.to_string()),
                    None => sentence.push('#'),
                },
            }
        }
    }

    /// The branch for exactly this number, or for its category, or for all else.
    fn branch<'b, 't>(
        &self,
        branches: &'b [(&'t str, Vec<Piece<'t>>)],
        count: u64,
    ) -> Option<&'b [Piece<'t>]> {
        let by = |selector: &str| {
            branches.iter().find(|(other, _)| *other == selector).map(|(_, branch)| branch.as_slice())
        };
        by(&format!("={count}")).or_else(|| by(&(self.category)(count))).or_else(|| by("other"))
    }
}

fn parse(template: &str, in_plural: bool, depth: usize) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let is_mark = |letter| letter == '{' || (in_plural && letter == '#');
    while let Some(at) = rest.find(is_mark) {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        if let Some(after) = from.strip_prefix('#') {
            pieces.push(Piece::Number);
            rest = after;
        } else if let Some((inside, written, after)) = braced(from) {
            pieces.push(gap(inside, written, depth).unwrap_or(Piece::Text(written)));
            rest = after;
        } else {
            // A brace that nothing closes.
            pieces.push(Piece::Text(from));
            rest = "";
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Of a text that begins with a brace: what stands within it and the brace that
/// closes it, the same with both, and what follows.
fn braced(text: &str) -> Option<(&str, &str, &str)> {
    let mut open = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => continue,
        }
        if open == 0 {
            let (written, after) = text.split_at_checked(at + 1)?;
            let inside = written.strip_prefix('{')?.strip_suffix('}')?;
            return Some((inside, written, after));
        }
    }
    None
}

fn gap<'a>(inside: &'a str, written: &'a str, depth: usize) -> Option<Piece<'a>> {
    let Some((name, kind)) = inside.split_once(',') else {
        return Some(Piece::Gap { name: name(inside)?, written });
    };
    let (kind, mut rest) = kind.split_once(',')?;
    if kind.trim() != "plural" || depth >= DEEPEST {
        return None;
    }
    let mut branches = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(Piece::Plural { name: self::name(name)?, branches, written });
        }
        let (selector, from) = rest.split_at_checked(rest.find('{')?)?;
        let (branch, _, after) = braced(from)?;
        branches.push((selector.trim(), parse(branch, true, depth + 1)));
        rest = after;
    }
}

/// A name without the blanks around it; `None` where it is none.
fn name(text: &str) -> Option<&str> {
    let name = text.trim();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The names of a template's gaps, sorted, each once.
    ///
    /// # Panics
    /// Where it has a brace that is of no gap, or a plural that not every number
    /// has a branch of.
    pub(crate) fn gaps(template: &str) -> Vec<&str> {
        fn gather<'a>(pieces: &[Piece<'a>], into: &mut Vec<&'a str>) {
            for piece in pieces {
                match piece {
                    Piece::Text(text) => assert!(!text.contains(['{', '}']), "{text}"),
                    Piece::Gap { name, .. } => into.push(name),
                    Piece::Plural { name, branches, .. } => {
                        assert!(branches.iter().any(|(selector, _)| *selector == "other"), "{name}");
                        into.push(name);
                        branches.iter().for_each(|(_, branch)| gather(branch, into));
                    }
                    Piece::Number => {}
                }
            }
        }
        let mut names = Vec::new();
        gather(&parse(template, false, 0), &mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    fn english(count: u64) -> String {
        if count == 1 { "one".into() } else { "other".into() }
    }

    fn filled(template: &str, count: u64) -> String {
        fill(template, &[("n", Argument::Count(count)), ("who", "Ada".into())], &english)
    }

    #[test]
    fn gaps_are_filled() {
        assert_eq!(filled("{who} has { n } records", 3), "Ada has 3 records");
        assert_eq!(filled("", 0), "");
    }

    #[test]
    fn what_is_written_from_right_to_left_stays_apart() {
        let filled = |who: &str| fill("{who} (3:20)", &[("who", who.into())], &english);
        assert_eq!(filled("Ofra Haza"), "Ofra Haza (3:20)");
        assert_eq!(filled("עפרה חזה"), "\u{2068}עפרה חזה\u{2069} (3:20)");
        assert_eq!(filled("فيروز - 1"), "\u{2068}فيروز - 1\u{2069} (3:20)");
    }

    #[test]
    fn plurals_are_chosen_by_number_then_by_category() {
        let records = "{n, plural, =0 {none} one {# record of {who}} other {# records}}.";
        assert_eq!([0, 1, 2].map(|n| filled(records, n)), ["none.", "1 record of Ada.", "2 records."]);
        assert_eq!(filled("{n, plural, few {few}} #", 7), "{n, plural, few {few}} #");
        assert_eq!(filled("{n,plural,one{a}other{{n, plural, =2 {pair} other {#}}}}", 2), "pair");
    }

    #[test]
    fn what_nothing_fills_can_be_seen() {
        assert_eq!(filled("{whom} and {who, plural, other {x}}", 1), "{whom} and {who, plural, other {x}}");
    }

    #[test]
    fn any_text_is_a_template() {
        for text in [
            "{",
            "}",
            "{}",
            "{ }",
            "}{",
            "{{n}",
            "{n, plural}",
            "{n, plural, one}",
            "{n, plural, one {}",
            "{n, select, a {b}}",
            "{ñ}",
            "a } b",
            "{n, plural, ",
            "'{'",
        ] {
            assert_eq!(filled(text, 1), text);
        }
        let deep = format!("{}x{}", "{n, plural, other {".repeat(5000), "}}".repeat(5000));
        assert!(filled(&deep, 1).contains('x'));
        assert_eq!(filled("{n, plural, }", 1), "{n, plural, }");
    }
}

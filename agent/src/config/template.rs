//! The grammar of topic templates (`sensors/{source}/{type}`) and of the texts made from their names.

/// One level, or several, of a topic template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    /// This very word.
    Fixed(String),
    /// Any one level, named or not.
    One(Option<String>),
    /// One or more levels, named or not. At most one in a template.
    Rest(Option<String>),
}

/// Says which topics a mapping is for, and names their levels.
///
/// `{name}` is one level, `{name...}` one or more; `+` and `#` are the same without a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicTemplate {
    levels: Vec<Level>,
}

/// Says why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// There is nothing in it.
    #[error("must not be empty")]
    Empty,
    /// A brace stands alone or with something beside it.
    #[error("{0:?}: a {{name}} is a whole level, of letters, digits and '_'")]
    Name(String),
    /// Two parts would compete for the same levels.
    #[error("may have only one {{name...}} or #")]
    SecondRest,
    /// A name stands twice.
    #[error("has {{{0}}} twice")]
    NameTwice(String),
}

/// The named levels of one topic.
pub type Captures<'a> = Vec<(&'a str, &'a str)>;

impl TopicTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is empty, a name is malformed or stands twice, or there is more than one rest.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        if text.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        let levels = text.split('/').map(parse_level).collect::<Result<Vec<_>, _>>()?;
        if levels.iter().filter(|level| matches!(level, Level::Rest(_))).count() > 1 {
            return Err(InvalidTemplate::SecondRest);
        }
        let mut names: Vec<&str> = levels.iter().filter_map(Level::name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(InvalidTemplate::NameTwice(twice[0].to_owned()));
        }
        Ok(Self { levels })
    }

    /// Tells whether the template names a level `name`.
    #[must_use]
    pub fn captures(&self, name: &str) -> bool {
        self.levels.iter().any(|level| level.name() == Some(name))
    }

    /// Matches a topic and returns its named levels; a rest is returned with its slashes.
    #[must_use]
    pub fn match_topic<'a>(&'a self, topic: &'a str) -> Option<Captures<'a>> {
        let ends: Vec<(usize, usize)> = level_spans(topic);
        let rest_at = self.levels.iter().position(|level| matches!(level, Level::Rest(_)));
        let extra = match rest_at {
            None if ends.len() == self.levels.len() => 0,
            Some(_) if ends.len() >= self.levels.len() => ends.len() - self.levels.len(),
            _ => return None,
        };
        let mut captures = Captures::new();
        let mut next = 0;
        for level in &self.levels {
            let width = if matches!(level, Level::Rest(_)) { 1 + extra } else { 1 };
            let text = &topic[ends[next].0..ends[next + width - 1].1];
            next += width;
            match level {
                Level::Fixed(word) if word == text => {}
                Level::Fixed(_) => return None,
                Level::One(name) | Level::Rest(name) => {
                    captures.extend(name.as_deref().map(|name| (name, text)));
                }
            }
        }
        Some(captures)
    }
}

impl Level {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::One(name) | Self::Rest(name) => name.as_deref(),
        }
    }
}

fn level_spans(topic: &str) -> Vec<(usize, usize)> {
    let mut start = 0;
    let mut spans = Vec::new();
    for level in topic.split('/') {
        spans.push((start, start + level.len()));
        start += level.len() + 1;
    }
    spans
}

fn parse_level(text: &str) -> Result<Level, InvalidTemplate> {
    match text {
        "+" => return Ok(Level::One(None)),
        "#" => return Ok(Level::Rest(None)),
        _ if !text.contains(['{', '}', '+', '#']) => return Ok(Level::Fixed(text.to_owned())),
        _ => {}
    }
    let malformed = || InvalidTemplate::Name(text.to_owned());
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(malformed)?;
    let (name, is_rest) = inner.strip_suffix("...").map_or((inner, false), |name| (name, true));
    if !is_name(name) {
        return Err(malformed());
    }
    let name = Some(name.to_owned());
    Ok(if is_rest { Level::Rest(name) } else { Level::One(name) })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

/// A text with names in braces, such as `hall {hall}`, filled from a topic's levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is empty or a brace does not enclose a name.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        if text.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        let malformed = || InvalidTemplate::Name(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or_else(malformed)?;
            if !is_name(name) || before.contains('}') {
                return Err(malformed());
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Name(name.to_owned()));
            rest = behind;
        }
        if rest.contains('}') {
            return Err(malformed());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Returns the names that it uses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Puts a topic's levels in; a name that the topic lacks stays empty.
    #[must_use]
    pub fn fill(&self, captures: &Captures<'_>) -> String {
        let value_of =
            |wanted: &str| captures.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Name(name) => value_of(name),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_matched_and_named() {
        type Case = (&'static str, &'static str, Option<Vec<(&'static str, &'static str)>>);
        let cases: [Case; 9] = [
            ("sensors/{source}/{type}", "sensors/p4/temp", Some(vec![("source", "p4"), ("type", "temp")])),
            ("sensors/{source}/{type}", "sensors/p4", None),
            ("sensors/{source}/{type}", "sensors/p4/temp/x", None),
            ("{source...}/{type}", "a/b/c", Some(vec![("source", "a/b"), ("type", "c")])),
            ("{source...}/{type}", "c", None),
            ("a/{rest...}/z", "a/b/c/z", Some(vec![("rest", "b/c")])),
            ("a/{rest...}", "b/c", None),
            ("+/#", "a/b/c", Some(vec![])),
            ("/{x}", "/", Some(vec![("x", "")])),
        ];
        for (template, topic, expected) in cases {
            let parsed = TopicTemplate::parse(template).expect("a good template");
            assert_eq!(parsed.match_topic(topic), expected, "{template} on {topic}");
        }
    }

    #[test]
    fn malformed_templates_are_refused() {
        for text in ["", "a/{", "a/x{b}", "{a b}", "{}", "{...}", "{a...}/{b...}", "{a}/{a}", "a#"] {
            assert!(TopicTemplate::parse(text).is_err(), "{text:?} was accepted");
        }
        for text in ["", "{", "}", "a}b{c}", "{a b}", "{}"] {
            assert!(Template::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_text_is_filled_from_the_topic() {
        let template = Template::parse("hall {hall}/{unit}!").expect("a good template");
        assert_eq!(template.fill(&vec![("hall", "7"), ("unit", "x")]), "hall 7/x!");
        assert_eq!(template.names().collect::<Vec<_>>(), ["hall", "unit"]);
    }
}

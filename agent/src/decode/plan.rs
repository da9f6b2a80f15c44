//! What a topic means, worked out once and remembered: which mapping it falls to and which series it feeds.
//!
//! The cache is bounded by the number of series in it. A full one starts over, which costs each topic one more
//! matching and never memory, however many topics a device invents.

use std::collections::HashMap;
use std::sync::Arc;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{InvalidSeries, Series};

use crate::config::{Captures, MappingSettings, PayloadFormat};

/// More series, or topics, in the cache make it start over.
const MAX_CACHED: usize = 20_000;

type InternedSeries = Result<Arc<Series>, InvalidSeries>;

/// What one topic means.
#[derive(Debug)]
pub(super) struct TopicPlan {
    mapping: Option<usize>,
    pub(super) shape: Shape,
}

/// How the payloads of a topic are read.
#[derive(Debug)]
pub(super) enum Shape {
    /// No mapping matches.
    Unmapped,
    /// A mapping's one series, or one for each of its `values` in their order.
    Mapped(Vec<InternedSeries>),
    /// By a mapping whose payloads are line protocol, which names its series itself; none takes the topic as source.
    Lines { source: Option<String>, labels: Vec<(String, String)> },
    /// By the default mapping.
    Default(DefaultSeries),
}

/// The series of a topic under the default mapping, made as payloads ask for them.
#[derive(Debug)]
pub(super) struct DefaultSeries {
    whole_type: String,
    whole_source: String,
    member_source: String,
    whole: HashMap<Option<String>, InternedSeries>,
    members: HashMap<String, InternedSeries>,
}

impl TopicPlan {
    fn series_count(&self) -> usize {
        match &self.shape {
            Shape::Unmapped | Shape::Lines { .. } => 1,
            Shape::Mapped(series) => series.len().max(1),
            Shape::Default(series) => (series.whole.len() + series.members.len()).max(1),
        }
    }

    /// Returns the series that the topic as a whole names, with a unit where the payload tells one.
    pub(super) fn whole(&mut self, unit: Option<&str>) -> &InternedSeries {
        let unit = unit.map(str::to_owned);
        let Shape::Default(series) = &mut self.shape else { return &MISUSED };
        let (event_type, source) = (&series.whole_type, &series.whole_source);
        series.whole.entry(unit).or_insert_with_key(|unit| {
            intern(event_type, source, unit.iter().map(|unit| ("unit".to_owned(), unit.clone())))
        })
    }

    /// Returns the series of one member of an object.
    pub(super) fn member(&mut self, name: &str) -> &InternedSeries {
        let Shape::Default(series) = &mut self.shape else { return &MISUSED };
        if !series.members.contains_key(name) {
            let interned = intern(name, &series.member_source, []);
            series.members.insert(name.to_owned(), interned);
        }
        series.members.get(name).unwrap_or(&MISUSED)
    }
}

/// Stands where a plan of another shape is asked for a default series, which the decoder does not do.
static MISUSED: InternedSeries = Err(InvalidSeries::Name { part: "type" });

fn intern(
    event_type: &str,
    source: &str,
    labels: impl IntoIterator<Item = (String, String)>,
) -> InternedSeries {
    let labels = labels.into_iter().collect();
    let series = Series { event_type: event_type.to_owned(), source: source.to_owned(), labels };
    series.validate()?;
    Ok(Arc::new(series))
}

/// Plans by topic.
#[derive(Debug)]
pub(super) struct PlanCache {
    agent: String,
    prefix: String,
    mappings: Arc<[MappingSettings]>,
    plans: HashMap<Box<str>, TopicPlan>,
    cached: usize,
}

impl PlanCache {
    pub(super) fn new(agent: &AgentId, prefix_sources: bool, mappings: Arc<[MappingSettings]>) -> Self {
        let prefix = if prefix_sources { format!("{agent}/") } else { String::new() };
        Self { agent: agent.to_string(), prefix, mappings, plans: HashMap::new(), cached: 0 }
    }

    pub(super) fn has_mappings(&self) -> bool {
        !self.mappings.is_empty()
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Calls `read` with the topic's plan and its mapping, and counts the series that it added.
    pub(super) fn with_plan<T>(
        &mut self,
        topic: &str,
        read: impl FnOnce(&mut TopicPlan, Option<&MappingSettings>) -> T,
    ) -> T {
        if self.cached >= MAX_CACHED {
            self.plans.clear();
            self.cached = 0;
        }
        if !self.plans.contains_key(topic) {
            let plan = self.make_plan(topic);
            self.cached += plan.series_count();
            self.plans.insert(topic.into(), plan);
        }
        let plan = self.plans.get_mut(topic).expect("a plan was just put there");
        let before = plan.series_count();
        let mapping = plan.mapping.and_then(|index| self.mappings.get(index));
        let answer = read(plan, mapping);
        self.cached += plan.series_count() - before;
        answer
    }

    fn make_plan(&self, topic: &str) -> TopicPlan {
        if self.mappings.is_empty() {
            return TopicPlan { mapping: None, shape: Shape::Default(self.default_series(topic)) };
        }
        let matching = |(index, mapping): (usize, &MappingSettings)| {
            let captures = mapping.topic.match_topic(topic)?;
            let shape = match mapping.format {
                PayloadFormat::Auto => Shape::Mapped(self.mapped_series(mapping, &captures)),
                PayloadFormat::InfluxLine => lines(mapping, &captures),
            };
            Some(TopicPlan { mapping: Some(index), shape })
        };
        let unmapped = || TopicPlan { mapping: None, shape: Shape::Unmapped };
        self.mappings.iter().enumerate().find_map(matching).unwrap_or_else(unmapped)
    }

    fn default_series(&self, topic: &str) -> DefaultSeries {
        let (source, event_type) = match topic.rsplit_once('/') {
            Some((source, event_type)) => (format!("{}{source}", self.prefix), event_type),
            None => (self.agent.clone(), topic),
        };
        DefaultSeries {
            whole_type: event_type.to_owned(),
            whole_source: source,
            member_source: format!("{}{topic}", self.prefix),
            whole: HashMap::new(),
            members: HashMap::new(),
        }
    }

    fn mapped_series(&self, mapping: &MappingSettings, captures: &Captures<'_>) -> Vec<InternedSeries> {
        let source = source_of(mapping, captures);
        let source = source.map_or_else(|| self.agent.clone(), |source| format!("{}{source}", self.prefix));
        let labels = labels_of(mapping, captures);
        if mapping.values.is_empty() {
            let event_type = mapping.event_type.as_ref().map(|template| template.fill(captures));
            let event_type =
                event_type.or_else(|| captured(captures, "type").map(str::to_owned)).unwrap_or_default();
            return vec![intern(&event_type, &source, labels)];
        }
        mapping.values.iter().map(|(name, _)| intern(name, &source, labels.clone())).collect()
    }
}

fn lines(mapping: &MappingSettings, captures: &Captures<'_>) -> Shape {
    Shape::Lines { source: source_of(mapping, captures), labels: labels_of(mapping, captures) }
}

fn source_of(mapping: &MappingSettings, captures: &Captures<'_>) -> Option<String> {
    let fixed = mapping.source.as_ref().map(|template| template.fill(captures));
    fixed.or_else(|| captured(captures, "source").map(str::to_owned))
}

fn labels_of(mapping: &MappingSettings, captures: &Captures<'_>) -> Vec<(String, String)> {
    let named = captures.iter().filter(|(name, _)| !matches!(*name, "type" | "source"));
    let named = named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let fixed = mapping.labels.iter().map(|(name, template)| (name.clone(), template.fill(captures)));
    named.chain(fixed).collect()
}

fn captured<'a>(captures: &'a Captures<'_>, wanted: &str) -> Option<&'a str> {
    captures.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

#[cfg(test)]
impl PlanCache {
    pub(super) fn len(&self) -> usize {
        self.plans.len()
    }
}

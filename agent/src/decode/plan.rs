//! What a topic means, worked out once and remembered: which mapping it falls to and which series it feeds.
//!
//! The cache is bounded by the number of series in it and by the bytes of their names. A full one starts over, which
//! costs each topic one more matching and never memory, however many topics a device invents, and however long.

use std::collections::HashMap;
use std::sync::Arc;

use penstock_shared::id::AgentId;
use penstock_shared::reading::{InvalidSeries, Series};

use super::series::{Interned, MAX_CACHED, MAX_CACHED_BYTES, bytes_of, intern};
use crate::config::{Captures, MappingSettings, PayloadFormat};

/// What one topic means.
#[derive(Debug)]
pub(super) struct TopicPlan {
    mapping: Option<usize>,
    pub(super) shape: Shape,
    size: Size,
}

/// What a plan takes of the cache.
#[derive(Debug, Default, Clone, Copy)]
struct Size {
    series: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, series: &Interned) {
        self.series += 1;
        self.bytes += series.as_deref().map_or(size_of::<Interned>(), bytes_of);
    }
}

/// How the payloads of a topic are read.
#[derive(Debug)]
pub(super) enum Shape {
    /// No mapping matches.
    Unmapped,
    /// A mapping's one series, or one for each of its `values` in their order.
    Mapped(Vec<Interned>),
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
    /// By their unit; the empty one is none.
    whole: HashMap<String, Arc<Series>>,
    members: HashMap<String, Arc<Series>>,
}

impl TopicPlan {
    fn new(topic: &str, mapping: Option<usize>, shape: Shape) -> Self {
        // The topic stands in the cache's key and in the shape.
        let mut size = Size { series: 1, bytes: size_of::<Self>() + 4 * topic.len() };
        if let Shape::Mapped(series) = &shape {
            series.iter().for_each(|series| size.add(series));
        }
        Self { mapping, shape, size }
    }

    /// Returns the series that the topic as a whole names, with a unit where the payload tells one.
    pub(super) fn whole(&mut self, unit: Option<&str>) -> Interned {
        let unit = unit.unwrap_or_default();
        let Shape::Default(series) = &mut self.shape else { return MISUSED };
        if let Some(known) = series.whole.get(unit) {
            return Ok(Arc::clone(known));
        }
        let labels =
            Some(unit).filter(|unit| !unit.is_empty()).map(|unit| ("unit".to_owned(), unit.to_owned()));
        let made = series_of(&series.whole_type, &series.whole_source, labels)?;
        series.whole.insert(unit.to_owned(), Arc::clone(&made));
        self.size.add(&Ok(Arc::clone(&made)));
        Ok(made)
    }

    /// Returns the series of one member of an object.
    pub(super) fn member(&mut self, name: &str) -> Interned {
        let Shape::Default(series) = &mut self.shape else { return MISUSED };
        if let Some(known) = series.members.get(name) {
            return Ok(Arc::clone(known));
        }
        let made = series_of(name, &series.member_source, [])?;
        series.members.insert(name.to_owned(), Arc::clone(&made));
        self.size.add(&Ok(Arc::clone(&made)));
        Ok(made)
    }
}

/// Stands where a plan of another shape is asked for a default series, which the decoder does not do.
const MISUSED: Interned = Err(InvalidSeries::Name { part: "type" });

fn series_of(event_type: &str, source: &str, labels: impl IntoIterator<Item = (String, String)>) -> Interned {
    let labels = labels.into_iter().collect();
    intern(Series { event_type: event_type.to_owned(), source: source.to_owned(), labels })
}

/// Plans by topic.
#[derive(Debug)]
pub(super) struct PlanCache {
    agent: String,
    prefix: String,
    mappings: Arc<[MappingSettings]>,
    plans: HashMap<Box<str>, TopicPlan>,
    cached: Size,
}

impl PlanCache {
    pub(super) fn new(agent: &AgentId, prefix_sources: bool, mappings: Arc<[MappingSettings]>) -> Self {
        let prefix = if prefix_sources { format!("{agent}/") } else { String::new() };
        Self { agent: agent.to_string(), prefix, mappings, plans: HashMap::new(), cached: Size::default() }
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
        if self.cached.series >= MAX_CACHED || self.cached.bytes >= MAX_CACHED_BYTES {
            self.plans.clear();
            self.cached = Size::default();
        }
        if !self.plans.contains_key(topic) {
            let plan = self.make_plan(topic);
            self.cached.series += plan.size.series;
            self.cached.bytes += plan.size.bytes;
            self.plans.insert(topic.into(), plan);
        }
        let plan = self.plans.get_mut(topic).expect("a plan was just put there");
        let before = plan.size;
        let mapping = plan.mapping.and_then(|index| self.mappings.get(index));
        let answer = read(plan, mapping);
        self.cached.series += plan.size.series - before.series;
        self.cached.bytes += plan.size.bytes - before.bytes;
        answer
    }

    fn make_plan(&self, topic: &str) -> TopicPlan {
        if self.mappings.is_empty() {
            return TopicPlan::new(topic, None, Shape::Default(self.default_series(topic)));
        }
        let matching = |(index, mapping): (usize, &MappingSettings)| {
            let captures = mapping.topic.match_topic(topic)?;
            let shape = match mapping.format {
                PayloadFormat::Auto => Shape::Mapped(self.mapped_series(mapping, &captures)),
                PayloadFormat::InfluxLine => lines(mapping, &captures),
            };
            Some(TopicPlan::new(topic, Some(index), shape))
        };
        let unmapped = || TopicPlan::new(topic, None, Shape::Unmapped);
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

    fn mapped_series(&self, mapping: &MappingSettings, captures: &Captures<'_>) -> Vec<Interned> {
        let source = source_of(mapping, captures);
        let source = source.map_or_else(|| self.agent.clone(), |source| format!("{}{source}", self.prefix));
        let labels = labels_of(mapping, captures);
        if mapping.values.is_empty() {
            let event_type = mapping.event_type.as_ref().map(|template| template.fill(captures));
            let event_type =
                event_type.or_else(|| captured(captures, "type").map(str::to_owned)).unwrap_or_default();
            return vec![series_of(&event_type, &source, labels)];
        }
        mapping.values.iter().map(|(name, _)| series_of(name, &source, labels.clone())).collect()
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

    /// Counted from what is there, not from what was noted.
    pub(super) fn bytes(&self) -> usize {
        let of_plan = |plan: &TopicPlan| match &plan.shape {
            Shape::Default(series) => {
                let names = series.whole.keys().chain(series.members.keys()).map(String::len).sum::<usize>();
                series.whole_type.len() + series.whole_source.len() + series.member_source.len() + names
            }
            _ => 0,
        };
        self.plans.iter().map(|(topic, plan)| topic.len() + of_plan(plan)).sum()
    }
}

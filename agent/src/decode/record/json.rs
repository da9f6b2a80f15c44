//! A JSON object a record.

use penstock_shared::reading::Value;
use serde_json::Value as Json;

use super::RecordParser;
use crate::config::{JsonPointer, TimeUnit};
use crate::decode::payload::{Payload, scalar};
use crate::decode::reason::Undecodable;
use crate::decode::{MAX_PAYLOAD_BYTES, Reason, Sample, time};

impl RecordParser {
    pub(super) fn json(
        &self,
        record: &[u8],
        values: &[(String, JsonPointer)],
        time: Option<&JsonPointer>,
        time_unit: TimeUnit,
    ) -> Result<Vec<Sample>, Undecodable> {
        let payload = Payload::parse(record, MAX_PAYLOAD_BYTES)?;
        let Payload::Json(json) = &payload else {
            return Err(Undecodable::new(Reason::BadRecord, "neither an object nor a list"));
        };
        let told_time = time.and_then(|pointer| payload.member(pointer));
        let told_time = told_time.map(|json| time::device_time(json, time_unit)).transpose()?;
        let mut samples = if values.is_empty() {
            self.members(json)?
        } else {
            let found = values.iter().filter_map(|(name, pointer)| Some((name, payload.member(pointer)?)));
            let told = found.filter(|(_, json)| !json.is_null());
            told.map(|(name, json)| self.json_sample(name, json)).collect::<Result<Vec<_>, _>>()?
        };
        if samples.is_empty() {
            return Err(Undecodable::new(Reason::ValueMissing, "none of the values is there"));
        }
        for sample in &mut samples {
            sample.time = told_time;
        }
        Ok(samples)
    }

    fn members(&self, json: &Json) -> Result<Vec<Sample>, Undecodable> {
        let members = json.as_object().into_iter().flatten();
        let values = members.filter(|(name, json)| {
            json.is_number() || json.is_boolean() || self.is_text(name) && json.is_string()
        });
        values.map(|(name, json)| self.json_sample(name, json)).collect()
    }

    fn json_sample(&self, name: &str, json: &Json) -> Result<Sample, Undecodable> {
        match json {
            Json::String(written) => self.sample(name, written),
            other => {
                let value: Value = scalar(other)?;
                Ok(Sample::new(name, value).with_unit(self.unit(name)))
            }
        }
    }
}

//! Every format, whole and damaged.

use proptest::prelude::*;

use super::*;
use crate::config::JsonPointer;
use crate::config::serial::{BinaryField, ByteOrder, FieldType, Pattern};

fn settings(format: RecordFormat) -> RecordSettings {
    let units = [("weight".to_owned(), "kg".to_owned())].into_iter().collect();
    RecordSettings { format, units, texts: vec!["state".to_owned()] }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Reads a record as `name=value unit`, or as the reason why it cannot be read.
fn read(format: RecordFormat, record: &[u8]) -> String {
    match RecordParser::new(settings(format)).parse(record) {
        Ok(samples) => {
            let shown = samples.iter().map(|Sample { name, value, unit, .. }| {
                let value = match value {
                    Value::Number(number) => number.to_string(),
                    Value::Boolean(state) => state.to_string(),
                    Value::Text(text) => format!("{text:?}"),
                };
                format!("{name}={value}{}", unit.as_deref().unwrap_or_default())
            });
            shown.collect::<Vec<_>>().join(" ")
        }
        Err(unreadable) => unreadable.reason.as_str().to_owned(),
    }
}

#[test]
fn what_is_no_number_in_any_format_is_a_dead_letter_with_its_reason() {
    let pointers = vec![("a".to_owned(), JsonPointer::parse("/a").expect("a pointer"))];
    let json = |values| RecordFormat::Json { values, time: None, time_unit: crate::config::TimeUnit::Auto };
    let deep = "{\"a\":".repeat(2_000) + "1" + &"}".repeat(2_000);
    let csv = || RecordFormat::Csv { columns: names(&["a", "b"]), separator: ',' };
    let key_value = || RecordFormat::KeyValue { columns: Vec::new() };
    let regex = || RecordFormat::Regex(Pattern::parse("(?<a>.+)").expect("a pattern"));
    let number = || RecordFormat::Number { name: "a".to_owned() };
    for (format, record, expected) in [
        (number(), "1e999", "not_finite"),
        (number(), "NaN", "not_a_number"),
        (number(), "-0", "a=-0"),
        (csv(), "1e999,1", "not_finite"),
        (csv(), "NaN,1", "not_a_number"),
        (key_value(), "a=-1e999", "not_finite"),
        (key_value(), "a=NaN", "not_a_number"),
        (regex(), "1e999", "not_finite"),
        (regex(), "-inf", "not_a_number"),
        (json(Vec::new()), r#"{"a":1e999}"#, "bad_json"),
        (json(Vec::new()), r#"{"a":NaN}"#, "bad_json"),
        (json(pointers.clone()), r#"{"a":"1e999"}"#, "not_finite"),
        (json(pointers), &deep, "bad_json"),
        (RecordFormat::Nmea0183, "$HEHDT,1e999,T*6C", "bad_record"),
        (RecordFormat::Nmea0183, "$HEHDT,NaN,T*60", "bad_record"),
    ] {
        assert_eq!(read(format, record.as_bytes()), expected, "{}", &record[..record.len().min(40)]);
    }
}

#[test]
fn a_number_is_read_as_instruments_write_it() {
    for (name, record, expected) in [
        ("value", "21.5", "value=21.5"),
        ("value", "  -3 ", "value=-3"),
        ("value", "+  12.30kg", "value=12.3kg"),
        ("value", "7 %", "value=7%"),
        ("value", "1e3", "value=1000"),
        ("value", ".5", "value=0.5"),
        ("value", "ON", "value=true"),
        ("weight", "12.5", "weight=12.5kg"),
        ("weight", "12.5 KG", "weight=12.5kg"),
        ("weight", "12.5 kf", "not_a_number"),
        ("value", "", "not_a_number"),
        ("value", "ERR", "not_a_number"),
        ("value", "1.2.3", "not_a_number"),
        ("value", "12 34", "not_a_number"),
        ("value", "nan", "not_a_number"),
        ("value", "inf", "not_a_number"),
        ("value", "1e999", "not_finite"),
        ("state", "warm up", "state=\"warm up\""),
    ] {
        assert_eq!(
            read(RecordFormat::Number { name: name.to_owned() }, record.as_bytes()),
            expected,
            "{record:?}"
        );
    }
    assert_eq!(read(RecordFormat::default(), b"1\xff"), "not_utf8");
}

#[test]
fn columns_are_read_by_their_place() {
    let columns = names(&["state", "weight", ""]);
    for (record, expected) in [
        ("ST,+ 12.5kg,7", "state=\"ST\" weight=12.5kg"),
        ("\"a,b\",1,", "state=\"a,b\" weight=1kg"),
        ("ST,,", "state=\"ST\""),
        ("ST,12.5kg", "bad_record"),
        ("ST,12x,7", "not_a_number"),
        (",,", "value_missing"),
    ] {
        let format = RecordFormat::Csv { columns: columns.clone(), separator: ',' };
        assert_eq!(read(format, record.as_bytes()), expected, "{record:?}");
    }
}

#[test]
fn objects_are_read_by_pointer_or_whole() {
    let pointer = |text| JsonPointer::parse(text).expect("a pointer");
    let format =
        |values| RecordFormat::Json { values, time: Some(pointer("/t")), time_unit: Default::default() };
    let some = vec![("weight".to_owned(), pointer("/w/0"))];
    assert_eq!(read(format(some.clone()), br#"{"w":[2.5],"t":1700000000}"#), "weight=2.5kg");
    assert_eq!(read(format(some.clone()), br#"{"w":[null]}"#), "value_missing");
    assert_eq!(read(format(some), br#"{"w":["2x"]}"#), "not_a_number");
    assert_eq!(read(format(vec![]), br#"{"a":1,"b":"x","c":true,"state":"x"}"#), "a=1 c=true state=\"x\"");
    assert_eq!(read(format(vec![]), br#"{"a":1,"t":"never"}"#), "bad_time");
    assert_eq!(read(format(vec![]), b"{\"a\":"), "bad_json");
    assert_eq!(read(format(vec![]), b"7"), "bad_record");
    assert_eq!(read(format(vec![]), &b"[".repeat(10_000)), "bad_json");
}

#[test]
fn pairs_and_patterns_are_read_by_name() {
    let pairs = |columns| RecordFormat::KeyValue { columns: names(columns) };
    assert_eq!(read(pairs(&[]), b"weight=2.5kg; T:21.5,state=ok"), "weight=2.5kg T=21.5 state=\"ok\"");
    assert_eq!(read(pairs(&["T"]), b"weight=x T=1"), "T=1");
    assert_eq!(read(pairs(&["T"]), b"U=1"), "value_missing");
    assert_eq!(read(pairs(&[]), b"T=1 oops"), "bad_record");
    let pattern = Pattern::parse(r"^(?<state>\w\w) +(?<weight>[0-9.]+)( (?<spare>\d))?$").expect("a pattern");
    let regex = || RecordFormat::Regex(pattern.clone());
    assert_eq!(read(regex(), b"ST  12.5"), "state=\"ST\" weight=12.5kg");
    assert_eq!(read(regex(), b"ST  12.5 x"), "bad_record");
    assert!(Pattern::parse("(").is_err() && Pattern::parse("a(b)").is_err());
}

#[test]
fn binary_fields_are_read_in_every_type_and_order() {
    let field = |name: &str, offset, field_type, order, scale| BinaryField {
        name: name.to_owned(),
        offset,
        field_type,
        order,
        scale,
        add: 0.0,
        unit: String::new(),
    };
    let fields = vec![
        field("a", 0, FieldType::U8, ByteOrder::Big, 1.0),
        field("b", 0, FieldType::I8, ByteOrder::Big, 1.0),
        field("c", 0, FieldType::I16, ByteOrder::Big, 0.1),
        field("d", 0, FieldType::U16, ByteOrder::Little, 0.5),
        field("e", 2, FieldType::F32, ByteOrder::Big, 1.0),
        field("f", 6, FieldType::I64, ByteOrder::Little, 1.0),
        field("g", 6, FieldType::U32, ByteOrder::Big, 10.0),
    ];
    let mut record = vec![0xFF, 0xFD];
    record.extend(21.3_f32.to_be_bytes());
    record.extend((-2_i64).to_le_bytes());
    let read_by = |record: &[u8]| read(RecordFormat::Binary(fields.clone()), record);
    // ff fd: -3 and, the other way round, fdff = 65023; fe ff ff ff: 4278190079.
    assert_eq!(read_by(&record), "a=255 b=-1 c=-0.3 d=32511.5 e=21.3 f=-2 g=42781900790");
    assert_eq!(read_by(&record[..13]), "bad_record");
}

fn sentence(body: &str) -> String {
    format!("${body}*{:02X}", body.bytes().fold(0, |sum, byte| sum ^ byte))
}

#[test]
fn sentences_become_named_samples_with_units() {
    for (body, expected) in [
        (
            "GPRMC,123519.25,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W",
            "latitude=48.1173° longitude=11.516666667° speed=22.4kn course=84.4°",
        ),
        ("GPRMC,123519,V,,,,,,,230394,,", ""),
        (
            "GNGGA,123519,4807.038,S,01131.000,W,1,08,0.9,545.4,M,46.9,M,,",
            "fix_quality=1 latitude=-48.1173° longitude=-11.516666667° satellites=8 hdop=0.9 altitude=545.4m",
        ),
        ("GPGGA,123519,,,,,0,00,,,M,,M,,", "fix_quality=0"),
        (
            "GPVTG,054.7,T,034.4,M,005.5,N,010.2,K",
            "course=54.7° course_magnetic=34.4° speed=5.5kn speed=10.2km/h",
        ),
        ("HEHDT,274.07,T", "heading=274.07°"),
        ("WIMWV,214.8,R,0.1,K,A", "wind_angle_relative=214.8° wind_speed_relative=0.1km/h"),
        ("WIMWV,214.8,T,4.1,N,A", "wind_angle_true=214.8° wind_speed_true=4.1kn"),
        ("WIMWV,,R,,K,V", ""),
        ("SDDBT,7.7,f,2.3,M,1.3,F", "depth=2.3m"),
        ("YXMTW,17.75,C", "water_temperature=17.75°C"),
        ("YXXDR,C,19.52,C,TempAir,P,1.02481,B,Barometer,H,,P,Hum", "TempAir=19.52°C Barometer=1.02481bar"),
        ("GPGSV,3,1,11,03,03,111,00", ""),
        ("PGRME,15.0,M", ""),
        ("HEHDT,374.07,T", "bad_record"),
        ("HEHDT,27 4,T", "bad_record"),
        ("HEHDT,274.07,M", "bad_record"),
        ("WIMWV,214.8,R,0.1,Q,A", "bad_record"),
        ("GPRMC,123519,A,4867.038,N,01131.000,E,022.4,084.4,230394,,", "bad_record"),
        ("GPRMC,253519,A,4807.038,N,01131.000,E,022.4,084.4,230394,,", "bad_record"),
        ("GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,310294,,", "bad_record"),
    ] {
        assert_eq!(read(RecordFormat::Nmea0183, sentence(body).as_bytes()), expected, "{body}");
    }
}

#[test]
fn a_sentence_must_have_its_checksum_and_may_follow_the_rest_of_another() {
    let good = sentence("HEHDT,274.07,T");
    assert_eq!(read(RecordFormat::Nmea0183, format!("$GPGG\u{1}{good}\r").as_bytes()), "heading=274.07°");
    assert_eq!(read(RecordFormat::Nmea0183, b"$HEHDT,274.07,T"), "bad_checksum");
    assert_eq!(read(RecordFormat::Nmea0183, good.replace("274", "275").as_bytes()), "bad_checksum");
    assert_eq!(read(RecordFormat::Nmea0183, b"hello"), "bad_record");
}

#[test]
fn the_time_of_a_position_is_the_receivers() {
    let parser = RecordParser::new(settings(RecordFormat::Nmea0183));
    let record = sentence("GPRMC,123519.25,A,4807.038,N,01131.000,E,022.4,084.4,230325,003.1,W");
    let samples = parser.parse(record.as_bytes()).expect("a sentence");
    // 2025-03-23T12:35:19.25Z
    assert!(samples.iter().all(|sample| sample.time.map(|time| time.0) == Some(1_742_733_319_250_000)));
}

fn every_format() -> Vec<RecordFormat> {
    vec![
        RecordFormat::default(),
        RecordFormat::Csv { columns: names(&["a", "b"]), separator: ',' },
        RecordFormat::Json { values: vec![], time: None, time_unit: Default::default() },
        RecordFormat::KeyValue { columns: vec![] },
        RecordFormat::Regex(Pattern::parse("(?<a>[0-9.]+)").expect("a pattern")),
        RecordFormat::Nmea0183,
        RecordFormat::Binary(vec![]),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(record in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in every_format() {
            read(format, &record);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(record in "[-+0-9a-zA-Z.,;:=$*{}\\[\\]\"° ]{0,80}") {
        for format in every_format() {
            read(format, record.as_bytes());
        }
    }

    #[test]
    fn any_sentence_with_its_checksum_is_read_or_refused(
        kind in prop::sample::select(vec!["RMC", "GGA", "GLL", "VTG", "HDT", "HDG", "MWV", "DBT", "MTW", "VHW", "XDR"]),
        fields in prop::collection::vec("[-0-9.ANSEWMTKCR°]{0,9}", 0..16),
    ) {
        read(RecordFormat::Nmea0183, sentence(&format!("GP{kind},{}", fields.join(","))).as_bytes());
    }
}

//! Line protocol, by InfluxDB's reference.

use super::{decode, decoder, decoder_of};

#[test]
fn fields_are_types_and_tags_are_labels() {
    let lines = "weather,location=us-midwest temperature=82,humidity=71i 1465839830100400200\n\
                 # a comment\n\n\
                 cpu,host=srv1,cpu=cpu0 value=0.5 1465839830100400200\r\n";
    assert_eq!(
        decode(&mut decoder(), "plant/influx", lines),
        [
            "cpu@gw/srv1 cpu=cpu0 = 0.5 @ 1465839830100400",
            "weather_humidity@gw/plant location=us-midwest = 71 @ 1465839830100400",
            "weather_temperature@gw/plant location=us-midwest = 82 @ 1465839830100400",
        ]
    );
}

#[test]
fn escapes_quotations_and_every_kind_of_field_are_read() {
    let line = r#"my\ Measure\,ment,tag\ key=tag\ value\,x i=-5i,u=18446744073709551615u,f=1e3,t=T,f\ alse=False,s="a \"b\", c=d \\ e""#;
    assert_eq!(
        decode(&mut decoder(), "telegraf/host1/custom", line),
        [
            "my Measure,ment_f alse@gw/telegraf/host1/custom tag key=tag value,x = false",
            "my Measure,ment_f@gw/telegraf/host1/custom tag key=tag value,x = 1000",
            "my Measure,ment_i@gw/telegraf/host1/custom tag key=tag value,x = -5",
            r#"my Measure,ment_s@gw/telegraf/host1/custom tag key=tag value,x = "a \"b\", c=d \\ e""#,
            "my Measure,ment_t@gw/telegraf/host1/custom tag key=tag value,x = true",
            "my Measure,ment_u@gw/telegraf/host1/custom tag key=tag value,x = 18446744073709552000",
        ]
    );
}

#[test]
fn a_bad_line_takes_no_other_with_it() {
    let cases = [
        ("a b=1\na\na b=2", vec!["!bad_line_protocol", "a_b@gw/x = 1", "a_b@gw/x = 2"]),
        ("# 19\" rack\na b=1", vec!["a_b@gw/x = 1"]),
        ("a\"c b=1\na b=2", vec!["a\"c_b@gw/x = 1", "a_b@gw/x = 2"]),
        ("a\\\na b=1", vec!["!bad_line_protocol", "a_b@gw/x = 1"]),
        ("a b=\"1\n# 2\n\"\na b=3", vec!["a_b@gw/x = \"1\\n# 2\\n\"", "a_b@gw/x = 3"]),
        ("a b=", vec!["!bad_line_protocol"]),
        ("a b=1 soon", vec!["!bad_line_protocol"]),
        ("a b=\"open", vec!["!bad_line_protocol"]),
        ("a,t b=1", vec!["!bad_line_protocol"]),
        ("a b=1x", vec!["!bad_line_protocol"]),
        (",t=1 b=1", vec!["!bad_line_protocol"]),
        ("a b=NaN", vec!["!not_finite"]),
        ("a b=1e999", vec!["!not_finite"]),
        ("a b=1 9223372036854775807", vec!["!time_out_of_range"]),
        ("a:b c@d=1", vec!["a_b_c_d@gw/x = 1"]),
    ];
    for (lines, expected) in cases {
        assert_eq!(decode(&mut decoder(), "x/influx", lines), expected, "{lines}");
    }
}

#[test]
fn the_precision_is_that_of_the_configuration_or_of_the_mapping() {
    let mut seconds = decoder_of("[decode]\ninflux_precision = \"s\"\n");
    assert_eq!(decode(&mut seconds, "x/influx", "a b=1 1700000000"), ["a_b@gw/x = 1 @ 1700000000000000"]);
    let mapping = "[[mapping]]\ntopic = \"lines/{source}/{hall}\"\nformat = \"influx_line\"\ntime_unit = \"ms\"\n\
                   labels = { site = \"north\" }\n";
    assert_eq!(
        decode(&mut decoder_of(mapping), "lines/press/7", "a,t=1 value=1 1700000000000"),
        ["a@gw/press hall=7 site=north t=1 = 1 @ 1700000000000000"]
    );
}

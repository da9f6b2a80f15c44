//! The examples of RFC 8428, and packs in CBOR.

use super::{decode, decoder};

#[test]
fn the_examples_of_the_rfc_are_resolved() {
    let cases: [(&str, &[&str]); 6] = [
        // 5.1.1
        (
            r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#,
            &["value@gw/urn:dev:ow:10e2073a01080063 unit=°C = 23.1"],
        ),
        // 5.1.2
        (
            r#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]"#,
            &[
                "current@gw/urn:dev:ow:10e2073a01080063 unit=A = 1.2",
                "voltage@gw/urn:dev:ow:10e2073a01080063 unit=V = 120.1",
            ],
        ),
        (
            r#"[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
                {"n":"current","t":-5,"v":1.2},{"n":"current","v":1.7}]"#,
            &[
                "current@gw/urn:dev:ow:10e2073a0108006 unit=A = 1.2 @ 1276020071001000",
                "current@gw/urn:dev:ow:10e2073a0108006 unit=A = 1.7 @ 1276020076001000",
                "voltage@gw/urn:dev:ow:10e2073a0108006 unit=V = 120.1 @ 1276020076001000",
            ],
        ),
        (r#"[{"n":"urn:dev:ow:10e2073a01080063:temp","v":1}]"#, &["temp@gw/urn:dev:ow:10e2073a01080063 = 1"]),
        // 5.1.3, and a sum
        (
            r#"[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},{"t":60,"v":20.3},
                {"n":"meter","bu":"W","bs":100,"s":5}]"#,
            &[
                "meter_sum@gw/urn:dev:ow:10e2073a01080063 unit=W·s = 105 @ 1320067464000000",
                "value@gw/urn:dev:ow:10e2073a01080063 unit=% = 20 @ 1320067464000000",
                "value@gw/urn:dev:ow:10e2073a01080063 unit=% = 20.3 @ 1320067524000000",
            ],
        ),
        // 5.1.4, and a base value
        (
            r#"[{"bn":"dev1/","bv":20,"n":"temp","u":"Cel","v":3.5,"t":-2},{"n":"label","vs":"Machine Room"},{"n":"open","vb":false}]"#,
            &[
                "label@gw/dev1 = \"Machine Room\"",
                "open@gw/dev1 = false",
                "temp@gw/dev1 unit=°C = 23.5 @ 1799999998000000",
            ],
        ),
    ];
    for (pack, expected) in cases {
        assert_eq!(decode(&mut decoder(), "any/topic", pack), expected, "{pack}");
    }
}

#[test]
fn what_must_not_be_read_is_a_dead_letter() {
    let cases: [(&str, &[&str]); 7] = [
        (r#"[{"bver":11,"n":"a","v":1},{"n":"b","v":2}]"#, &["!bad_senml"]),
        (r#"[{"n":"a","v":1,"must_":1},{"n":"b","v":2}]"#, &["!bad_senml", "b@gw/t = 2"]),
        (r#"[{"n":"a"},{"n":"b","v":2}]"#, &["!bad_senml", "b@gw/t = 2"]),
        (r#"[{"n":"a","v":1,"vb":true}]"#, &["!bad_senml"]),
        (r#"[{"n":"a","v":"1"}]"#, &["!bad_senml"]),
        (r#"[{"n":"a","v":1},7]"#, &["!bad_senml", "a@gw/t = 1"]),
        (r#"[{"n":"a","v":1,"t":1e300}]"#, &["!time_out_of_range"]),
    ];
    for (pack, expected) in cases {
        assert_eq!(decode(&mut decoder(), "t", pack), expected, "{pack}");
    }
}

/// Section 6, figure 1: the pack of 5.1.2 in CBOR.
const CBOR: &[u8] = &[
    0x87, 0xa7, 0x21, 0x78, 0x1b, b'u', b'r', b'n', b':', b'd', b'e', b'v', b':', b'o', b'w', b':', b'1',
    b'0', b'e', b'2', b'0', b'7', b'3', b'a', b'0', b'1', b'0', b'8', b'0', b'0', b'6', b':', 0x22, 0xfb,
    0x41, 0xd3, 0x03, 0xa1, 0x5b, 0x00, 0x10, 0x62, 0x23, 0x61, b'A', 0x20, 0x05, 0x00, 0x67, b'v', b'o',
    b'l', b't', b'a', b'g', b'e', 0x01, 0x61, b'V', 0x02, 0xfb, 0x40, 0x5e, 0x06, 0x66, 0x66, 0x66, 0x66,
    0x66, 0xa3, 0x00, 0x67, b'c', b'u', b'r', b'r', b'e', b'n', b't', 0x06, 0x24, 0x02, 0xfb, 0x3f, 0xf3,
    0x33, 0x33, 0x33, 0x33, 0x33, 0x33,
];

#[test]
fn a_pack_in_cbor_is_read_and_one_that_breaks_off_keeps_what_came() {
    assert_eq!(
        decode(&mut decoder(), "t", CBOR),
        [
            "!bad_senml",
            "current@gw/urn:dev:ow:10e2073a0108006 unit=A = 1.2 @ 1276020071001000",
            "voltage@gw/urn:dev:ow:10e2073a0108006 unit=V = 120.1 @ 1276020076001000",
        ],
        "seven records are said to follow, two do"
    );
}

#[test]
fn indefinite_lengths_half_floats_and_decimal_fractions_are_read() {
    // [_ {_ 0: "t", 2: 4([-2, 27315])}, {0: "h", 2: 1.5_1}, {0: "b", 4: true, "x": [1, {}]}]
    let pack = [
        0x9f, 0xbf, 0x00, 0x61, b't', 0x02, 0xc4, 0x82, 0x21, 0x19, 0x6a, 0xb3, 0xff, 0xa2, 0x00, 0x61, b'h',
        0x02, 0xf9, 0x3e, 0x00, 0xa3, 0x00, 0x61, b'b', 0x04, 0xf5, 0x61, b'x', 0x82, 0x01, 0xa0, 0xff,
    ];
    assert_eq!(decode(&mut decoder(), "d", pack), ["b@gw/d = true", "h@gw/d = 1.5", "t@gw/d = 273.15"]);
}

#[test]
fn cbor_that_is_no_pack_is_left_to_the_default_mapping() {
    assert_eq!(decode(&mut decoder(), "t", [0x83, 1, 2, 3]), ["!not_utf8"]);
    assert_eq!(decode(&mut decoder(), "t", [0x80]), ["!not_utf8"]);
    // An array of 2^64-1 records.
    let boast = [0x9b, 255, 255, 255, 255, 255, 255, 255, 255, 0xa1, 0x00, 0x61, b'n'];
    assert_eq!(decode(&mut decoder(), "t", boast), ["!bad_senml", "!bad_senml"]);
}

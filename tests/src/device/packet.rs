//! The few MQTT 3.1.1 packets that a publisher and a subscriber need (OASIS MQTT 3.1.1, section 3).

const CONNECT: u8 = 0x10;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const QOS_1: u8 = 0x02;
const CLEAN_SESSION: u8 = 0x02;
const USER_AND_PASSWORD: u8 = 0xC0;
/// No keep-alive: these connections are never idle for long.
const KEEP_ALIVE: [u8; 2] = [0, 0];

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The session is open.
    Connected,
    /// The session is refused, with the reason's number.
    Refused(u8),
    /// A publish is acknowledged.
    Acknowledged(u16),
    /// A message for a subscriber.
    Published,
    /// Something that a publisher does not care about.
    Other,
}

/// Writes a CONNECT with a clean session.
pub(super) fn connect(out: &mut Vec<u8>, client: &str, login: Option<(&str, &str)>) {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.push(4);
    body.push(CLEAN_SESSION | if login.is_some() { USER_AND_PASSWORD } else { 0 });
    body.extend(KEEP_ALIVE);
    text(&mut body, client);
    if let Some((user, password)) = login {
        text(&mut body, user);
        text(&mut body, password);
    }
    packet(out, CONNECT, &[&body]);
}

/// Writes a PUBLISH with QoS 1.
pub(super) fn publish(out: &mut Vec<u8>, topic: &str, id: u16, payload: &[u8]) {
    let length = u16::try_from(topic.len()).expect("test topics are short").to_be_bytes();
    packet(out, PUBLISH | QOS_1, &[&length, topic.as_bytes(), &id.to_be_bytes(), payload]);
}

/// Writes a SUBSCRIBE with QoS 0.
pub(super) fn subscribe(out: &mut Vec<u8>, topic: &str) {
    let mut body = vec![0, 1];
    text(&mut body, topic);
    body.push(0);
    packet(out, SUBSCRIBE, &[&body]);
}

/// Takes the first whole packet off `bytes`, and says how long it was.
pub(super) fn take(bytes: &[u8]) -> Option<(Incoming, usize)> {
    let first = *bytes.first()?;
    let (mut length, mut shift, mut at) = (0, 0, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let body = bytes.get(at..at + length)?;
    let incoming = match (first >> 4, body) {
        (2, [_, 0]) => Incoming::Connected,
        (2, [_, reason]) => Incoming::Refused(*reason),
        (3, _) => Incoming::Published,
        (4, [high, low]) => Incoming::Acknowledged(u16::from_be_bytes([*high, *low])),
        _ => Incoming::Other,
    };
    Some((incoming, at + length))
}

fn packet(out: &mut Vec<u8>, first: u8, parts: &[&[u8]]) {
    out.push(first);
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    loop {
        let low = u8::try_from(length & 0x7F).expect("seven bits");
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).expect("test texts are short").to_be_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_laid_out_as_the_standard_says() {
        let mut out = Vec::new();
        publish(&mut out, "a/b", 10, b"hi");
        assert_eq!(out, [0x32, 9, 0, 3, b'a', b'/', b'b', 0, 10, b'h', b'i']);
    }

    #[test]
    fn packets_are_taken_only_when_they_are_whole() {
        assert_eq!(take(&[0x40, 2, 0]), None);
        assert_eq!(take(&[0x40, 2, 0, 7, 0x40]), Some((Incoming::Acknowledged(7), 4)));
        assert_eq!(take(&[0x20, 2, 0, 5]), Some((Incoming::Refused(5), 4)));
    }
}
